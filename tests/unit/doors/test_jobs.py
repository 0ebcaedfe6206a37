"""Jobs that could undo what is managed: which lines do, which only look."""

from __future__ import annotations

import subprocess

import pytest

from pyinfra_swarm.doors.jobs import AGENTS, TOOLS, Wanted, plan
from pyinfra_swarm.doors.seen import Agent, Doors, Job
from pyinfra_swarm.run.findings import Finding, Notice, Refusal

PATH = "/etc/cron.d/x"


def named(*jobs: Job, wanted: Wanted | None = None) -> list[Finding]:
    return plan(wanted or Wanted(), Doors(jobs=jobs))


@pytest.mark.parametrize(
    "line",
    [
        "iptables -F",
        "/sbin/iptables -t nat -F",
        "iptables -P INPUT ACCEPT",
        "ip6tables -w 5 -X",
        "iptables-restore /etc/iptables/rules.v4",
        "iptables-legacy-restore < x",
        "nft flush ruleset",
        "nft -f /etc/nftables.conf",
        "ufw --force enable",
        "ufw reload",
        "netfilter-persistent reload",
        "systemctl restart nftables",
        "systemctl reload ufw.service",
        "ExecStartPre=-/sbin/iptables -F",
        "firewall-cmd --reload",
        "ExecStart=/usr/sbin/iptables -F FORWARD",
        "iptables -L >/dev/null && iptables -F",
    ],
)
def test_lines_that_take_the_rules_away(line: str) -> None:
    [finding] = named(Job(PATH, line))
    assert isinstance(finding, Refusal)
    assert (finding.what, finding.found) == (PATH, line)
    assert finding.reason.startswith("a job takes the managed rules of the firewall away")


@pytest.mark.parametrize(
    "line",
    [
        "# iptables -F",
        "; nft flush ruleset",
        "iptables -L -n",
        "iptables -nvL | mail root",
        "iptables -t nat -S",
        "nft list ruleset",
        "ufw status",
        "iptables-save > /root/rules",
        "echo puppets",
        "for command in iptables ip6tables; do",
        'update-alternatives --quiet --set "$command" "/usr/sbin/$command-$(cat /etc/board)"',
        "command -v nft ufw iptables",
        "apt-get install -y iptables nftables",
        "cat /etc/default/ufw",
        "chmod 600 /etc/ufw/ufw.conf",
        "logger -t iptables.log x",
        "my-iptables-report",
    ],
)
def test_lines_that_only_look_or_are_about_something_else(line: str) -> None:
    assert named(Job(PATH, line)) == named(Job(PATH, f"  {line}")) == []


def test_a_restore_that_adds_to_what_is_there_is_no_flush() -> None:
    assert [type(one) for one in named(Job(PATH, "iptables-restore --noflush < x"))] == [Notice]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("iptables -A INPUT -j ACCEPT", "changes the rules of the firewall, beside"),
        ("netfilter-persistent save", "changes the rules of the firewall, beside"),
        ("ipset add web 192.0.2.1", "changes the rules of the firewall, beside"),
        ("ansible-pull -U https://x", "runs another configuration tool;"),
        ("ExecStart=/opt/puppetlabs/bin/puppet agent", "runs another configuration tool;"),
    ],
)
@pytest.mark.parametrize("script", [True, False])
def test_other_lines_are_told(line: str, reason: str, script: bool) -> None:
    whose = "a script that a job runs" if script else "a job"
    [finding] = named(Job(PATH, line, script))
    assert isinstance(finding, Notice)
    assert finding.reason.startswith(f"{whose} {reason}")
    assert f'access.jobs: "{PATH}"' in finding.remedy
    assert named(Job(PATH, line, script), wanted=Wanted(accepted=[PATH])) == []


def test_of_a_file_the_line_that_matters_most_is_told() -> None:
    adds, takes = "iptables -A INPUT -j ACCEPT", "iptables -F"
    [finding] = named(Job(PATH, adds), Job(PATH, takes), Job(PATH, "ufw reload"))
    assert finding.found == takes
    [finding] = named(Job(PATH, adds), Job(PATH, "ansible-pull"))
    assert finding.found == adds


def test_each_file_is_told_once_and_where_the_firewall_is_not_managed_nothing_is_undone() -> None:
    jobs = [Job(PATH, "iptables -F"), Job("/etc/cron.d/y", "iptables -F")]
    assert [one.what for one in named(*jobs)] == [PATH, "/etc/cron.d/y"]
    found = named(*jobs, wanted=Wanted(firewall=False))
    assert [type(one) for one in found] == [Notice, Notice]


def test_agents_are_told_with_what_they_do() -> None:
    seen = Doors(agents=(Agent("puppet", "running"), Agent("salt-minion", "enabled")))
    assert [(one.what, one.found) for one in plan(Wanted(), seen)] == [
        ("puppet.service", "running"),
        ("salt-minion.service", "enabled"),
    ]
    assert [one.what for one in plan(Wanted(accepted=["puppet"]), seen)] == ["salt-minion.service"]
    assert {*AGENTS} >= {
        *("puppet", "chef-client", "cinc-client", "salt-minion", "cfengine3", "rudder-agent"),
        *("landscape-client", "amazon-ssm-agent"),
    }


@pytest.mark.parametrize(
    ("line", "looked_at"),
    [
        ("iptables -F", True),
        ("/usr/sbin/ip6tables-legacy-restore x", True),
        ("systemctl restart nftables", True),
        ("nftables.service", True),
        ("nft", True),
        ("run=ufw;", True),
        ("salt-call state.apply", True),
        ("my-iptables", False),
        ("iptables_old", False),
        ("x.ufw", False),
        ("puppets", False),
    ],
)
def test_the_host_looks_for_lines_by_the_same_names(line: str, looked_at: bool) -> None:
    said = subprocess.run(["grep", "-E", "--", TOOLS], input=line, text=True, capture_output=True)
    assert (said.returncode == 0) == looked_at
