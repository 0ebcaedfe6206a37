"""The certificates of a swarm's nodes: how long they are valid, and whether they are renewed.

Source: swarmkit renews a node's certificate at a random moment between 50 % and 80 % of its
validity, and at once when an engine starts after that (``ca/renewer.go``); it refuses a root CA
that ends within a year.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.keys.root_ca import pending, progress_of
from pyinfra_swarm.nodes.membership import Membership, Observed, acting_manager, view
from pyinfra_swarm.run.findings import Change, Finding, Notice
from pyinfra_swarm.run.wording import duration, listed
from pyinfra_swarm.settings.values.times import DURATION_UNITS

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host, Settings


RENEWED = 0.8
"""The part of its validity after which swarm has renewed a certificate, if it could."""

_SLACK = 300
_YEAR = 365 * 86400
_WHY = "`sudo journalctl -u docker | grep -i certificate` on the host says why"


@dataclass(frozen=True, kw_only=True)
class SetCertificateExpiry(Change):
    """New certificates are valid for another time. seconds: how long."""

    seconds: int


def plan_certificates(
    settings: Settings, observed: Observed, host: Host, *, now: float
) -> list[Finding]:
    """How long certificates are valid, as declared; and certificates that were not renewed.

    now: seconds since 1970. The acting manager reports what concerns the whole swarm.
    """
    findings: list[Finding] = []
    cluster = view(settings, observed)
    if cluster is not None and acting_manager(settings, observed) == host.name:
        findings += _of_the_swarm(settings, cluster, now)
    own = observed.get(host.name)
    if own is not None and own.in_swarm:
        findings += _of_the_host(own, now)
    return findings


def _of_the_swarm(settings: Settings, cluster: Membership, now: float) -> list[Finding]:
    spec = cluster.spec
    if spec is None:
        return []
    findings: list[Finding] = []
    declared = settings.swarm.certificate_expiry_seconds
    if spec.certificate_expiry != declared:
        findings.append(
            SetCertificateExpiry(
                "certificate expiry",
                "is not as declared; each node's certificate gets it when it is renewed",
                expected=as_setting(declared),
                found=as_setting(spec.certificate_expiry),
                seconds=declared,
            )
        )
    if spec.rotating:
        findings.append(_rotating(cluster))
    if spec.root_expires is not None and spec.root_expires - now < _YEAR:
        findings.append(
            Notice(
                "root CA",
                "ends within a year, and all certificates with it",
                found=f"{duration(spec.root_expires - now)} left",
                remedy="Replace it: `pyinfra inventory.py deploys/rotate_ca.py`",
            )
        )
    return findings


def _of_the_host(own: Membership, now: float) -> list[Finding]:
    issued, expires = own.certificate_issued, own.certificate_expires
    if issued is None or expires is None or own.state == "error":
        return []  # an engine that stopped for this reason says so, and is refused
    left, due = expires - now, issued + RENEWED * (expires - issued)
    if left <= 0:
        return [
            Notice(
                "certificate",
                "has expired: once the engine's connection breaks, it cannot come back. Do not "
                f"restart it; {_WHY}",
                found=f"ended {duration(-left)} ago",
                remedy=rejoin(own),
            )
        ]
    if now <= due + _SLACK:
        return []
    return [
        Notice(
            "certificate",
            "should have been renewed by now, and was not",
            found=f"{duration(left)} left of {duration(expires - issued)}",
            remedy="Check the clock, and that the managers answer at port 2377. "
            f"`sudo systemctl restart docker` makes the engine ask again, one host at a time; "
            f"{_WHY}",
        )
    ]


def _rotating(cluster: Membership) -> Notice:
    behind = [node.hostname for node in pending(cluster)]
    waits = f"; it waits for {listed(behind)}" if behind else ""
    return Notice(
        "root CA",
        f"is being replaced: both the old and the new one are trusted{waits}",
        found=progress_of(cluster),
        remedy="It ends when all nodes are there; `pyinfra inventory.py "
        "deploys/rotate_ca.py` waits for it",
    )


def has_expired(own: Membership) -> bool:
    """Whether the engine is no node any more because its certificate is no longer valid."""
    return own.state == "error" and "certificate has expired" in own.error


def rejoin(own: Membership) -> str:
    """How a node whose certificate has expired comes back."""
    if own.certificate_role == "manager":
        return (
            "If other managers answer: `docker swarm leave --force` on it, then run the site, and "
            "it joins again. If none does, do not make it leave: docs/swarm-keys.md says how the "
            "swarm is brought back"
        )
    return "`docker swarm leave --force` on it, then run the site, and it joins again"


def as_setting(seconds: int) -> str:
    """A length of time as the settings have it: ``90d``, ``1d12h``."""
    words = ""
    for unit, size in sorted(DURATION_UNITS.items(), key=lambda item: -item[1]):
        count, seconds = divmod(seconds, size)
        words += f"{count}{unit}" if count else ""
    return words or "0s"
