"""How packages are asked for, and whether they wait for a reboot."""

from __future__ import annotations

from pyinfra_swarm.run.answer import LIMIT

PACKAGE_ROWS = """\
dpkg-query -W -f '{fields}\\n' {names} 2>/dev/null || [ $? = 1 ] ||
  {{ echo "dpkg-query failed" >&2; exit 1; }}
"""
"""Shell, with ``fields`` and ``names`` to be put in: a row for each package that dpkg knows.

Status 1 says that it does not know some; what else it may be is no answer.
"""

REBOOT = f"""\
section reboot
if [ -e /run/reboot-required ]; then
  echo required
  [ ! -f /run/reboot-required.pkgs ] || head -c {LIMIT} /run/reboot-required.pkgs
fi
"""
"""Shell: a section ``reboot``: ``required`` where the host waits for one, then for which packages,
a line each."""
