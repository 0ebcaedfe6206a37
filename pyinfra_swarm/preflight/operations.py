"""Whether the hosts can become an encrypted swarm, before anything is changed."""

from __future__ import annotations

from pyinfra_swarm.firewall import facts as firewall_facts
from pyinfra_swarm.host.facts import Host
from pyinfra_swarm.host.system import Host as System
from pyinfra_swarm.preflight import plan as preflight
from pyinfra_swarm.preflight import tested
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
    (duplicate names or machine ids, mixed engines) fails all of them.

    **Example:**

    .. code:: python

        preflight.checked(load(), name="Preflight: every host can be part of the swarm")
    """
    observe(Host)
    hosts = observe_all(Host)
    report("preflight", preflight.plan(settings, current_host().name, hosts))
    yield from ()


@converges("preflight")
def compared(settings: Settings) -> Commands:
    """Say for each host what of this has run on a host like it.

    Never changes anything, and fails nobody.

    **Example:**

    .. code:: python

        preflight.compared(load(), name="Preflight: what has run on such hosts")
    """
    host, back_end = observe(Host), observe(firewall_facts.State).tables["ipv4"].backend
    version = host.engine or settings.docker.version
    current_host().log(tested.tested_on(_machine(host, back_end, version), tested.shipped()))
    yield from ()


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
