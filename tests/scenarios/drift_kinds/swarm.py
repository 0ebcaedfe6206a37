"""Drift of the part `swarm`."""

from __future__ import annotations

from tests.scenarios.drift_kinds.kind import Kind

_IMAGE = "docker image inspect waits >/dev/null 2>&1 || curl -fsS $IMAGE | docker import - waits"

_DEAF = """
rules() {
  for protocol in tcp udp; do
    iptables "$1" INPUT -p $protocol --dport 7946 -j DROP
    iptables "$1" OUTPUT -p $protocol --dport 7946 -j DROP
  done
}
runs() { docker ps -q --filter label=com.docker.swarm.service.name=familiar | grep -q .; }
until runs; do sleep 0.5; done
rules -I
while runs; do sleep 0.5; done
rules -D
"""
"""A node that hears nothing of what other engines say of networks, while it has a task."""

_STRANGER = """
running() {
  i=0
  until [ "$(docker service ps --filter desired-state=running "$1" | grep -c ' Running ')" = "$2" ]
  do
    i=$((i + 1)); [ $i -lt 90 ] || { docker service ps --no-trunc "$1" >&2; exit 1; }; sleep 1
  done
}
global() {
  docker service create --quiet --detach --no-resolve-image --mode global --network apps \
    --name "$@" waits /bin/busybox sleep 9999
}
others=$(docker node ls --format '{{.Hostname}}' | grep -vxe "$NODE" -e "$(hostname)")
global familiar $(printf ' --constraint node.hostname!=%s' $others)
running familiar 2
sleep 8
global stranger --constraint "node.hostname==$(hostname)"
running stranger 1
"""
"""A service on two nodes, so that both know the network; then another one on a manager alone."""

KINDS = (
    Kind(
        "a service whose name a node has not learnt",
        *("swarm", "service stranger", "its name is not known on this node in the network apps"),
        f"{_IMAGE}\n{_STRANGER}",
        first=f"{_IMAGE}; systemd-run --quiet --unit=deaf bash -c '{_DEAF}'",
        kind="notice",
        undo="docker service rm familiar stranger; sleep 40",
        by_manager=True,
        group="together",
    ),
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
