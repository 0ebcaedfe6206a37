"""How the world reaches the services: `[exposure]`."""

from __future__ import annotations

from pyinfra_swarm.settings import values
from pyinfra_swarm.settings.section import Section


class Exposure(Section):
    """What of the cluster is reached from outside, and where.

    + address: one IPv4 address that a healthy host holds at any time; "" for none
    + address6: an IPv6 address that moves together with it; "" for none
    + interface: of the hosts, where they are held; "": the one that has the host's own address
    """

    address: values.OptionalAddress = ""
    address6: values.OptionalAddress6 = ""
    interface: values.OptionalInterface = ""
