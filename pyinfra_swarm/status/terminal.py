"""The status for a terminal: one screen, in tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.telling import named
from pyinfra_swarm.run.wording import counted, duration, moment
from pyinfra_swarm.status.summary import Node, Port, Service, Status

_YELLOW, _RED = 33, 31
_GIB = 1 << 30


def render(status: Status, *, colour: bool = False) -> str:
    """The status as text. Tables are as wide as what is in them."""

    def paint(text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if colour else text

    lines = [headline(status), ""]
    lines += _table(_node_rows(status.nodes))
    for node in status.nodes:
        if node.silent:
            lines.append(paint(f"  {node.name}: {node.silent}", _RED))
        elif not node.declared:
            lines.append(paint(f"  {node.name}: a node that is not declared", _YELLOW))
    lines += ["", *_service_lines(status)]
    hosts = [node.name for node in status.nodes]
    for one in status.services or ():
        if not one.complete:
            asked = f"`docker service ps --no-trunc {quoted(one.name)}` on a manager says why"
            lines.append(paint(f"  {one.name} lacks tasks: {asked}", _YELLOW))
        for port in one.ports:
            if port.lacking:
                where = named(port.lacking, hosts)
                said = f"{one.name}: {_port(port)} does not answer at {where}: Docker lost its rule"
                lines.append(paint(f"  {said}; restart Docker there (deploys/restart.py)", _RED))
    lines += ["", _backup(status)]
    return "\n".join(lines) + "\n"


def headline(status: Status) -> str:
    """How the cluster is, in one line."""
    ready = sum(node.state == "ready" for node in status.nodes)
    said = f'Cluster "{status.cluster}": {ready} of {counted(len(status.nodes), "node")} ready'
    if not status.quorum:
        return f"{said}; no manager answers for the swarm"
    quorum = status.quorum
    said += f"; {quorum['reachable']} of {counted(quorum['managers'], 'manager')} reachable"
    margin = quorum["margin"]
    if margin < 0:
        return f"{said}, {quorum['needed']} needed: the quorum is lost"
    return f"{said}, {margin or 'none'} more may fail"


def _node_rows(nodes: Sequence[Node]) -> Iterator[Sequence[str]]:
    hot = any(node.celsius is not None for node in nodes)
    yield (
        *("node", "role", "state", "availability", "engine", "disk", "memory"),
        *(["°C"] if hot else []),
        *("certificate", "ranges"),
    )
    for node in nodes:
        yield (
            node.name,
            node.role + ("*" if node.leader else ""),
            node.state,
            node.availability or "-",
            node.engine or "-",
            "-" if node.disk is None else f"{node.disk}% of {_gib(node.disk_total or 0)}",
            _memory(node),
            *(["-" if node.celsius is None else f"{node.celsius:.0f}"] if hot else []),
            "-" if node.certificate_days is None else counted(node.certificate_days, "day"),
            "-" if node.ranges_age is None else duration(node.ranges_age),
        )


def _memory(node: Node) -> str:
    if node.memory is None or node.memory_used is None:
        return "-"
    return f"{-(-100 * node.memory_used // max(node.memory, 1))}% of {_gib(node.memory)}"


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f}G" if size < 10 * _GIB else f"{round(size / _GIB)}G"


def _service_lines(status: Status) -> list[str]:
    if status.services is None:
        return ["Services: not known, no manager has named them."]
    if not status.services and not status.on_hosts:
        return ["No services yet."]
    told = [one for one in status.services if one.ports or not one.complete]
    rows = [*_service_rows(told), *_rows_on_hosts(status)]
    lines = _table(iter([_HEAD, *rows])) if rows else []
    others = len(status.services) - len(told)
    if others:
        more = "more " if told else ""
        lines.append(f"  {counted(others, f'{more}service')} without published ports, complete")
    return lines


_HEAD = ("service", "tasks", "port", "reached by")


def _port(port: Port) -> str:
    return f"{port.number}/{port.protocol}"


def _service_rows(services: Sequence[Service]) -> Iterator[Sequence[str]]:
    for one in services:
        tasks = "a job" if one.running is None else f"{one.running}/{one.wanted}"
        if one.stuck:
            tasks += f" ({one.stuck} without a node)"
        for port in one.ports or (None,):
            first = port is None or port is one.ports[0]
            yield (
                one.name if first else "",
                tasks if first else "",
                _port(port) if port else "-",
                ", ".join(port.reached_by) if port else "",
            )


def _rows_on_hosts(status: Status) -> Iterator[Sequence[str]]:
    """What containers publish on their own hosts; a container's name is not known here."""
    hosts = [node.name for node in status.nodes]
    for one in status.on_hosts:
        where = f"on {named(one.hosts, hosts)} alone"
        yield (where, "-", _port(one.port), ", ".join(one.port.reached_by))


def _backup(status: Status) -> str:
    if status.backup_unknown:
        return f"Last backup: not known: {status.backup_unknown}"
    if status.backup is None:
        return "Last backup: none that this computer has written (deploys/backup.py)"
    age = duration(max(status.at - status.backup.taken, 0))
    when = moment(status.backup.taken)
    told = f"Last backup: {age} ago ({when}), of {status.backup.host}: {status.backup.file}"
    if status.backup.compared:
        return told
    return (
        f"{told} (matched by the cluster's name only: no manager answers for the swarm, so it may "
        "be another's)"
    )


def _table(rows: Iterator[Sequence[str]]) -> list[str]:
    """Columns as wide as their widest cell; no blanks at the ends of lines."""
    cells = list(rows)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  "
        + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
