"""The firewall: who may reach what, as ordered iptables chains for both address families.

``wanted`` decides what is to be on a host, as a ``policy``; ``rules`` turns that into chains.
``state`` is what a host says, ``plan`` finds what differs, ``iptables_rule`` compares rules as
iptables prints them, ``placement`` judges what stands above the managed jumps. ``paths``,
``units``, ``host_files`` and ``onhost/`` are what lies on the host.
"""
