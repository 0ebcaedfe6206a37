"""What is known of an engine's version that a cluster should not have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.advice import advice
from pyinfra_swarm.host.system import Host
from pyinfra_swarm.run.findings import Finding, Refusal, Remark

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def engine_findings(settings: Settings, host: Host, *, new_cluster: bool) -> Iterator[Finding]:
    """What is to be said of the engine that this host has, or is to get.

    new_cluster: every host has said that it is in no swarm.
    """
    version = host.engine if host.in_swarm else settings.docker.version or host.engine
    for one in advice(version):
        kind = Refusal if one.not_for_new and new_cluster else Remark
        yield kind(
            "Docker Engine",
            f"{one.reason} ({one.source})",
            expected=one.better,
            found=version,
            remedy="Declare a version in docker.version"
            + ("; deploys/upgrade.py upgrades the nodes, one at a time" if host.in_swarm else ""),
        )
