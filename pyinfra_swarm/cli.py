"""The command line: ``pyinfra-swarm init | drift | lint | lab``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from pyinfra_swarm import new_project
from pyinfra_swarm.settings.paths import ROOT, from_user

_EPILOG = """\
A project is a folder with an inventory, deploys and your cluster.toml. There:
  pyinfra inventory.py deploys/site.py"""


def parser() -> argparse.ArgumentParser:
    """What the command line understands; all but ``init`` read the words behind them."""
    made = argparse.ArgumentParser(
        prog="pyinfra-swarm",
        description="Build and keep a hardened, encrypted Docker Swarm with pyinfra.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=version("pyinfra-swarm"))
    commands = made.add_subparsers(dest="command", required=True, metavar="COMMAND")
    init = commands.add_parser(
        "init",
        help="make a project, or update one after an upgrade",
        description="Make a project in FOLDER. Run it again after an upgrade: it updates the files "
        "that you have not changed, and names those that you have. It overwrites none of yours.",
    )
    init.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        type=lambda text: from_user(text).absolute(),
        help="made if it does not exist (default: this folder, if it is a project or empty)",
    )
    commands.add_parser("drift", help="report what differs from what is declared", add_help=False)
    commands.add_parser(
        "lint", help="say what is wrong with stack files before a deploy", add_help=False
    )
    commands.add_parser("lab", help="four real hosts on this machine, to try it", add_help=False)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["drift"]:
        from pyinfra_swarm.drift.cli import main as drift  # it takes a moment to load

        return drift(words[1:])
    if words[:1] == ["lint"]:
        from pyinfra_swarm.stacks.lint.cli import main as lint

        return lint(words[1:])
    if words[:1] == ["lab"]:
        return _lab(words[1:])
    return _init(parser().parse_args(words).folder)


def _init(folder: Path | None) -> int:
    try:
        if folder is None:
            folder = Path.cwd()
            new_project.refuse_other_contents(folder)
        print(new_project.lay(folder))
    except new_project.Unusable as error:
        print(f"pyinfra-swarm init: {error}", file=sys.stderr)
        return 1
    return 0


def _lab(words: Sequence[str]) -> int:
    if not (ROOT / "lab").is_dir():
        print(
            "pyinfra-swarm lab: the lab is part of the repository, not of the installed package\n"
            "    instead: clone the repository, and run `make lab-up` in it",
            file=sys.stderr,
        )
        return 1
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "lab", *words]
    return os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})


if __name__ == "__main__":
    sys.exit(main())
