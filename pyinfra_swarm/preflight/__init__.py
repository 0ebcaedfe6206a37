"""Whether the declared hosts can become an encrypted swarm; asked before anything is changed.

The plan compares what is declared (``settings``) with what was seen of the hosts: one host
(:mod:`preflight.plan`), its kernel (:mod:`preflight.kernel`), all together
(:mod:`preflight.cluster`).
"""
