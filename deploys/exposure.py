"""How the world reaches the services: ``pyinfra inventory.py deploys/exposure.py``.

The floating address, the tunnel or the dynamic DNS that is declared; and it tells what can be seen
of ways in.
"""

from pyinfra_swarm.deploys import exposure

exposure()
