"""The command line: ``drift`` or ``python -m drift``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from drift import memory, terminal
from drift.memory import Memory, News
from drift.report import COULD_NOT_TELL, Report, as_json, report
from drift.run import Request, run
from drift.target import Unusable, deploy, deploys, target

_EPILOG = """\
exit codes: 0 everything is as declared; 2 something differs; 1 could not tell (a host is silent,
a run is in progress, the settings cannot be used).  docs/drift.md has the rest."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        # argparse's own 2 would say that something differs.
        self.exit(COULD_NOT_TELL, f"drift: {message}\n    instead: see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """What the command line understands."""
    made = _Parser(
        prog="drift",
        description="Say what differs from what is declared, and why. Changes nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="HOST",
        help="only these hosts: a name, a pattern or a group; may be repeated",
    )
    made.add_argument(
        "--deploy",
        default="deploys/site.py",
        metavar="FILE",
        help="check this deploy only (default: %(default)s)",
    )
    made.add_argument("--lab", action="store_true", help="check the running lab")
    made.add_argument("--json", action="store_true", help="print the report as JSON")
    made.add_argument(
        "--since",
        type=Path,
        metavar="FILE",
        help="remember there what was found: since when it differs, and what is new",
    )
    made.add_argument(
        "--timeout",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="give the check up after so long (default: 300)",
    )
    made.add_argument("--quiet", action="store_true", help="print nothing where all is in sync")
    made.add_argument("--verbose", action="store_true", help="show pyinfra's own log as well")
    return made


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"“{text}” is no number of seconds from 1 to 86400")
    return seconds


class Ended(BaseException):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code."""
    options = parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        return _check(options)
    except (Unusable, memory.Unreadable) as error:
        print(f"drift: {error}", file=sys.stderr)
        return COULD_NOT_TELL
    except Ended as ended:
        print("drift: the check was ended before it was through; nothing is said", file=sys.stderr)
        return 128 + ended.number
    except BrokenPipeError:  # whoever read our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_TELL


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(number)


def _check(options: argparse.Namespace) -> int:
    wanted = target(options.limit, lab=options.lab)
    request = Request(
        deploy=deploy(options.deploy),
        limit=tuple(options.limit),
        timeout=options.timeout,
        verbose=options.verbose,
    )
    _forbid_strangers(options.since, wanted.cluster)
    begun = datetime.now(UTC)
    found = report(
        run(request),
        wanted.hosts,
        at=begun,
        cluster=wanted.cluster,
        source=wanted.source,
        deploy=request.deploy,
        limit=request.limit,
        deploys=deploys(),
        timeout=request.timeout,
    )
    found, _, _ = _learn(options.since, found)
    _print(options, found)
    return found.exit_code


def _forbid_strangers(path: Path | None, cluster: str) -> None:
    """Find out before the check, not after it, that its memory cannot be used."""
    if path is not None:
        _same_cluster(path, memory.load(path), cluster)


def _same_cluster(path: Path, before: Memory, cluster: str) -> None:
    if before.cluster not in ("", cluster):
        raise memory.Unreadable(
            f"{path}: remembers cluster “{before.cluster}”, and this is “{cluster}”\n"
            "    instead: a file for each cluster"
        )


def _learn(path: Path | None, found: Report) -> tuple[Report, Memory, News]:
    if path is None:
        return found, Memory(), News()
    with memory.remembered(path) as before:
        _same_cluster(path, before, found.cluster)
        learnt, found, news = memory.learn(before, found)
        memory.remember(path, learnt)
    return found, learnt, news


def _print(options: argparse.Namespace, found: Report) -> None:
    if options.json:
        print(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    elif found.exit_code or not options.quiet:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        width = shutil.get_terminal_size((100, 24)).columns
        print(terminal.render(found, width=max(width, 40), colour=colour), end="")
    sys.stdout.flush()
