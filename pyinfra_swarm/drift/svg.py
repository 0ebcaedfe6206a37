"""The cluster as a picture: which card stands where, and what is written on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pyinfra_swarm.drift.report import HostReport, Report

CARD_WIDTH, CARD_HEIGHT, GAP, MARGIN = 196, 112, 20, 28
HEAD, LANE = 84, 38
"""Above the cards: the internet and what it may reach; above each row of roles: its name."""
_COLUMNS = 5


@dataclass(frozen=True)
class Card:
    """One node, placed. Lengths are pixels.

    style: ``in-sync``, ``drifted``, ``unknown`` or ``stranger`` (a node that nobody declared).
    words: what is worth saying below the name, most telling first.
    """

    name: str
    x: int
    y: int
    style: str
    state: str
    leader: bool
    words: tuple[str, ...]


@dataclass(frozen=True)
class Lane:
    """A heading above rows of cards."""

    title: str
    y: int


@dataclass(frozen=True)
class Picture:
    """All of it.

    encrypted: whether every overlay network is; ``None`` where nobody said.
    network: that in words; exposure, quorum: in words, empty where not known.
    """

    width: int
    height: int
    lanes: tuple[Lane, ...]
    cards: tuple[Card, ...]
    encrypted: bool | None
    network: str
    exposure: str
    quorum: str

    @property
    def description(self) -> str:
        """The picture in words."""
        cards = "; ".join(", ".join([card.name, card.state, *card.words]) for card in self.cards)
        said = [self.network, self.exposure, self.quorum, cards]
        return ". ".join(text for text in said if text) + "."


def picture(report: Report) -> Picture:
    """Lay out a report's hosts: managers above workers above whoever nobody declared."""
    nodes: Mapping[str, Mapping[str, Any]] = _mapping(report.measures.get("nodes"))
    hosts = {host.name: host for host in report.hosts}
    strangers = [name for name, node in nodes.items() if not node.get("declared", True)]
    groups = [
        ("Managers", [host.name for host in report.hosts if host.role == "manager"]),
        ("Workers", [host.name for host in report.hosts if host.role == "worker"]),
        ("Others", [host.name for host in report.hosts if not host.role]),
        ("In the swarm, but not declared", [name for name in strangers if name not in hosts]),
    ]
    columns = max((min(len(names), _COLUMNS) for _, names in groups), default=1) or 1
    columns = max(columns, 4)  # room for the words around the cards
    width = 2 * MARGIN + columns * CARD_WIDTH + (columns - 1) * GAP
    lanes, cards, y = [], [], HEAD
    for title, names in groups:
        if not names:
            continue
        lanes.append(Lane(title, y + 24))
        y += LANE
        for start in range(0, len(names), columns):
            row = names[start : start + columns]
            left = (width - len(row) * CARD_WIDTH - (len(row) - 1) * GAP) // 2
            cards += [
                _card(name, hosts.get(name), nodes.get(name), left + n * (CARD_WIDTH + GAP), y)
                for n, name in enumerate(row)
            ]
            y += CARD_HEIGHT + GAP
    encrypted, network = _network(_mapping(report.measures.get("networks")))
    return Picture(
        width=width,
        height=y + 36,
        lanes=tuple(lanes),
        cards=tuple(cards),
        encrypted=encrypted,
        network=network,
        exposure=_exposure(report),
        quorum=_quorum(_mapping(report.measures.get("managers"))),
    )


def _exposure(report: Report) -> str:
    """Who gets in. It is what is declared; only where every host keeps to it, it is also so."""
    said = str(report.measures.get("exposure") or "")
    kept = all(
        "firewall" in host.parts
        and not any(one.part == "firewall" and one.kind != "notice" for one in host.differences)
        for host in report.hosts
    )
    return said if kept or not said else f"declared: {said}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _card(
    name: str, host: HostReport | None, node: Mapping[str, Any] | None, x: int, y: int
) -> Card:
    state = host.state if host else "not declared"
    return Card(
        name=name,
        x=x,
        y=y,
        style=state.replace(" ", "-") if host else "stranger",
        state=_count(host) if host else "not declared",
        leader=bool(node and node.get("leader")),
        words=tuple(_words(host, node)),
    )


def _count(host: HostReport) -> str:
    many = len(host.differences)
    if host.state != "drifted":
        return host.state
    return f"{many} difference" + "s" * (many != 1)


def _words(host: HostReport | None, node: Mapping[str, Any] | None) -> Sequence[str]:
    if node is None:
        return ["not seen in the swarm"]
    role = "leader, " if node.get("leader") else ""
    words = [f"{role}Docker {node['engine']}" if node.get("engine") else role.rstrip(", ")]
    if host and host.role and node.get("role") != host.role:
        words.append(f"is a {node['role']}")
    if node.get("state") not in ("ready", None):
        words.append(str(node["state"]))
    elif node.get("availability") not in ("active", None):
        words.append(f"availability {node['availability']}")
    elif node.get("reachability") not in ("reachable", "", None):
        words.append(str(node["reachability"]))
    else:
        words.append("ready")
    return words


def _network(networks: Mapping[str, Any]) -> tuple[bool | None, str]:
    clear = sorted(name for name, encrypted in networks.items() if not encrypted)
    if not networks:
        return None, "encryption not known"
    if clear:
        names = ", ".join(clear[:4]) + (" …" if len(clear) > 4 else "")
        return False, f"in clear text: {names}"
    many = len(networks)
    return True, f"{many} overlay network{'s' * (many != 1)}, encrypted"


def _quorum(managers: Mapping[str, Any]) -> str:
    if not managers:
        return ""
    margin = int(managers["margin"])
    spare = {0: "none may fail"}.get(margin, f"{margin} more may fail")
    spare = "the quorum is lost" if margin < 0 else spare
    return f"{managers['reachable']} of {managers['managers']} managers reachable, {spare}"
