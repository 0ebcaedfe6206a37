"""The table of what has passed where, ``tested.json``: the suites write it, the package has it."""

from __future__ import annotations

from importlib.resources import files

from pyinfra_swarm.preflight.tested import Passed, parse


def shipped() -> list[Passed]:
    """What has passed, by this package's own table."""
    text = files(__package__).joinpath("tested.json").read_text(encoding="utf-8")
    return parse(text)
