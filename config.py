# Read by pyinfra before the inventory.
from contextlib import suppress

from pyinfra import config

# Earlier versions lack what facts and operations here rest on; later ones may have changed it: the
# project was tested with these (tests/unit/run/test_pyinfra_internals.py).
config.REQUIRE_PYINFRA_VERSION = ">=3.10,<3.11"

# A mistyped inventory is taken for a host's name, so that inventory.py could not say it.
with suppress(ImportError):  # somebody else's package is in the way: inventory.py says which
    from pyinfra_swarm.run.command_line import refuse_slips

    refuse_slips()
