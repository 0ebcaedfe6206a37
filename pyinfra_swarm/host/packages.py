"""How a host is asked for its packages, given more, and whether it waits for a reboot."""

from __future__ import annotations

from collections.abc import Sequence

from pyinfra_swarm.run.answer import LIMIT
from pyinfra_swarm.run.onhost import program

PACKAGE_ROWS = program(__file__, "package_rows.sh")
"""Shell: ``package_rows FIELDS NAME…`` prints a row for each of these packages that dpkg knows.

FIELDS is a format of ``dpkg-query``. Packages that dpkg does not know are left out; any other
error ends the script, since what it says then is no answer.
"""

REBOOT = program(__file__, "reboot_required.sh", limit=str(LIMIT))
"""Shell: a section ``reboot``: ``required`` where the host waits for one, then for which packages,
a line each."""

INSTALLATION = 900
"""Seconds that an installation may take: a board's first boot may hold apt's lock for minutes."""


def install(packages: Sequence[str]) -> str:
    """A shell script that installs packages, by their names, without those that are recommended."""
    return program(__file__, "install_packages.sh", packages=" ".join(packages))
