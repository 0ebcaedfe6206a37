# Read by pyinfra before the inventory.
import sys
from contextlib import suppress

from pyinfra import config

# Earlier versions lack what pyinfra-swarm rests on, and later ones may have changed it.
config.REQUIRE_PYINFRA_VERSION = ">=3.10,<3.11"

# pyinfra lets Python keep nothing that it has compiled. A clone, which no pip has compiled, would
# be compiled again for every command.
sys.dont_write_bytecode = sys.flags.dont_write_bytecode != 0

# A mistyped inventory is taken for a host's name, so that inventory.py could not say it.
with suppress(ImportError):  # it is not installed: inventory.py says so
    from pyinfra_swarm.run.command_line import refuse_slips

    refuse_slips()
