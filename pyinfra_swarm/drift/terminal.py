"""The report for a terminal."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import PurePath

from pyinfra_swarm.drift.report import Difference, HostReport, Report, moment, stamp
from pyinfra_swarm.drift.run import SITE
from pyinfra_swarm.run.findings import KINDS, Change, Refusal
from pyinfra_swarm.run.own_words import in_own_words
from pyinfra_swarm.run.telling import MARKS, grouped, named, tally

_COLOURS = {"in sync": 32, "drifted": 33, "unknown": 35, "change": 33, "notice": 36, "refusal": 31}
_INDENT = 14


def render(
    report: Report,
    *,
    width: int = 100,
    colour: bool = False,
    pieces: bool = False,
    own: bool = False,
) -> str:
    """The report as lines of at most ``width`` columns (names that are longer are not cut).

    pieces: every single difference, also where several are pieces of one thing. own: commands in it
    are those of ``pyinfra-swarm``, and not pyinfra's.
    """

    def paint(text: str, style: str) -> str:
        return f"\x1b[{_COLOURS[style]}m{text}\x1b[0m" if colour else text

    lines = [*_wrap(headline(report), width), ""]
    everybody = [host.name for host in report.hosts]
    alike = grouped(report.hosts, lambda host: (host.role, host.state, host.since, host.unknown))
    rows = [(named([host.name for host in hosts], everybody), hosts[0]) for hosts in alike]
    names = max((len(name) for name, _ in rows), default=0)
    for name, host in rows:
        row = f"  {name:<{names}}  {host.role:<7}  "
        lines.append(row + paint(host.state, host.state) + _age(report, host.since))
        lines += _wrap(host.unknown, width, first=4, rest=4)
    found = told(report.differences, pieces=pieces)
    lines += [""] if found else []
    for same in found:
        one, where = same[0], named([other.host for other in same], everybody)
        said = f"{one.part:<9} {where}: {sentence(one, pieces)}{_age(report, one.since)}"
        head, *rest = _wrap(said, width, first=4, rest=_INDENT)
        lines += [f"  {paint(MARKS.get(one.kind, '?'), one.kind)} {head[4:]}", *rest]
        remedy = in_own_words(how_to_fix(one)) if own else how_to_fix(one)
        lines += _wrap(remedy, width, first=_INDENT, rest=_INDENT)
    lines += ["", *_wrap(hint(report), width)] if report.stuck else []
    return "\n".join([*lines, "", *advice(report, own=own)]).rstrip() + "\n"


def told(differences: Iterable[Difference], *, pieces: bool = False) -> list[list[Difference]]:
    """Differences, those that are the same on several hosts, or pieces of one, together."""
    same = grouped(
        differences,
        lambda one: (one.kind, one.part, sentence(one, pieces), how_to_fix(one), one.since),
    )
    order = {kind: number for number, kind in enumerate(KINDS)}
    return sorted(same, key=lambda those: order.get(those[0].kind, len(order)))


def sentence(one: Difference, pieces: bool = False) -> str:
    """What differs and why; of a piece, the thing that it is a piece of, unless pieces are told."""
    return one.within if one.within and not pieces else f"{one.what}: {one.reason}{values(one)}"


def _wrap(text: str, width: int, *, first: int = 0, rest: int = 0) -> list[str]:
    """Lines of at most ``width`` columns, indented; line ends in the text stay."""
    return [
        line
        for paragraph in (text.split("\n") if text else ())
        for line in textwrap.wrap(
            paragraph,
            width,
            initial_indent=" " * first,
            subsequent_indent=" " * rest,
            break_on_hyphens=False,
            break_long_words=False,
        )
        or [""]
    ]


def values(one: Difference) -> str:
    """What was found and what is expected, in brackets."""
    if one.found and one.expected:
        return f" ({one.found} → {one.expected})"
    if one.expected:
        return f" (→ {one.expected})"
    return f" (found {one.found})" if one.found else ""


def how_to_fix(one: Difference) -> str:
    """How a difference goes away: the deploy that fixes it, or what to do by hand."""
    if one.mended_by:
        return f"fixed by {one.mended_by}" + (f". {one.remedy}" if one.remedy else "")
    return one.remedy or "only reported"


def _age(report: Report, since: str) -> str:
    return f", since {ago(report.at, since)}" if since and since != stamp(report.at) else ""


def ago(now: datetime, since: str) -> str:
    """How long ago, in the largest unit that is not 0: ``3 h``."""
    passed = now - moment(since)
    for unit, length in (("d", timedelta(days=1)), ("h", timedelta(hours=1))):
        if passed >= 2 * length:
            return f"{passed // length} {unit}"
    return f"{max(passed // timedelta(minutes=1), 0)} min"


def headline(report: Report) -> str:
    """The whole report in one line."""
    return f'Cluster "{report.cluster}": {verdict(report)}'


def verdict(report: Report) -> str:
    """What the check came to, in one sentence."""
    if report.stuck:
        long = ago(report.at, report.busy_since)
        return f"not checked for {long}: every check has met a run in progress: {report.busy}"
    if report.busy:
        return f"a run is in progress, nothing was measured: {report.busy}"
    if report.problem:
        return f"could not be checked: {report.problem}"
    many = len(report.hosts)
    drifted = [host for host in report.hosts if host.differences]
    unknown = [host for host in report.hosts if host.state == "unknown"]
    if not drifted and not unknown:
        return f"{_hosts(many)} in sync"
    said = []
    if drifted:
        found = told(report.differences)
        counts = tally(those[0].kind for those in found)
        refused = {host.name for host in report.hosts if _is_refused(host)}
        held = sum(
            those[0].kind == Change.kind and {one.host for one in those} <= refused
            for those in found
        )
        counts += f" ({held} held up)" if held else ""
        said.append(f"{counts}, on {len(drifted)} of {_hosts(many)}")
    if unknown:
        everybody = [host.name for host in report.hosts]
        said.append(f"could not check {named([host.name for host in unknown], everybody)}")
    return "; ".join(said)


def hint(report: Report) -> str:
    """What to do about a run that keeps checks from measuring; "" where none does for too long."""
    if not report.stuck:
        return ""
    return (
        "Look whether that run still works. If it hangs (at a question, in a forgotten terminal), "
        "end it where it was started. Until then it is unknown what differs."
    )


def _hosts(many: int) -> str:
    return f"{many} host" + "s" * (many != 1)


def advice(report: Report, *, own: bool = False) -> Iterator[str]:
    """What to type to have the changes made. own: as for :func:`render`."""
    deploys = dict.fromkeys(one.mended_by for one in report.differences if one.mended_by)
    if not deploys or report.busy:
        return
    names = [SITE] if len(deploys) > 1 and report.deploy == SITE else list(deploys)
    hosts = [shlex.quote(host.name) for host in report.hosts if _fixable(host)]
    limit = "" if len(hosts) == len(report.hosts) else "".join(f" --limit {name}" for name in hosts)
    refused = any(_fixable(host) and _is_refused(host) for host in report.hosts)
    first = (
        "First what is marked ✗: until then no run changes that host. Then, t" if refused else "T"
    )
    yield f"{first}o fix what is marked ~:"
    for name in names:
        deploy = PurePath(name)
        if own and deploy.parent.name == "deploys":
            asked = "" if name == SITE else f" {shlex.quote(deploy.stem)}"
            yield f"  pyinfra-swarm apply{asked}{limit}"
        else:
            yield f"  pyinfra{limit} inventory.py {shlex.quote(name)}"


def _is_refused(host: HostReport) -> bool:
    """Whether a run would change nothing there. A stack that is refused holds up itself alone."""
    return any(one.kind == Refusal.kind and one.part != "stacks" for one in host.differences)


def _fixable(host: HostReport) -> bool:
    return any(one.mended_by for one in host.differences)
