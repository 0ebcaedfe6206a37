"""The firewall: after Docker, whose chains it filters, and before the swarm.

``--data refresh=now`` has every host ask Cloudflare for its ranges at once.
"""

from pyinfra_swarm.firewall import operations as firewall
from pyinfra_swarm.settings import load

firewall.applied(load(), name="Firewall: default deny, the web ports for those declared")
firewall.web_ranges(load(), name="Firewall: the web ranges no older than declared")
