"""The cluster's lock: what a run leaves on a manager to be known by, and what others read of it.

It is a lock of the kernel (``flock``) on a file of each manager, held by a shell at the other end
of the run's own connection: it goes with the run, whatever ends that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.printable import WORD_LIMIT, plain
from pyinfra_swarm.run.wording import duration, listed, verb

FILE = "/run/pyinfra-swarm.lock"
"""Empty unless a run holds the lock, or its shell was killed: the kernel alone knows. A reboot
empties it."""

LAST = "/run/pyinfra-swarm.last"
"""Who held the lock last. A run that has slept sees here whether another has been at work since."""

SILENCE = 60
"""Seconds without a sign of the run after which a manager lets go of the lock: a run whose
computer lost its power or its network says no good-bye. Longer than a connection survives."""

HEARTBEAT = 15
"""Seconds between two signs."""

CERTAIN = 30
"""Seconds after a sign that was answered in which nobody else can have the lock; asked again after
that. A manager counts from when it got the sign, and lets go after :data:`SILENCE`."""

_PATIENCE = 2
"""Seconds: a run that has just ended, or a check that looks, may still be in the way."""

_LONGEST = 10 * 365 * 86400
"""Seconds; a clock that says more is wrong, and dates end somewhere."""

_BUSY = program(__file__, "lock_busy.sh")

LOOK = (
    f"[ ! -f {FILE} ] || [ ! -s {FILE} ] || {{ flock -nsE 9 {FILE} true; [ $? != 9 ]; }} || "
    f"{{ section lock; {_BUSY}lock_busy {FILE}; }}\n"
)
"""Shell: a section ``lock`` where a run holds it. As long as none does, no process is started."""


def take(*, silence: int = SILENCE) -> str:
    """Shell that takes the lock and holds it (bash, whose ``read`` knows a time limit).

    It holds the lock until standard input ends or is silent for so many seconds. The first line of
    its input is who holds it; it answers each later one with an empty line. It prints ``held`` and
    who held it before, as :func:`before` reads it, or ``busy``, as :func:`met` does.
    """
    return program(
        __file__,
        "hold_lock.sh",
        using=[_BUSY],
        lock=FILE,
        last_holder=LAST,
        patience=str(_PATIENCE),
        silence=str(silence),
    )


@dataclass(frozen=True)
class Holder:
    """A run that holds the lock.

    user, computer, process: who runs it, where, and the process's number there.
    deploys: what it carries out, as on its command line.
    run: a name that no other run has.
    """

    user: str
    computer: str
    process: int
    deploys: str
    run: str


_SOMEBODY = Holder("somebody", "another computer", 0, "", "")
"""The holder where what it left cannot be read."""


@dataclass(frozen=True)
class Met:
    """A lock that is held. seconds: since when, by the manager's clock.

    holder: None where its shell has not said it yet, or somebody else's file is in its place.
    """

    seconds: int
    holder: Holder | None = None

    def sentence(self, now: datetime) -> str:
        """Who, from where and since when, for a report. now: local time."""
        if self.holder is None:
            return f"held by somebody since {self._since(now)}"
        who = f"{self.holder.user} from {self.holder.computer}"
        return f"held by {who} since {self._since(now)}"

    def description(self, now: datetime) -> str:
        """The same in full, for whoever has to wait for it. now: local time."""
        if self.holder is None:
            return f"somebody, since {self._since(now)}"
        parts = [part for part in (self.holder.deploys, _ago(self.seconds)) if part]
        return (
            f"{self.holder.user}@{self.holder.computer}, since {self._since(now)} "
            f"({', '.join(parts)}; process {self.holder.process} there)"
        )

    def _since(self, now: datetime) -> str:
        then = now - timedelta(seconds=self.seconds)
        return then.strftime("%H:%M:%S" if then.date() == now.date() else "%Y-%m-%d %H:%M:%S")


def _ago(seconds: int) -> str:
    return f"{duration(seconds)} ago" if seconds else "just now"


def announcement(holder: Holder) -> str:
    """The line that :func:`take` reads first."""
    return json.dumps(asdict(holder))  # one line of ASCII, whatever is in it


def met(said: str) -> Met:
    """Read what :data:`LOOK` and :func:`take` say of a lock that is held: ``busy SECONDS {…}``.

    Raises ``ValueError`` where it is nothing of that kind.
    """
    word, seconds, *rest = said.split(" ", 2)
    if word != "busy":
        raise ValueError(f"nothing that a lock says: {_word(said)}")
    return Met(min(max(int(seconds), 0), _LONGEST), _holder(rest[0] if rest else ""))


def believed(managers: Sequence[str], said: Mapping[str, Met | None]) -> Met | None:
    """The run in progress that counts; None where there is none.

    managers: the declared ones' names, the first of which is believed before the others; said: what
    each host that was asked says of the lock, by its name. A run holds it on declared managers and
    nowhere else, so no other host's word counts, whatever it says.
    """
    return next((found for name in managers if (found := said.get(name))), None)


def before(said: str) -> Holder | None:
    """Who held the lock before this run got it: ``held {…}``; None where nobody has since the boot.

    Raises ``ValueError`` where it is nothing of that kind.
    """
    word, _, rest = said.partition(" ")
    if word != "held":
        raise ValueError(f"nothing that a lock says: {_word(said)}")
    return (_holder(rest) or _SOMEBODY) if rest else None


def _holder(said: str) -> Holder | None:
    try:
        told = json.loads(said)
        return Holder(
            user=_word(told["user"]),
            computer=_word(told["computer"]),
            process=int(told["process"]),
            deploys=_word(told["deploys"]),
            run=_word(told["run"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _word(said: object) -> str:
    """A word from another computer, made fit for a terminal."""
    return plain(said, WORD_LIMIT)


def deploys_in(arguments: Sequence[str]) -> str:
    """What a run carries out, from its command line: no data, which may be anything."""
    files = [word for word in arguments if word.endswith(".py") and "=" not in word]
    return ", ".join(files[1:])  # the first is the inventory


def refusal(found: Met, now: datetime) -> str:
    """What a second run says."""
    return (
        f"another run is changing this cluster: {found.description(now)}. Nothing was changed by "
        "this one. Wait until the other has ended, or end it; then run again"
    )


def overtaken(found: Met, now: datetime) -> str:
    """The message of a run that wakes up and finds that another one has the lock."""
    return (
        "this run was silent for too long to keep the cluster's lock, and another run has begun: "
        f"{found.description(now)}. Wait until it has ended, then run again"
    )


def replaced(by: Holder) -> str:
    """The message of a run that wakes up after another one has come and gone."""
    deploys = f" ({by.deploys})" if by.deploys else ""
    return (
        "this run was silent for too long to keep the cluster's lock, and another run has been "
        f"at work since: {by.user}@{by.computer}{deploys}. This run changes nothing more, because "
        "its plan is out of date. Run it again: it makes a new plan"
    )


def unheld(names: Sequence[str]) -> str:
    """The message of a run that cannot know whether it still has the lock.

    names: the managers that held it for this run.
    """
    return (
        f"{listed(names)} held the cluster's lock for this run and cannot be reached any more, "
        "so another run may have begun. This run changes nothing more. Run again when a manager "
        "answers; if you run it before that, it goes on without the lock"
    )


def not_held(reasons: Mapping[str, str]) -> str:
    """The message of a run whose managers answer, but cannot hold the lock.

    reasons: why not, by the manager's name.
    """
    said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return (
        "no manager could hold the cluster's lock, so another run might change the same things at "
        f"the same time. Nothing was changed. {said}. The lock needs bash, flock, sudo without a "
        "password, and room in /run"
    )


def nobody_there(names: Sequence[str]) -> str:
    """The message of a run that goes on without the lock. names: the declared managers."""
    return (
        f"this run goes on without the cluster's lock: {listed(names)} {verb(names, 'is', 'are')}"
        " not reached by SSH, and only a manager can hold it. Make sure that nobody else works on "
        "these hosts now"
    )


def in_progress(found: Met, now: datetime) -> str:
    """What a dry run says."""
    return (
        f"a run is changing this cluster: {found.description(now)}; what is planned here may "
        "be out of date in a moment"
    )
