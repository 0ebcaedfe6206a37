"""The hosts pyinfra works on: groups ``managers`` and ``workers``, from the settings.

pyinfra takes every list without a leading underscore as a group of hosts; add your own below.
"""

import sys as _sys

try:
    from pyinfra_swarm.run.inventory import groups as _groups
except ModuleNotFoundError as _error:
    from pyinfra import logger as _logger

    _logger.error(
        '--> The Python that runs pyinfra (%s) has no module "%s"\n\n'
        "    instead: run the pyinfra of the environment that pyinfra-swarm is installed in",
        _sys.executable,
        _error.name,
    )
    raise SystemExit(1) from None

managers, workers = _groups(__file__)
