"""Automatic security updates, without Docker and without reboots; and a synchronised clock."""

from __future__ import annotations

import shlex

from pyinfra_swarm.host.packages import INSTALLATION, install
from pyinfra_swarm.run.converge import Commands, converges, observe, progress, report, script
from pyinfra_swarm.run.findings import changes, unhandled
from pyinfra_swarm.run.wording import listed
from pyinfra_swarm.run.writing import write_files
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.updates import plan as updates
from pyinfra_swarm.updates.facts import Updates
from pyinfra_swarm.updates.needrestart import NEEDRESTART, needrestart_file


@converges("updates")
def unattended(settings: Settings) -> Commands:
    """Install security updates every day, but never Docker's, and never reboot; keep the clock set.

    A time service that runs already (chrony, ntpsec, …) is left as it is; where there is none,
    systemd-timesyncd is installed. A reboot that the host needs is reported.

    **Example:**

    .. code:: python

        updates.unattended(load(), name="Updates: automatic security updates")
    """
    findings = updates.plan(
        unattended=settings.updates.unattended,
        time_sync=settings.updates.time_sync,
        seen=observe(Updates),
    )
    if not report("updates", findings):
        return
    files: dict[str, str] = {}
    packages, start = [], []
    for step in changes(findings):
        match step:
            case updates.WriteConfiguration():
                files[updates.CONFIGURATION] = updates.configuration_file()
            case updates.WriteNeedrestart():
                files[NEEDRESTART] = needrestart_file()
            case updates.Install(package=package):
                packages.append(package)
            case updates.StartUnit(unit=unit, package=package):
                start.append(unit)
                packages += [package] if package else []
            case _:
                raise unhandled(step)
    if files:  # before the package, whose installation may start its work
        yield script(write_files(files))
    if packages:
        progress(f"installing {listed(packages)}")
        yield script(install(packages), timeout=INSTALLATION)
    if start:
        units = shlex.join(start)
        yield script(f"systemctl unmask {units}\nsystemctl enable --now {units}")
