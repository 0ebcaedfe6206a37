"""S9, S11 and S12: whether there is a node for each task, and what it finds there.

Constraints are read as swarmkit reads them (``manager/constraint/constraint.go``), but for what is
unknown of a node: such a constraint neither fits nor fails.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyinfra_swarm.run.wording import counted, listed, verb
from pyinfra_swarm.stacks.compose import Merged, at
from pyinfra_swarm.stacks.document import Scalar, Table
from pyinfra_swarm.stacks.lint.context import Context, Node, Platform, meant
from pyinfra_swarm.stacks.lint.issue import Issue, notice, refusal
from pyinfra_swarm.stacks.lint.rules import PATH, PLACEMENT, PLATFORM
from pyinfra_swarm.stacks.lint.services import Mount, Service, services


@dataclass(frozen=True)
class Constraint:
    """One placement constraint. equal: ``==``, else ``!=``."""

    key: str
    equal: bool
    value: str


_KEY = re.compile(r"[a-z_][a-z0-9\-_.]+", re.I | re.A)
_VALUE = re.compile(r"[a-z0-9:\-_\s.*()?+\[\]\\^$|/]+", re.I | re.A)
_NODE_LABEL, _ENGINE_LABEL = "node.labels.", "engine.labels."
_KNOWN = ("node.id", "node.hostname", "node.ip", "node.role", "node.platform.os")
_KEYS = (*_KNOWN, "node.platform.arch")


def parsed(text: str) -> Constraint:
    """A constraint. Raises ``ValueError`` for one that the engine refuses."""
    operator = "==" if "==" in text else "!="
    key, found, value = text.partition(operator)
    key, value = key.strip(), value.strip()
    if not found:
        raise ValueError("has neither == nor !=")
    if not _KEY.fullmatch(key):
        raise ValueError(f"“{key}” is no key")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"“{value}” is no value")
    return Constraint(key, operator == "==", value)


def fits(constraint: Constraint, node: Node) -> bool | None:
    """Whether a node satisfies a constraint; ``None`` where that is unknown."""
    key = constraint.key.lower()
    if key == "node.ip":
        return _address_fits(constraint, node)
    if key.startswith(_NODE_LABEL):
        label = constraint.key[len(_NODE_LABEL) :]
        known: str | None = node.labels.get(label, None if node.others else "")
    elif key.startswith(_ENGINE_LABEL):
        label = constraint.key[len(_ENGINE_LABEL) :]
        known = None if node.engine_labels is None else node.engine_labels.get(label, "")
    elif key in _KEYS:
        known = _known(key, node)
    else:
        return False
    if known is None:
        return None
    return (known.lower() == constraint.value.lower()) is constraint.equal


def _known(key: str, node: Node) -> str | None:
    match key:
        case "node.id":
            return node.id
        case "node.hostname":
            return node.hostname
        case "node.role":
            return node.role
        case "node.platform.os":
            return node.platform.os if node.platform else None
    return node.platform.architecture if node.platform else None


def _address_fits(constraint: Constraint, node: Node) -> bool | None:
    try:
        wanted = ipaddress.ip_network(constraint.value, strict=False)
    except ValueError:
        return False
    if node.address is None:
        return None
    try:
        return (ipaddress.ip_address(node.address) in wanted) is constraint.equal
    except ValueError:
        return None


def _constraints(service: Service) -> tuple[Constraint, ...]:
    """Those that can be read and are known."""
    found = []
    for node in service.constraints:
        if not node.unknown:
            try:
                found.append(parsed(str(node.value)))
            except ValueError:
                continue
    return tuple(found)


def candidates(service: Service, nodes: Sequence[Node]) -> list[Node]:
    """The nodes that may run a service by its constraints, as far as that is known."""
    wanted = _constraints(service)
    return [node for node in nodes if all(fits(one, node) is not False for one in wanted)]


def could_be_on_a_manager(service: Service, context: Context) -> bool:
    """Whether nothing keeps a service from managers."""
    if context.nodes is not None:
        return any(node.role != "worker" for node in candidates(service, context.nodes))
    role = [one for one in _constraints(service) if one.key.lower() == "node.role"]
    return not any((one.value.lower() == "worker") is one.equal for one in role)


def placement(stack: Merged, context: Context) -> Iterator[Issue]:
    """Whether there is a node for each task, and what it finds there."""
    for service in services(stack):
        broken = list(_broken(service))
        yield from broken
        if not broken:
            yield from _nowhere(service, context)
            if context.alone:
                yield from _undeclared(service, context.nodes or ())
        yield from _platform(service, context)
        yield from _paths(service, context)
        yield from _left_behind(stack, service, context)


def _broken(service: Service) -> Iterator[Issue]:
    for number, node in enumerate(service.constraints):
        path = f"{service.path('deploy', 'placement', 'constraints')}[{number}]"
        if node.unknown:
            continue
        remedy = (
            "write it as node.role == worker, node.hostname == NAME, or node.labels.KEY == VALUE"
        )
        try:
            constraint = parsed(str(node.value))
        except ValueError as error:
            reason = f"is no constraint: {error}; the engine refuses the service"
            yield refusal(PLACEMENT, node.place, path, reason, remedy)
            continue
        key = constraint.key.lower()
        if key not in _KEYS and not key.startswith((_NODE_LABEL, _ENGINE_LABEL)):
            reason = f"asks for “{constraint.key}”, which no node ever has: no task gets a place"
            yield refusal(PLACEMENT, node.place, path, reason, remedy)


def _nowhere(service: Service, context: Context) -> Iterator[Issue]:
    if context.nodes is None:
        return
    path = ("deploy", "placement", "constraints")
    there = candidates(service, context.nodes)
    if not there:
        alone = [
            one
            for one in service.constraints
            if not one.unknown
            and all(fits(parsed(str(one.value)), node) is False for node in context.nodes)
        ]
        which = f"“{alone[0].shown}”" if alone else "all constraints together"
        yield service.refusal(
            PLACEMENT,
            path,
            f"no node of the swarm satisfies {which}: no task gets a place",
            _another(parsed(str(alone[0].value)), context.nodes) if alone else _LABEL,
        )
        return
    if all(node.availability in ("drain", "pause") for node in there):
        names = [node.name for node in there]
        yield service.notice(
            PLACEMENT,
            path,
            f"only {listed(names)} may run it, and {verb(names, 'takes', 'take')} no tasks now: "
            "no task gets a place until that changes",
            "let one of them take tasks again, or loosen the constraints",
        )
    most = service.scalar("deploy", "placement", "max_replicas_per_node")
    limit = most.value if most and isinstance(most.value, int) else 0
    replicas = service.replicas
    if limit > 0 and replicas is not None and not service.is_global:
        places = limit * len(there)
        if replicas > places:
            yield service.refusal(
                PLACEMENT,
                ("deploy", "placement", "max_replicas_per_node"),
                f"{counted(replicas, 'replica')} are wanted, and {limit} on each of "
                f"{counted(len(there), 'node')} makes {places}: the others never get a place",
                "allow more on each node, or ask for fewer replicas",
            )


def _undeclared(service: Service, nodes: Sequence[Node]) -> Iterator[Issue]:
    """Names and labels that no declared host has, and that somebody may have set by hand."""
    for number, node in enumerate(service.constraints):
        if node.unknown or not (wanted := parsed(str(node.value))).equal:
            continue
        key = wanted.key.lower()
        if key.startswith(_NODE_LABEL):
            label = wanted.key[len(_NODE_LABEL) :]
            said = {fits(wanted, one) for one in nodes}
            there = True in said or None not in said  # none can have it: that is refused already
            shown = f"the label {label} = {wanted.value}"
        elif key == "node.hostname":
            there = wanted.value.lower() in (one.name.lower() for one in nodes)
            shown = f"the name {wanted.value}"
        else:
            continue
        if not there:
            yield notice(
                PLACEMENT,
                node.place,
                f"{service.path('deploy', 'placement', 'constraints')}[{number}]",
                f"no host in cluster.toml has {shown}: no task gets a place, unless somebody has "
                "set it by hand",
                _another(wanted, nodes),
            )


def _another(wanted: Constraint, nodes: Sequence[Node]) -> str:
    """The remedy for a constraint that no node satisfies: what is meant, or what to do."""
    if wanted.key.lower().startswith(_NODE_LABEL):
        label = wanted.key[len(_NODE_LABEL) :]
        values = sorted({one.labels[label] for one in nodes if label in one.labels})
        if values:
            return f"the hosts have {label} = {listed(values, 'or')}; {_LABEL}"
        return meant(label, sorted({key for one in nodes for key in one.labels}), _LABEL)
    if wanted.key.lower() == "node.hostname" and nodes:
        names = [one.name for one in nodes]
        return meant(wanted.value, names, f"name one of {listed(names)}")
    return _LABEL


_LABEL = "correct it, or give a host the label in cluster.toml (hosts.labels), and run the site"


def _platform(service: Service, context: Context) -> Iterator[Issue]:
    node = service.scalar("image")
    image = context.images.get(str(node.value)) if node and not node.unknown else None
    if node is None or image is None or not image.platforms or context.nodes is None:
        return
    there = candidates(service, context.nodes)
    lacking = [one for one in there if not _runs(image.platforms, one.platform)]
    if not lacking:
        return
    kinds = sorted({_arch(one.platform.architecture) for one in lacking if one.platform})
    names = [one.name for one in lacking]
    if len(lacking) == len(there):
        yield service.refusal(
            PLATFORM,
            ("image",),
            f"{node.shown} is not made for {listed(kinds, 'or')}, which is what "
            f"{listed(names)} {verb(names, 'is', 'are')}: no task gets a place",
            "name an image that is made for it (`docker buildx imagetools inspect IMAGE` lists "
            "what it is made for)",
        )
    else:
        yield service.notice(
            PLATFORM,
            ("image",),
            f"{node.shown} is not made for {listed(kinds, 'or')}, so {listed(names)} never "
            f"{verb(names, 'runs', 'run')} it",
            "name an image that is made for all; or say so in a constraint on node.platform.arch",
        )


def _arch(name: str) -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(name, name)


def _runs(platforms: Sequence[Platform], node: Platform | None) -> bool:
    """As swarmkit's ``PlatformFilter`` compares."""
    return node is None or any(
        (not one.architecture or _arch(one.architecture) == _arch(node.architecture))
        and (not one.os or one.os == node.os)
        for one in platforms
    )


_SYSTEM = ("/proc", "/sys", "/dev", "/run", "/var/run", "/var/lib/docker", "/var/log", "/etc")


def bind_paths(stack: Merged) -> frozenset[str]:
    """The paths on nodes that the stack needs: whoever knows the nodes can ask for them."""
    return frozenset(
        posixpath.normpath(mount.source)
        for service in services(stack)
        for mount in service.mounts
        if mount.kind == "bind" and mount.source.startswith("/")
    )


def image_names(stack: Merged) -> frozenset[str]:
    """The images that the stack needs, as its files have them: a registry can be asked for them."""
    found = (service.scalar("image") for service in services(stack))
    return frozenset(str(node.value) for node in found if node and not node.unknown)


def _paths(service: Service, context: Context) -> Iterator[Issue]:
    for mount in service.mounts:
        if mount.kind != "bind" or not mount.source:
            continue
        if not mount.source.startswith("/"):
            yield _relative(mount)
            continue
        lacking = context.missing_paths.get(posixpath.normpath(mount.source))
        if not lacking or context.nodes is None:
            continue
        there = candidates(service, context.nodes)
        names = [node.name for node in there if node.name in lacking]
        make = refusal if len(names) == len(there) else notice
        if names:
            yield make(
                PATH,
                mount.place,
                mount.path,
                f"{mount.shown} is not there on {listed(names)}: Swarm makes no folders, and "
                "rejects every task that it sends there",
                "make the folder there; or use a named volume; or keep the service from "
                f"{listed(names, 'and')} by a constraint",
            )


def _relative(mount: Mount) -> Issue:
    return refusal(
        PATH,
        mount.place,
        mount.path,
        f"{mount.shown} is a path on the computer where `docker stack deploy` runs, and the tasks "
        "run on the nodes: what is mounted there is not what is beside this file",
        "declare a file as a config; for a folder write the path that it has on the nodes",
    )


_SHARED_TYPES = ("nfs", "nfs4", "cifs", "smb", "sshfs", "ceph", "glusterfs")


def _left_behind(stack: Merged, service: Service, context: Context) -> Iterator[Issue]:
    """Data that stays on one node when the task moves to another one."""
    if service.is_global or service.is_job or _is_pinned(service, context):
        return
    for mount in service.mounts:
        if mount.read_only or not mount.source:
            continue
        if mount.kind == "volume" and _is_local(stack, mount.source):
            thing = f"the volume {mount.shown}"
        elif mount.kind == "bind" and _is_data(mount.source):
            thing = f"the folder {mount.shown}"
        else:
            continue
        yield notice(
            PLACEMENT,
            mount.place,
            mount.path,
            f"{thing} is another one on each node, and nothing keeps the task on one: after an "
            "update or a reboot it may start elsewhere, with nothing in it",
            "add the constraint node.hostname == NAME, or a label of one node; or use a volume "
            "that all nodes share",
        )


_PINS = ("node.hostname", "node.id", "node.ip")


def _is_pinned(service: Service, context: Context) -> bool:
    if any(one.unknown for one in service.constraints):
        return True
    wanted = _constraints(service)
    if any(one.equal and one.key.lower() in _PINS for one in wanted):
        return True
    if context.nodes is not None and len(candidates(service, context.nodes)) <= 1:
        return True
    labelled = any(one.equal and one.key.lower().startswith(_NODE_LABEL) for one in wanted)
    return labelled and (context.nodes is None or _may_be_one(service, context.nodes))


def _may_be_one(service: Service, nodes: Sequence[Node]) -> bool:
    """Whether it is unknown of all but one node that they satisfy the constraints."""
    wanted = _constraints(service)
    return sum(all(fits(one, node) is True for one in wanted) for node in nodes) <= 1


def _is_local(stack: Merged, name: str) -> bool:
    volume = stack.section("volumes").entries.get(name)
    if not isinstance(volume, Table):
        return False  # undeclared: refused elsewhere
    driver = at(volume, "driver")
    if isinstance(driver, Scalar) and driver.value not in (None, "", "local"):
        return False  # another one, or one that is unknown
    kind = at(volume, "driver_opts", "type")
    return not (isinstance(kind, Scalar) and (kind.unknown or kind.value in _SHARED_TYPES))


def _is_data(path: str) -> bool:
    path = posixpath.normpath(path)
    return path != "/" and not any(path == one or path.startswith(f"{one}/") for one in _SYSTEM)
