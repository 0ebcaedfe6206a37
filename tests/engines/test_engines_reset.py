"""A cluster of real engines taken apart, also one that has lost its quorum."""

from __future__ import annotations

from tests.engines.conftest import SWARM
from tests.engines.hosts import Hosts
from tests.scenarios.conftest import Run, changes_in, lines_with

MANAGERS, WORKERS = ("rk1", "rk2", "rk3"), ("rk4",)


def reset(hosts: Hosts, *arguments: str) -> Run:
    return hosts.pyinfra(*(arguments or ("-y",)), "inventory.py", "deploys/reset.py")


def confirmed(hosts: Hosts) -> Run:
    return hosts.pyinfra("-y", "inventory.py", "deploys/reset.py", "--data", "confirm=engines")


def states(hosts: Hosts) -> set[str]:
    return {hosts.swarm(name)["LocalNodeState"] for name in hosts}


def test_everybody_leaves_the_leader_last_and_a_second_run_finds_nothing(hosts: Hosts) -> None:
    hosts.settings(MANAGERS, WORKERS)
    assert hosts.pyinfra("-y", *SWARM).returncode == 0
    planned = reset(hosts, "--dry")
    assert planned.returncode == 0, planned.output
    assert len(lines_with(planned.output, ("~ reset", "this host leaves it"))) == 4
    refused = reset(hosts)
    assert refused.returncode == 1
    assert "the swarm of rk1, rk2, rk3 and rk4 ends without services" in refused.output
    assert "--data confirm=engines" in refused.closing
    alone = reset(hosts, "-y", "--limit", "rk4")
    assert alone.returncode == 1
    assert "--limit: leaves out rk1, rk2 and rk3: a reset ends the swarm of all" in alone.closing
    assert states(hosts) == {"active"}
    run = confirmed(hosts)
    assert run.returncode == 0, run.output
    assert states(hosts) == {"inactive"}
    said = [
        line.split("]")[0].strip(" [") for line in lines_with(run.output, ("~ reset", "leaves"))
    ]
    assert said[0] == "rk4"
    again = hosts.pyinfra("-y", "--json", "inventory.py", "deploys/reset.py")
    assert again.returncode == 0, again.output  # with nothing to do no word is asked for
    assert not changes_in(again.json)


def test_a_swarm_without_a_quorum_can_be_reset_and_founded_again(hosts: Hosts) -> None:
    hosts.settings(MANAGERS, WORKERS)
    assert hosts.pyinfra("-y", *SWARM).returncode == 0
    for name in ("rk2", "rk3"):
        hosts.docker(name, "swarm", "leave", "--force")
    run = confirmed(hosts)
    assert run.returncode == 0, run.output
    assert states(hosts) == {"inactive"}
    run = hosts.pyinfra("-y", *SWARM)
    assert run.returncode == 0, run.output
    assert set(hosts.nodes("rk1")) == {*MANAGERS, *WORKERS}


def test_an_engine_that_was_not_restarted_without_our_settings_is_by_the_next_run(
    hosts: Hosts,
) -> None:
    hosts.settings(MANAGERS, WORKERS)
    file = "/etc/docker/daemon.json"
    packages = "#!/bin/sh\necho docker-ce installed install\n"
    dies = '#!/bin/sh\n[ "$1" != restart ] || exit 1\nexec /usr/bin/systemctl "$@"\n'
    hosts.run("rk1", f"mkdir -p /etc/docker; echo '{{\"debug\": true}}' > {file}")
    hosts.run("rk1", "cat > /usr/local/bin/dpkg-query", text=packages)
    hosts.run("rk1", "cat > /usr/local/bin/systemctl", text=dies)
    hosts.run("rk1", "chmod 755 /usr/local/bin/*; /usr/bin/systemctl restart docker")
    assert hosts.api("rk1", "/info")["Debug"]
    broken = confirmed(hosts)
    assert broken.returncode == 1
    assert hosts.run("rk1", f"ls {file}", check=False).returncode != 0
    assert hosts.api("rk1", "/info")["Debug"], "it still has what it has read"
    hosts.run("rk1", "rm /usr/local/bin/systemctl")
    run = confirmed(hosts)
    assert run.returncode == 0, run.output
    assert not hosts.api("rk1", "/info")["Debug"]
    again = hosts.pyinfra("-y", "--json", "inventory.py", "deploys/reset.py")
    assert not changes_in(again.json), again.output
