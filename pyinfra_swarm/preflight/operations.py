"""Whether the hosts can become an encrypted swarm, before anything is changed."""

from __future__ import annotations

from pyinfra_swarm.firewall import facts as firewall_facts
from pyinfra_swarm.host.facts import Host
from pyinfra_swarm.host.system import Host as System
from pyinfra_swarm.preflight import plan as preflight
from pyinfra_swarm.preflight import tested, tested_table
from pyinfra_swarm.run.command_line import is_run_of
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    observe,
    observe_all,
    report,
)
from pyinfra_swarm.settings import Settings


@converges("preflight")
def checked(settings: Settings) -> Commands:
    """Refuse a host that cannot be part of an encrypted swarm, and hosts that do not go together.

    Never changes anything. A finding about one host fails that host; one about the hosts together
    (duplicate names or machine ids, mixed engines) fails all of them. A run of this alone says
    besides what has run on hosts like these.

    **Example:**

    .. code:: python

        preflight.checked(load(), name="Preflight: every host can be part of the swarm")
    """
    observe(Host)
    hosts = observe_all(Host)
    if is_run_of("preflight"):  # no news in every run
        _compare(settings)
    report("preflight", preflight.plan(settings, current_host().name, hosts))
    yield from ()


def _compare(settings: Settings) -> None:
    """Say what of this has run on a host like this one."""
    host, back_end = observe(Host), observe(firewall_facts.State).tables["ipv4"].backend
    machine = _machine(host, back_end, host.engine or settings.docker.version)
    current_host().log(tested.tested_on(machine, tested_table.shipped()))


def _machine(host: System, back_end: str, engine: str) -> tested.Machine:
    """engine: the version that the host has, or will get; empty for the newest."""
    return tested.Machine(
        distribution=host.distribution,
        version=host.version,
        architecture=host.architecture,
        kernel=tested.series(host.kernel.release),
        # A host without iptables gets its release's, which is nft's everywhere.
        back_end=back_end or "nft",
        engine=engine,
    )
