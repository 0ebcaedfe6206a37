"""The floating address: one address for the router, held by one healthy host at a time.

keepalived decides who holds it, over VRRP. Before a host is worked on it hands the address on
(:mod:`floating_address.handing_on_operations`), and it may hold it again when it is proven.
docs/decisions/floating-address.md has the reasons.
"""
