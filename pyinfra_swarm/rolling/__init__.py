"""Rolling jobs: upgrades, restarts and reboots, one node at a time, the quorum never at risk.

The order of turns: nodes that an earlier run has left unfinished, then the managers, the leader
last of them, then the workers. Every plan looks at observed state only, so that the same command
completes an interrupted run: a node that is worked on keeps its previous availability in a label,
which is set in the same update that drains it, and removed when its turn has ended
(:data:`settings.labels.AVAILABILITY_BEFORE`).

``jobs`` and ``upgrade`` say what there is to do, ``turns`` who comes when, ``plan`` whether a turn
may begin, ``health`` and ``services`` when it is over; ``operations`` carries a turn out.

Source: Docker's administration guide for swarm (quorum, draining).
"""
