"""The command line: ``pyinfra-swarm COMMAND``."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from pyinfra_swarm.commands import (
    apply,
    completion,
    drift,
    dry_run,
    fact,
    init,
    lab,
    lint,
    schedule,
    status,
    wireguard,
)
from pyinfra_swarm.commands.group import Commands

INTERRUPTED = 130


@click.group(
    "pyinfra-swarm",
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help="Build and keep a hardened, encrypted Docker Swarm with pyinfra.",
    epilog="""\b
Type them in your project's folder, or in one within it. Each has a --help,
with its exit codes if they are more than 0 (done) and 1 (not done).
apply is pyinfra inventory.py deploys/site.py; plan is the same with --dry.""",
)
@click.version_option(package_name="pyinfra-swarm", message="%(version)s")
def group() -> None:
    """All commands; what each does is in its module."""


for _module in (
    *(init, dry_run, apply, status, drift, schedule, fact, lint),
    *(wireguard, lab, completion),
):
    group.add_command(_module.command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    try:
        code = group.main(
            words,
            prog_name=completion.PROGRAM,
            complete_var=completion.VARIABLE,
            standalone_mode=False,
        )
    except click.ClickException as error:
        # click's own exit code for a slip, 2, would mean that something differs.
        print(_in_words(error, words), file=sys.stderr)
        return 1
    except click.Abort:
        print("\npyinfra-swarm: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except FileNotFoundError:
        if _is_somewhere():
            raise
        if completion.VARIABLE not in os.environ:  # whoever presses TAB has not finished
            gone = "the folder you are in is gone. cd to your project, and try again"
            print(f"{completion.PROGRAM}: {gone}", file=sys.stderr)
        return 1
    return int(code or 0)


def _is_somewhere() -> bool:
    """Whether the working directory is there still."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _in_words(error: click.ClickException, words: Sequence[str]) -> str:
    path = completion.PROGRAM
    if isinstance(error, click.UsageError):
        if error.ctx:
            path = error.ctx.command_path
        elif words[0] in group.commands:  # click does not say whose option lacks its value
            path += f" {words[0]}"
    message = error.format_message()
    if "instead:" not in message:
        message += f"\n    instead: {path} --help says what it takes"
    return f"{path}: {message}"


if __name__ == "__main__":
    sys.exit(main())
