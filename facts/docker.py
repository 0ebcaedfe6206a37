"""What can be asked of a host: `pyinfra inventory.py fact facts.docker.Installation`."""

from pyinfra_swarm.docker.facts import (
    Info as Info,
)
from pyinfra_swarm.docker.facts import (
    IngressNetwork as IngressNetwork,
)
from pyinfra_swarm.docker.facts import (
    Installation as Installation,
)
from pyinfra_swarm.docker.facts import (
    Offered as Offered,
)
from pyinfra_swarm.docker.facts import (
    OverlayNetworks as OverlayNetworks,
)
from pyinfra_swarm.docker.facts import (
    PublishedKey as PublishedKey,
)
from pyinfra_swarm.docker.facts import (
    StandaloneContainers as StandaloneContainers,
)
