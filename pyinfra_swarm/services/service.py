"""A service and its tasks, as the engine describes them; and a service's references replaced.

A service's specification is the engine's own JSON (``GET /services``), kept whole: whoever changes
one thing in it sends all the rest back as it was. It may hold passwords (environment variables), so
neither a ``repr`` nor :meth:`Service.to_json` shows it.

Sources: docker/cli ``cli/compose/convert/service.go`` (references are sorted by name), moby
``daemon/cluster/convert/{service,task}.go``, swarmkit ``manager/controlapi/service.go``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pyinfra_swarm.engine import values as judged
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.services.listing import listed

Spec = Mapping[str, Any]
"""A service's specification, as the engine's API gives and takes it."""

Kind = Literal["secret", "config"]

Mode = Literal["replicated", "global", "replicated-job", "global-job"]

STACK = "com.docker.stack.namespace"
"""The label by which ``docker stack`` knows the services of a stack."""

UPDATE_STATES = (
    *("updating", "paused", "completed"),
    *("rollback_started", "rollback_paused", "rollback_completed"),
)
TASK_STATES = (
    *("new", "allocated", "pending", "assigned", "accepted", "preparing", "ready", "starting"),
    *("running", "complete", "shutdown", "failed", "rejected", "remove", "orphaned"),
)
"""In the order in which a task goes through them; the engine never lets one go back."""

_ENDED = TASK_STATES[TASK_STATES.index("running") + 1 :]

_REFERENCES: Mapping[Kind, tuple[str, str, str]] = {
    "secret": ("Secrets", "SecretID", "SecretName"),
    "config": ("Configs", "ConfigID", "ConfigName"),
}
_MODES: Mapping[str, Mode] = {
    "Replicated": "replicated",
    "Global": "global",
    "ReplicatedJob": "replicated-job",
    "GlobalJob": "global-job",
}


@dataclass(frozen=True)
class Reference:
    """A secret or a config that a service uses: the object's id and name at the engine.

    file: where it is in a container (``Name``, ``UID``, ``GID``, ``Mode``), as the engine has it;
    ``None`` where it is no file.
    """

    kind: Kind
    id: str
    name: str
    file: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class UpdateStatus(Observation):
    """What the managers say of a service's last update.

    state: ``updating``, ``paused``, ``completed``, ``rollback_started``, ``rollback_paused`` or
    ``rollback_completed``. message: the engine's words.
    """

    state: str
    message: str = ""


@dataclass(frozen=True)
class Service(Observation):
    """A service as a manager has it.

    version: goes up with each write, the managers' own ones included; an update names it.
    spec: what is to run; previous: what a rollback would put back, if anything.
    update: ``None`` right after an update, and where the engine has seen nothing to replace (no
    tasks, new tasks only). iteration: of a job, how often it was updated.
    """

    id: str
    name: str
    version: int
    spec: Spec = field(repr=False)
    previous: Spec | None = field(default=None, repr=False)
    update: UpdateStatus | None = None
    iteration: int | None = None

    @property
    def mode(self) -> Mode:
        """How its tasks are spread: a number of them, one on each node, or a job's."""
        return mode_of(self.spec)

    @property
    def replicas(self) -> int | None:
        """How many tasks it is to have; ``None`` for one on each node that may run it."""
        return replicas_of(self.spec)

    @property
    def is_job(self) -> bool:
        """Whether its tasks run once, to their end; each update runs them again."""
        return self.mode in ("replicated-job", "global-job")

    @property
    def stack(self) -> str:
        """The stack that it belongs to; "" where it belongs to none."""
        return str((self.spec.get("Labels") or {}).get(STACK, ""))

    @property
    def references(self) -> tuple[Reference, ...]:
        """The secrets and configs that it uses."""
        return references(self.spec)

    def to_json(self) -> dict[str, Any]:
        """What can be shown to anybody: nothing of its environment, labels or command."""
        return {
            "id": self.id,
            "name": self.name,
            "version": self.version,
            "mode": self.mode,
            "replicas": self.replicas,
            "stack": self.stack,
            "update": self.update.state if self.update else "",
            "secrets": [one.name for one in references(self.spec, "secret")],
            "configs": [one.name for one in references(self.spec, "config")],
        }


@dataclass(frozen=True)
class Task(Observation):
    """A task of a service, as a manager has it; also one that has ended, for some time.

    slot: its place among the replicas; 0 in a service that has a task on each node. node: by id,
    "" until one is chosen. desired, state: what it is to be and what it is, of
    :data:`TASK_STATES`. error: the engine's words for what went wrong; message: for the state.
    version: goes up with each write. template: what it was made of, a service's ``TaskTemplate``.
    iteration: of a job, the one it belongs to. updated: when the managers last wrote of it, by
    their clock, in seconds since 1970; of a task that is told to stop that is the moment at which
    it was told, until its node says more.
    """

    id: str
    service: str
    slot: int
    node: str
    desired: str
    state: str
    error: str
    message: str
    exit_code: int | None
    version: int
    template: Spec = field(repr=False)
    iteration: int | None = None
    updated: float | None = None

    @property
    def wanted(self) -> bool:
        """Whether it is to run, now or as soon as the task before it has ended.

        A job's task is to be ``complete``, from its beginning on.
        """
        return self.desired == "complete" or self.desired not in _ENDED

    @property
    def ended(self) -> bool:
        """Whether it runs no more, or never did; it does not come back."""
        return self.state in _ENDED

    @property
    def failed(self) -> bool:
        """Whether it has ended by itself, and not well."""
        return self.state in ("failed", "rejected")

    @property
    def references(self) -> tuple[Reference, ...]:
        """The secrets and configs that it was given."""
        return references({"TaskTemplate": self.template})

    def to_json(self) -> dict[str, Any]:
        """All but what it was made of."""
        hidden = {"template"}
        return {key: value for key, value in vars(self).items() if key not in hidden}


def mode_of(spec: Spec) -> Mode:
    """The mode in a specification; the engine's default is ``replicated``."""
    found = [_MODES[key] for key, value in (spec.get("Mode") or {}).items() if value is not None]
    return found[0] if found else "replicated"


def replicas_of(spec: Spec) -> int | None:
    """How many tasks a specification asks for; ``None`` where that is the nodes' number."""
    mode = spec.get("Mode") or {}
    match mode_of(spec):
        case "replicated":
            return int((mode.get("Replicated") or {}).get("Replicas", 1))
        case "replicated-job":
            return int((mode.get("ReplicatedJob") or {}).get("TotalCompletions", 1))
        case _:
            return None


def references(spec: Spec, kind: Kind | None = None) -> tuple[Reference, ...]:
    """The secrets and configs that a specification uses, or those of one kind, in its order."""
    container = _container(spec)
    found = []
    for one in get_args(Kind) if kind is None else (kind,):
        key, number, name = _REFERENCES[one]
        for entry in container.get(key) or ():
            found.append(Reference(one, entry[number], entry[name], entry.get("File")))
    return tuple(found)


def with_references(
    spec: Spec, kind: Kind, replaced: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """A specification with some of its secrets or configs replaced; all else is as it was.

    replaced: an object's id to the id and name of the one that takes its place, in the same file
    with the same owner and mode. Where one is replaced, all of the kind are sorted by name, as
    ``docker stack deploy`` does it: the next one would restart the service for another order.
    """
    key, number, name = _REFERENCES[kind]
    container = _container(spec)
    entries = container.get(key) or []
    if not any(entry[number] in replaced for entry in entries):
        return dict(spec)
    changed = [_renamed(entry, number, name, replaced.get(entry[number])) for entry in entries]
    template = {
        **spec["TaskTemplate"],
        "ContainerSpec": {**container, key: sorted(changed, key=lambda entry: str(entry[name]))},
    }
    return {**spec, "TaskTemplate": template}


def _renamed(
    entry: Mapping[str, Any], number: str, name: str, by: tuple[str, str] | None
) -> dict[str, Any]:
    return {**entry, number: by[0], name: by[1]} if by else dict(entry)


def _container(spec: Spec) -> Mapping[str, Any]:
    return (spec.get("TaskTemplate") or {}).get("ContainerSpec") or {}


def parse_services(text: str) -> tuple[Service, ...]:
    """The engine's answer to ``GET /services``.

    Raises ``ValueError`` where it is none, and for an id or a state that no engine gives.
    """
    return tuple(map(parse_service, listed(text)))


def parse_service(entry: Mapping[str, Any]) -> Service:
    """One service of that answer. Raises ``ValueError`` as :func:`parse_services`."""
    update = entry.get("UpdateStatus") or {}
    job = (entry.get("JobStatus") or {}).get("JobIteration") or {}
    spec = entry["Spec"]
    for one in references(spec):
        judged.swarm_id(one.id)
    replicas_of(spec)
    return Service(
        id=judged.swarm_id(entry["ID"]),
        name=str(spec["Name"]),
        version=int(entry["Version"]["Index"]),
        spec=spec,
        previous=entry.get("PreviousSpec"),
        update=UpdateStatus(
            judged.one_of(UPDATE_STATES, update["State"]), str(update.get("Message", ""))
        )
        if update.get("State")
        else None,
        iteration=int(job.get("Index", 0)) if "JobStatus" in entry else None,
    )


def parse_tasks(text: str) -> tuple[Task, ...]:
    """The engine's answer to ``GET /tasks``. Raises ``ValueError`` as :func:`parse_services`."""
    return tuple(map(_task, listed(text)))


def _task(entry: Mapping[str, Any]) -> Task:
    status = entry["Status"]
    container = status.get("ContainerStatus") or {}
    iteration = entry.get("JobIteration")
    return Task(
        id=judged.swarm_id(entry["ID"]),
        service=judged.swarm_id_if_any(entry.get("ServiceID")),
        slot=int(entry.get("Slot", 0)),
        node=judged.swarm_id_if_any(entry.get("NodeID")),
        desired=judged.one_of(TASK_STATES, entry["DesiredState"]),
        state=judged.one_of(TASK_STATES, status["State"]),
        error=str(status.get("Err", "")),
        message=str(status.get("Message", "")),
        exit_code=int(container["ExitCode"]) if "ExitCode" in container else None,
        version=int(entry["Version"]["Index"]),
        template=entry["Spec"],
        iteration=None if iteration is None else int(iteration.get("Index", 0)),
        updated=judged.moment(entry["UpdatedAt"]) if entry.get("UpdatedAt") else None,
    )
