"""The command line: ``pyinfra-swarm drift`` or ``python -m pyinfra_swarm.drift``."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from pyinfra_swarm.drift import history, metrics, notify, schedule, terminal
from pyinfra_swarm.drift.history import History, News
from pyinfra_swarm.drift.report import Report, as_json, report
from pyinfra_swarm.drift.run import SITE, Request, run
from pyinfra_swarm.drift.states import jobs_reported
from pyinfra_swarm.drift.target import Unusable, a_job, deploy, deploys, target
from pyinfra_swarm.run.exit_code import COULD_NOT_TELL
from pyinfra_swarm.run.plain_file import write
from pyinfra_swarm.run.working_on import tell_project
from pyinfra_swarm.settings.errors import nearest
from pyinfra_swarm.settings.paths import from_user

_EPILOG = """\
pyinfra-swarm schedule install|remove|show: a systemd timer for it.
exit codes: 0 everything is as declared; 2 something differs; 1 unknown (a host does not answer,
a run is in progress, the settings cannot be used).  More: docs/drift.md"""


_UNSENT = 20
"""The most messages that wait for a channel that takes them."""


class _Parser(argparse.ArgumentParser):
    meant = ""
    """The usual commands, for a user who has mistyped one."""

    def error(self, message: str) -> NoReturn:
        slip = message.removeprefix("unrecognized arguments: ").split(" ")[0]
        options = [name for one in self._actions for name in one.option_strings]
        if meant := nearest(slip, ["schedule", *options]):
            message += f"; did you mean {meant}?"
        # argparse's own 2 would mean that something differs.
        self.exit(
            COULD_NOT_TELL,
            f"drift: {message}\n    instead: {self.meant}; the rest is in {self.prog} --help\n",
        )


def parser() -> argparse.ArgumentParser:
    """What the command line understands."""
    made = _Parser(
        prog="pyinfra-swarm drift",
        description="Report what differs from what is declared, and why. Changes nothing.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.meant = "pyinfra-swarm drift, with --limit HOST; pyinfra-swarm schedule install"
    made.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="HOST",
        help="only these hosts: a name, a pattern or a group; may be repeated",
    )
    made.add_argument(
        "--deploy",
        default=SITE,
        metavar="FILE",
        help="check this deploy only (default: %(default)s)",
    )
    made.add_argument("--lab", action="store_true", help="check the running lab")
    made.add_argument("--json", action="store_true", help="print the report as JSON")
    made.add_argument(
        "--since",
        type=_path,
        metavar="FILE",
        help="keep the history there: since when something differs, and what is new",
    )
    made.add_argument(
        "--html",
        type=_path,
        metavar="FILE",
        help="write the report there as a page; with --since also the last days",
    )
    made.add_argument(
        "--metrics", type=_path, metavar="FILE", help="write metrics there, for Prometheus (*.prom)"
    )
    made.add_argument(
        "--timeout",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="end the check after so long (default: 300)",
    )
    made.add_argument("--quiet", action="store_true", help="print nothing if everything is in sync")
    made.add_argument(
        "--verbose", action="store_true", help="show pyinfra's own log, and every piece"
    )
    return made


def _path(text: str) -> Path:
    return from_user(text).absolute()


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 1 <= seconds <= 86_400:
        raise argparse.ArgumentTypeError(f"“{text}” is not a number of seconds from 1 to 86400")
    return seconds


def schedule_parser() -> argparse.ArgumentParser:
    """What the command line of ``pyinfra-swarm schedule`` understands before --."""
    made = _Parser(
        prog="pyinfra-swarm schedule",
        usage="%(prog)s {install,remove,show} [--when CALENDAR] [--jitter SECONDS] "
        "[--timeout SECONDS] [-- ARGUMENT ...]",
        description="A systemd timer for the check, as root for the system, else for this user.",
        epilog="What follows -- is given to the check.",
    )
    made.meant = "pyinfra-swarm schedule install, or show, or remove"
    made.add_argument("do", choices=("install", "remove", "show"), metavar="install|remove|show")
    made.add_argument(
        "--when", default="hourly", metavar="CALENDAR", help="systemd's (default: %(default)s)"
    )
    made.add_argument(
        "--jitter",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="start up to so much later (default: 300)",
    )
    made.add_argument(
        "--timeout",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="end each check after so long (default: 300)",
    )
    return made


def schedule_options(words: Sequence[str]) -> argparse.Namespace:
    """What ``schedule`` is to do; ``arguments``: the words for the check, after --."""
    # argparse gives words after -- to a positional argument only if no option stands before them.
    end = list(words).index("--") if "--" in words else len(words)
    options = schedule_parser().parse_args(words[:end])
    options.arguments = list(words[end + 1 :])
    return options


class Ended(BaseException):
    """A signal asks this process to end."""

    def __init__(self, number: int) -> None:
        self.number = number


def main(arguments: Sequence[str] | None = None, *, own: bool = False) -> int:
    """Run the command; its exit code.

    own: it was typed as one of ``pyinfra-swarm``, so a person is told its commands, not pyinfra's.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    scheduling = words[:1] == ["schedule"]
    if words == ["schedule", "install"]:
        words += schedule.words_of_before(user=os.geteuid() != 0)
    options = schedule_options(words[1:]) if scheduling else parser().parse_args(words)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        return _schedule(options) if scheduling else _check(options, own)
    except (Unusable, history.Unreadable) as error:
        print(f"drift: {error}", file=sys.stderr)
        return COULD_NOT_TELL
    except Ended as ended:
        print("drift: the check was interrupted, so it has no result", file=sys.stderr)
        return 128 + ended.number
    except BrokenPipeError:  # the reader of our output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_TELL


def _end(number: int, frame: FrameType | None) -> None:
    raise Ended(number)


def _check(options: argparse.Namespace, own: bool) -> int:
    if not options.quiet:
        tell_project()
    where, outcome = notify.switch(os.environ), "fail"
    try:
        where = _channels(options)
        wanted = target(options.limit, lab=options.lab)
        request = Request(
            deploy=deploy(options.deploy),
            limit=tuple(options.limit),
            host_keys=wanted.host_keys,
            timeout=options.timeout,
            verbose=options.verbose,
        )
        _places(options, wanted.cluster)
        begun = datetime.now(UTC)
        ran = run(request)
        if jobs := jobs_reported(ran.records):
            raise a_job(options.deploy, jobs)
        found = report(
            ran,
            wanted.hosts,
            at=begun,
            cluster=wanted.cluster,
            source=wanted.source,
            deploy=request.deploy,
            limit=request.limit,
            deploys=deploys(),
            timeout=request.timeout,
        )
        try:
            found, learnt, news = _learn(options.since, found)
            # Once it is in the history it is not news any more: sent before anything can go wrong.
            _tell(options.since, where, learnt, notify.message(found, news) if news else None)
            _write(options, found, learnt)
        except (Unusable, history.Unreadable):
            _print(options, found, own)
            raise
        _print(options, found, own)
        outcome = notify.event(found)
    finally:
        notify.ping(where, outcome, _warn)
    return found.exit_code


def _schedule(options: argparse.Namespace) -> int:
    user = os.geteuid() != 0
    if options.do == "remove":
        print(schedule.remove(user=user))
    elif options.do == "show":
        print(schedule.show(user=user))
    else:
        tell_project()
        wanted = schedule.Schedule(
            when=options.when,
            jitter=int(options.jitter),
            timeout=options.timeout,
            arguments=_sensible(options.arguments),
            settings=schedule.settings_path(os.environ),
            user=user,
        )
        schedule.refuse_to_lose_settings(os.environ, user=user)
        print(schedule.install(wanted))
    return 0


def _sensible(arguments: Sequence[str]) -> tuple[str, ...]:
    """The check's own words, such that they mean the same in another folder.

    A mistake in them is refused now, not at three in the morning. Raises :class:`Unusable`.
    """
    made = parser()
    made.set_defaults(timeout=None)
    asked = made.parse_args(arguments)
    if asked.timeout is not None:
        raise Unusable(
            "--timeout after --: the service has a time limit as well, which must be longer\n"
            "    instead: pyinfra-swarm schedule install --timeout SECONDS, before --"
        )
    asked.deploy = deploy(asked.deploy)
    _places(asked, target(asked.limit, lab=asked.lab).cluster)
    words: list[str] = []
    for name, value in vars(asked).items():
        if value is True:
            words.append(f"--{name}")
        elif value != made.get_default(name):
            words += [f"--{name}={one}" for one in (value if isinstance(value, list) else [value])]
    return tuple(words)


def _warn(text: str) -> None:
    print(f"drift: {text}", file=sys.stderr)


def _channels(options: argparse.Namespace) -> notify.Channels:
    where = notify.from_environment()
    if where.urls and options.since is None:
        raise Unusable(
            "DRIFT_NOTIFY is set, but only a history (--since FILE) tells what has changed\n"
            "    instead: add --since, or unset DRIFT_NOTIFY"
        )
    return where


def _places(options: argparse.Namespace, cluster: str) -> None:
    """Refuse files that cannot be written, before the check rather than after it."""
    for path in filter(None, (options.html, options.metrics)):
        # os.path's questions: pathlib's raise below a folder that may not be entered.
        if not os.path.isdir(path.parent):
            raise Unusable(
                f"{path}: there is no folder {path.parent} to write it to\n"
                "    instead: make the folder first, or name another"
            )
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise Unusable(
                f"{path}: the folder {path.parent} cannot be written to\n    instead: name another"
            )
        if path.is_dir():
            raise Unusable(f"{path}: is a folder\n    instead: name a file in it")
    # Its own folder is made, as /var/lib/pyinfra-swarm; what is above it is mistyped.
    if options.since is not None and not os.path.isdir(above := options.since.parent.parent):
        raise Unusable(
            f"{options.since}: there is no folder {above} to make {options.since.parent.name} in\n"
            "    instead: make the folder first, or name another"
        )
    _same_cluster(options.since, cluster)


def _same_cluster(path: Path | None, cluster: str) -> None:
    if path is None:
        return
    with history.remembered(path) as known:
        before = known.cluster
    if before not in ("", cluster):
        raise history.Unreadable(
            f"{path}: holds the history of cluster “{before}”, and this is “{cluster}”\n"
            "    instead: use one file for each cluster"
        )


def _learn(path: Path | None, found: Report) -> tuple[Report, History, News]:
    if path is None:
        return found, History(), News()
    with history.remembered(path) as before:
        learnt, found, news = history.learn(before, found)
        history.remember(path, learnt)
    return found, learnt, news


def _tell(
    path: Path | None, where: notify.Channels, learnt: History, message: notify.Message | None
) -> None:
    """Send the news, after earlier messages that no channel took; a failed one is kept."""
    messages = [*learnt.unsent, *([str(message)] if message else [])]
    if not messages or path is None or not where.urls:
        return
    left = [text for text in messages if not notify.send(where, notify.Message.parse(text), _warn)]
    unsent = tuple(left[-_UNSENT:])
    if unsent != learnt.unsent:
        with history.remembered(path) as now:
            history.remember(path, replace(now, unsent=unsent))


def _write(options: argparse.Namespace, found: Report, learnt: History) -> None:
    """The files that were asked for."""
    try:
        if options.metrics:
            write(options.metrics, metrics.render(found))
        if options.html:
            from pyinfra_swarm.drift import page  # slow to load

            write(options.html, page.render(found, learnt))
    except OSError as error:
        raise Unusable(f"the report cannot be written: {error}") from error


def _print(options: argparse.Namespace, found: Report, own: bool) -> None:
    if options.quiet and (options.json or found.exit_code):
        tell_project()
    if options.json:
        print(json.dumps(as_json(found), ensure_ascii=False, indent=2))
    elif found.exit_code or not options.quiet:
        colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        width = shutil.get_terminal_size((100, 24)).columns
        print(
            terminal.render(
                found,
                width=max(width, 40),
                colour=colour,
                pieces=bool(options.verbose),
                own=own,
            ),
            end="",
        )
    sys.stdout.flush()
