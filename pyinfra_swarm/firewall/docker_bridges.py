"""Which of a host's interfaces are Docker's bridges, as the host itself keeps the list.

Docker makes and removes bridges at any time, and nothing in a packet tells one from another's: so
the host asks the engine for their names whenever it says that a network was made or removed, and
looks at its interfaces whenever one appears or goes. ``onhost/docker_bridges.sh`` has the
questions, and is given :data:`FOR_THE_HOST`; ``onhost/watch_interfaces.sh`` says when.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding
from pyinfra_swarm.run.observation import Observation

DOCKERS_OWN = ("docker0", "docker_gwbridge")
"""Docker's bridges whose names never change, there already or not yet."""

_PREFIX, _DIGITS = "br-", 12
"""How Docker calls any other one, unless the network's owner has named it: so much of its id."""

CALLED = f"{_PREFIX}+"
"""The same as iptables matches it. Not Docker alone calls bridges so: it is enough to keep somebody
out, never to let in."""

FOR_THE_HOST = {
    "dockers_own": " ".join(DOCKERS_OWN),
    "bridge_prefix": _PREFIX,
    "bridge_digits": str(_DIGITS),
}
"""The same, as variables of the shell."""

_LOOKS_LIKE_DOCKERS = re.compile(
    rf"{'|'.join(DOCKERS_OWN)}|{_PREFIX}[0-9a-f]{{{_DIGITS}}}|veth[0-9a-f]+"
)


def name_of(id: str, given: str) -> str:
    """What the bridge of a network is called. given: by the network's owner; "" for no name."""
    return given or f"{_PREFIX}{id[:_DIGITS]}"


def looks_like_dockers(interface: str) -> bool:
    """Whether an interface is called as Docker's bridges and the ends of its containers are."""
    return bool(_LOOKS_LIKE_DOCKERS.fullmatch(interface))


@dataclass(frozen=True)
class Interfaces(Observation):
    """What a host takes its interfaces for.

    docker: bridges of Docker's networks: inside.
    outside: all others that are known not to be Docker's. What is translated towards them belongs
        to others and is left alone.
    shared: bridges of Docker's networks that have a port beside the containers', a network card
        say. Like anything that is in no list they are outside: published ports there are filtered.
    """

    docker: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @property
    def inside(self) -> tuple[str, ...]:
        """The bridges that are Docker's own, and nobody else's."""
        own = (name for name in (*DOCKERS_OWN, *self.docker) if name not in self.shared)
        return tuple(dict.fromkeys(own))


def parse_list(lines: list[str]) -> Interfaces:
    """The host's list: a word and a name on each line; what is not understood does not count."""
    named: dict[str, list[str]] = {"docker": [], "outside": [], "shared": []}
    for line in lines:
        word, _, name = line.partition(" ")
        if word in named and name:
            named[word].append(name)
    return Interfaces(**{word: tuple(names) for word, names in named.items()})


def plan_interfaces(listed: Interfaces, of_docker: tuple[str, ...] | None) -> list[Finding]:
    """Whether a host's list is behind what its engine says; ``None`` where that does not answer."""
    if of_docker is None:
        return []
    known = {*listed.docker, *listed.shared, *DOCKERS_OWN}
    missing = sorted({*of_docker} - known)
    gone = sorted({*listed.docker} - {*of_docker, *DOCKERS_OWN})
    words = []
    if missing:
        words.append(f"lacks {', '.join(missing)}")
    if gone:
        words.append(f"still trusts {', '.join(gone)}")
    if not words:
        return []
    return [Change("Docker's bridges", f"the host's list of them {' and '.join(words)}")]
