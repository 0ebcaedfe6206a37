"""A new root CA: ``pyinfra inventory.py deploys/rotate_ca.py``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.api import on
from pyinfra_swarm.engine.swarm_spec import UPDATE_SWARM
from pyinfra_swarm.keys.root_ca import pending, plan_ca_rotation, progress_of
from pyinfra_swarm.nodes.facts import State
from pyinfra_swarm.nodes.membership import Membership, acting_manager, view
from pyinfra_swarm.nodes.observing import acting_left_out
from pyinfra_swarm.run import clock
from pyinfra_swarm.run.converge import (
    Commands,
    Unobserved,
    fail,
    forget_observations,
    job,
    observe_all,
    observe_on,
    pause,
    progress,
    report,
    this_host,
)
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


PATIENCE = 300
"""Seconds that a rotation may go on without another node that has its new certificate."""


@job("swarm")
def rotated(settings: Settings) -> Commands:
    """The swarm's root CA replaced, every node with a certificate of the new one.

    + settings: the cluster's settings.

    Every run replaces it, unless a replacement is under way: then that one's end is awaited. A run
    that was interrupted is finished by the swarm itself; the next run waits for it.

    **Example:**

    .. code:: python

        root_ca.rotated(load(), name="Swarm: a new root CA")
    """
    me = this_host(settings)
    observed = observe_all(State)
    awaited = _awaited(settings, observed)
    plan = plan_ca_rotation(settings, observed, me, awaited=awaited)
    if not report("swarm", acting_left_out(settings, observed) or plan):
        return
    yield on(me.name, "true" if awaited else _BEGIN, "replacing the root CA")
    last, deadline = "", clock.now() + PATIENCE
    while True:
        cluster = _now(settings, me.name)
        if cluster is not None and cluster.spec and not cluster.spec.rotating:
            progress(f"root CA: replaced; {progress_of(cluster)}")
            return
        said = progress_of(cluster) if cluster else "no manager answers at this moment"
        if said != last:
            progress(f"root CA: {said}")
            last, deadline = said, clock.now() + PATIENCE
        if clock.now() > deadline:
            behind = [node.hostname for node in pending(cluster)] if cluster else []
            yield fail(
                f"root CA: after {PATIENCE} s the replacement has not ended ({said}"
                + (f"; without: {listed(behind)}" if behind else "")
                + "). The old and the new one are trusted meanwhile, and it goes on by itself; "
                "run again to wait for its end"
            )
            return
        pause(2)


_found_under_way: set[str] = set()


def _awaited(settings: Settings, observed: Mapping[str, Membership | None]) -> bool:
    """Whether this run has found a rotation under way: it may end between the plan and the act."""
    cluster = view(settings, observed)
    if cluster is not None and cluster.spec is not None and cluster.spec.rotating:
        _found_under_way.add(cluster.cluster)
    return cluster is not None and cluster.cluster in _found_under_way


def _now(settings: Settings, acting: str) -> Membership | None:
    """The swarm at this moment; managers break their connections when their certificate changes."""
    forget_observations()
    try:
        said = observe_on(acting, State)
    except Unobserved:
        said = None
    if said is not None and said.controls:
        return said
    observed = observe_all(State)
    return view(settings, observed) if acting_manager(settings, observed) else None


_BEGIN = f"""\
{UPDATE_SWARM}
ask http://localhost/swarm
case $answer in *'"RootRotationInProgress":true'*) exit 0 ;; esac
edit() {{
  case $spec in
    *'"ForceRotate":'*)
      count=${{spec#*'"ForceRotate":'}}
      count=${{count%%[!0-9]*}}
      replace "s/\\"ForceRotate\\":$count/\\"ForceRotate\\":$((count + 1))/" ;;
    *) replace 's/"CAConfig":{{/"CAConfig":{{"ForceRotate":1,/' ;;
  esac
}}
update_swarm ''
"""
"""Shell: begins a rotation where none is under way. A higher count than before asks for one."""
