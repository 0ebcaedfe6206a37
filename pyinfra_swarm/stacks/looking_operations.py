"""What is asked of hosts and registries before a stack is deployed, for the lint alone.

Whoever does not answer leaves something unknown, and the lint says nothing of that. So nothing here
fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from gevent.pool import Pool
from pyinfra.api import Host, State

from pyinfra_swarm.run import pyinfra_internals
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.script import quietly
from pyinfra_swarm.stacks.lint import Platform

AT_ONCE = 8
"""Hosts that are asked at the same time."""

SECONDS = 30
"""That a host may take. A registry has ten of them, and all are asked side by side."""

_IMAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]{0,500}")


def missing_paths(
    run: State, host: Host, asked: Sequence[Host], paths: Collection[str]
) -> dict[str, frozenset[str]]:
    """Which paths are not on the hosts, by the host's name; one that gives no answer is left out.

    A path in which there is more than a line is not asked for.
    """
    lines = sorted(path for path in paths if path.isprintable())
    if not lines:
        return {}
    text = program(__file__, "missing_paths.sh", paths="\n".join(lines))

    def one(each: Host) -> tuple[str, frozenset[str]] | None:
        with pyinfra_internals.in_the_name_of(run, host):
            outcome = quietly(each, text, timeout=SECONDS)
        return (each.name, frozenset(outcome.said["missing"])) if outcome.done else None

    pool = Pool(AT_ONCE)
    try:
        return dict(said for said in pool.map(one, asked) if said is not None)
    finally:
        pool.kill()


def platforms(manager: Host, images: Collection[str]) -> dict[str, tuple[Platform, ...]]:
    """What images are made for, as registries tell the manager's engine.

    An image of which none says anything without a login is left out.
    """
    names = sorted(one for one in images if _IMAGE.fullmatch(one) and ".." not in one)
    if not names:
        return {}
    text = program(__file__, "platforms.sh", images="\n".join(names))
    outcome = quietly(manager, text, timeout=SECONDS)
    return parse_platforms(outcome.said["platforms"]) if outcome.done else {}


def parse_platforms(lines: Iterable[str]) -> dict[str, tuple[Platform, ...]]:
    """Read what ``platforms.sh`` prints. What is no answer of an engine's is left out."""
    found = {}
    for line in lines:
        image, _, answer = line.partition(" ")
        try:
            said = json.loads(answer)
        except ValueError:
            continue
        entries = said.get("Platforms") if isinstance(said, Mapping) else None
        if isinstance(entries, list) and all(isinstance(one, Mapping) for one in entries):
            found[image] = tuple(map(_platform, entries))
    return found


def _platform(entry: Mapping[str, Any]) -> Platform:
    return Platform(str(entry.get("os", "")), str(entry.get("architecture", "")))
