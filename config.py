# Read by pyinfra before the inventory.
from pyinfra import config

# Earlier versions lack what facts and operations here rest on; the next major one may change it.
config.REQUIRE_PYINFRA_VERSION = ">=3.10,<4"
