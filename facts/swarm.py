"""What can be asked of a host: `pyinfra inventory.py fact facts.swarm.State`."""

from pyinfra_swarm.keys.facts import (
    UnlockKey as UnlockKey,
)
from pyinfra_swarm.nodes.facts import (
    JoinState as JoinState,
)
from pyinfra_swarm.nodes.facts import (
    Nodes as Nodes,
)
from pyinfra_swarm.nodes.facts import (
    Services as Services,
)
from pyinfra_swarm.nodes.facts import (
    State as State,
)
from pyinfra_swarm.nodes.facts import (
    StateOnDisk as StateOnDisk,
)
from pyinfra_swarm.nodes.facts import (
    Tasks as Tasks,
)
