"""Security updates by themselves, without Docker and without reboots; and the time kept right."""

from __future__ import annotations

import shlex

from pyinfra_swarm.run.converge import Commands, converges, observe, progress, report, script
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.shell import write_file
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.updates import plan as updates
from pyinfra_swarm.updates.facts import Updates

_INSTALLATION = 900
"""Seconds: a board's first boot may hold apt's lock for minutes."""


@converges("updates")
def unattended(settings: Settings) -> Commands:
    """Install security updates every day, but neither Docker's nor reboot; keep the time right.

    + settings: the declared cluster; ``updates.unattended`` and ``updates.time_sync`` say which of
      the two is managed

    A time service that runs already (chrony, ntpsec, …) is left as it is; where there is none,
    systemd-timesyncd is installed. A reboot that the host waits for is reported.

    **Example:**

    .. code:: python

        updates.unattended(load(), name="Updates: security updates by themselves")
    """
    plan = updates.plan(
        unattended=settings.updates.unattended,
        time_sync=settings.updates.time_sync,
        actual=observe(Updates),
    )
    if not report("updates", plan.findings):
        return
    if plan.write:  # before the package, whose installation may start its work
        yield script(write_file(updates.CONFIGURATION, updates.configuration_file()))
    if plan.install:
        progress(f"installing {' and '.join(plan.install)}")
        install = program(__file__, "install.sh", packages=" ".join(plan.install))
        yield script(install, timeout=_INSTALLATION)
    if plan.enable:
        units = shlex.join(plan.enable)
        yield script(f"systemctl unmask {units}\nsystemctl enable --now {units}")
