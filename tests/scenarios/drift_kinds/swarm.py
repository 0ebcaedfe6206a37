"""Drift of the part `swarm`."""

from __future__ import annotations

from tests.scenarios.drift_kinds.kind import Kind

KINDS = (
    Kind(
        "a node drained",
        *("swarm", "availability", "was set by hand"),
        "docker node update --availability drain $NODE",
        kind="notice",
        undo="docker node update --availability active $NODE",
        by_manager=True,
    ),
    Kind(
        "a label added",
        *("swarm", "label colour", "is set by hand"),
        "docker node update --label-add colour=red $NODE",
        kind="notice",
        undo="docker node update --label-rm colour $NODE",
        by_manager=True,
    ),
    Kind(
        "a node relabelled",
        *("swarm", "label zone", "declared otherwise"),
        "docker node update --label-add zone=elsewhere $NODE",
        by_manager=True,
    ),
    Kind(
        "an overlay network without encryption",
        *("swarm", "overlay clear", "is not encrypted; nothing uses it"),
        "docker network create --driver overlay clear",
        kind="notice",
        undo="docker network rm clear",
        by_manager=True,
        of_cluster=True,
    ),
    Kind(
        "a declared overlay network removed",
        *("swarm", "overlay apps", "is declared and does not exist"),
        "docker network rm apps",
        by_manager=True,
        of_cluster=True,
    ),
    Kind(
        "a worker promoted",
        *("swarm", "role", "is declared a worker"),
        "docker node promote $NODE; i=0; until docker node inspect $NODE | grep -q reachable; "
        "do i=$((i + 1)); [ $i -lt 60 ] || exit 1; sleep 1; done",
        # Our firewall keeps the managers' port shut on a worker, and a promotion without it is
        # never finished.
        first="iptables -I SWARM-INPUT -p tcp --dport 2377 -j ACCEPT",
        on="worker",
        by_manager=True,
        also=("firewall/*", "swarm/2377/tcp"),
        group="roles",
    ),
    Kind(
        "a manager demoted",
        *("swarm", "role", "is declared a manager"),
        "docker node demote $NODE",
        on="manager",
        by_manager=True,
        group="roles",
    ),
    Kind(
        "the ingress network recreated without encryption",
        *("swarm", "ingress", "is not encrypted"),
        "yes | docker network rm ingress; "
        "while docker network inspect ingress >/dev/null 2>&1; do sleep 0.2; done; "
        "until docker network create --driver overlay --ingress --subnet 10.201.0.0/24 ingress; "
        "do sleep 0.5; done",
        by_manager=True,
        of_cluster=True,
        group="roles",
    ),
    Kind(
        "a node that left",
        *("swarm", "the swarm", "this host is not in it yet"),
        "docker swarm leave",
        on="worker",
        also=("swarm/node *", "swarm/label zone"),
        group="absent",
    ),
    Kind(
        "a node removed behind its back",
        *("swarm", "the swarm", "was removed from it and does not know"),
        "docker node rm --force $NODE",
        kind="refusal",
        undo="docker swarm leave --force",
        on="worker",
        by_manager=True,
        undo_there=True,
        group="removal",
    ),
)
