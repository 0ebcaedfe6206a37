"""The firewall: ``pyinfra inventory.py deploys/firewall.py``.

With ``--data refresh=now`` every host asks Cloudflare for its ranges at once.
"""

from pyinfra_swarm.deploys import firewall

firewall()
