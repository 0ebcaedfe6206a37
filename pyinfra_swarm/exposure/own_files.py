"""The project's own stack with its files, as the room of stacks takes it."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pyinfra_swarm.exposure.own_stack import own_stack
from pyinfra_swarm.settings.exposure_modes import OWN_STACK
from pyinfra_swarm.stacks.compose import Source
from pyinfra_swarm.stacks.inputs import Inputs
from pyinfra_swarm.stacks.reading import Declared

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def read_own_stack(settings: Settings) -> Declared | None:
    """The stack that is to be deployed; ``None`` where none is."""
    own = own_stack(settings)
    if own is None:
        return None
    contents = {name: _content(name) for name in own.files}
    return Declared(
        Inputs(OWN_STACK, own.files, contents, own.variables),
        tuple(Source(f"exposure/compose/{name}", text) for name, text in contents.items()),
    )


@cache
def _content(name: str) -> bytes:
    return (Path(__file__).with_name("compose") / name).read_bytes()
