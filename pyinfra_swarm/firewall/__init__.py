"""The firewall: who may reach what, as ordered iptables chains for both address families.

``policy`` says what is wanted, ``chains`` turns it into rules, ``rule`` compares rules as
iptables prints them, ``placement`` judges what stands above ours, ``plan`` finds what differs on
a host, ``web_ranges`` and ``host_files`` are what lies on the host.
"""
