"""What makes a deploy out of a plain list of operations."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Protocol, cast

from pyinfra.api import deploy as pyinfra_deploy

from pyinfra_swarm.settings import Settings, load


class Deploy(Protocol):
    """A deploy, as it is called: the settings, and pyinfra's global arguments (``_sudo``, …)."""

    def __call__(self, settings: Settings | None = None, **arguments: Any) -> None: ...


def deploy(title: str) -> Callable[[Callable[[Settings], None]], Deploy]:
    """Make a deploy under pyinfra's ``@deploy``; without a value it reads the settings itself.

    title: pyinfra puts it in front of the name of each operation, as in ``Docker | one version
    everywhere, held``. So a name does not repeat it.
    """

    def decorate(operations: Callable[[Settings], None]) -> Deploy:
        @wraps(operations)
        def called(settings: Settings | None = None) -> None:
            operations(load() if settings is None else settings)

        return cast(Deploy, pyinfra_deploy(title)(called))

    return decorate
