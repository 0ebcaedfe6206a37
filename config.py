# Read by pyinfra before the inventory.
from contextlib import suppress

from pyinfra import config

# Earlier versions lack what facts and operations here rest on; the next major one may change it.
config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"

# A mistyped inventory is taken for a host's name, so that inventory.py could not say it.
with suppress(ImportError):  # somebody else's package is in the way: inventory.py says which
    from operations.command_line import refuse_slips

    refuse_slips()
