"""Telling people, on whatever they read, when the state has changed; and a dead man's switch.

Where to: ``DRIFT_NOTIFY`` (apprise URLs, separated by spaces or newlines) or ``DRIFT_NOTIFY_FILE``
(a file of them, one a line), and ``DRIFT_PING`` or ``DRIFT_PING_FILE`` (one URL, as healthchecks
gives it). They hold secrets: none of them is ever printed, and none comes from the command line.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from pyinfra_swarm.drift import terminal
from pyinfra_swarm.drift.history import News
from pyinfra_swarm.drift.report import Report
from pyinfra_swarm.drift.target import Unusable
from pyinfra_swarm.run.exit_code import COULD_NOT_TELL
from pyinfra_swarm.run.printable import plain, plain_lines
from pyinfra_swarm.run.telling import grouped, named
from pyinfra_swarm.run.wording import counted
from pyinfra_swarm.settings.paths import from_user

if TYPE_CHECKING:
    from jinja2 import Template

PING_TIMEOUT = (3, 5)
"""Seconds to connect, and for the answer."""
PING_RETRIES = 3
"""With 0, 2 and 4 seconds before them: a ping takes 38 seconds at most, looking up names aside."""


@dataclass(frozen=True)
class Channels:
    """Where to send notifications. Not shown by ``repr``: the URLs hold secrets."""

    urls: tuple[str, ...] = ()
    ping: str = ""

    def __repr__(self) -> str:
        return f"Channels({len(self.urls)} channels, {'a' if self.ping else 'no'} ping)"


_LINK = re.compile(r"\](?=[(\[:])")
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)")


@dataclass(frozen=True)
class Message:
    """What people read: plain text, which means nothing to whatever shows it.

    Some services read Markdown and mentions in whatever they are sent. So a host's words can make
    no link that is called otherwise than where it leads, no tag, and call nobody.
    """

    title: str
    body: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", _inert(plain(self.title)))
        object.__setattr__(self, "body", _inert(plain_lines(self.body)))

    def __str__(self) -> str:
        return f"{self.title}\n{self.body}"

    @classmethod
    def parse(cls, text: str) -> Message:
        """The reverse of ``str``: the first line is the title."""
        title, _, body = text.strip().partition("\n")
        return cls(title.strip(), body.strip())


def _inert(text: str) -> str:
    text = text.replace("<", "‹").replace(">", "›")
    return _MENTION.sub("@ ", _LINK.sub("] ", text))


def channels(environment: Mapping[str, str]) -> Channels:
    """The channels that the environment names. Raises :class:`Unusable`, without the URL."""
    return replace(switch(environment), urls=tuple(_words(environment, "DRIFT_NOTIFY")))


def switch(environment: Mapping[str, str]) -> Channels:
    """The dead man's switch alone. Raises :class:`Unusable`, without the URL."""
    ping = _words(environment, "DRIFT_PING")
    if len(ping) > 1:
        raise Unusable("DRIFT_PING: more than one URL\n    instead: one, of one check")
    if ping:
        _refuse_ping(ping[0])
    return Channels(ping=ping[0] if ping else "")


def _refuse_ping(url: str) -> None:
    try:
        named = urlsplit(url).hostname
    except ValueError:
        named = None
    if not (named and url.startswith(("http://", "https://"))):
        raise Unusable("DRIFT_PING: is not an http:// or https:// URL")
    if "#" in url:
        raise Unusable(
            "DRIFT_PING: has a fragment, which is sent to nobody\n"
            "    instead: the URL without # and what follows it"
        )


def _words(environment: Mapping[str, str], name: str) -> list[str]:
    """The words of a variable, or of the file that ``NAME_FILE`` names; comments left out."""
    path = environment.get(f"{name}_FILE")
    if path and environment.get(name):
        raise Unusable(f"{name} and {name}_FILE are both set\n    instead: one of them")
    if not path:
        return environment.get(name, "").split()
    try:
        lines = from_user(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "is not a text file"
        raise Unusable(f"{name}_FILE = {path}: cannot be read: {why}") from error
    return [word for line in lines if not line.lstrip().startswith("#") for word in line.split()]


def message(report: Report, news: News) -> Message:
    """What has changed, in words (``notification.txt.j2``): its first line is the title."""
    everybody = [host.name for host in report.hosts]
    text = _template().render(
        report=report,
        news=news,
        told=terminal.told,
        counted=counted,
        fixed=lambda those: grouped(those, lambda one: (one.part, one.within or one.what)),
        hosts=lambda same: named([one.host for one in same], everybody),
        sentence=terminal.sentence,
        how_to_fix=terminal.how_to_fix,
        verdict=terminal.verdict(report),
        hint=terminal.hint(report),
        ago=lambda since: terminal.ago(report.at, since),
        advice=list(terminal.advice(report)),
    )
    return Message.parse(text)


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # slow to load

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=False,  # plain text
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("notification.txt.j2")


def send(where: Channels, what: Message, say: Callable[[str], None]) -> bool:
    """Send a message through every channel; whether any took it (or there is none).

    A channel that fails is said, and nothing else; it is called by its number and service, since
    its URL holds a secret.
    """
    if not where.urls:
        return True
    import apprise  # an extra, and slow to load: only where it is needed

    # Its log, and what its plugins print, may show what was sent to which address.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    taken = False
    for number, url in enumerate(where.urls, start=1):
        name, known, sent = f"channel {number}", False, False
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                channel = apprise.Apprise()
                known = bool(channel.add(url))
                if known:
                    name += f" ({channel[0].service_name})"
                    sent = bool(
                        channel.notify(
                            title=what.title,
                            body=what.body,
                            # Else it goes out as it is, and some services take it for HTML.
                            body_format=apprise.NotifyFormat.TEXT,
                        )
                    )
        except Exception as error:  # a plugin's mistake is not the check's
            name, known = f"{name}: {type(error).__name__}", True
        if not known:  # said out here: in there, what goes to standard error is held back
            say(f"{name} is not a URL that apprise knows; see docs/drift.md")
        elif not sent:
            say(f"{name} did not take the notification")
        taken = taken or sent
    return taken


def ping(where: Channels, event: str, say: Callable[[str], None]) -> None:
    """Notify the dead man's switch of ``success`` or ``fail``, or nothing; what goes wrong is said.

    It is not notified when a check starts: only at its end is it known whether it has measured
    anything, and a check that has not must not look alive.
    """
    if not (where.ping and event):
        return
    import requests  # slow to load
    from requests.adapters import HTTPAdapter
    from urllib3 import Retry

    url = _of(event, where.ping)
    again = Retry(
        PING_RETRIES,
        backoff_factor=1,
        status_forcelist=(502, 503, 504),
        raise_on_status=False,
        respect_retry_after_header=False,  # it may ask for an hour
    )
    try:
        with requests.Session() as session:
            for scheme in ("http://", "https://"):
                session.mount(scheme, HTTPAdapter(max_retries=again))
            answer = session.get(url, timeout=PING_TIMEOUT)
        if not answer.ok:
            say(f"the dead man's switch answered {answer.status_code} to “{event}”")
    except requests.RequestException as error:
        say(f"the dead man's switch could not be notified of “{event}”: {type(error).__name__}")


_KUMA = {"status=up": "status=down", "msg=OK": "msg=no+result"}
"""What Uptime Kuma's push URL says of a success, and what it has to say of a failure."""


def _of(event: str, url: str) -> str:
    """The URL that tells the dead man's switch of an event."""
    parts = urlsplit(url)
    path, query = parts.path.rstrip("/"), parts.query.split("&")
    if event == "fail" and "status=up" in query:
        query = [_KUMA.get(word, word) for word in query]
    elif event == "fail":
        path += "/fail"
    return urlunsplit(parts._replace(path=path, query="&".join(query)))


def event(report: Report) -> str:
    """How a check went, for the dead man's switch; "": it is not notified.

    Drift is a check that worked. One that met a run in progress is none, and no failure before
    that has lasted too long: until then the switch waits, as it does when nothing checks.
    """
    if report.busy and not report.stuck:
        return ""
    return "fail" if report.exit_code == COULD_NOT_TELL else "success"


def from_environment() -> Channels:
    """The channels of this process. Raises :class:`Unusable`, also where apprise is missing."""
    where = channels(os.environ)
    if where.urls and find_spec("apprise") is None:
        raise Unusable(
            "DRIFT_NOTIFY is set, and apprise, which sends notifications, is not installed\n"
            "    instead: pip install 'pyinfra-swarm[drift]', in a clone pip install -e '.[drift]'"
        )
    return where
