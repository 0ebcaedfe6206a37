"""A run of pyinfra's, as ``plan`` and ``apply`` start it: the words that pyinfra gets."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.shell_completion import CompletionItem

from pyinfra_swarm.commands import completing

SITE = "site"

if TYPE_CHECKING:
    Word = click.ParamType[str]
else:
    Word = click.ParamType  # which only recent releases can be told the type of


class Deploy(Word):
    """A deploy, by its name or its path; as pyinfra takes it."""

    name = "DEPLOY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        words = ctx.meta.get("given", ()) if ctx else ()
        return deploy(str(value), [str(word) for word in words])

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        files = [CompletionItem(incomplete, type="file")] if "/" in incomplete else []
        return completing.items(completing.deploy_names(), incomplete) or files


class Host(Word):
    """A host, a pattern or a group, as pyinfra's ``--limit`` takes them."""

    name = "HOST"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return completing.items(completing.host_names(), incomplete)


class Data(Word):
    """What a deploy is told, ``KEY=VALUE``. What is wrong with it, the run says."""

    name = "KEY=VALUE"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        # Not the parameters: of a line that is not finished yet, click has read none.
        known = {*completing.deploy_names()}
        named = [stem for word in ctx.meta["given"] if (stem := Path(word).stem) in known]
        return completing.data(named or [SITE], incomplete)


def refuse_outside_a_project() -> None:
    """Raises ``click.UsageError`` where there is no project to work in."""
    from pyinfra_swarm.settings.paths import is_project, not_a_project, project

    if not is_project(project()):
        raise click.UsageError("\n    instead: ".join(not_a_project(project())))


def deploy(given: str, words: Sequence[str] = ()) -> str:
    """A deploy from the command line, as pyinfra takes it. Raises ``click.UsageError``.

    One of the project's may be given by its name alone, wherever the command is typed. words: all
    of the command line.
    """
    from pyinfra_swarm.run.command_line import OPTIONS
    from pyinfra_swarm.settings.errors import nearest
    from pyinfra_swarm.settings.paths import from_user, project

    refuse_outside_a_project()
    folder = project()
    own = {Path(name).stem: name for name in completing.deploy_files()}
    if given.removesuffix(".py") in own:
        return own[given.removesuffix(".py")]
    for path in (folder / given, from_user(given).absolute()):
        if path.suffix == ".py" and os.path.isfile(path):
            resolved = path.resolve()
            inside = resolved.is_relative_to(folder.resolve())
            return str(resolved.relative_to(folder.resolve()) if inside else resolved)
    key, sign, _ = given.partition("=")
    if sign:
        # Without its value, unless it is one of ours: a mistyped _sudo_password has a secret one.
        ours = key in {option.key for option in OPTIONS}
        pair, typed = (given, shlex.quote(given)) if ours else (f"{key}=…",) * 2
        raise click.UsageError(f"there is no deploy {pair}\n    instead: --data {typed}")
    meant = nearest(Path(given).stem, own)
    right = meant or f"one of {', '.join(own)}"
    if given in completing.host_names():
        named = {Path(word).stem for word in words}
        takes_host = any(one.key == "host" and named & {*one.deploys} for one in OPTIONS)
        right = f"--data host={given}" if takes_host else f"--limit {given}"
    raise click.UsageError(f"there is no deploy {given}\n    instead: {right}")


class Run(click.Command):
    """A command that becomes a run of pyinfra's. What stands behind ``--`` is pyinfra's own.

    flags: what pyinfra gets besides; changes: whether the run changes anything.
    """

    def __init__(self, name: str, *, flags: Callable[[bool], Sequence[str]], **more: Any) -> None:
        super().__init__(name, params=[*_SHARED, *more.pop("params")], **more)
        self._flags = flags

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        end = args.index("--") if "--" in args else len(args)
        ctx.meta["given"], ctx.meta["passed"] = args[:end], args[end + 1 :]
        for word in args[:end]:
            if word in _OF_OTHER_TOOLS and not ctx.resilient_parsing:
                raise click.UsageError(_OF_OTHER_TOOLS[word][self.name == "apply"], ctx=ctx)
        return super().parse_args(ctx, args[:end])

    def invoke(self, ctx: click.Context) -> NoReturn:
        given = ctx.params
        flags = [*self._flags(bool(given.get("yes"))), *ctx.meta["passed"]]
        behind = ["--", *ctx.meta["passed"]] if ctx.meta["passed"] else []
        become_pyinfra(
            words(given["deploys"], given["limit"], given["data"], given["verbose"], flags),
            typed=[str(self.name), *ctx.meta["given"], *behind],
        )


_SHARED: Sequence[click.Parameter] = (
    click.Argument(["deploys"], nargs=-1, type=Deploy(), metavar="[DEPLOY]..."),
    click.Option(
        ["--limit"],
        multiple=True,
        type=Host(),
        help="only this host, pattern or group; may be repeated",
    ),
    click.Option(["--data"], multiple=True, type=Data(), help="what a deploy is told; repeatable"),
    click.Option(["-v", "verbose"], count=True, help="say more; -vv and -vvv even more"),
)

_NOTHING_IS_CHANGED = "a plan changes nothing anyway\n    instead: leave it out"
_OF_OTHER_TOOLS = {
    word: (
        f"{word}: {_NOTHING_IS_CHANGED}",
        f"{word}: apply changes the hosts\n    instead: pyinfra-swarm plan, which changes nothing",
    )
    for word in ("--check", "--dry", "--dry-run", "-n", "-C")
} | {
    word: (f"{word}: a part of the job is a deploy of its own\n    instead: name it, as ssh",) * 2
    for word in ("--tags", "-t")
}
"""What users of other tools type, and what to say of it: for a plan, and for what changes."""


def words(
    deploys: Sequence[str],
    limit: Sequence[str],
    data: Sequence[str],
    verbose: int,
    flags: Sequence[str],
) -> list[str]:
    """The words of pyinfra's command line, as the documentation writes them."""
    return [
        *(["-" + "v" * verbose] if verbose else []),
        *(word for pattern in limit for word in ("--limit", pattern)),
        "inventory.py",
        *(deploys or [deploy(SITE)]),
        *(word for pair in data for word in ("--data", pair)),
        *flags,
    ]


def become_pyinfra(given: Sequence[str], *, typed: Sequence[str] = ()) -> NoReturn:
    """Be pyinfra from now on, in the project's folder: its signals and its exit code are ours.

    typed: the words after ``pyinfra-swarm``, for what the run says of its own command.
    """
    from pyinfra_swarm.run.own_process import pyinfra_command
    from pyinfra_swarm.run.own_words import handed_on
    from pyinfra_swarm.run.working_on import tell_project
    from pyinfra_swarm.settings.paths import from_user, project
    from pyinfra_swarm.settings.variables import PATH_VARIABLE

    variables = dict(os.environ)
    if variables.get(PATH_VARIABLE):  # a path is the user's, and pyinfra runs in another folder
        variables[PATH_VARIABLE] = str(from_user(variables[PATH_VARIABLE]).absolute())
    if typed:
        variables |= handed_on(typed)
    command = pyinfra_command([_from_here(word) for word in given])
    tell_project()
    os.chdir(project())
    sys.stdout.flush()
    os.execve(command[0], command, variables)


def _from_here(word: str) -> str:
    """A word that pyinfra gets; the path in ``--data file=PATH`` as it is meant in this folder."""
    from pyinfra_swarm.run.command_line import OPTIONS
    from pyinfra_swarm.settings.paths import project

    key, sign, value = word.partition("=")
    paths = {option.key for option in OPTIONS if option.values in ("PATH", "FILE")}
    if not sign or key not in paths or not value or Path.cwd() == project():
        return word
    return f"{key}={value if value.startswith('~') else Path(value).absolute()}"
