"""What can be asked of a host: `pyinfra inventory.py fact facts.host.Host`."""

from pyinfra_swarm.host.facts import Host, Resources, UplinkMtu

__all__ = ["Host", "Resources", "UplinkMtu"]
