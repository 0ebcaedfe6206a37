"""What the owner reads where a host falls silent while something is done on it."""

from __future__ import annotations

_THEN = (
    "When it answers again (look at its power, its network and its log above), run the same "
    "command: it continues from there"
)


def in_an_operation(why: str) -> str:
    """A host gave no answer in the middle of an operation. why: as :func:`run.connection.why`."""
    return f"no answer in the middle of it ({why}). {_THEN}"


def not_observed(what: str) -> str:
    """Something was not observed, so nothing was decided. what: a sentence without its end."""
    return f"{what}; nothing was decided without it. {_THEN}"


def in_a_command(operation: str) -> str:
    """The connection broke during a command that pyinfra ran. operation: its name."""
    return f"the connection broke during “{operation}”: no power or no network? {_THEN}"


def on_another_host(doing: str, name: str, problem: str) -> str:
    """Another host, such as the acting manager, gave no answer. doing: ``updating this node``."""
    return f"{doing} on {name}: {problem}. It may have happened all the same. {_THEN}"
