"""What is known of some versions of the engine, each with a sentence and how much it matters.

Only what a swarm with encrypted networks meets, and what no setting mends. Whoever adds to it names
the source, and the first version that is free of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.engine.versions import order


@dataclass(frozen=True)
class Advice:
    """What is known of a range of versions.

    first, last: the range, both included. better: what to have in its place.
    not_for_new: a new cluster must not begin with it; in a running one it is only told.
    """

    first: str
    last: str
    reason: str
    source: str
    better: str
    not_for_new: bool = False


KNOWN = (
    Advice(
        "29.0.0",
        "29.2.0",
        "it sends encrypted packets by an index that no other release knows, so its nodes cannot "
        "talk to nodes of other releases, and no upgrade goes without a standstill",
        "moby #51798, release notes of 29.2.1",
        "29.2.1 or later",
        not_for_new=True,
    ),
    Advice(
        "29.0.0",
        "29.7.2",
        "after a node's link was gone for some seconds, names of services that ran on it may stay "
        "unknown on other nodes until `docker service update --force`",
        "moby #53141",
        "29.8.0 or later",
    ),
)


def advice(version: str) -> list[Advice]:
    """What is known of a version; nothing where it is not known yet (``""``)."""
    if not version:
        return []
    number = order(version)[0]
    return [one for one in KNOWN if order(one.first)[0] <= number <= order(one.last)[0]]
