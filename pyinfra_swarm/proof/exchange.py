"""The packets of the proof: sent with what every host has, counted by its kernel, read back.

A node sends UDP datagrams from its attachment to a network to a port of the other node's where
nobody listens; the other kernel answers each with “port unreachable” (RFC 1122, 3.2.2.1). So the
receiver needs no program, and the sender only bash, which every Debian and Ubuntu has. Counters of
the kernel and of the firewall, read before and after, show how the packets travelled.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pyinfra_swarm.networks.attachments import INGRESS
from pyinfra_swarm.proof import names
from pyinfra_swarm.proof.crossings import Crossing
from pyinfra_swarm.proof.datagram import DATAGRAM, as_numbers
from pyinfra_swarm.proof.frame import forged
from pyinfra_swarm.proof.names import Lookup
from pyinfra_swarm.run.answer import SECTION
from pyinfra_swarm.run.onhost import program, source

HEADERS = 28
"""Bytes that IPv4 and UDP add to a datagram."""

SMALL = 32
"""Bytes of a small datagram."""

SMALL_TRIES, FULL_TRIES = 30, 5
"""How often, a second apart: the first may have to wait for a network that just comes up."""

FRAMES = 3
"""Forged frames to each receiver."""

EACH_NETWORK = SMALL_TRIES + FULL_TRIES + 10
"""Seconds after which all pairs of one network have been tried."""


def seconds(networks: int) -> int:
    """Seconds that a host may take for its share of an exchange over so many networks."""
    return 60 + EACH_NETWORK * networks


def exchange(mine: Sequence[Crossing], port: int) -> tuple[str, str]:
    """The script for a host's own crossings as a sender, and its standard input.

    port: of the swarm's data path. Nothing stays on the host, however the script ends.
    """
    lines = [
        f"{c.source.sandbox} {c.receiver} {c.target.address} {c.source.mtu - HEADERS}" for c in mine
    ]
    probes = program(
        __file__,
        "probes.sh",
        small=str(SMALL),
        small_tries=str(SMALL_TRIES),
        full_tries=str(FULL_TRIES),
    )
    own = {crossing.source.sandbox for crossing in mine}
    text = _counting(
        "exchange.sh",
        (c.source.sandbox for c in mine),
        port=str(port),
        probes=probes,
        seconds=str(seconds(len(own))),
    )
    return _MARKED + _bash(text), "\n".join(lines)


def forge(mine: Sequence[Crossing], port: int) -> tuple[str, str]:
    """The script that sends clear VXLAN frames to the other nodes, and its standard input.

    They leave from the ingress network's namespace through Docker's bridge to the outside, as a
    container's packets do: so neither Docker's rule that has VXLAN encrypted nor the firewall's
    that keeps clear VXLAN from leaving meets them, and they arrive from this node's own address.
    """
    lines = []
    for crossing in mine:
        source, target = crossing.source, crossing.target
        frame = forged(source.vni, (source.mac, source.address), (target.mac, target.address))
        lines.append(f"{crossing.receiver} {crossing.underlay[1]} {as_numbers(frame)}")
    frames = program(__file__, "forge.sh", using=[DATAGRAM], port=str(port), frames=str(FRAMES))
    inner = _bash(frames)
    script = f"{_MARKED}nsenter --net=/run/docker/netns/{INGRESS} {inner}"
    return script, "\n".join(lines)


def look(sandboxes: Iterable[str], mine: Sequence[Lookup] = ()) -> tuple[str, str]:
    """The script that reads the counters once more and looks names up, and its standard input."""
    text = _counting("look.sh", sandboxes, lookups=names.script())
    return _MARKED + _bash(text), names.asked(mine)


def _counting(name: str, sandboxes: Iterable[str], **values: str) -> str:
    """A program that looks at the counters of these sandboxes and of the host."""
    counters = source(__file__, "counters.sh")
    each = " ".join(dict.fromkeys(sandboxes))
    return program(__file__, name, using=[counters], sandboxes=each, **values)


_MARKED = "export SECTION_MARK\n"
"""Shell: the answer's mark, for the program that follows, and in nobody's argument list."""


def _bash(text: str) -> str:
    """A program for bash, which marks its sections as the script around it does."""
    return f"bash -c {shlex.quote(SECTION + text)} proof"


# What the hosts report
# ---------------------


@dataclass(frozen=True)
class Counters:
    """What a host's kernel and firewall have counted at one moment.

    esp: packets of its encryption states, from address to address; a pair without a state is not
        there.
    stopped: packets that were kept from leaving as VXLAN in clear text; dropped: from coming in.
    pieces: packets that the host made by cutting one that was too large for a link.
    strange: encrypted packets for which it has no state; ``None`` where the kernel does not count
        them (``CONFIG_XFRM_STATISTICS``, which the kernels of some boards leave out).
    broken: packets that a state has refused as false or as seen before, from address to address.
    echoes: ICMP echo requests that came to an end, by its sandbox.
    """

    esp: dict[tuple[str, str], int] = field(default_factory=dict)
    stopped: int = 0
    dropped: int = 0
    pieces: int = 0
    strange: int | None = None
    echoes: dict[str, int] = field(default_factory=dict)
    broken: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """One size of datagram to one peer.

    sent: datagrams; answered: whether one of them was; path: bytes that the kernel has learned to
    fit on the way, 0 where that is what the interface says.
    """

    sent: int
    answered: bool
    path: int = 0


@dataclass(frozen=True)
class Exchanged:
    """What a host reports after its exchange.

    probes: by sandbox, peer and size in bytes. before, after: by sandbox.
    marks: Docker's rules that have VXLAN encrypted.
    captured: whether tcpdump watched what left, from the beginning to the end.
    clear: VXLAN in clear text that it saw leave, by address and network number.
    encrypted: ESP packets that it saw leave, by address.
    """

    begin: Counters
    before: dict[str, Counters]
    after: dict[str, Counters]
    probes: dict[tuple[str, str, int], Probe]
    marks: tuple[str, ...] = ()
    captured: bool = False
    clear: dict[tuple[str, int], int] = field(default_factory=dict)
    encrypted: dict[str, int] = field(default_factory=dict)


def read_exchange(found: dict[str, list[str]]) -> Exchanged:
    """Read the output of :func:`exchange`, taken apart into its sections."""
    before, after = {}, {}
    probes: dict[tuple[str, str, int], Probe] = {}
    for title, lines in found.items():
        kind, _, sandbox = title.partition(" ")
        if kind == "before":
            before[sandbox] = read_counters(lines)
        elif kind == "after":
            after[sandbox] = read_counters(lines)
        elif kind == "probes":
            for words in map(str.split, lines):
                if len(words) >= 5 and words[0] == "probe":
                    size, answered = int(words[2]), words[-1] == "answered"
                    path = int(words[4]) if len(words) > 5 else 0
                    probes[sandbox, words[1], size] = Probe(int(words[3]), answered, path)
    captured = "capture" in found
    seen = [*map(str.split, found.get("capture" if captured else "partial capture", []))]
    clear = {(words[1], int(words[2])): int(words[3]) for words in seen if words[0] == "clear"}
    encrypted = {words[1]: int(words[2]) for words in seen if words[0] == "esp"}
    marks = tuple(line for line in found["begin"] if line.startswith("-A OUTPUT "))
    return Exchanged(
        read_counters(found["begin"]), before, after, probes, marks, captured, clear, encrypted
    )


def read_forged(found: dict[str, list[str]]) -> dict[str, int]:
    """Read the output of :func:`forge`: frames that left, by their receiver's name."""
    sent: dict[str, int] = {}
    for word, _, name in (line.partition(" ") for line in found["forged"]):
        if word == "forged":
            sent[name] = sent.get(name, 0) + 1
    return sent


_STATE = re.compile(r"src (\S+) dst (\S+)")
_LIFETIME = re.compile(r"\s+\d+\(bytes\), (\d+)\(packets\)")
_ERRORS = re.compile(r"\s+replay-window \d+ replay (\d+) failed (\d+)$")
_RULE = re.compile(r"\[(\d+):\d+\] -A .*--dir (in|out) --pol none.* -j DROP")


def read_counters(lines: Sequence[str]) -> Counters:
    """Read what a look at the counters prints."""
    esp: dict[tuple[str, str], int] = {}
    blocked = {"in": 0, "out": 0}
    echoes: dict[str, int] = {}
    broken: dict[tuple[str, str], int] = {}
    pieces, strange = 0, None
    pair, sandbox, titles = ("", ""), "", dict[str, list[str]]()
    for line in lines:
        if match := _STATE.match(line):
            pair = (match[1], match[2])
            esp.setdefault(pair, 0)
        elif match := _LIFETIME.match(line):
            esp[pair] = esp.get(pair, 0) + int(match[1])
        elif match := _ERRORS.match(line):
            broken[pair] = broken.get(pair, 0) + int(match[1]) + int(match[2])
        elif match := _RULE.match(line):
            blocked[match[2]] += int(match[1])
        elif line.startswith("XfrmInNoStates"):
            strange = int(line.split()[1])
        elif line.startswith("sandbox "):
            sandbox = line.split()[1]
        elif line.startswith(("Ip:", "Icmp:")):
            kind, *words = line.split()
            if kind not in titles:
                titles[kind] = words
                continue
            values = dict(zip(titles.pop(kind), words, strict=True))
            if kind == "Ip:":
                pieces = int(values["FragCreates"])
            else:
                echoes[sandbox] = int(values["InEchos"])
    return Counters(esp, blocked["out"], blocked["in"], pieces, strange, echoes, broken)
