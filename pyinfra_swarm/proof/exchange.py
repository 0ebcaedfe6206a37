"""The packets of the proof: sent with what every host has, counted by its kernel, read back.

A node sends UDP datagrams from its own end of a network to a port of the other node's end where
nobody listens; the other kernel answers each with “port unreachable” (RFC 1122, 3.2.2.1). So the
far side needs no program, and the near side only bash, of which every Debian and Ubuntu has one.
Counters of the kernel and of the firewall, read before and after, tell how they travelled.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pyinfra_swarm.proof.crossings import Crossing
from pyinfra_swarm.proof.frame import forged
from pyinfra_swarm.run.answer import SECTION

HEADERS = 28
"""Bytes that IPv4 and UDP add to a datagram."""

SMALL = 32
"""Bytes of a small datagram."""

SMALL_TRIES, FULL_TRIES = 30, 5
"""How often, a second apart: the first may have to wait for a network that just comes up."""

FRAMES = 3
"""Forged frames to each end."""

EACH_NETWORK = SMALL_TRIES + FULL_TRIES + 10
"""Seconds after which all pairs of one network have been tried."""

_LOOK = r"""
export LC_ALL=C
look() {
  local sandbox
  section "$1"
  # “ip” prints keys as well: only addresses and counts leave the host.
  ip -s xfrm state | grep -E '^src |^[[:space:]]+[0-9]+\(bytes\), [0-9]+\(packets\)$'
  iptables-save -c -t filter | grep -e '--pol none'
  grep '^Ip:' /proc/net/snmp
  grep XfrmInNoStates /proc/net/xfrm_stat
  for sandbox in $sandboxes; do
    echo "sandbox $sandbox"
    nsenter --net="/run/docker/netns/$sandbox" grep '^Icmp:' /proc/net/snmp
  done
} 2>/dev/null
"""

_PROBES = r"""
probe() {
  sent=0; tried=0
  exec 3<>"/dev/udp/$2/9" || { echo "probe $1 $3 0 0 unsent"; return 1; }
  while [ $tried -lt "$4" ]; do
    tried=$((tried + 1))
    words=$(dd if=/dev/zero bs="$3" count=1 status=none 2>&1 >&3) && {
      sent=$((sent + 1))
      words=$(read -r -t 1 -N 1 -u 3 2>&1)
    }
    case $words in
    *refused*)
      path=$(ip -4 route get "$2" | grep -o 'mtu [0-9]*')
      echo "probe $1 $3 $sent ${path#mtu } answered"
      return 0 ;;
    ?*) sleep 1 ;;
    esac
  done
  echo "probe $1 $3 $sent 0 silent"
  return 1
}
while read -r _ label address full; do
  { probe "$label" "$address" SMALL SMALL_TRIES && probe "$label" "$address" "$full" FULL_TRIES; } &
done
wait
"""
"""Shell, for bash inside of a namespace: reads “SANDBOX LABEL ADDRESS SIZE”, prints a line a probe.

The path's MTU is there where the kernel had to learn that less than the interface's fits.
"""

_EXCHANGE = r"""
port=$1 probes=$2; shift 2
sandboxes=$* jobs=$(cat)
look begin
iptables-save -t mangle | grep -e "--dport $port " | grep -e '-j MARK'
watcher=
if command -v tcpdump >/dev/null; then
  coproc SEEN { exec awk '
    { for (i = 2; i < NF; i++) if ($i == ">") break; to = $(i + 1); sub(/:$/, "", to) }
    / ESP\(/ { esp[to]++ }
    / VXLAN, / { sub(/\.[0-9]+$/, "", to); vni = $0; sub(/.* vni /, "", vni); clear[to " " vni]++ }
    END { for (a in esp) print "esp", a, esp[a]; for (a in clear) print "clear", a, clear[a] }'; }
  exec 5>&"${SEEN[1]}" 6<&"${SEEN[0]}"
  eval "exec ${SEEN[1]}>&- ${SEEN[0]}<&-"
  sockets=$(wc -l < /proc/net/packet)
  timeout 600 tcpdump -i any -Q out -p -nn -l -s 128 --immediate-mode -T vxlan \
    "esp or (udp and dst port $port)" >&5 2>/dev/null 5>&- 6<&- &
  watcher=$!
  exec 5>&-
  i=0
  until [ "$(wc -l < /proc/net/packet)" -gt "$sockets" ] || [ $i = 50 ]; do
    i=$((i + 1)); sleep 0.1
  done
  sleep 0.3
fi
for sandbox in $sandboxes; do
  look "before $sandbox"
  section "probes $sandbox"
  grep "^$sandbox " <<< "$jobs" |
    nsenter --net="/run/docker/netns/$sandbox" bash -c "$probes"
  look "after $sandbox"
done
if [ -n "$watcher" ]; then
  sleep 0.3
  kill "$watcher"; wait "$watcher" 2>/dev/null
  section capture
  cat <&6
fi
exit 0
"""

_FORGE = r"""
export LC_ALL=C
section forged
while read -r label address frame; do
  exec 3<>"/dev/udp/$address/$1" || continue
  for _ in NUMBERS; do
    # dd makes one datagram of it, whatever bytes are in it.
    base64 -d <<< "$frame" | dd bs=4096 iflag=fullblock count=1 status=none 2>/dev/null >&3 &&
      echo "forged $label"
  done
done
exit 0
"""


def exchange(mine: Sequence[Crossing], port: int) -> tuple[str, str]:
    """The script for a host's own crossings as a sender, and its standard input.

    port: of the swarm's data path. Nothing stays on the host, however the script ends.
    """
    sandboxes = list(dict.fromkeys(crossing.source.sandbox for crossing in mine))
    probes = (
        _PROBES.replace("SMALL_TRIES", str(SMALL_TRIES))
        .replace("FULL_TRIES", str(FULL_TRIES))
        .replace("SMALL", str(SMALL))
    )
    lines = [
        f"{c.source.sandbox} {c.receiver} {c.target.address} {c.source.mtu - HEADERS}" for c in mine
    ]
    script = _MARKED + _bash(_LOOK + _EXCHANGE, str(port), probes, *sandboxes)
    return script, "\n".join(lines)


def forge(mine: Sequence[Crossing], port: int) -> tuple[str, str]:
    """The script that sends clear VXLAN frames to the others' ends, and its standard input.

    They leave from the ingress network's end through Docker's bridge to the outside, as a
    container's packets do: so neither Docker's rule that has VXLAN encrypted nor the firewall's
    that keeps clear VXLAN from leaving meets them, and they arrive from this node's own address.
    """
    lines = []
    for crossing in mine:
        source, target = crossing.source, crossing.target
        frame = forged(source.vni, (source.mac, source.address), (target.mac, target.address))
        lines.append(
            f"{crossing.receiver} {crossing.underlay[1]} {base64.b64encode(frame).decode()}"
        )
    inner = _bash(_FORGE.replace("NUMBERS", " ".join(map(str, range(FRAMES)))), str(port))
    script = f"{_MARKED}nsenter --net=/run/docker/netns/ingress_sbox {inner}"
    return script, "\n".join(lines)


def look(sandboxes: Iterable[str]) -> str:
    """The script that reads the counters once more."""
    return _MARKED + _bash(_LOOK + "sandboxes=$*\nlook end\nexit 0\n", *sandboxes)


_MARKED = "export SECTION_MARK\n"
"""Shell: the answer's mark, for the program that follows, and in nobody's argument list."""


def _bash(script: str, *arguments: str) -> str:
    """A program for bash, which marks its sections as the script around it does."""
    words = ["bash", "-c", shlex.quote(SECTION + script), "proof", *map(shlex.quote, arguments)]
    return " ".join(words)


# What came of it
# ---------------


@dataclass(frozen=True)
class Counters:
    """What a host's kernel and firewall have counted at one moment.

    esp: packets of its encryption states, from address to address; a pair without a state is not
        there.
    stopped: packets that were kept from leaving as VXLAN in clear text; dropped: from coming in.
    pieces: packets that the host made by cutting one that was too large for a link.
    strange: encrypted packets for which it has no state.
    echoes: ICMP echo requests that came to an end, by its sandbox.
    """

    esp: dict[tuple[str, str], int] = field(default_factory=dict)
    stopped: int = 0
    dropped: int = 0
    pieces: int = 0
    strange: int = 0
    echoes: dict[str, int] = field(default_factory=dict)


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
    """What a host tells after its exchange.

    probes: by sandbox, peer and size in bytes. before, after: by sandbox.
    marks: Docker's rules that have VXLAN encrypted.
    captured: whether tcpdump watched what left; clear: VXLAN in clear text that did, by address
        and network number.
    """

    begin: Counters
    before: dict[str, Counters]
    after: dict[str, Counters]
    probes: dict[tuple[str, str, int], Probe]
    marks: tuple[str, ...] = ()
    captured: bool = False
    clear: dict[tuple[str, int], int] = field(default_factory=dict)


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
    clear = {
        (words[1], int(words[2])): int(words[3])
        for words in map(str.split, found.get("capture", []))
        if words[0] == "clear"
    }
    marks = tuple(line for line in found["begin"] if line.startswith("-A OUTPUT "))
    return Exchanged(
        read_counters(found["begin"]), before, after, probes, marks, "capture" in found, clear
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
_RULE = re.compile(r"\[(\d+):\d+\] -A .*--dir (in|out) --pol none.* -j DROP")


def read_counters(lines: Sequence[str]) -> Counters:
    """Read what a look at the counters prints."""
    esp: dict[tuple[str, str], int] = {}
    blocked = {"in": 0, "out": 0}
    echoes: dict[str, int] = {}
    pieces = strange = 0
    pair, sandbox, titles = ("", ""), "", dict[str, list[str]]()
    for line in lines:
        if match := _STATE.match(line):
            pair = (match[1], match[2])
            esp.setdefault(pair, 0)
        elif match := _LIFETIME.match(line):
            esp[pair] = esp.get(pair, 0) + int(match[1])
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
    return Counters(esp, blocked["out"], blocked["in"], pieces, strange, echoes)
