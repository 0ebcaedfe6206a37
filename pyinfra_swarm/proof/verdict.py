"""The verdict on each pair of nodes, and the table of them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pyinfra_swarm.proof.crossings import Crossing
from pyinfra_swarm.proof.exchange import FRAMES, HEADERS, SMALL, Counters, Exchanged, Probe
from pyinfra_swarm.run.findings import Notice

RESTART = "`sudo systemctl restart docker` there makes Docker set its rules and keys again"

MOST_ROWS = 60
"""So many rows of a table are shown whole; of more only those that failed."""


@dataclass(frozen=True)
class Pair:
    """How one network carries packets from one node to another: the cells of the table.

    problem: what is wrong, and what to do; ``None`` where the pair is proven.
    """

    network: str
    sender: str
    receiver: str
    small: str
    full: str
    encrypted: str
    clear_frame: str
    problem: Notice | None = None

    def record(self) -> dict[str, Any]:
        """The row as plain data."""
        row = asdict(self)
        row["problem"] = self.problem.reason if self.problem else ""
        return row


@dataclass(frozen=True)
class Proof:
    """What a proof has shown.

    unproven: nodes that took no part, with the reason.
    silent: hosts that did not carry out their share, with what is known of why.
    watched: hosts on which tcpdump watched what left.
    remarks: what is not as it should be without disproving anything, by host.
    names: how many names of services were looked up; unresolved: those that were not found, by the
        host that asked.
    """

    pairs: tuple[Pair, ...] = ()
    unproven: Mapping[str, str] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    remarks: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)
    names: int = 0
    unresolved: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)

    @property
    def proven(self) -> bool:
        """Every pair has passed, and there was somebody to try it with."""
        return not self.silent and all(pair.problem is None for pair in self.pairs)

    def problems(self, name: str = "", focus: Collection[str] = ()) -> list[Notice]:
        """What is wrong, of all pairs or of those that are this host's to tell.

        A pair is its sender's; the receiver's, where the proof is about the receiver only.
        """
        return [
            pair.problem
            for pair in self.pairs
            if pair.problem is not None
            and name in ("", pair.sender if not focus or pair.sender in focus else pair.receiver)
        ]


def judge(
    crossings: Sequence[Crossing],
    exchanged: Mapping[str, Exchanged],
    forged: Mapping[str, Mapping[str, int]],
    end: Mapping[str, Counters],
    *,
    unproven: Mapping[str, str],
    silent: Mapping[str, str],
) -> Proof:
    """Judge every crossing by what the sender and the receiver have counted.

    exchanged, end: by host; forged: frames that left, by sender and receiver.
    """
    pairs = [_pair(c, exchanged, forged, end, silent) for c in crossings]
    watched = tuple(name for name, reported in exchanged.items() if reported.captured)
    remarks = {}
    for name, reported in exchanged.items():
        mine = [crossing for crossing in crossings if crossing.sender == name]
        if notices := _cut(name, mine, reported):
            remarks[name] = notices
    return Proof(tuple(pairs), unproven, silent, watched, remarks)


def _pair(
    crossing: Crossing,
    exchanged: Mapping[str, Exchanged],
    forged: Mapping[str, Mapping[str, int]],
    end: Mapping[str, Counters],
    silent: Mapping[str, str],
) -> Pair:
    what = f"{crossing.network} from {crossing.sender} to {crossing.receiver}"
    reported = exchanged.get(crossing.sender)
    if reported is None:
        reason = silent.get(crossing.sender, "it did not answer")
        untried = Notice(what, f"could not be tried: {reason}")
        return _row(crossing, "?", "?", "?", "?", untried)
    sandbox, peer = crossing.source.sandbox, crossing.receiver
    size = crossing.source.mtu - HEADERS
    small = reported.probes.get((sandbox, peer, SMALL), Probe(0, False))
    full = reported.probes.get((sandbox, peer, size), Probe(0, False))
    out, back = _growth(crossing, reported)
    problem = (
        _in_clear(what, crossing, reported)
        or _silence(what, crossing, reported, exchanged, end, small)
        or _unencrypted(what, crossing, reported, small, full)
        or _too_large(what, crossing, full)
    )
    cell, accepted = _frames(crossing, exchanged, forged, end)
    if problem is None and accepted:
        problem = Notice(
            what,
            f"{crossing.receiver} lets in frames in clear text that anybody on the way can make",
            remedy="`pyinfra inventory.py deploys/firewall.py` drops them; "
            "`sudo iptables -S INPUT` there shows which rule accepts them before",
        )
    state = f"ESP {out} out, {back} in" if out or back else "no"
    return _row(crossing, _cell(small), _cell(full, size), state, cell, problem)


def _row(
    crossing: Crossing, small: str, full: str, state: str, clear: str, problem: Notice | None
) -> Pair:
    names = (crossing.network, crossing.sender, crossing.receiver)
    return Pair(*names, small, full, state, clear, problem)


def _cell(probe: Probe, size: int = 0) -> str:
    if not probe.sent:
        return "not sent"
    if not probe.answered:
        return f"none of {probe.sent}"
    if size and probe.path:
        return f"only {probe.path}"
    return (f"{size + HEADERS}" if size else "yes") + (
        f", try {probe.sent}" if probe.sent > 1 else ""
    )


def _growth(crossing: Crossing, reported: Exchanged) -> tuple[int, int]:
    """Encrypted packets to the peer and from it while this network was tried."""
    here, there = crossing.underlay
    before, after = _moments(crossing, reported)
    out, back = (here, there), (there, here)
    return (
        after.esp.get(out, 0) - before.esp.get(out, 0),
        after.esp.get(back, 0) - before.esp.get(back, 0),
    )


def _moments(crossing: Crossing, reported: Exchanged) -> tuple[Counters, Counters]:
    sandbox = crossing.source.sandbox
    return reported.before.get(sandbox, Counters()), reported.after.get(sandbox, Counters())


def _in_clear(what: str, crossing: Crossing, reported: Exchanged) -> Notice | None:
    seen = reported.clear.get((crossing.underlay[1], crossing.source.vni), 0)
    if not seen:
        return None
    return Notice(
        what,
        f"{seen} packets left {crossing.sender} in clear text, as tcpdump saw"
        + _without_mark(crossing, reported),
        remedy=RESTART,
    )


def _without_mark(crossing: Crossing, reported: Exchanged) -> str:
    if any(_marks(rule, crossing.source.vni) for rule in reported.marks):
        return ""
    return (
        "; Docker's rule that has this network encrypted is missing (iptables, table mangle, "
        "chain OUTPUT)"
    )


def _marks(rule: str, vni: int) -> bool:
    """Whether a rule of Docker's is for this network: its program compares with the number.

    (moby, ``vniMatchBPF``; 21 is BPF's “jump if equal”, before the jumps and the value.)
    """
    return re.search(rf"\b21 \d+ \d+ {vni}\b", rule) is not None


def _silence(
    what: str,
    crossing: Crossing,
    reported: Exchanged,
    exchanged: Mapping[str, Exchanged],
    end: Mapping[str, Counters],
    small: Probe,
) -> Notice | None:
    if small.answered:
        return None
    before, after = _moments(crossing, reported)
    sender, receiver = crossing.sender, crossing.receiver
    here, there = crossing.underlay
    out, back = _growth(crossing, reported)
    stopped = after.stopped - before.stopped
    if out <= 0 and stopped > 0:
        return Notice(
            what,
            f"nothing arrives: {sender} would send in clear text, and its firewall stops it"
            + _without_mark(crossing, reported),
            remedy=RESTART,
        )
    if (here, there) not in after.esp or (there, here) not in after.esp:
        return Notice(
            what,
            f"nothing arrives: {sender} has no encryption state for {receiver} ({here}, {there})",
            remedy="`sudo journalctl -u docker | grep -i xfrm` there says why; " + RESTART,
        )
    if out <= 0:
        return Notice(
            what,
            f"nothing arrives, and nothing was encrypted on {sender}"
            + _without_mark(crossing, reported),
            remedy=RESTART,
        )
    other = exchanged.get(receiver)
    if other is not None and (_strange(other) or 0) > 0:
        return Notice(
            what,
            f"{receiver} gets encrypted packets that it has no key for: the engines do not agree "
            "about the network's keys",
            remedy="Engines of two versions may not understand each other (one version "
            "everywhere: docker.version and `deploys/upgrade.py`); else " + RESTART,
        )
    if other is not None and _broken(other, (here, there)) > 0:
        return Notice(
            what,
            f"{receiver} gets encrypted packets that it refuses: the errors of its states for "
            f"{sender} grow",
            remedy="The engines do not agree about the network's keys: " + RESTART,
        )
    # What came back may be the other's own packets, so the other is asked what it got.
    last = end.get(receiver)
    got = True
    if other is not None and last is not None:
        got = last.esp.get((here, there), 0) > other.begin.esp.get((here, there), 0)
    if got and back > 0:
        return Notice(
            what,
            f"encrypted packets go there and back, but {small.sent} datagrams had no answer",
            remedy=f"Is there a firewall inside of the network's namespace on {receiver}?",
        )
    uncounted = other is not None and _strange(other) is None
    return Notice(
        what,
        f"{out} encrypted packets left, "
        + ("none came back" if got else f"{receiver} got none of them")
        + (
            f"; whether {receiver} got some that it has no key for cannot be counted here: its "
            "kernel has no XFRM_STATISTICS"
            if uncounted
            else ""
        ),
        remedy=f"Let ESP (IP protocol 50) pass between {here} and {there}, both ways: look at "
        "the firewalls of both hosts, and of what is between them"
        + (f". If nothing stops it there: {RESTART}" if uncounted else ""),
    )


def _strange(reported: Exchanged) -> int | None:
    """Encrypted packets that a host had no key for meanwhile; ``None`` where it counts none."""
    begun = reported.begin.strange
    if begun is None:
        return None
    last = [moment.strange for moment in reported.after.values() if moment.strange is not None]
    return max(last, default=begun) - begun


def _broken(reported: Exchanged, pair: tuple[str, str]) -> int:
    """Packets of a pair of addresses that a host's states have refused meanwhile."""
    last = [moment.broken.get(pair, 0) for moment in reported.after.values()]
    return max(last, default=0) - reported.begin.broken.get(pair, 0)


def _unencrypted(
    what: str, crossing: Crossing, reported: Exchanged, small: Probe, full: Probe
) -> Notice | None:
    """More left than were encrypted; or less came back so.

    Where the network only comes up, the first tries go nowhere: before there are keys, none is
    encrypted. If none could leave in clear text, since tcpdump saw only encrypted ones or the
    firewall stops them, those that were answered have to have been encrypted, and no more.
    """
    sent = small.sent + full.sent
    answers = small.answered + full.answered
    out, back = _growth(crossing, reported)
    before, after = _moments(crossing, reported)
    seen = reported.captured and reported.encrypted.get(crossing.underlay[1], 0) > 0
    none_left = seen or after.stopped > before.stopped
    if out >= (answers if none_left else sent) and back >= answers:
        return None
    return Notice(
        what,
        f"packets travel in clear text: {sent} were sent and {answers} answered, and only {out} "
        f"were encrypted and {back} decrypted" + _without_mark(crossing, reported),
        remedy=RESTART + "; the firewall (`deploys/firewall.py`) keeps clear text from leaving",
    )


def _too_large(what: str, crossing: Crossing, full: Probe) -> Notice | None:
    if full.answered and not full.path:
        return None
    size = crossing.source.mtu
    found = f"the way carries {full.path} bytes" if full.path else f"none of {full.sent} arrived"
    return Notice(
        what,
        f"small packets pass, but not those of the network's full size ({size} bytes): {found}. "
        "Large transfers will hang",
        remedy="The network is made for a larger MTU underneath than the way has: set "
        "networks.mtu to what the smallest link between the hosts carries, and recreate the "
        "network",
    )


def _frames(
    crossing: Crossing,
    exchanged: Mapping[str, Exchanged],
    forged: Mapping[str, Mapping[str, int]],
    end: Mapping[str, Counters],
) -> tuple[str, bool]:
    """The cell for clear frames, and whether one was let in.

    Who let it in is the receiver: its counters do not say from whom it came.
    """
    first, last = exchanged.get(crossing.receiver), end.get(crossing.receiver)
    if first is None or last is None:
        return "?", False
    sandbox = crossing.target.sandbox
    if last.echoes.get(sandbox, 0) > first.begin.echoes.get(sandbox, 0):
        return "LET IN", True
    if forged.get(crossing.sender, {}).get(crossing.receiver, 0) < FRAMES:
        return "not sent", False
    arrived = last.dropped - first.begin.dropped
    expected = sum(sent.get(crossing.receiver, 0) for sent in forged.values())
    return ("dropped" if arrived >= expected else "did not arrive"), False


def _cut(name: str, mine: Iterable[Crossing], reported: Exchanged) -> tuple[Notice, ...]:
    """Networks whose full-size packets a host has to cut in pieces for its link."""
    notices = []
    for sandbox in dict.fromkeys(crossing.source.sandbox for crossing in mine):
        of_it = [crossing for crossing in mine if crossing.source.sandbox == sandbox]
        size = of_it[0].source.mtu - HEADERS
        full = sum(
            reported.probes.get((sandbox, c.receiver, size), Probe(0, False)).sent for c in of_it
        )
        before, after = _moments(of_it[0], reported)
        if full and after.pieces - before.pieces >= 2 * full:
            notices.append(
                Notice(
                    f"overlay {of_it[0].network}",
                    f"its full-size packets leave {name} in pieces: the network is made for a "
                    "larger MTU than this host's link has",
                    remedy="Set networks.mtu to the smallest link's MTU, and recreate the network",
                )
            )
    return tuple(notices)


_HEAD = ("network", "from", "to", "small", "full size", "encrypted", "clear frame")


def table(proof: Proof) -> list[str]:
    """The pairs as a table, with what it rests on below; for a log."""
    rows = [pair for pair in proof.pairs if pair.problem is not None]
    if len(proof.pairs) <= MOST_ROWS:
        rows = list(proof.pairs)
    cells = [_HEAD] + [
        (
            *(pair.network, pair.sender, pair.receiver),
            *(pair.small, pair.full, pair.encrypted, pair.clear_frame),
        )
        for pair in rows
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    marks = [" "] + ["✗" if pair.problem else " " for pair in rows]
    lines = [
        (mark + " " + "  ".join(map(str.ljust, line, widths))).rstrip()
        for mark, line in zip(marks, cells, strict=True)
        if len(cells) > 1
    ]
    return [*lines, *_summary(proof)]


def _summary(proof: Proof) -> list[str]:
    failed = len(proof.problems())
    total = len(proof.pairs)
    if not total:
        return ["There are no pairs of nodes to prove anything about."]
    lines = [f"{total - failed} of {total} pairs proven: encrypted, in both sizes."]
    if unsure := {pair.receiver for pair in proof.pairs if pair.clear_frame == "did not arrive"}:
        lines.append(
            f"Clear frames to {', '.join(sorted(unsure))} were lost on the way, so it was not "
            "shown that they would be dropped there."
        )
    if proof.watched:
        lines.append(f"tcpdump watched what left {', '.join(proof.watched)}.")
    if proof.names:
        found = proof.names - sum(map(len, proof.unresolved.values()))
        lines.append(
            f"{found} of {proof.names} names of services were found, asked on each node for the "
            "networks that it is in."
        )
    lines += [f"{name} took no part: {why}." for name, why in proof.unproven.items()]
    return lines
