"""What is sent, and what the hosts print read back."""

from __future__ import annotations

import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.proof import operations
from pyinfra_swarm.proof.crossings import Crossing, crossings
from pyinfra_swarm.proof.exchange import (
    EACH_NETWORK,
    Counters,
    Exchanged,
    Probe,
    exchange,
    forge,
    look,
    read_counters,
    read_exchange,
    read_forged,
    seconds,
)
from pyinfra_swarm.proof.frame import forged
from pyinfra_swarm.run.answer import asked
from pyinfra_swarm.run.answer import sections as taken_apart
from pyinfra_swarm.run.onhost import source
from tests.tools.answers import sections
from tests.tools.datagrams import EVERY_BYTE, sent_by
from tests.unit.proof.test_proof_plan import FOUR, declared, everywhere

MINE = [c for c in crossings(declared(), FOUR, everywhere()) if c.sender == "rk1"]


def test_a_host_gets_a_line_for_each_peer_and_nothing_of_it_is_in_the_command() -> None:
    script, lines = exchange(MINE, 4789)
    assert lines.splitlines() == [
        "ingress_sbox rk2 10.200.0.2 1396",
        "ingress_sbox rk3 10.200.0.3 1396",
        "ingress_sbox rk4 10.200.0.4 1396",
    ]
    other, _ = exchange(MINE[:1], 4789)
    assert script == other, "as long for a hundred nodes as for two"


@pytest.mark.parametrize("script", [exchange(MINE, 4789)[0], forge(MINE, 4789)[0], look(["a"])[0]])
def test_the_scripts_are_what_a_shell_understands(script: str) -> None:
    shell = shutil.which("sh")
    assert shell
    done = subprocess.run([shell, "-n", "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def programs(folder: Path, **stubs: str) -> None:
    """Programs for a script that is run here as if each namespace were this one.

    stubs: shell, for those that are not this machine's
    """
    usual = {"nsenter": 'shift; exec "$@"', "ip": "exit 0", "iptables_save": "exit 0"}
    for name, text in {**usual, **stubs}.items():
        path = folder / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
    for name in ("awk", "base64", "bash", "cat", "dd", "grep", "sh", "wc"):
        if not (folder / name).exists():
            (folder / name).symlink_to(shutil.which(name) or "")


def test_each_networks_packets_are_sent_and_counted_apart(tmp_path: Path) -> None:
    """Run for real, within one namespace, to a port of this machine where nobody listens."""
    programs(tmp_path)
    mine = [
        replace(
            crossing,
            source=replace(crossing.source, sandbox=sandbox),
            target=replace(crossing.target, address="127.0.0.1"),
        )
        for sandbox in ("ingress_sbox", "lb_t6y6dgd1q")
        for crossing in MINE[:2]
    ]
    script, lines = exchange(mine, 4789)
    done = subprocess.run(
        ["sh", "-c", asked(script)],
        input=lines + "\n",
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = read_exchange(taken_apart(done.stdout.splitlines()))
    for crossing in mine:
        for size in (32, crossing.source.mtu - 28):
            assert found.probes[crossing.source.sandbox, crossing.receiver, size].answered
    assert set(found.before) == set(found.after) == {"ingress_sbox", "lb_t6y6dgd1q"}


DEAF = """\
import os, subprocess, sys
os.setpgid(0, 0)
subprocess.run(sys.argv[2:])
"""
"""A `timeout` that leads a group, as GNU's does, and does not hand a signal on, as Rust's."""


SEEN = (
    "0 eth0 Out IP 10.0.0.1.40 > 10.0.0.2.4789: VXLAN, flags [I] (0x08), vni 4097",
    "0 eth0 Out IP 10.0.0.1 > 10.0.0.3: ESP(spi=0x8d61b1a3,seq=0x1), length 100",
    "0 eth0 Out IP 10.0.0.1 > 10.0.0.3: ESP(spi=0x8d61b1a3,seq=0x2), length 100",
)
TELLING = "; ".join(f"echo '{line}'" for line in SEEN)


def watched(folder: Path, mine: Sequence[Crossing] = MINE, **stubs: str) -> Exchanged:
    """What a host reports that has tcpdump; nothing is sent. stubs: as in :func:`programs`."""
    usual = {name: f'exec {shutil.which(name)} "$@"' for name in ("awk", "sleep", "wc")}
    programs(folder, **{**usual, **stubs})
    script, _ = exchange(mine, 4789)
    done = subprocess.run(
        ["sh", "-c", asked(script)],
        input="",
        env={"PATH": str(folder)},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    return read_exchange(taken_apart(done.stdout.splitlines()))


@pytest.mark.parametrize(
    "timeout", ['exec /usr/bin/timeout "$@"', f"exec {sys.executable} -c '{DEAF}' \"$@\""]
)
def test_what_tcpdump_saw_is_told_at_once(tmp_path: Path, timeout: str) -> None:
    found = watched(
        tmp_path,
        tcpdump=f"{TELLING}; exec sleep 60",
        timeout=timeout,
        wc='echo >> "$0.calls"; exec /usr/bin/wc -l < "$0.calls"',  # one socket more each time
    )
    assert (found.captured, found.clear) == (True, {("10.0.0.2", 4097): 1})
    assert found.encrypted == {"10.0.0.3": 2}


@pytest.mark.parametrize(
    ("tcpdump", "sockets"),
    [("exit 1", "0"), ("exit 1", "1"), ("exec sleep 60", "0"), (TELLING, "1")],
    ids=["refused", "refused beside another's socket", "without a socket", "ended early"],
)
def test_a_tcpdump_that_did_not_watch_all_the_time_has_not_watched(
    tmp_path: Path, tcpdump: str, sockets: str
) -> None:
    """What it has seen of clear text counts all the same."""
    found = watched(
        tmp_path,
        tcpdump=tcpdump,
        timeout='exec /usr/bin/timeout "$@"',
        wc=f'[ -e "$0.called" ] && exec echo $((5 + {sockets})); : > "$0.called"; echo 5',
        sleep="exec /usr/bin/sleep 0.01",
    )
    assert not found.captured
    assert found.clear == ({("10.0.0.2", 4097): 1} if tcpdump == TELLING else {})


def test_tcpdump_watches_as_long_as_the_host_may_take(tmp_path: Path) -> None:
    networks = 3
    mine = [
        replace(crossing, source=replace(crossing.source, sandbox=f"lb_{number}"))
        for crossing in MINE[:1]
        for number in range(networks)
    ]
    watched(tmp_path, mine, timeout='echo "$1" > "$0.asked"', tcpdump="", sleep="")
    asked_for = int((tmp_path / "timeout.asked").read_text())
    assert asked_for == seconds(networks)
    assert asked_for >= networks * EACH_NETWORK


def test_no_key_leaves_a_host() -> None:
    """`ip -s xfrm state` prints the keys; what is piped on from it are addresses and counts."""
    key = "0x6a8b1c5d2e9f40718293a4b5c6d7e8f9"
    states = f"""\
src 10.0.0.1 dst 10.0.0.2
\tproto esp spi 0x1b6f5a4c reqid 13681891 mode transport
\taead rfc4106(gcm(aes)) {key} 64
\tlifetime config:
\t  limit: soft (INF)(packets), hard (INF)(packets)
\tlifetime current:
\t  1234(bytes), 7(packets)
\t  add 2026-11-24 10:00:00 use -
\tstats:
\t  replay-window 0 replay 1 failed 4
"""
    counters = source(operations.__file__, "counters.sh")
    command = counters.split("ip -s xfrm state | ")[1].split("  iptables-save")[0]
    done = subprocess.run(
        ["sh", "-c", command], input=states, capture_output=True, text=True, check=True
    )
    assert done.stdout == (
        "src 10.0.0.1 dst 10.0.0.2\n\t  1234(bytes), 7(packets)\n"
        "\t  replay-window 0 replay 1 failed 4\n"
    )
    pair = ("10.0.0.1", "10.0.0.2")
    counted = read_counters(done.stdout.splitlines())
    assert (counted.esp, counted.broken, counted.strange) == ({pair: 7}, {pair: 5}, None)


def test_states_between_two_nodes_are_added_up() -> None:
    """Docker keeps one for each of the network's keys."""
    lines = [
        "src 10.0.0.1 dst 10.0.0.2",
        "\t  90(bytes), 1(packets)",
        "src 10.0.0.2 dst 10.0.0.1",
        "\t  0(bytes), 0(packets)",
        "src 10.0.0.1 dst 10.0.0.2",
        "\t  180(bytes), 2(packets)",
    ]
    assert read_counters(lines).esp == {("10.0.0.1", "10.0.0.2"): 3, ("10.0.0.2", "10.0.0.1"): 0}


def test_only_rules_that_drop_clear_text_count_in_their_direction() -> None:
    rule = "-p udp -m policy --dir {} --pol none -m udp --dport 4789"
    lines = [
        f'[5:400] -A INPUT {rule.format("in")} -m bpf --bytecode "4,48 0 0 0" -j DROP',
        f"[7:500] -A SWARM-INPUT {rule.format('in')} -j DROP",
        f"[9:500] -A SWARM-INPUT -s 10.0.0.2/32 {rule.format('in')} -j RETURN",
        f"[11:900] -A SWARM-OUTPUT {rule.format('out')} -j DROP",
    ]
    assert read_counters(lines) == Counters(dropped=12, stopped=11)


def test_the_kernels_own_counters_are_read_by_their_titles() -> None:
    lines = [
        "Ip: Forwarding FragOKs FragFails FragCreates",
        "Ip: 1 3 0 6",
        "XfrmInNoStates          \t2",
        "sandbox ingress_sbox",
        "Icmp: InMsgs InErrors InEchos",
        "Icmp: 9 0 4",
        "sandbox lb_abc",
        "Icmp: InMsgs InErrors InEchos",
        "Icmp: 1 0 1",
    ]
    assert read_counters(lines) == Counters(
        pieces=6, strange=2, echoes={"ingress_sbox": 4, "lb_abc": 1}
    )


def test_probes_are_read_with_what_the_kernel_learned_of_the_way() -> None:
    found = sections(
        [
            "#> begin",
            "#> before ingress_sbox",
            "#> probes ingress_sbox",
            "probe rk2 32 1  answered",
            "probe rk2 1396 2 1390 answered",
            "probe rk3 32 30 0 silent",
            "probe rk4 32 0 0 unsent",
            "#> after ingress_sbox",
        ]
    )
    exchanged = read_exchange(found)
    assert not exchanged.captured
    assert exchanged.probes == {
        ("ingress_sbox", "rk2", 32): Probe(1, True),
        ("ingress_sbox", "rk2", 1396): Probe(2, True, path=1390),
        ("ingress_sbox", "rk3", 32): Probe(30, False),
        ("ingress_sbox", "rk4", 32): Probe(0, False),
    }


def test_what_tcpdump_saw_is_kept_by_address_and_network() -> None:
    found = sections(["#> begin", "#> capture", "esp 192.168.1.12 4", "clear 192.168.1.12 4096 2"])
    exchanged = read_exchange(found)
    assert exchanged.captured
    assert exchanged.clear == {("192.168.1.12", 4096): 2}
    assert exchanged.encrypted == {"192.168.1.12": 4}


def test_frames_that_left_are_counted_by_whom_they_were_for() -> None:
    found = sections(["#> forged", "forged rk2", "forged rk2", "forged rk3"])
    assert read_forged(found) == {"rk2": 2, "rk3": 1}


# The frame
# ---------


def checksum_holds(data: bytes) -> bool:
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total == 0xFFFF


@given(
    vni=st.integers(0, 2**24 - 1),
    source=st.ip_addresses(v=4).map(str),
    target=st.ip_addresses(v=4).map(str),
)
def test_a_forged_frame_is_one_that_a_kernel_would_take(vni: int, source: str, target: str) -> None:
    frame = forged(vni, ("02:42:0a:00:00:01", source), ("02:42:0a:00:00:02", target))
    vxlan, ethernet, ip, icmp = frame[:8], frame[8:22], frame[22:42], frame[42:]
    assert vxlan == bytes([8, 0, 0, 0]) + vni.to_bytes(3, "big") + b"\0"
    assert ethernet == bytes.fromhex("02420a000002 02420a000001 0800")
    assert struct.unpack("!H", ip[2:4]) == (len(frame) - 22,)
    assert (socket.inet_ntoa(ip[12:16]), socket.inet_ntoa(ip[16:20])) == (source, target)
    assert checksum_holds(ip)
    assert checksum_holds(icmp)
    assert icmp[0] == 8, "an echo request, which the proof sends in no other way"


def test_a_datagram_is_one_whatever_is_in_it() -> None:
    """Bash, and Rust's coreutils, would end one at each newline; a name of ten letters has one."""
    datagrams = sent_by(lambda script, end: subprocess.run(["bash", "-c", script], stdout=end))
    assert datagrams == [EVERY_BYTE]


def test_each_peer_is_sent_a_frame_from_this_nodes_end_to_its_own() -> None:
    _, lines = forge(MINE, 4789)
    [first, *_] = lines.splitlines()
    name, address, frame = first.split()
    assert (name, address) == ("rk2", "192.168.1.12")
    source, target = everywhere()["rk1"], everywhere()["rk2"]
    assert source
    assert target
    assert bytes(map(int, frame.split(","))) == forged(
        4096, (source[0].mac, source[0].address), (target[0].mac, target[0].address)
    )
