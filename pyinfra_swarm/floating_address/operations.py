"""The floating address: keepalived set up on every host, and one of them holding it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyinfra.api import Host, State

from pyinfra_swarm.floating_address import paths
from pyinfra_swarm.floating_address.facts import FloatingAddress
from pyinfra_swarm.floating_address.handing_on_operations import REMOVE, taken_back
from pyinfra_swarm.floating_address.plan import (
    Install,
    Reload,
    Remove,
    Start,
    TakeBack,
    WriteFile,
    holders,
    measured,
    plan_files,
    plan_holding,
    plan_removal,
    told,
)
from pyinfra_swarm.host import facts as system
from pyinfra_swarm.host.packages import INSTALLATION, install
from pyinfra_swarm.nodes.identity import likely_node
from pyinfra_swarm.nodes.membership import Node, members, view
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.run import clock, records, reporting
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    converges,
    current_host,
    forget_observations,
    job,
    observe,
    observe_all,
    pause,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import changes, unhandled
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.writing import write_file, write_files
from pyinfra_swarm.settings.labels import AVAILABILITY_BEFORE

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

HELD_WITHIN = 20
"""Seconds that hosts have to agree on who holds the address, once keepalived runs."""


@converges("exposure")
def set_up(settings: Settings) -> Commands:
    """keepalived is installed and configured; where it runs, it has read what is declared.

    + settings: the cluster's settings; of them ``exposure`` and the hosts

    It does not start keepalived: first every host has to know of every other
    (:func:`held`, the next operation). Without a declared address, what is left of it goes.

    **Example:**

    .. code:: python

        floating_address.set_up(load(), name="Exposure: keepalived knows every host")
    """
    if settings.exposure.address:
        said = observe_all(FloatingAddress)
        findings = plan_files(settings, this_host(settings), said, _in_the_swarm(settings))
    elif observe(system.Host).keepalived:
        alone = {current_host().name: observe(FloatingAddress)}
        findings = plan_files(settings, this_host(settings), alone)
    else:
        findings = []
    if not report("exposure", findings):
        return
    files: dict[str, str] = {}
    packages, reload = [], False
    for step in changes(findings):
        match step:
            case Install():
                packages.append(paths.PACKAGE)
            case WriteFile(path=path, content=content):
                files[path] = content
            case Reload():
                reload = True
            case Remove():
                yield script(REMOVE, timeout=120)
            case _:
                raise unhandled(step)
    if packages:
        progress("installing keepalived")
        yield script(install(packages), timeout=INSTALLATION)
    if files:
        program_, others = files.pop(paths.PROGRAM, ""), files
        steps = [write_file(paths.PROGRAM, program_, mode="755")] if program_ else []
        yield script("\n".join([*steps, *([write_files(others)] if others else [])]))
    if reload:
        yield script(_with_keepalived("reload.sh"))


def _in_the_swarm(settings: Settings) -> tuple[str, ...]:
    swarm = view(settings, memberships())
    return members(swarm.nodes or ()) if swarm else ()


@converges("exposure")
def held(settings: Settings) -> Commands:
    """keepalived runs on every host, and one of them holds the address.

    + settings: the cluster's settings; of them ``exposure`` and the hosts

    Call it after :func:`set_up`. A host that has given the address up for work that did not end
    may hold it again, unless a rolling job has still to finish with it.

    **Example:**

    .. code:: python

        floating_address.held(load(), name="Exposure: one healthy host holds the address")
    """
    if not settings.exposure.address:
        report("exposure", [])
        return
    me, seen = this_host(settings), observe_all(FloatingAddress)
    node = _node(settings, me.name)
    if me.name == next(name for name, said in seen.items() if said is not None):
        records.measure("exposure", "floating address", measured(settings, seen))
    findings = plan_holding(
        settings,
        me,
        seen,
        unfinished=node is not None and AVAILABILITY_BEFORE in node.labels,
        drained=node is not None and node.availability == "drain",
    )
    if not report("exposure", findings):
        return
    for step in changes(findings):
        match step:
            case Start():
                yield script(_with_keepalived("start.sh"))
            case TakeBack():
                yield from taken_back(settings)
            case _:
                raise unhandled(step)
    progress(f"waiting until one host holds {settings.exposure.address}")
    yield call(_until_held, settings)


def _node(settings: Settings, name: str) -> Node | None:
    """A host's node, as a manager lists it."""
    observed = memberships()
    cluster = view(settings, observed)
    return likely_node(settings, observed, cluster, name) if cluster else None


def _until_held(state: State, host: Host, settings: Settings) -> bool:
    deadline = clock.now() + HELD_WITHIN
    while True:
        forget_observations()
        seen = observe_all(FloatingAddress)
        found = holders(settings, seen)
        if len(found) == 1:
            host.log(told(settings, seen))
            return True
        if clock.now() > deadline:
            reporting.failed(
                host,
                f"after {HELD_WITHIN} s {' and '.join(found) or 'no host'} "
                f"hold{'s' * (len(found) < 2)} {settings.exposure.address}. "
                "`pyinfra inventory.py deploys/exposure.py --dry` says why each host does not",
            )
            return False
        pause(1)


@job("exposure")
def removed(settings: Settings) -> Commands:
    """Nothing on the hosts holds the floating address any more; keepalived's package stays.

    + settings: the cluster's settings

    **Example:**

    .. code:: python

        floating_address.removed(load(), name="Exposure: the floating address removed")
    """
    if report("exposure", plan_removal(observe(FloatingAddress), "is on the host")):
        yield script(REMOVE, timeout=120)


def _with_keepalived(name: str) -> str:
    values = {"unit": paths.UNIT, "configuration": paths.CONFIGURATION, "path": paths.PROGRAM}
    return program(__file__, name, **values)
