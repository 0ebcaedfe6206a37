"""Admin access by VPN: WireGuard as declared, and what other VPNs let through."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra_swarm.host.facts import Host
from pyinfra_swarm.host.packages import INSTALLATION, install
from pyinfra_swarm.rollback.operations import rolled_back_first, with_rollback
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    fail,
    job,
    observe,
    progress,
    report,
    script,
)
from pyinfra_swarm.run.findings import Change, Finding, changes, refusals, unhandled
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.vpn import wireguard
from pyinfra_swarm.vpn.facts import State
from pyinfra_swarm.vpn.plan import (
    PACKAGE,
    Apply,
    Install,
    MakeKey,
    Protect,
    Remove,
    plan,
    plan_removal,
)
from pyinfra_swarm.vpn.wireguard import FOLDER, MARK, PLACES, Wanted, config_path, key_path, link


@converges("vpn")
def as_declared(settings: Settings) -> Commands:
    """WireGuard is on the host as declared, with a key that was made there and has never left it.

    + settings: the cluster's settings; of them ``access`` and the hosts

    A change is rolled back unless a new login works after it. What is not declared any more goes.
    Tailscale and NetBird are not set up, but it is said what they let through.

    **Example:**

    .. code:: python

        vpn.as_declared(load(), name="VPN: WireGuard as declared")
    """
    if not settings.access.vpn and not observe(Host).vpn:
        report("vpn", [])
        return
    seen = observe(State)
    findings = _find(settings)
    if not report("vpn", findings):
        return
    if seen.unconfirmed:
        yield from rolled_back_first()
        findings = _find(settings)
        if not report("vpn", findings):
            return
    name = current_host().name
    declared = wireguard.wanted(settings, name)
    yield from _carried_out(settings, declared, changes(findings))
    left = _find(settings)
    if wrong := [*refusals(left), *changes(left)]:
        yield fail("; ".join(finding.sentence() for finding in wrong))


def _find(settings: Settings) -> list[Finding]:
    return plan(settings, current_host().name, observe(State))


def _carried_out(settings: Settings, declared: Wanted | None, steps: list[Change]) -> Commands:
    restart, apply, unwritten, gone = False, False, False, []
    for step in steps:
        match step:
            case Install():
                progress(f"installing {PACKAGE}")
                yield script(install([PACKAGE]), timeout=INSTALLATION)
            case MakeKey() if declared:
                words = {"interface": declared.interface, "key": key_path(declared.interface)}
                yield script(program(__file__, "make_key.sh", **words))
                apply = restart = True
            case Protect() if declared:
                key = key_path(declared.interface)
                yield script(program(__file__, "protect_key.sh", key=key))
            case Apply() if declared:
                apply, restart = True, restart or step.restart
                unwritten = unwritten or step.unwritten
            case Remove():
                gone.append(step.interface)
            case _:
                raise unhandled(step)
    if not apply and not gone:
        return
    if declared and unwritten:  # before the change: what is undone puts back the files of before
        yield script(_write_down(declared.interface))
    touched = [*gone, *([declared.interface] if declared and apply else [])]
    commands = [_remove(one) for one in gone]
    if declared and apply:
        commands.append(_bring_up(declared, restart=restart))
    progress("vpn: a new login has to work before the change is kept")
    yield from with_rollback(
        "vpn",
        # A key goes with its interface: left for later, it stays where the connection breaks.
        files=[
            *(path for one in touched for path in (config_path(one), link(one))),
            *map(key_path, gone),
        ],
        apply=commands,
        after_restore=after_restore(touched),
        seconds=settings.ssh.rollback_after,
    )
    if gone:
        paths = " ".join(f"{PLACES}{one}" for one in gone)
        yield script(program(__file__, "remove_left.sh", paths=paths))


_ENDPOINTS = program(__file__, "endpoints.sh", places=PLACES)
"""Shell: who is connected to an interface, remembered, and connected again."""


def after_restore(interfaces: Sequence[str]) -> str:
    """Shell: these interfaces are as their restored configurations say."""
    return program(
        __file__,
        "after_restore.sh",
        using=[_ENDPOINTS],
        interfaces=" ".join(interfaces),
        folder=FOLDER,
    )


def _bring_up(declared: Wanted, *, restart: bool) -> str:
    return program(
        __file__,
        "bring_up.sh",
        using=[_ENDPOINTS],
        interface=declared.interface,
        key=key_path(declared.interface),
        config=config_path(declared.interface),
        head=declared.head,
        body=declared.body,
        restart="yes" if restart else "no",
    )


def _write_down(interface: str) -> str:
    return program(
        __file__,
        "write_down.sh",
        interface=interface,
        config=config_path(interface),
        mark=MARK,
    )


def _remove(interface: str) -> str:
    return program(
        __file__,
        "remove.sh",
        using=[_ENDPOINTS],
        interface=interface,
        config=config_path(interface),
        key=key_path(interface),
        link=link(interface),
    )


@job("vpn")
def removed(settings: Settings) -> Commands:
    """WireGuard is off the host: the interface, its configuration and its key.

    + settings: the cluster's settings; of them ``ssh``

    This is kept only if a new login works without it. What has no configuration of ours is named
    and left: nothing says whose it is.

    **Example:**

    .. code:: python

        vpn.removed(load(), name="VPN: removed")
    """
    seen = observe(State)
    findings = plan_removal(seen)
    if not report("vpn", findings):
        return
    if seen.unconfirmed:
        yield from rolled_back_first()
        findings = plan_removal(observe(State))
        if not report("vpn", findings):
            return
    yield from _carried_out(settings, None, changes(findings))
