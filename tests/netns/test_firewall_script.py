"""The host's script with real iptables: it loads, replaces and takes off our rules, and no others.

Every test runs with both back ends.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pyinfra_swarm.firewall.iptables_rule import parse
from pyinfra_swarm.firewall.operations import AFTER_RESTORE
from pyinfra_swarm.firewall.paths import LISTS, LOCKS, RULES, SCRIPT, WATCH_FILE
from pyinfra_swarm.firewall.plan import plan
from pyinfra_swarm.firewall.policy import FAMILIES
from pyinfra_swarm.firewall.rules import JUMPS, MANAGED, WEB, chains, interface_rules, web_rules
from pyinfra_swarm.firewall.state import Host as Seen
from pyinfra_swarm.firewall.state import Tables
from pyinfra_swarm.firewall.wanted import declared
from pyinfra_swarm.firewall.web_ranges import SHIPPED, WebRanges
from pyinfra_swarm.rollback.plan import LATER, RESTORE_SCRIPT, ROOT
from pyinfra_swarm.run.findings import Change
from tests.netns.conftest import COMMANDS, INTERFACES, POLICY, Host

DOCKERS = """\
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:SOMEBODY - [0:0]
-A INPUT -i lo -m comment --comment "it's theirs" -j ACCEPT
-A INPUT -p tcp -m tcp --dport 9999 -j SOMEBODY
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER -p tcp -m tcp --dport 8080 -j ACCEPT
-A DOCKER-USER -m mark --mark 0x7 -j DROP
-A SOMEBODY -j DROP
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080
COMMIT
"""


def with_docker(host: Host) -> None:
    for command in COMMANDS.values():
        host.run(f"{command}-restore", "-w", text=DOCKERS)
    host.install()


def test_what_is_printed_is_what_was_declared(host: Host) -> None:
    host.install()
    host.firewall("load")
    for family in FAMILIES:
        expected = {
            **chains(POLICY, family),
            **interface_rules(INTERFACES),
            WEB: web_rules(SHIPPED[family]),
        }
        found = host.table(family)
        for name in MANAGED:
            assert list(map(parse, found[name])) == list(map(parse, expected[name])), name
        for chain, ours in JUMPS.items():
            assert found[chain] == (f"-j {ours}",)
        assert found["FORWARD"] == ("-j DOCKER-USER",)


def test_a_loaded_host_has_nothing_left_to_mend(host: Host) -> None:
    host.install()
    host.firewall("load")
    seen = Seen(
        tables={family: Tables(chains=host.table(family)) for family in FAMILIES},
        interfaces=INTERFACES,
        web=WebRanges({family: SHIPPED[family] for family in FAMILIES}),
    )
    left = plan(declared(POLICY, "daily"), seen)
    assert {finding.what for finding in left if isinstance(finding, Change)} <= {
        "firewall",  # its files lie below another root
        "docker.service",
    }


def test_loading_again_changes_nothing(host: Host) -> None:
    with_docker(host)
    host.firewall("load")
    once = [host.saved(family) for family in FAMILIES]
    host.firewall("load")
    assert [host.saved(family) for family in FAMILIES] == once


def test_nobody_elses_rules_are_touched(host: Host) -> None:
    with_docker(host)
    before = {family: host.saved(family).splitlines() for family in FAMILIES}
    host.firewall("load")
    for family in FAMILIES:
        theirs = [line for line in host.saved(family).splitlines() if "SWARM-" not in line]
        assert theirs == before[family]


def test_taking_it_off_leaves_the_tables_byte_for_byte(host: Host) -> None:
    with_docker(host)
    before = [host.saved(family) for family in FAMILIES]
    host.firewall("load")
    host.firewall("load")
    assert [host.saved(family) for family in FAMILIES] != before
    host.firewall("unload")
    assert [host.saved(family) for family in FAMILIES] == before


def test_a_docker_user_chain_that_we_made_goes_with_us(host: Host) -> None:
    for command in COMMANDS.values():
        host.run(f"{command} -A INPUT -s ::/0 -j ACCEPT || {command} -A INPUT -i lo -j ACCEPT")
    before = [host.saved(family) for family in FAMILIES]
    host.install()
    host.firewall("load")
    assert "DOCKER-USER" in host.table()
    host.firewall("unload")
    assert [host.saved(family) for family in FAMILIES] == before


def test_taking_it_off_where_it_never_was_is_no_error(host: Host) -> None:
    host.install()
    before = host.saved()
    assert host.firewall("unload").stderr == ""
    assert "SWARM" not in host.saved() + before


def test_our_jumps_go_first_again_and_stand_there_once(host: Host) -> None:
    with_docker(host)
    host.firewall("load")
    for command in COMMANDS.values():
        host.run(f"{command} -A INPUT -j SWARM-INPUT; {command} -I INPUT -j ACCEPT")
        host.run(f"{command} -I DOCKER-USER -j RETURN; {command} -D OUTPUT -j SWARM-OUTPUT")
    host.firewall("load")
    for family in FAMILIES:
        table = host.table(family)
        for chain, ours in JUMPS.items():
            assert table[chain][0] == f"-j {ours}"
            assert table[chain].count(f"-j {ours}") == 1
        assert table["INPUT"][1] == "-j ACCEPT"
        assert table["DOCKER-USER"][1] == "-j RETURN"


def silent(host: Host) -> Path:
    """A folder with an iptables that does not say what is there, for as long as it is there."""
    folder = host.path("/silent")
    folder.mkdir()
    for command in COMMANDS.values():
        stub = folder / command
        silence = "case $* in *-S) exit 4 ;; esac"
        stub.write_text(f'#!/bin/sh\n{silence}\nexec /usr/sbin/{command} "$@"\n')
        stub.chmod(0o755)
    return folder


def with_silence(script: str, folder: Path) -> str:
    return script.replace("\nPATH=", f"\nPATH={folder}:", 1)


def test_where_iptables_does_not_say_what_is_there_nothing_is_loaded(host: Host) -> None:
    """Its lock was held for too long, say; DOCKER-USER, taken for missing, would be emptied."""
    with_docker(host)
    host.firewall("load")
    before = [host.saved(family) for family in FAMILIES]
    script = host.path(SCRIPT)
    script.write_text(with_silence(script.read_text(), silent(host)))
    done = host.firewall("load", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"pyinfra-swarm: {family}: `{command} -S` failed, so no rules were loaded"
        for family, command in COMMANDS.items()
    ]
    assert [host.saved(family) for family in FAMILIES] == before
    done = host.firewall("unload", check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"pyinfra-swarm: {family}: `{command} -S` failed, so it is unknown whether the "
        "rules are out"
        for family, command in COMMANDS.items()
    ]


def test_what_somebody_put_into_our_chains_is_gone_after_loading(host: Host) -> None:
    host.install()
    host.firewall("load")
    before = host.saved()
    host.run("iptables -I SWARM-INPUT -j ACCEPT; iptables -F SWARM-PUBLISHED")
    host.firewall("load")
    assert host.saved() == before


@pytest.mark.parametrize(
    "damage",
    [
        "sed -i '/-j DROP$/s/DROP/NOWHERE/' {}",
        "sed -i 's/--dport 7946/--dport seven/' {}",
        "sed -i '/^COMMIT/d' {}",
        "sed -i 's/^-A SWARM-OUTPUT/-A SWARM-OUTFLOW/' {}",
        ": > {}",
        "rm {}",
        "head -c 900 {0} > {0}.x; mv {0}.x {0}",
    ],
)
def test_broken_rules_load_nothing_and_the_old_ones_stay(host: Host, damage: str) -> None:
    with_docker(host)
    host.firewall("load")
    before = [host.saved(family) for family in FAMILIES]
    host.run(damage.format(host.path(RULES["ipv4"])))
    failed = host.firewall("load", check=False)
    assert failed.returncode in (1, 2)
    assert "ipv4" in failed.stderr
    if damage in (": > {}", "rm {}"):
        assert failed.stderr.splitlines() == [
            f"pyinfra-swarm: ipv4: {host.path(RULES['ipv4'])} is missing or empty, so no rules "
            "were loaded"
        ]
    else:
        assert "is missing or empty" not in failed.stderr
    assert [host.saved(family) for family in FAMILIES] == before


def test_one_broken_family_does_not_keep_the_other_open(host: Host) -> None:
    host.install()
    host.path(RULES["ipv4"]).write_text("*filter\n-A NOWHERE -j DROP\nCOMMIT\n")
    assert host.firewall("load", check=False).returncode == 1
    assert "SWARM-INPUT" in host.table("ipv6")


@pytest.mark.parametrize(
    "content", ["", "<html>\n", "104.16.0.0/13\nwrong\n", "012.0.0.0/8\n", None], ids=repr
)
def test_without_a_sound_list_the_web_ports_are_closed_and_all_else_is_loaded(
    host: Host, content: str | None
) -> None:
    host.install()
    host.list("ipv4").unlink()
    if content is not None:
        host.list("ipv4").write_text(content)
    done = host.firewall("load")
    assert "the web ports are closed" in done.stderr
    assert host.table()[WEB] == ("-j DROP",)
    assert len(host.table("ipv6")[WEB]) == len(SHIPPED["ipv6"]) + 1


def test_a_list_as_an_editor_leaves_it_counts_whole(host: Host) -> None:
    host.install()
    host.list("ipv4").write_bytes(b"104.16.0.0/13\r\n\r\n131.0.72.0/22")
    host.firewall("load")
    assert host.table()[WEB] == web_rules(["104.16.0.0/13", "131.0.72.0/22"])


def test_where_the_web_ports_are_not_cloudflares_a_refresh_is_refused(host: Host) -> None:
    host.install(type(POLICY)(peers=POLICY.peers, manager=True, web="closed"))
    host.firewall("load")
    failed = host.firewall("refresh", check=False)
    assert failed.returncode == 1
    assert "nothing to refresh" in failed.stderr
    assert host.table()[WEB] == ("-j DROP",)
    assert not host.path(f"{LISTS}/status").exists()


def test_two_at_once_come_one_after_the_other(host: Host) -> None:
    with_docker(host)
    script = str(host.path("/usr/local/lib/pyinfra-swarm/firewall"))
    running = [host.start("sh", script, "load", FIREWALL_ROOT=str(host.root)) for _ in range(4)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0, 0]
    once = host.saved()
    host.firewall("load")
    assert host.saved() == once


AS_NOBODY = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups")


def test_a_user_without_sudo_cannot_hold_its_locks(host: Host) -> None:
    with_docker(host)
    host.run(f"mount --bind {host.path('/run')} /run")
    host.firewall("load")
    for lock in LOCKS:
        host.run(f"test -e {lock}")
        held = host.run(*AS_NOBODY, "flock", "--nonblock", lock, "true", check=False)
        assert "Permission denied" in held.stderr, held


def unconfirmed(host: Host, stubs: Path) -> None:
    """Our rules are loaded, and the host is about to undo that; iptables is silent."""
    place = host.path(f"{ROOT}/firewall")
    place.mkdir(parents=True)
    after = with_silence(AFTER_RESTORE, stubs)
    for path in (SCRIPT, WATCH_FILE):
        after = after.replace(path, str(host.path(path)))
    (place / "after").write_text(f"systemctl() {{ :; }}\n{after}")
    for name in ("files", "armed"):
        (place / name).touch()
    restore = host.path("/restore")
    restore.write_text(RESTORE_SCRIPT.replace(ROOT, str(host.path(ROOT))))


def undone(host: Host) -> int:
    """What the timer starts; the exit code."""
    command = ("sh", str(host.path("/restore")), "firewall")
    return host.run(*command, check=False, FIREWALL_ROOT=str(host.root)).returncode


def test_a_rollback_whose_old_rules_could_not_be_loaded_loads_them_later(host: Host) -> None:
    host.install()
    host.firewall("load")
    before = [host.saved(family) for family in FAMILIES]
    for command in COMMANDS.values():
        host.run(f"{command} -I SWARM-INPUT -j DROP")
    stubs = silent(host)
    script = host.path(SCRIPT)
    script.write_text(with_silence(script.read_text(), stubs))
    unconfirmed(host, stubs)
    assert undone(host) == undone(host) == LATER
    assert [host.saved(family) for family in FAMILIES] != before
    shutil.rmtree(stubs)
    assert undone(host) == 0
    assert [host.saved(family) for family in FAMILIES] == before
    assert host.path(f"{ROOT}/firewall/restored").exists()


def test_a_rollback_that_could_not_take_the_rules_out_takes_them_out_later(host: Host) -> None:
    with_docker(host)
    before = [host.saved(family) for family in FAMILIES]
    host.firewall("load")
    stubs = silent(host)
    unconfirmed(host, stubs)
    for path in (SCRIPT, WATCH_FILE):
        host.path(path).unlink()
    for command in COMMANDS.values():
        (stubs / command).write_text("#!/bin/sh\nexit 4\n")
    assert undone(host) == undone(host) == LATER
    assert [host.saved(family) for family in FAMILIES] != before
    shutil.rmtree(stubs)
    assert undone(host) == 0
    assert [host.saved(family) for family in FAMILIES] == before
