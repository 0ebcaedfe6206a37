"""The command line: ``pyinfra-swarm lint``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn

from pyinfra_swarm.run.exit_code import COULD_NOT_TELL, exit_code
from pyinfra_swarm.run.plain_file import content, write
from pyinfra_swarm.run.printable import plain, plain_lines
from pyinfra_swarm.run.working_on import tell_project
from pyinfra_swarm.settings import Settings, SettingsError, load
from pyinfra_swarm.settings.paths import from_user, is_project, not_a_project, project
from pyinfra_swarm.settings.sources import FILE_NAME
from pyinfra_swarm.settings.variables import PATH_VARIABLE
from pyinfra_swarm.stacks.compose import Merged, Source, named_files, read
from pyinfra_swarm.stacks.document import SIZE_LIMIT
from pyinfra_swarm.stacks.lint import Context, Issue, Network, declared, lint, terminal
from pyinfra_swarm.stacks.lint.networks import made_networks
from pyinfra_swarm.stacks.lint.sarif import sarif
from pyinfra_swarm.stacks.reading import Declared, read_stacks
from pyinfra_swarm.stacks.variables import Variables

_EPILOG = """\
exit codes: 0 nothing is wrong; 2 something is; 1 a file or the settings cannot be read.
Needs no cluster. With a cluster.toml it knows your firewall's ports and what you declare; a
declared stack has the variables that are declared for it, and no others.
Each rule, and how to silence a notice: docs/stacks.md"""

OF_THE_CLUSTER = ("paths on the nodes (S9)", "whether images are made for the nodes (S11)")
OF_THE_SWARM = ("what was made or set in the swarm by hand (S1, S12, S14)",)
OF_THE_SETTINGS = (
    "whether the firewall opens a port (S2, needs a cluster.toml)",
    "whether networks, labels, secrets and configs are there (S1, S12, S14, need one, too)",
)
"""What needs more than the files."""


class Unusable(Exception):
    """The command cannot do what it was asked for; the message says what to do."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse's own 2 would mean that something is wrong with a stack.
        self.exit(
            COULD_NOT_TELL,
            f"lint: {message}\n    instead: {self.prog} compose.yml; the rest is in "
            f"{self.prog} --help\n",
        )


def parser() -> argparse.ArgumentParser:
    """What the command line understands."""
    made = _Parser(
        prog="pyinfra-swarm lint",
        description="Say what is wrong with stack files before they are deployed.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "files",
        nargs="*",
        type=from_user,
        metavar="FILE",
        help="each a stack of its own, or a part of a declared one (default: all declared stacks)",
    )
    made.add_argument(
        "--merge",
        action="store_true",
        help="the files are one stack, as with `docker stack deploy -c FILE -c FILE`",
    )
    made.add_argument(
        "--env",
        action="append",
        default=[],
        type=_variable,
        metavar="NAME=VALUE",
        help="a variable of the files; may be repeated; the environment's are known",
    )
    made.add_argument("--stack", default="", metavar="NAME", help="the name it is deployed under")
    made.add_argument(
        "--no-cluster", action="store_true", help="look at the files alone, not at cluster.toml"
    )
    made.add_argument(
        "--only-refusals", action="store_true", help="leave out what would only be reported"
    )
    made.add_argument("--json", action="store_true", help="print what was found as JSON")
    made.add_argument(
        "--sarif", type=from_user, metavar="FILE", help="write it there for a code host (SARIF)"
    )
    return made


def _variable(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError("--env wants NAME=VALUE")
    return name, value


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = parser().parse_args(arguments)
    try:
        return _lint(options)
    except (Unusable, SettingsError) as error:
        print(f"lint: {error}", file=sys.stderr)
        return COULD_NOT_TELL
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_TELL


def _lint(options: argparse.Namespace) -> int:
    settings = None if options.no_cluster else _settings()
    found: list[Issue] = []
    files: list[str] = []
    complete = True
    for stack in _stacks(options, settings):
        if isinstance(stack, str):
            print(f"lint: {plain_lines(stack)}", file=sys.stderr)
            complete = False
            continue
        merged, context = stack
        files += merged.files
        found += lint(merged, context)
    if options.only_refusals:
        found = [issue for issue in found if issue.severity == "refusal"]
    if files:
        _tell(options, found, files, settings)
    return exit_code(looked=bool(files), differs=bool(found), complete=complete)


def _settings() -> Settings | None:
    """The settings of the project that is worked on, if it has any. Raises `SettingsError`."""
    if PATH_VARIABLE not in os.environ:
        if not (project() / FILE_NAME).exists():
            return None
        tell_project()
    return load()


def _stacks(
    options: argparse.Namespace, settings: Settings | None
) -> Iterator[tuple[Merged, Context] | str]:
    """The stacks to look at, each with what is known of the cluster; or why one cannot be read."""
    declared_ones = read_stacks(settings) if settings else ()
    if not options.files:
        if not settings and not is_project(project()) and not options.no_cluster:
            raise Unusable("\n    instead: ".join(not_a_project(project())))
        if not settings or not declared_ones:
            raise Unusable(
                "there is nothing to look at: no file is named, and no stack is declared\n"
                "    instead: pyinfra-swarm lint compose.yml"
            )
        for stack in declared_ones:
            yield _declared(stack, settings, declared_ones)
        return
    context = Context(stack=options.stack)
    if settings:
        context = _known(settings, options.stack, declared_ones)
    if options.merge:
        yield _named(options.files, options, context)
        return
    told: set[str] = set()
    for file in options.files:
        owners = _owners(file, settings)
        for stack in declared_ones:
            if settings and stack.inputs.stack in owners - told:
                yield _declared(stack, settings, declared_ones)
        told |= owners
        if not owners:
            yield _named([file], options, context)


def _owners(file: Path, settings: Settings | None) -> set[str]:
    """The declared stacks that a file is a part of."""
    return {
        stack.name
        for stack in (settings.stacks if settings else ())
        for name in stack.files
        if settings and (settings.folder / from_user(name)).resolve() == file.resolve()
    }


def _declared(
    stack: Declared, settings: Settings, every: Sequence[Declared]
) -> tuple[Merged, Context] | str:
    if stack.inputs.problem:
        return f"stack {stack.inputs.stack}: {stack.inputs.problem}"
    return stack.merged, _known(settings, stack.inputs.stack, every)


def _known(settings: Settings, stack: str, every: Sequence[Declared]) -> Context:
    """What the settings say of the cluster, and which networks the declared stacks make.

    Whether those are encrypted is said of the stack that makes them.
    """
    known = declared(settings, stack)
    made = {
        name: Network("overlay", True, one.inputs.stack)
        for one in every
        if not one.inputs.problem
        for name in made_networks(one.merged, one.inputs.stack)
    }
    return replace(known, networks={**made, **known.networks})


def _named(
    files: Sequence[Path], options: argparse.Namespace, context: Context
) -> tuple[Merged, Context] | str:
    variables = Variables({**os.environ, **dict(options.env)})
    sources = []
    for path in files:
        if path.is_dir():
            folder = shlex.quote(str(path))
            return (
                f"{path} is a folder\n    instead: its files: pyinfra-swarm lint {folder}/*.yml; "
                "or no word, for all declared stacks"
            )
        try:
            sources.append(Source(str(path), content(path.resolve(), SIZE_LIMIT + 1)))
        except OSError as error:
            return f"{path}: {_cause(error)}"
    texts = _texts(files[0].parent, named_files(sources))
    return read(sources, variables, texts), context


def _texts(folder: Path, names: Sequence[str]) -> Mapping[str, str]:
    """The environment files that can be read; docker itself says which ones cannot."""
    texts = {}
    for name in names:
        try:
            texts[name] = content((folder / name).resolve(), SIZE_LIMIT).decode("utf-8", "replace")
        except (OSError, ValueError):
            continue
    return texts


def _cause(error: OSError) -> str:
    return error.strerror or str(error)


def _tell(
    options: argparse.Namespace,
    issues: Sequence[Issue],
    files: Sequence[str],
    settings: Settings | None,
) -> None:
    if options.sarif:
        text = json.dumps(sarif(issues, version("pyinfra-swarm")), ensure_ascii=False, indent=2)
        try:
            write(options.sarif, f"{text}\n")
        except OSError as error:
            raise Unusable(f"{options.sarif}: cannot be written: {_cause(error)}") from error
    if options.json:
        print(json.dumps(as_json(issues, files), ensure_ascii=False, indent=2))
    else:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        width = max(shutil.get_terminal_size((100, 24)).columns, 40)
        untold = [*(OF_THE_SWARM if settings else OF_THE_SETTINGS), *OF_THE_CLUSTER]
        text = terminal.render(issues, files, untold, width=width, colour=colour)
        print(text, end="")
    sys.stdout.flush()


def as_json(issues: Sequence[Issue], files: Sequence[str]) -> dict[str, Any]:
    """What was found, for programs."""
    return {
        "files": [plain(file) for file in files],
        "refusals": sum(issue.severity == "refusal" for issue in issues),
        "notices": sum(issue.severity == "notice" for issue in issues),
        "issues": [
            {**asdict(issue), "title": issue.title, "source": issue.source} for issue in issues
        ],
    }
