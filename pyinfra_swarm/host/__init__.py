"""What a host is, before and beside the swarm: system, disks, network, packages, kernel.

:mod:`host.facts` and :mod:`host.kernel_facts` ask a host, :mod:`host.system` holds what it said.
"""
