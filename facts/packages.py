"""How packages are asked for."""

from __future__ import annotations

PACKAGE_ROWS = """\
dpkg-query -W -f '{fields}\\n' {names} 2>/dev/null || [ $? = 1 ] ||
  {{ echo "dpkg-query failed" >&2; exit 1; }}
"""
"""Shell, with ``fields`` and ``names`` to be put in: a row for each package that dpkg knows.

Status 1 says that it does not know some; what else it may be is no answer.
"""
