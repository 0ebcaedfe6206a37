"""What docker accepts as a stack file: the keys of the Compose file format, version 3.

As https://docs.docker.com/reference/compose-file/legacy-versions/ and the docker CLI have them.
What is here is held against ``docker stack config`` by ``tests/engines/test_engines_stack_files``.
A file that declares an older version may still be refused by docker, for a newer key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyinfra_swarm.stacks import ports
from pyinfra_swarm.stacks.document import Scalar, Table
from pyinfra_swarm.stacks.longform import seconds
from pyinfra_swarm.stacks.shape import (
    Anything,
    Either,
    Listed,
    Mapped,
    Shape,
    Value,
    Violation,
    violations,
)


def refused(root: Table) -> Iterator[Violation]:
    """What docker refuses in a file."""
    yield from _version(root)
    yield from _forbidden(root)
    for violation in violations(_FILE, root, root.place, (), _INSTEAD):
        path = violation.path
        if not (len(path) == 3 and path[0] == "services" and path[2] in FORBIDDEN):
            yield violation


_VERSION = re.compile(r"3(\.([0-9]|1[0-3]))?")


def _version(root: Table) -> Iterator[Violation]:
    node = root.entries.get("version")
    if not isinstance(node, Scalar) or node.unknown or not node.value:
        return
    if isinstance(node.value, str) and not _VERSION.fullmatch(node.value):
        yield Violation(
            root.keys.get("version", root.place),
            ("version",),
            f"the version “{node.shown}” is none that docker stack knows (3 to 3.13)",
            "delete the line: docker needs no version",
        )


FORBIDDEN = {
    "extends": "write the other file's part out, or give both files: `-c base.yml -c web.yml`",
    "volume_driver": "declare the volume in the top-level volumes, with its driver",
    "volumes_from": "declare a volume in the top-level volumes, and mount it in both services",
    "cpu_quota": "write deploy.resources.limits.cpus",
    "cpu_shares": "write deploy.resources.limits.cpus",
    "cpuset": "write deploy.resources.limits.cpus",
    "mem_limit": "write deploy.resources.limits.memory",
    "memswap_limit": "write deploy.resources.limits.memory",
}
"""Keys of a service that docker stack refuses by name."""


def _forbidden(root: Table) -> Iterator[Violation]:
    services = root.entries.get("services")
    for name, service in services.entries.items() if isinstance(services, Table) else ():
        if not isinstance(service, Table):
            continue
        for key in service.entries:
            if key in FORBIDDEN:
                yield Violation(
                    service.keys.get(key, service.place),
                    ("services", name, key),
                    "docker stack refuses this key of docker compose's",
                    FORBIDDEN[key],
                )


_INSTEAD = {
    "name": "name the stack where you deploy it: `docker stack deploy -c FILE NAME`",
    "include": "give both files: `-c base.yml -c web.yml`",
    "profiles": "put the service into a stack of its own",
    "pull_policy": "leave it out: docker stack deploy asks the registry each time",
    "platform": "write deploy.placement.constraints: [node.platform.arch == x86_64]",
    "environment": "declare it in [[secrets]] of cluster.toml, and write external: true",
    "content": "declare it in [[configs]] of cluster.toml, and write external: true",
    "scale": "write deploy.replicas",
    "runtime": "set it in the engine's daemon.json on the nodes",
    "enable_ipv6": "leave it out; create such a network by hand, and write external: true",
    "mem_reservation": "write deploy.resources.reservations.memory",
    "cpus": "write deploy.resources.limits.cpus",
    "pids_limit": "write deploy.resources.limits.pids",
}
"""Keys that docker compose has and docker stack refuses, and what to write instead."""


def _length(text: str) -> tuple[str, str] | None:
    if seconds(text) is None:
        return "is no length of time", "write a number with its unit, such as 30s or 1m30s"
    return None


def _port(text: str) -> tuple[str, str] | None:
    try:
        ports.parse(text)
    except ValueError as error:
        return f"is no port: {error}", "write PUBLISHED:TARGET, such as 8080:80 or 53:53/udp"
    return None


def _order(text: str) -> tuple[str, str] | None:
    if text not in ("start-first", "stop-first"):
        return "is no order that docker knows", "write start-first or stop-first"
    return None


def _positive(text: str) -> tuple[str, str] | None:
    return ("is less than 0", "write a larger number") if text.startswith("-") else None


_TEXT, _WHOLE, _NUMBER = Value(("text",)), Value(("whole",)), Value(("number",))
_TRUTH = Value(("truth",))
_LENGTH = Value(("text",), _length)
_TEXTS = Listed(_TEXT)
_DISTINCT = Listed(_TEXT, unique=True)
_WORDS = Either((_TEXT, _TEXTS))
_TEXT_OR_DISTINCT = Either((_TEXT, _DISTINCT))
_PAIRS = Either((Mapped(any_key=Value(("text", "number", "nothing"))), _DISTINCT))
_OPTIONS = Mapped(any_key=Value(("text", "number")))
_OPTIONS_OR_NOTHING = Mapped(any_key=Value(("text", "number", "nothing")))

_LOOSE = Anything()
"""Inside of it docker takes any other key."""

_REFERENCE = Either(
    (
        _TEXT,
        Mapped(
            {"source": _TEXT, "target": _TEXT, "uid": _TEXT, "gid": _TEXT, "mode": _NUMBER},
            any_key=_LOOSE,
        ),
    )
)

_HEALTHCHECK = Mapped(
    {
        "disable": _TRUTH,
        "interval": _LENGTH,
        "retries": _NUMBER,
        "start_interval": _LENGTH,
        "start_period": _LENGTH,
        "test": _WORDS,
        "timeout": _LENGTH,
    }
)

_ROLLING = Mapped(
    {
        "delay": _LENGTH,
        "failure_action": _TEXT,
        "max_failure_ratio": _NUMBER,
        "monitor": _LENGTH,
        "order": Value(("text",), _order),
        "parallelism": _WHOLE,
    }
)

_GENERIC = Listed(Mapped({"discrete_resource_spec": Mapped({"kind": _TEXT, "value": _NUMBER})}))

_DEPLOY = Either(
    (
        Mapped(
            {
                "endpoint_mode": _TEXT,
                "labels": _PAIRS,
                "mode": _TEXT,
                "placement": Mapped(
                    {
                        "constraints": _TEXTS,
                        "max_replicas_per_node": _WHOLE,
                        "preferences": Listed(Mapped({"spread": _TEXT})),
                    }
                ),
                "replicas": _WHOLE,
                "resources": Mapped(
                    {
                        "limits": Mapped({"cpus": _TEXT, "memory": _TEXT, "pids": _WHOLE}),
                        "reservations": Mapped(
                            {"cpus": _TEXT, "memory": _TEXT, "generic_resources": _GENERIC}
                        ),
                    }
                ),
                "restart_policy": Mapped(
                    {
                        "condition": _TEXT,
                        "delay": _LENGTH,
                        "max_attempts": _WHOLE,
                        "window": _LENGTH,
                    }
                ),
                "rollback_config": _ROLLING,
                "update_config": _ROLLING,
            }
        ),
        Value(("nothing",)),
    )
)

_BUILD = Either(
    (
        _TEXT,
        Mapped(
            {
                "args": _PAIRS,
                "cache_from": _DISTINCT,
                "context": _TEXT,
                "dockerfile": _TEXT,
                "extra_hosts": _PAIRS,
                "labels": _PAIRS,
                "network": _TEXT,
                "shm_size": Value(("whole", "text")),
                "target": _TEXT,
            },
            any_key=_LOOSE,
        ),
    )
)

_MOUNT = Either(
    (
        _TEXT,
        Mapped(
            {
                "bind": Mapped({"propagation": _TEXT}, any_key=_LOOSE),
                "consistency": _TEXT,
                "read_only": _TRUTH,
                "source": _TEXT,
                "target": _TEXT,
                "tmpfs": Mapped({"size": Value(("whole",), _positive)}, any_key=_LOOSE),
                "type": _TEXT,
                "volume": Mapped({"nocopy": _TRUTH}, any_key=_LOOSE),
            },
            required=("type",),
        ),
    )
)

_PORT = Either(
    (
        Value(("number", "text"), _port),
        Mapped({"mode": _TEXT, "protocol": _TEXT, "published": _WHOLE, "target": _WHOLE}),
    )
)

_ATTACHMENT = Either(
    (
        Mapped(
            {
                "aliases": _DISTINCT,
                "driver_opts": _OPTIONS,
                "ipv4_address": _TEXT,
                "ipv6_address": _TEXT,
            }
        ),
        Value(("nothing",)),
    )
)

_SERVICE_KEYS: dict[str, Shape] = {
    "build": _BUILD,
    "cap_add": _DISTINCT,
    "cap_drop": _DISTINCT,
    "cgroup_parent": _TEXT,
    "cgroupns_mode": _TEXT,
    "command": _WORDS,
    "configs": Listed(_REFERENCE),
    "container_name": _TEXT,
    "credential_spec": Mapped({"config": _TEXT, "file": _TEXT, "registry": _TEXT}),
    "depends_on": Listed(
        _TEXT,
        unique=True,
        instead="write a list of names, or leave it out: Swarm starts all services at once",
    ),
    "deploy": _DEPLOY,
    "devices": _DISTINCT,
    "dns": _TEXT_OR_DISTINCT,
    "dns_search": _TEXT_OR_DISTINCT,
    "domainname": _TEXT,
    "entrypoint": _WORDS,
    "env_file": _TEXT_OR_DISTINCT,
    "environment": _PAIRS,
    "expose": Listed(Value(("text", "number")), unique=True),
    "external_links": _DISTINCT,
    "extra_hosts": _PAIRS,
    "healthcheck": _HEALTHCHECK,
    "hostname": _TEXT,
    "image": _TEXT,
    "init": _TRUTH,
    "ipc": _TEXT,
    "isolation": _TEXT,
    "labels": _PAIRS,
    "links": _DISTINCT,
    "logging": Mapped({"driver": _TEXT, "options": _OPTIONS_OR_NOTHING}),
    "mac_address": _TEXT,
    "network_mode": _TEXT,
    "networks": Either((_DISTINCT, Mapped(any_key=_ATTACHMENT, named=True))),
    "oom_score_adj": _WHOLE,
    "pid": Value(("text", "nothing")),
    "ports": Listed(_PORT, unique=True),
    "privileged": _TRUTH,
    "read_only": _TRUTH,
    "restart": _TEXT,
    "secrets": Listed(_REFERENCE),
    "security_opt": _DISTINCT,
    "shm_size": _TEXT,
    "stdin_open": _TRUTH,
    "stop_grace_period": _LENGTH,
    "stop_signal": _TEXT,
    "sysctls": _PAIRS,
    "tmpfs": _TEXT_OR_DISTINCT,
    "tty": _TRUTH,
    "ulimits": Mapped(
        any_key=Either(
            (_WHOLE, Mapped({"hard": _WHOLE, "soft": _WHOLE}, required=("soft", "hard")))
        )
    ),
    "user": _TEXT,
    "userns_mode": _TEXT,
    "volumes": Listed(_MOUNT),
    "working_dir": _TEXT,
}

_EXTERNAL = Either((_TRUTH, Mapped({"name": _TEXT})))
_LOOSE_EXTERNAL = Either((_TRUTH, Mapped({"name": _TEXT}, any_key=_LOOSE)))


def _or_nothing(shape: Mapped) -> Shape:
    return Either((shape, Value(("nothing",))))


_NETWORK = Mapped(
    {
        "attachable": _TRUTH,
        "driver": _TEXT,
        "driver_opts": _OPTIONS,
        "external": _EXTERNAL,
        "internal": _TRUTH,
        "ipam": Mapped({"config": Listed(Mapped({"subnet": _TEXT})), "driver": _TEXT}),
        "labels": _PAIRS,
        "name": _TEXT,
    },
    extensions=True,
)

_VOLUME = Mapped(
    {
        "driver": _TEXT,
        "driver_opts": _OPTIONS,
        "external": _EXTERNAL,
        "labels": _PAIRS,
        "name": _TEXT,
    },
    extensions=True,
)

_CONFIG_KEYS: dict[str, Shape] = {
    "external": _LOOSE_EXTERNAL,
    "file": _TEXT,
    "labels": _PAIRS,
    "name": _TEXT,
    "template_driver": _TEXT,
}
_CONFIG = Mapped(_CONFIG_KEYS, extensions=True)
_SECRET = Mapped({**_CONFIG_KEYS, "driver": _TEXT, "driver_opts": _OPTIONS}, extensions=True)

_FILE = Mapped(
    {
        "configs": Mapped(any_key=_CONFIG, named=True),
        "networks": Mapped(any_key=_or_nothing(_NETWORK), named=True),
        "secrets": Mapped(any_key=_SECRET, named=True),
        "services": Mapped(any_key=Mapped(_SERVICE_KEYS, extensions=True), named=True),
        "version": _TEXT,
        "volumes": Mapped(any_key=_or_nothing(_VOLUME), named=True),
    },
    extensions=True,
)
