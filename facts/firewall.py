"""What can be asked of a host: `pyinfra inventory.py fact facts.firewall.Tables`."""

from pyinfra_swarm.firewall.facts import (
    State as State,
)
from pyinfra_swarm.firewall.facts import (
    Tables as Tables,
)
from pyinfra_swarm.firewall.facts import (
    WebRanges as WebRanges,
)
