"""How the world reaches the services: our own stack deployed, and what can be seen of it told.

What is done is done by the acting manager, for all hosts.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_swarm.exposure import facts
from pyinfra_swarm.exposure.origin_pulls import (
    handshake,
    plan_origin_pulls,
    read_certificates,
)
from pyinfra_swarm.exposure.own_files import read_own_stack
from pyinfra_swarm.exposure.plan import asked_hosts, left_behind, plan_doors, plan_uplinks
from pyinfra_swarm.exposure.seen import Doors, Handshake, PullCertificate, Uplink
from pyinfra_swarm.nodes.membership import Observed, acting_manager, view
from pyinfra_swarm.nodes.observing import may_be_left, memberships
from pyinfra_swarm.run import records
from pyinfra_swarm.run.command_line import is_run_of
from pyinfra_swarm.run.converge import (
    Commands,
    Unobserved,
    converges,
    current_host,
    observe_on,
    report,
)
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.plain_file import content
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.secrets.objects import Key
from pyinfra_swarm.secrets.observing import value
from pyinfra_swarm.secrets.value import Unreadable
from pyinfra_swarm.settings.exposure_modes import OWN_STACK, mode_closes_the_web
from pyinfra_swarm.settings.paths import from_user
from pyinfra_swarm.stacks.facts import Stacks
from pyinfra_swarm.stacks.operations import kept_deployed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

PART = "exposure"

LARGEST = 1 << 16
"""Bytes of a certificate's file."""


@converges("exposure")
def stack_deployed(settings: Settings) -> Commands:
    """The tunnel, or dynamic DNS, runs as it is declared: a stack like any other.

    Where neither is declared, nothing is asked.

    + settings: of them ``exposure``, and the secret that it names
    """
    own = read_own_stack(settings)
    if own is None:
        report(PART, [])
        return
    yield from kept_deployed(settings, PART, {OWN_STACK: own}, alone=is_run_of("exposure"))


@converges("exposure")
def checked(settings: Settings) -> Commands:
    """What is seen of the ways in is told: connectors, published web ports, CGNAT, origin pulls.

    Each is asked only where something is declared that it concerns, and all of it where
    ``deploys/exposure.py`` is what was called. It changes nothing.

    + settings: of them ``exposure``, and what the firewall lets in
    """
    observed = memberships()
    acting = acting_manager(settings, observed)
    if acting is None or current_host().name != acting:
        report(PART, [])
        return
    report(PART, list(_seen(settings, observed, acting)))
    yield from ()


def _seen(settings: Settings, observed: Observed, acting: str) -> list[Finding]:
    exposure, alone = settings.exposure, is_run_of("exposure")
    found: list[Finding] = []
    if mode_closes_the_web(exposure.mode) or alone:
        doors = _doors(acting)
        if exposure.mode == "tunnel":
            places = len({*(doors.connectors or ())})
            records.measure(PART, "nodes with a connector of the tunnel", places)
        found += plan_doors(settings, doors)
    if not exposure.own_stack and _may_be_left(settings, observed, alone=alone):
        found += left_behind(sorted(_of_own_stack(acting)))
    if exposure.mode == "ports" and exposure.cgnat_hint and (alone or exposure.dynamic_dns.domains):
        found += plan_uplinks({name: _uplink(name) for name in asked_hosts(settings)})
    if exposure.origin_pulls.hosts:
        certificate = _certificates(settings)
        if certificate.ends is not None:
            records.measure(PART, "origin pull certificate expires", certificate.ends)
        found += plan_origin_pulls(_handshakes(settings, acting), certificate, time.time())
    return found


def _doors(acting: str) -> Doors:
    doors = observe_on(acting, facts.Doors)
    if doors.problem:
        raise Unobserved(f"{acting} cannot say what is published: {doors.problem}")
    return doors


def _may_be_left(settings: Settings, observed: Observed, *, alone: bool) -> bool:
    """Whether it is worth a question: a stack of ours is there, or the tunnel's network, though
    nobody declares it."""
    cluster = view(settings, observed)
    there = {one.name for one in (cluster.overlays if cluster else None) or ()}
    network = settings.exposure.tunnel.network
    declared = {one.name for one in settings.overlays}
    return alone or may_be_left(settings, "stacks") or network in there - declared


def _of_own_stack(acting: str) -> set[str]:
    stacks = observe_on(acting, Stacks)
    if stacks.problem:
        raise Unobserved(f"{acting} cannot say what is deployed: {stacks.problem}")
    return {one.name for one in stacks.services if one.stack == OWN_STACK}


def _uplink(name: str) -> Uplink | None:
    try:
        return observe_on(name, facts.Uplink)
    except Unobserved:
        return None  # a hint is worth no failure


# Origin pulls
# ------------


def _certificates(settings: Settings) -> PullCertificate:
    pulls = settings.exposure.origin_pulls
    try:
        own, ca = (_content(settings, name) for name in (pulls.certificate, pulls.ca))
    except OSError as error:
        return PullCertificate(problem=f"{error.filename or error}: {error.strerror or error}")
    return read_certificates(own, ca)


def _content(settings: Settings, name: str) -> bytes | None:
    if not name:
        return None
    return content(Path(settings.folder / from_user(name)).resolve(), LARGEST)


def _handshakes(settings: Settings, acting: str) -> list[Handshake]:
    """Each name is asked for without a certificate, and with the declared one if there is a key."""
    pulls = settings.exposure.origin_pulls
    found = [_handshake(settings, acting, host, "", None) for host in pulls.hosts]
    if not pulls.key:
        return found
    try:
        key = value(settings, Key("secret", pulls.key)).data.decode("ascii")
        certificate = (_content(settings, pulls.certificate) or b"").decode("ascii")
    except (Unreadable, OSError, UnicodeDecodeError) as error:
        words = str(getattr(error, "problem", "")) or "the certificate or its key cannot be read"
        return [*found, *(Handshake(host, True, "unclear", words) for host in pulls.hosts)]
    return [
        *found,
        *(_handshake(settings, acting, host, certificate, key) for host in pulls.hosts),
    ]


def _handshake(
    settings: Settings, acting: str, host: str, certificate: str, key: str | None
) -> Handshake:
    others = [one.address for one in settings.hosts if one.name != acting]
    own = [one.address for one in settings.hosts if one.name == acting]
    text = program(
        __file__,
        "handshake.sh",
        name=host,
        port=str(settings.exposure.origin_pulls.port),
        addresses=",".join([*others, *own][:4]),
        certificate=certificate.strip(),
    )
    manager = current_host()
    outcome = quietly(manager, text, stdin=key, timeout=30, hidden=[key] if key else [])
    if not outcome.done:
        return Handshake(host, bool(certificate), "unclear", outcome.problem)
    said = outcome.said
    return handshake(
        host,
        certificate=bool(certificate),
        status=int(said["exit"][0]),
        code="".join(said["code"]).strip(),
        nginx="yes" in said["nginx"],
        words=" ".join(said["words"]).strip(),
    )
