"""The declared stacks, deployed as their files say: ``pyinfra inventory.py deploys/stacks.py``.

``--data resolve=NAME`` deploys one again, and asks the registry what its tags stand for.
``--data remove=NAME`` removes one that is not declared any more.
"""

from pyinfra_swarm.deploys import stacks

stacks()
