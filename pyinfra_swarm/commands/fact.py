"""``pyinfra-swarm fact``: ask the hosts. A fact may be named without the folder it is in."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from pyinfra_swarm.commands import completing
from pyinfra_swarm.commands.running import (
    Host,
    Word,
    become_pyinfra,
    refuse_outside_a_project,
)


class Fact(Word):
    """A fact by its name, as pyinfra takes it; or one of its arguments, ``KEY=VALUE``."""

    name = "FACT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return fact(str(value))

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return completing.items((name.removeprefix("facts.") for name in names()), incomplete)


def names() -> list[str]:
    """The project's facts, as ``facts.swarm.Nodes``. Nothing is imported: that takes a moment.

    Without those of a file that cannot be read.
    """
    return _read()[0]


def _read() -> tuple[list[str], dict[str, str]]:
    """The facts' names; and what is wrong with files that cannot be read, by their modules."""
    from pyinfra_swarm.run.printable import plain
    from pyinfra_swarm.settings.paths import project

    found, broken = [], {}
    for path in sorted((project() / "facts").glob("*.py")):
        try:
            found += [f"facts.{path.stem}.{name}" for name in _exported(path)]
        except SyntaxError as error:
            where = f", line {error.lineno}" if error.lineno else ""
            broken[path.stem] = plain(f"facts/{path.name}{where}: {error.msg}")
        except (OSError, ValueError, RecursionError, MemoryError) as error:
            broken[path.stem] = plain(f"facts/{path.name}: cannot be read: {error}")
    return found, broken


def _exported(path: Path) -> list[str]:
    """The names in ``__all__``. Raises what reading Python's text raises."""
    for node in ast.parse(path.read_bytes()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            listed = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node]
            if not all(isinstance(one, ast.Constant) for one in listed):
                place = (str(path), node.lineno, None, None)
                raise SyntaxError("__all__ is not a list of names", place)
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def fact(given: str) -> str:
    """A fact, as pyinfra takes it.

    Raises ``click.UsageError`` for one that is none of ours, or is in a file that cannot be read.
    """
    from pyinfra_swarm.settings.errors import nearest

    if "=" in given:
        return given
    refuse_outside_a_project()
    known, broken = _read()
    for name in known:
        if given in (name, name.removeprefix("facts."), name.rpartition(".")[2]):
            return name
    first = given.removeprefix("facts.").split(".")[0]
    if first in broken:
        raise click.UsageError(f"{given}: {broken[first]}\n    instead: {_MEND}")
    ours = first in {name.split(".")[1] for name in known}
    if "." in given and not ours and not given.startswith("facts."):
        return given  # pyinfra's own, such as server.Uptime
    short = {name.removeprefix("facts."): name for name in known}
    last = {name.rpartition(".")[2]: name for name in known}
    if first == given and ours:  # a module: all that is in it
        right = ", ".join(name for name in short if name.startswith(f"{first}."))
        raise click.UsageError(f"{given} is not one fact, but several\n    instead: {right}")
    meant = nearest(given.removeprefix("facts."), short) or nearest(given.rpartition(".")[2], last)
    if broken and not meant and "." not in given:
        where = "; ".join(broken.values())
        raise click.UsageError(
            f"{given} is not a fact of any file that can be read ({where})\n    instead: {_MEND}"
        )
    right = (short | last)[meant].removeprefix("facts.") if meant else "docs/facts.md has all"
    raise click.UsageError(f"{given} is not a fact\n    instead: {right}")


_MEND = "correct that file, and ask again"


@click.command(
    "fact",
    short_help="ask the hosts: swarm.Nodes, docker.Info, ...",
    help="""Ask the hosts, one fact or several. Changes nothing.

    \b
      pyinfra-swarm fact swarm.Nodes
    is pyinfra inventory.py fact facts.swarm.Nodes

    docs/facts.md describes each, with a real answer.
    """,
    epilog="Exit codes: 0 all hosts have answered; 1 one has not, or there is no such fact.",
)
@click.argument("facts", nargs=-1, type=Fact(), metavar="FACT [KEY=VALUE]...")
@click.option("--limit", multiple=True, type=Host(), help="this host, pattern or group; repeatable")
@click.option("--json", "as_json", is_flag=True, help="print JSON alone, on standard output")
def command(facts: tuple[str, ...], limit: tuple[str, ...], as_json: bool) -> None:
    if not facts:
        refuse_outside_a_project()
        every = ", ".join(name.removeprefix("facts.") for name in names())
        raise click.UsageError(f"name the fact to ask for\n    instead: one of {every}")
    limits = [word for pattern in limit for word in ("--limit", pattern)]
    flags = ["--json"] if as_json else []
    become_pyinfra(
        [*flags, *limits, "inventory.py", "fact", *facts],
        typed=["fact", *(name.removeprefix("facts.") for name in facts), *limits, *flags],
    )
