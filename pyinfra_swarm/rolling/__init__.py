"""Rolling work: upgrades, restarts and reboots, one node at a time, the quorum never at risk.

The turns: whoever an earlier run has left half-way, then the managers, the leader last of them,
then the workers. Every plan looks at observed state only, so that the same command finishes what
was interrupted anywhere: a node that is worked on carries what it was in a label, which is set in
the same update that drains it (:data:`settings.labels.AVAILABILITY_BEFORE`).

``jobs`` and ``upgrade`` say what there is to do, ``turns`` who comes when, ``plan`` whether a turn
may begin, ``waiting`` when it is over.

Sources: Docker's administration guide for swarm (quorum, draining).
"""
