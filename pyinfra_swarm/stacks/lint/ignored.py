"""S10: keys that docker stack accepts, and that change nothing.

Which ones docker names itself is in docker/cli, ``cli/compose/types/types.go``
(``UnsupportedProperties``, ``DeprecatedProperties``); that others go lost without a word can be
read in ``cli/compose/convert/service.go``, which never looks at them. Each is seen on real engines
(``tests/engines/test_engines_stack_rules.py``).
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra_swarm.stacks.compose import Merged
from pyinfra_swarm.stacks.document import Table
from pyinfra_swarm.stacks.lint.context import Context
from pyinfra_swarm.stacks.lint.issue import Issue, notice
from pyinfra_swarm.stacks.lint.rules import IGNORED
from pyinfra_swarm.stacks.lint.services import Service, services

KEYS: dict[str, tuple[str, str]] = {
    "build": (
        "Swarm builds nothing: the nodes pull the image, from a registry that they all reach",
        "build and push it before, and leave the key out",
    ),
    "cgroup_parent": ("the container is in the engine's own group", "write deploy.resources"),
    "cgroupns_mode": ("the engine's own is used", "set default-cgroupns-mode in daemon.json"),
    "container_name": (
        "containers are called STACK_SERVICE.SLOT.ID",
        "leave it out; the service's name finds it in its networks",
    ),
    "depends_on": (
        "Swarm starts all services at once, and again in any order",
        "have the program wait for what it needs, or end and be started again",
    ),
    "devices": (
        "the container gets no device",
        "run it on its node by docker compose or systemd; or offer the device as a "
        "generic resource",
    ),
    "domainname": ("the container has none", "write it into hostname"),
    "expose": ("services in one network reach each other on every port", "leave it out"),
    "external_links": ("there are no links between services", "put both into one network"),
    "ipc": ("the container has its own", "leave it out"),
    "links": ("there are no links between services", "put both into one network; names are known"),
    "mac_address": ("the container gets one of the engine's choice", "leave it out"),
    "network_mode": (
        "the service is in the networks that it names, or in the stack's default one",
        "for the host's network: networks: { host: {} } here, and "
        "networks: { host: { external: true, name: host } } at the top level",
    ),
    "pid": ("the container has its own processes alone", "leave it out"),
    "privileged": (
        "the container has no more rights than others",
        "add what it needs with cap_add; what needs more cannot be a service",
    ),
    "security_opt": (
        "none of these options holds; seccomp and AppArmor are the engine's defaults",
        "leave it out; options for all containers are set in the engine's daemon.json",
    ),
    "shm_size": (
        "/dev/shm has the engine's 64 MiB",
        "mount one: { type: tmpfs, target: /dev/shm, tmpfs: { size: 268435456 } }",
    ),
    "tmpfs": (
        "nothing is mounted, and docker does not say so: what is written there is in the container",
        "mount one under volumes: { type: tmpfs, target: PATH }",
    ),
    "userns_mode": ("the engine's own is used", "leave it out"),
}


def ignored(stack: Merged, context: Context) -> Iterator[Issue]:
    """Keys without an effect, one notice for each."""
    for service in services(stack):
        for key, (happens, instead) in KEYS.items():
            if key in service.table.entries:
                yield service.notice(IGNORED, (key,), f"Swarm ignores it: {happens}", instead)
        yield from _restart(service)
        yield from _fixed_addresses(service)
    for odd in stack.ignored:
        yield notice(
            IGNORED,
            odd.place,
            "",
            f"the tag {odd.what} is none that docker stack knows: it joins files as if it were "
            "not there",
            "delete the tag",
        )


def _restart(service: Service) -> Iterator[Issue]:
    if "restart" not in service.table.entries:
        return
    if service.node("deploy", "restart_policy"):
        reason = "Swarm ignores it: deploy.restart_policy holds"
    else:
        reason = (
            "docker says that it ignores this key, and takes it for the restart policy all the "
            "same; “no” is the one that it does ignore, so that the task is started again"
        )
    yield service.notice(
        IGNORED, ("restart",), reason, "write deploy.restart_policy: { condition: any }"
    )


def _fixed_addresses(service: Service) -> Iterator[Issue]:
    networks = service.node("networks")
    for name, node in networks.entries.items() if isinstance(networks, Table) else ():
        for key in ("ipv4_address", "ipv6_address"):
            if isinstance(node, Table) and key in node.entries:
                yield service.notice(
                    IGNORED,
                    ("networks", name, key),
                    "Swarm ignores it: tasks get addresses of Swarm's choice",
                    "leave it out; the service's name leads to it in its networks",
                )
