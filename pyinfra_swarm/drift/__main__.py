"""``python -m pyinfra_swarm.drift``."""

import sys

from pyinfra_swarm.drift.cli import main

if __name__ == "__main__":
    sys.exit(main())
