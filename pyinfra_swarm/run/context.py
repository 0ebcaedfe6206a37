"""Where the code runs: in which run of pyinfra, in which phase, in the name of which host."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar, cast, runtime_checkable

from pyinfra.api import Host, State

from pyinfra_swarm.run import pyinfra_internals
from pyinfra_swarm.run.findings import Finding

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Host as DeclaredHost
    from pyinfra_swarm.settings import Settings

T = TypeVar("T")


@runtime_checkable
class Closing(Protocol):
    """What a run keeps and must not outlast it, such as connections."""

    def close(self) -> None: ...


_kept: dict[type, object] = {}


def this_run(kind: type[T]) -> T:
    """What this run keeps under a type, made when it is first asked for: ``this_run(Tokens)``.

    Operations have no other place for what outlives them. kind: a class that can be made without
    arguments, such as a dataclass whose fields have defaults; one for each thing that is kept.
    """
    if kind not in _kept:
        _kept[kind] = kind()
    return cast(T, _kept[kind])


def begin_another_run() -> None:
    """Close and forget all that was kept. For tests, which have many runs in one process."""
    for one in _kept.values():
        if isinstance(one, Closing):
            one.close()
    _kept.clear()


def state() -> State:
    """The run's state, as pyinfra has it."""
    return pyinfra_internals.run_state()


def is_executing() -> bool:
    """Whether changes are carried out now; else they are only planned."""
    return pyinfra_internals.is_executing(state())


def phase() -> str:
    """``plan`` while pyinfra prepares, ``apply`` while it executes."""
    return "apply" if is_executing() else "plan"


def current_host() -> Host:
    """The host in whose name the code runs, as a plain object."""
    return pyinfra_internals.host_in_context()


def this_host(settings: Settings) -> DeclaredHost:
    """What is declared of the host in whose name the code runs."""
    return settings.host(current_host().name)


def only_on(name: str, findings: list[Finding]) -> list[Finding]:
    """The findings on the host that reports them for all, as the acting manager; none elsewhere."""
    return findings if name == current_host().name else []


def given(key: str) -> str | None:
    """What the command line of this run says with ``--data KEY=VALUE``; ``None`` where nothing.

    ``host.data`` would take it from the inventory as well, and ``host.data.get("host")`` gives
    pyinfra's own object of the host, whatever the command line says.
    """
    value = pyinfra_internals.data_of_the_command_line(state()).get(key)
    return None if value is None else str(value)
