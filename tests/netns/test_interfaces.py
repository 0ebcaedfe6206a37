"""The host finds out by itself which interfaces are Docker's bridges, and nobody else's get in.

Interfaces, iptables and the script are real; the engine is a program that answers as its command
line does. The real one is in tests/engines/test_engines_bridges.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from pyinfra_swarm.firewall.docker_bridges import DOCKERS_OWN, Interfaces, parse_list
from pyinfra_swarm.firewall.paths import INTERFACE_LIST, LOCKS, SCRIPT
from pyinfra_swarm.firewall.policy import FAMILIES
from pyinfra_swarm.firewall.rules import BRIDGES, CONTAINERS, interface_rules
from tests.netns.conftest import COMMANDS, Host

BY_ID, OTHER_ID = "0123456789ab", "fedcba987654"
before_iptables = pytest.mark.parametrize("host", ["nft"], indirect=True)
"""For what is decided before iptables is asked, so that the back end is all the same."""

_ENGINE = """\
#!/bin/sh
echo "$*" >> {0}/asked
[ -e {0}/networks ] || exit 1
case $* in
*' network ls '*) cut -d' ' -f1 {0}/networks ;;
*' network inspect '*) cat {0}/networks ;;
esac
"""


class Engine:
    """Answers with networks: an id to the bridge's own name, empty where it goes by the id."""

    def __init__(self, host: Host) -> None:
        self.folder = host.path("/engine")
        self.folder.mkdir()
        program = self.folder / "docker"
        program.write_text(_ENGINE.format(self.folder))
        program.chmod(0o755)
        self.host = host
        self.asked = self.folder / "asked"
        host.run("printf 1 > /run/docker.pid")  # as Docker writes it

    def has(self, **networks: str) -> None:
        lines = [f'{name.strip("_") + "0" * 52} "{own}"' for name, own in networks.items()]
        new = self.folder / "new"
        new.write_text("\n".join(lines) + "\n")
        new.rename(self.folder / "networks")

    def is_silent(self) -> None:
        (self.folder / "networks").unlink()


@pytest.fixture
def engine(host: Host) -> Engine:
    """A host whose firewall is loaded, that knows no interface, and has no network but docker0."""
    made = Engine(host)
    host.install()
    script = host.path(SCRIPT)
    script.write_text(script.read_text().replace("\nPATH=", f"\nPATH={made.folder}:", 1))
    host.path(INTERFACE_LIST).unlink()
    host.firewall("load")
    host.run("ip link add docker0 type bridge; ip tuntap add eth0 mode tap")
    made.has(aaaaaaaaaaaa="docker0")
    return made


def listed(host: Host) -> Interfaces:
    return parse_list(host.path(INTERFACE_LIST).read_text().splitlines())


def in_force(host: Host, interfaces: Interfaces) -> bool:
    """Whether both families' rules are what the list means."""
    wanted = interface_rules(interfaces)
    return all(
        {name: host.table(family)[name] for name in (BRIDGES, CONTAINERS)} == wanted
        for family in FAMILIES
    )


def until(holds: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.1)


def test_dockers_bridges_are_inside_and_all_others_are_not(host: Host, engine: Engine) -> None:
    host.run(
        f"for name in br-{BY_ID} db0 br-lan br-ex br-{OTHER_ID} virbr0; do"
        " ip link add $name type bridge; done;"
        " ip link add veth0 type veth peer name end0; ip link set veth0 master db0;"
        " ip tuntap add port mode tap; ip link set port master br-ex"
    )
    engine.has(aaaaaaaaaaaa="docker0", _0123456789ab="", bbbbbbbbbbbb="db0")
    host.firewall("look")
    found = listed(host)
    assert set(found.docker) == {"docker0", "docker_gwbridge", f"br-{BY_ID}", "db0"}
    assert set(found.outside) == {
        *("br-ex", "br-lan", f"br-{OTHER_ID}", "virbr0"),
        *("end0", "eth0", "port"),
    }
    assert in_force(host, found)


@before_iptables
def test_a_container_that_comes_while_the_host_looks_is_no_interface_of_its_own(
    host: Host, engine: Engine
) -> None:
    """After each answer of the kernel there is one more, with its end in Docker's bridge."""
    before = engine.folder / "before"
    program = engine.folder / "ip"
    program.write_text(
        f"""#!/bin/sh
PATH=${{PATH#*:}}
ip "$@"
echo >> {before}
at=$(wc -l < {before})
ip link add vethc$at type veth peer name end$at >&2
ip link set vethc$at master docker0 >&2
"""
    )
    program.chmod(0o755)
    host.firewall("look")
    assert before.exists()
    found = listed(host)
    assert found.shared == ()
    assert not [name for name in found.outside if name.startswith("veth")]


def test_a_network_that_is_made_on_a_bridge_with_a_network_card_trusts_nobody(
    host: Host, engine: Engine
) -> None:
    host.run("ip link add br0 type bridge; ip link set eth0 master br0")
    engine.has(aaaaaaaaaaaa="docker0", bbbbbbbbbbbb="br0")
    host.firewall("look")
    assert listed(host).shared == ("br0",)
    assert not any("br0" in rule for rule in (*host.table()[BRIDGES], *host.table()[CONTAINERS]))


@pytest.mark.parametrize("name", DOCKERS_OWN)
def test_a_network_card_in_a_bridge_of_dockers_own_ends_its_trust(
    host: Host, engine: Engine, name: str
) -> None:
    host.run(f"ip link show {name} >/dev/null 2>&1 || ip link add {name} type bridge")
    host.run(f"ip link set eth0 master {name}")
    for command in ("look", "load"):
        host.firewall(command)
        assert listed(host).shared == (name,)
        assert not any(name in rule for rule in (*host.table()[BRIDGES], *host.table()[CONTAINERS]))
        assert in_force(host, listed(host))
    host.run("ip link set eth0 nomaster")
    host.firewall("look")
    assert f"-i {name} -j ACCEPT" in host.table()[BRIDGES]
    assert in_force(host, listed(host))


@before_iptables
def test_a_network_that_goes_takes_its_trust_along(host: Host, engine: Engine) -> None:
    host.run("ip link add db0 type bridge")
    engine.has(aaaaaaaaaaaa="docker0", bbbbbbbbbbbb="db0")
    host.firewall("look")
    assert "db0" in listed(host).docker
    engine.has(aaaaaaaaaaaa="docker0")
    host.firewall("look")
    assert "db0" in listed(host).outside
    assert in_force(host, listed(host))


@before_iptables
def test_a_bridge_that_docker_is_about_to_make_is_never_taken_for_outside(
    host: Host, engine: Engine
) -> None:
    host.run("ip link add db0 type bridge")
    looking = host.start("sh", str(host.path(SCRIPT)), "look", FIREWALL_ROOT=str(host.root))
    time.sleep(1)
    engine.has(aaaaaaaaaaaa="docker0", bbbbbbbbbbbb="db0")
    said, _ = looking.communicate(timeout=30)
    assert "outside=db0" not in said
    assert "docker=db0" in said


@before_iptables
def test_an_engine_that_is_silent_changes_nothing_about_its_bridges(
    host: Host, engine: Engine
) -> None:
    host.run("ip link add db0 type bridge")
    engine.has(aaaaaaaaaaaa="docker0", bbbbbbbbbbbb="db0")
    host.firewall("look")
    engine.is_silent()
    host.run("ip link add new0 type bridge; ip tuntap add wg0 mode tap")
    host.firewall("look")
    found = listed(host)
    assert "db0" in found.docker
    assert "wg0" in found.outside
    assert "new0" not in (*found.docker, *found.outside), "it may be Docker's"


@before_iptables
def test_an_engine_that_does_not_run_is_not_asked(host: Host, engine: Engine) -> None:
    """systemd starts it for whoever connects to its socket."""
    host.run("echo 4194305 > /run/docker.pid")  # more than any process's
    host.firewall("look")
    host.run("rm /run/docker.pid")
    host.firewall("look")
    assert not engine.asked.exists()
    assert "eth0" in listed(host).outside


@before_iptables
@pytest.mark.parametrize("name", ["br-+", "+", "x+", "it's", "a$b", "!a", "é"])
def test_a_name_that_iptables_could_take_for_more_is_in_no_rule(
    host: Host, engine: Engine, name: str
) -> None:
    host.run("ip", "link", "add", "name", name, "type", "bridge")
    host.run("ip", "tuntap", "add", f"{name}2", "mode", "tap")
    engine.has(aaaaaaaaaaaa="docker0", bbbbbbbbbbbb=name, cccccccccccc="a b", dddddddddddd="b c")
    host.firewall("look")
    assert set(listed(host).docker) == {"docker0", "docker_gwbridge"}
    assert listed(host).outside == ("eth0",)
    assert in_force(host, listed(host))


@before_iptables
def test_a_refresh_that_waits_for_cloudflare_does_not_hold_it_up(
    host: Host, engine: Engine
) -> None:
    holder = host.start("flock", str(host.path(LOCKS[0])), "sleep", "60")
    try:
        time.sleep(0.3)
        host.firewall("look")
        assert "eth0" in listed(host).outside
    finally:
        holder.kill()


def test_what_was_known_is_in_force_at_boot_before_docker_is(host: Host, engine: Engine) -> None:
    host.run(f"ip link add br-{BY_ID} type bridge")
    engine.has(aaaaaaaaaaaa="docker0", _0123456789ab="")
    host.firewall("look")
    before = [host.saved(family) for family in FAMILIES]
    host.firewall("unload")
    host.run(f"rm /run/docker.pid; ip link del br-{BY_ID}; ip link del docker0")
    host.firewall("load")
    assert [host.saved(family) for family in FAMILIES] == before


@before_iptables
def test_rules_that_could_not_be_loaded_are_tried_again(host: Host, engine: Engine) -> None:
    stub = engine.folder / "ip6tables-restore"
    stub.write_text("#!/bin/sh\nexit 1\n")
    stub.chmod(0o755)
    failed = host.firewall("look", check=False)
    assert failed.returncode == 1
    assert "ipv6: the rules for Docker's bridges were not loaded" in failed.stderr
    assert not host.path(INTERFACE_LIST).exists()
    stub.unlink()
    host.firewall("look")
    assert in_force(host, listed(host))


@pytest.fixture
def watching(host: Host, engine: Engine) -> Iterator[subprocess.Popen[str]]:
    """The script as its unit runs it."""
    script = str(host.path(SCRIPT))
    made = host.start("setsid", "sh", script, "watch", FIREWALL_ROOT=str(host.root))
    try:
        until(lambda: host.path(INTERFACE_LIST).exists(), "a first look")
        yield made
    finally:
        os.killpg(made.pid, signal.SIGTERM)
        made.wait(timeout=10)


def test_interfaces_that_come_and_go_are_seen_at_once(
    host: Host, engine: Engine, watching: subprocess.Popen[str]
) -> None:
    engine.has(aaaaaaaaaaaa="docker0", _0123456789ab="")
    host.run(f"ip link add br-{BY_ID} type bridge")
    until(lambda: f"br-{BY_ID}" in listed(host).docker, "Docker's new bridge")
    host.run("ip link add br-lan type bridge; ip tuntap add wg0 mode tap")
    until(lambda: {"br-lan", "wg0"} <= {*listed(host).outside}, "other people's")
    engine.has(aaaaaaaaaaaa="docker0")
    host.run(f"ip link del br-{BY_ID}; ip link del wg0")
    until(lambda: set(listed(host).docker) == {"docker0", "docker_gwbridge"}, "it to be gone")
    until(lambda: set(listed(host).outside) == {"br-lan", "eth0"}, "the other to be gone")
    until(lambda: in_force(host, listed(host)), "the rules to say the same")


@before_iptables
def test_rules_that_somebody_has_changed_are_put_right_when_it_starts(
    host: Host, engine: Engine
) -> None:
    host.firewall("look")
    for command in COMMANDS.values():
        host.run(f"{command} -A SWARM-BRIDGES -i eth0 -j ACCEPT; {command} -F SWARM-CONTAINERS")
    script = str(host.path(SCRIPT))
    anew = host.start("timeout", "9", "sh", script, "watch", FIREWALL_ROOT=str(host.root))
    until(lambda: in_force(host, listed(host)), "the rules to be right")
    anew.wait(timeout=15)
