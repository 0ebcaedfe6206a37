"""What listens beyond a host's own loopback: what is known, and how the rest is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pyinfra_swarm.doors.listening import Reach, Wanted, plan
from pyinfra_swarm.doors.seen import Doors, Listener
from pyinfra_swarm.run.findings import Finding

NC = Listener("tcp", "0.0.0.0", 4444, ("nc",), (9,))
OTHER_SSHD = "sshd: /usr/sbin/sshd -p 2222 [listener] 0 of 10-100 startups"


def named(*listeners: Listener, wanted: Wanted | None = None, **servers: str) -> list[Finding]:
    """servers: the words of an SSH server, by its process number behind a ``p``."""
    running = tuple((int(pid[1:]), words) for pid, words in servers.items())
    seen = Doors(listeners=listeners, ephemeral=(40000, 50000), ssh_servers=running)
    return plan(wanted or Wanted(), seen)


@pytest.mark.parametrize(
    "known",
    [
        *(replace(NC, address=address) for address in ("127.0.0.1", "127.0.0.53", "::1")),
        Listener("udp", "0.0.0.0", 40000, ("named",), (9,)),
        Listener("udp", "0.0.0.0", 50000, ("named",), (9,)),
        Listener("tcp", "0.0.0.0", 22, ("sshd",), (9,)),
        Listener("tcp", "*", 22, ("systemd", "sshd"), (1, 9)),
        Listener("tcp", "*", 22, ("sshd-session", "sshd-auth"), (1, 9)),
        Listener("tcp", "*", 22, ("systemd", "sshd", "sshd-session", "sshd-auth"), (1, 9)),
        Listener("tcp", "*", 8080, ("dockerd", "docker-proxy", "rootlesskit"), (9,)),
        Listener("udp", "*", 123, ("ntpd", "chronyd", "openntpd", "ntpsec"), (9,)),
        Listener("udp", "0.0.0.0", 4789),
        Listener("tcp", "*", 2377, ("dockerd",), (9,)),
        Listener("tcp", "*", 8080, ("docker-proxy",), (9,)),
        Listener("tcp", "*", 8080, ("rootlesskit",), (9,)),
        *(
            Listener("udp", "*", port, (name,), (9,))
            for port in (68, 546)
            for name in ("dhclient", "dhcpcd", "systemd-network", "NetworkManager", "udhcpc")
        ),
        *(
            Listener("udp", "*", 123, (name,), (9,))
            for name in ("ntpd", "chronyd", "openntpd", "ntpsec")
        ),
        Listener("udp", "*", 68, ("connmand",), (9,)),
        Listener("udp", "*", 546, ("connmand",), (9,)),
    ],
    ids=repr,
)
def test_what_a_host_of_a_swarm_has_is_known(known: Listener) -> None:
    assert named(known) == []


@pytest.mark.parametrize(
    "strange",
    [
        NC,
        replace(NC, address="::"),
        replace(NC, address="192.168.1.11"),
        replace(NC, processes=("dockerd", "nc")),
        replace(NC, processes=()),
        Listener("udp", "0.0.0.0", 39999, ("named",), (9,)),
        Listener("udp", "0.0.0.0", 50001, ("named",), (9,)),
        Listener("udp", "0.0.0.0", 45000),
        Listener("tcp", "0.0.0.0", 45000, ("named",), (9,)),
        Listener("tcp", "0.0.0.0", 22, ("sshd", "nc"), (9,)),
        Listener("tcp", "0.0.0.0", 22),
        Listener("tcp", "0.0.0.0", 2222, ("sshd",), (9,)),
        Listener("tcp", "0.0.0.0", 2222, ("systemd",), (1,)),
        Listener("udp", "0.0.0.0", 22, ("sshd",), (9,)),
        Listener("tcp", "0.0.0.0", 4789),
        Listener("udp", "0.0.0.0", 4789, ("nc",), (9,)),
        Listener("udp", "*", 123, ("dhclient",), (9,)),
        Listener("udp", "*", 68),
        Listener("tcp", "*", 123, ("ntpd",), (9,)),
    ],
    ids=repr,
)
def test_what_is_not_known_is_told(strange: Listener) -> None:
    [finding] = named(strange)
    name = f"{strange.port}/{strange.protocol}"
    assert finding.what == f"listening {name}"
    assert f'access.listening: "{name}"' in finding.remedy


@pytest.mark.parametrize(
    ("wanted", "known"),
    [
        (Wanted(openings=[("tcp", 4444, 4444)]), True),
        (Wanted(openings=[("tcp", 4440, 4444)]), True),
        (Wanted(openings=[("tcp", 4444, 4450)]), True),
        (Wanted(openings=[("tcp", 4445, 4450)]), False),
        (Wanted(openings=[("tcp", 4440, 4443)]), False),
        (Wanted(openings=[("udp", 4444, 4444)]), False),
        (Wanted(accepted=["4444/tcp"]), True),
        (Wanted(accepted=["4444/udp"]), False),
        (Wanted(accepted=["nc", "x"]), True),
        (Wanted(accepted=["n"]), False),
        (Wanted(ssh_ports=[4444]), False),
        (Wanted(data_path=4444), False),
    ],
    ids=repr,
)
def test_what_is_declared_is_known(wanted: Wanted, known: bool) -> None:
    assert (named(NC, wanted=wanted) == []) == known


def test_a_port_whose_processes_are_not_all_accepted_is_told() -> None:
    both = replace(NC, processes=("nc", "socat"))
    assert named(both, wanted=Wanted(accepted=["nc", "socat"])) == []
    assert len(named(both, wanted=Wanted(accepted=["nc"]))) == 1
    assert len(named(replace(NC, processes=()), wanted=Wanted(accepted=["nc"]))) == 1


@pytest.mark.parametrize(
    ("reach", "reason", "remedy"),
    [
        ("closed", "the firewall shuts it to the outside; containers on this host", True),
        ("open", "the firewall lets it through (firewall.inbound), so everybody", False),
        ("unmanaged", "no firewall of this project is there (firewall.enabled)", False),
    ],
)
def test_who_reaches_a_port_is_told(reach: Reach, reason: str, remedy: bool) -> None:
    [finding] = named(NC, wanted=Wanted(reach=reach))
    assert finding.reason.startswith(f"nc listens there, which is not declared; {reason}")
    assert finding.remedy.endswith("; firewall.open opens it") == remedy


def test_a_port_is_told_once_with_all_its_addresses_and_programs() -> None:
    listeners = [
        NC,
        replace(NC, address="::", processes=("nc", "socat")),
        replace(NC, address="*"),
        replace(NC, address="192.168.1.11"),
        NC,
    ]
    [finding] = named(*listeners)
    assert finding.found == "all IPv4 addresses, all IPv6 addresses, all addresses and 192.168.1.11"
    assert finding.reason.startswith("nc and socat listen there")
    other = Listener("udp", "0.0.0.0", 4444, ("nc",), (9,))
    assert [one.what for one in named(NC, other)] == ["listening 4444/tcp", "listening 4444/udp"]


def test_what_no_process_is_seen_behind_is_the_kernels() -> None:
    [finding] = named(replace(NC, processes=()))
    assert finding.reason.startswith("the kernel, or a process that is not seen, listens there")


SSHD = Listener("tcp", "127.0.0.1", 2222, ("sshd",), (7,))


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_another_ssh_server_is_told_also_on_loopback(address: str) -> None:
    [finding] = named(replace(SSHD, address=address), p7=OTHER_SSHD)
    assert finding.what == "SSH server at 2222/tcp"
    shown = "all IPv4 addresses" if address == "0.0.0.0" else address
    assert finding.found == f"{OTHER_SSHD} at {shown}"
    assert 'access.listening: "2222/tcp"' in finding.remedy


@pytest.mark.parametrize(
    ("wanted", "words", "told"),
    [
        (Wanted(accepted=["2222/tcp"]), OTHER_SSHD, []),
        (Wanted(ssh_ports=[22, 2222]), OTHER_SSHD, []),
        (Wanted(ssh_ports=[22, 2222]), "dropbear -p 2222", ["SSH server at 2222/tcp"]),
        (Wanted(), "sshd: ubuntu@pts/0", []),
        (Wanted(), "sshd-session: ubuntu [priv]", []),
        (Wanted(), "sshd -p 2222", ["SSH server at 2222/tcp"]),
        (Wanted(), "/usr/sbin/sshd: ubuntu", ["SSH server at 2222/tcp"]),
    ],
)
def test_which_ssh_servers_are_others(wanted: Wanted, words: str, told: list[str]) -> None:
    assert [one.what for one in named(SSHD, wanted=wanted, p7=words)] == told


def test_a_session_or_a_stranger_at_the_same_port_hides_no_server() -> None:
    shared = replace(SSHD, pids=(5, 6, 7))
    [finding] = named(shared, p6="sshd: ubuntu@pts/0", p7=OTHER_SSHD)
    assert finding.found.startswith(OTHER_SSHD)
    found = named(NC, SSHD, replace(SSHD, port=2223, pids=(8,)), p7=OTHER_SSHD, p8="sshd -p 2223")
    assert [one.what for one in found] == [
        "SSH server at 2222/tcp",
        "SSH server at 2223/tcp",
        "listening 4444/tcp",
    ]
