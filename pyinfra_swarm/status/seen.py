"""What a status is made of: the answers of the hosts, as pyinfra prints them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter, ValidationError

from pyinfra_swarm.firewall.web_ranges import WebRanges
from pyinfra_swarm.host.resources import Resources
from pyinfra_swarm.nodes.membership import Membership, Service
from pyinfra_swarm.rolling.services import Replicas


def _ports(shown: Any) -> Any:
    """``["53/udp", …]`` as numbers with their protocols."""
    return [str(one).split("/") for one in shown] if isinstance(shown, list) else shown


Ports = Annotated[frozenset[tuple[int, str]], BeforeValidator(_ports)]


@dataclass(frozen=True)
class Firewall:
    """Of a host's firewall: the web's ranges, and the ports that Docker's rules hand on.

    docker_for: seconds that Docker has been running; ``None`` where it does not run.
    mesh_ports: to services; container_ports: to containers on this host.
    """

    ranges: Annotated[WebRanges, Field(validation_alias="web ranges")]
    mesh_ports: Annotated[Ports, Field(validation_alias="published by services")]
    container_ports: Annotated[Ports, Field(validation_alias="published by containers")]
    docker_for: Annotated[float | None, Field(validation_alias="docker has run for")] = None


@dataclass(frozen=True)
class Seen:
    """What one host has said; ``None`` for a question that it did not answer.

    silent: why nothing was heard of it; "" where something was.
    """

    membership: Membership | None = None
    resources: Resources | None = None
    firewall: Firewall | None = None
    replicas: tuple[Replicas, ...] | None = None
    services: tuple[Service, ...] | None = None
    silent: str = ""

    @property
    def whole(self) -> bool:
        """It has answered what every host can answer."""
        return None not in (self.membership, self.resources, self.firewall)


QUESTIONS: Mapping[str, tuple[str, TypeAdapter[Any]]] = {
    "membership": ("pyinfra_swarm.nodes.facts.State", TypeAdapter(Membership)),
    "resources": ("pyinfra_swarm.host.facts.Resources", TypeAdapter(Resources)),
    "firewall": ("pyinfra_swarm.firewall.facts.State", TypeAdapter(Firewall)),
    "replicas": ("pyinfra_swarm.rolling.facts.Replicas", TypeAdapter(tuple[Replicas, ...])),
    "services": ("pyinfra_swarm.nodes.facts.Services", TypeAdapter(tuple[Service, ...])),
}
"""By the field of :class:`Seen`: the fact that is asked for, and the type of its answer."""


def seen(
    hosts: tuple[str, ...], answers: Mapping[str, Mapping[str, Any]], silent: Mapping[str, str]
) -> dict[str, Seen]:
    """What each host has said.

    answers: by the fact's name and the host's; silent: why hosts failed, by name.
    """
    return {
        host: Seen(
            **{
                field: _read(adapter, answers.get(fact, {}).get(host))
                for field, (fact, adapter) in QUESTIONS.items()
            },
            silent=silent.get(host, ""),
        )
        for host in hosts
    }


def _read(adapter: TypeAdapter[Any], answer: Any) -> Any:
    """The value; ``None`` for what is none, as of a fact that could not be had."""
    if answer is None:
        return None
    try:
        return adapter.validate_python(answer)
    except ValidationError:
        return None
