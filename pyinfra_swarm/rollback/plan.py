"""What a host does when a change that could lock its owner out is not confirmed: its programs.

Before such a change the host is *armed*: copies of what is going to change and a marker go to
disk, and a timer is started. The first to rename the marker decides: the controller, once it
has logged in again (:func:`confirm`), or the host itself, by the timer or at the next boot. A
rename is atomic, so both can never believe that they won. The program on the host is
``rollback.sh``, installed as :data:`RESTORE`.

A subject's directory below :data:`ROOT` holds::

    files      a line for each thing that may change: ``saved`` or ``absent``, the user as whom it
               is put back, the path, the copy, and the mount and its type; or ``password`` and the
               user whose locked password was made ``*``
    saved/N    the copy of line N (from 0), with owner, mode and times. Where the path is on another
               file system, the copy is in ``.pyinfra-swarm-rollback`` at its root; of a file in a
               user's folder it is beside it, since only that user reads and writes there
    after      a command that makes the running system read the restored files; it ends with
               :data:`LATER` where that has to be tried again
    armed      the marker; renamed to ``firing`` while files are put back (and for as long as one
               could not be), then to ``restored``, to ``retrying`` while ``after`` alone is tried
               again, or to ``unread`` where the running system does not take the files that were
               there before
    tries      a line for each time that ``after`` asked to be tried again
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import ClassVar

from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.run.onhost import program, source

ROOT = "/var/lib/pyinfra-swarm/rollback"
RESTORE = "/usr/local/lib/pyinfra-swarm/restore"
UNIT = "pyinfra-swarm-rollback.service"
LATE_UNIT = "pyinfra-swarm-late-rollback.service"
UNREAD = 3
"""The exit code of a restore that has put all files back which the running system does not take."""
LATER = 4
"""The exit code of one that could not put all of it back, or have it read, now: it is tried again.

``after`` asks for that with the same code, and gets it for an hour.
"""

UNITS = "/etc/systemd/system"

_ARM = "# --- arming, confirming: arm.sh ---\n"
RESTORE_SCRIPT = source(__file__, "rollback.sh").replace(_ARM, program(__file__, "arm.sh"))

_WAITING = f"""\
ConditionPathExistsGlob=|{ROOT}/*/armed
ConditionPathExistsGlob=|{ROOT}/*/firing
ConditionPathExistsGlob=|{ROOT}/*/retrying"""

BOOT_UNIT = f"""\
# An owner who is locked out power-cycles, and timers do not survive that. So what was not
# confirmed is put back at boot as well, before anybody could be refused. Not a word here about
# /home: where it comes over the network it is mounted after the network, and this is before it.
[Unit]
Description=Put back what a change replaced that was never confirmed
{_WAITING}
DefaultDependencies=no
RequiresMountsFor={ROOT} {RESTORE}
After=local-fs.target
Before=network-pre.target ssh.socket ssh.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh {RESTORE} --boot
TimeoutStartSec=5min
"""

LATE_BOOT_UNIT = f"""\
# What lies on a file system that was not mounted yet: the keys in a /home from the network.
[Unit]
Description=Put back what is on file systems that are mounted late
{_WAITING}
After=remote-fs.target {UNIT}

[Service]
Type=oneshot
ExecStart=/bin/sh {RESTORE} --late
TimeoutStartSec=5min
RestartForceExitStatus={LATER}
RestartSec=30
"""

_LINKS = {
    UNIT: f"{UNITS}/sysinit.target.wants/{UNIT}",
    LATE_UNIT: f"{UNITS}/multi-user.target.wants/{LATE_UNIT}",
}
INSTALLED = {
    RESTORE: RESTORE_SCRIPT,
    f"{UNITS}/{UNIT}": BOOT_UNIT,
    f"{UNITS}/{LATE_UNIT}": LATE_BOOT_UNIT,
}
"""The rollback's own files on a host, path to content."""

_ENDED = ("restored", "retrying", "unread")

FILES = (*INSTALLED, ROOT)
"""All that this room puts on a host and that stays after a reboot."""


@dataclass(frozen=True)
class ReversibleChange:
    """A change that could lock the owner out.

    subject: a word that names it: ``ssh``, ``access``, ``firewall``.
    files: absolute paths, without blanks, of all files of root's that the change may write.
    in_homes: user and absolute path, likewise, of those in a user's folder.
    passwords: users whose locked password it makes ``*`` (:func:`unlock`).
    apply: shell commands that make the change; ended at the first error.
    after_restore: a shell command that makes the running system read the restored files; with the
        exit code :data:`LATER` it is tried again, every 30 seconds, for an hour.
    seconds: how long the host waits for the confirmation.
    """

    subject: str
    files: tuple[str, ...]
    apply: tuple[str, ...]
    after_restore: str = ""
    seconds: int = 60
    in_homes: tuple[tuple[str, str], ...] = ()
    passwords: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for path in (*self.files, *(path for _, path in self.in_homes)):
            if not path.startswith("/") or len(path.split()) != 1:
                raise ValueError(f"cannot roll back the path {path!r}")

    def words(self) -> list[str]:
        """All of it as the program on the host takes it."""
        return [
            *(f"password:{user}" for user in self.passwords),
            *(f"file:root:{path}" for path in self.files),
            *(f"file:{user}:{path}" for user, path in self.in_homes),
        ]


@dataclass(frozen=True)
class RollBackFirst(Change):
    """An earlier, unconfirmed change is rolled back before anything else."""

    once: ClassVar[bool] = True


def roll_back_first_finding() -> RollBackFirst:
    """What each part reports of a host that has an unconfirmed change, whatever its subject."""
    return RollBackFirst(
        "the host",
        "an earlier change was never confirmed, so it is undone first; what still differs after "
        "that is changed again",
    )


def pending(subject: str = "*") -> str:
    """A shell condition: a change to the subject, or to any, is neither confirmed nor undone.

    The shell's own words only, so that a fact can ask at no cost. It sets ``mark`` and ``waits``.
    """
    marks = " ".join(f"{ROOT}/{subject}/{mark}" for mark in ("armed", "firing"))
    look = f'for mark in {marks}; do [ ! -e "$mark" ] || waits=yes; done'
    return f'{{ waits=; {look}; [ "$waits" ]; }}'


UNCONFIRMED = f"unconfirmed() {pending()}\n"
"""Shell: ``unconfirmed`` asks whether a change to anything is neither confirmed nor undone."""


def timer(subject: str) -> str:
    """The name of the unit that undoes the subject's change in time."""
    return f"pyinfra-swarm-rollback-{subject}"


def outcome(subject: str) -> str:
    """A shell script that says what became of the subject's change.

    ``waiting`` for its confirmation, ``restored``, ``retrying`` (the files are back, the running
    system could not read them yet), ``unread`` (it does not take them), or ``nothing``: it was
    never armed, or is kept.
    """
    place = f"{ROOT}/{subject}"
    ended = [f"elif [ -e {place}/{one} ]; then echo {one}\n" for one in _ENDED]
    return f"if {pending(subject)}; then echo waiting\n{''.join(ended)}else echo nothing; fi"


def undo(subject: str) -> str:
    """A shell script that undoes the subject's unconfirmed change now."""
    return f"if {pending(subject)}; then /bin/sh {RESTORE} {subject}; fi"


def undo_all() -> str:
    """A shell script that undoes every unconfirmed change now, and fails where one is left.

    Files that were broken before this project's change are put back as they were. The running
    system may refuse them again; that does not keep better ones from taking their place.
    """
    return program(__file__, "undo_all.sh", root=ROOT, restore=RESTORE).rstrip()


def unlock(user: str) -> str:
    """A shell command that makes a locked password ``*``; for the ``apply`` of a change."""
    return f"/bin/sh {RESTORE} --unlock {quote(user)}"


def arm_and_apply(change: ReversibleChange) -> str:
    """The shell script that arms the host and then makes the change.

    It is refused while any earlier change waits, whatever its subject: what is saved has to be a
    state that somebody could log in to (:func:`undo_all` comes first, and what is to be done is
    planned after it). Nothing is changed before copies, timer and marker are there; if the change
    itself fails it is undone at once. So it is if it takes longer than the host waits: the timer
    has then put back what only half of it had changed, and does so again until it has ended.
    """
    words = [change.subject, str(change.seconds), change.after_restore, *change.words()]
    in_time = f"rollback_is_armed {ROOT}/{change.subject}"
    return "\n".join(
        [
            program(__file__, "install_rollback.sh").rstrip(),
            f"umask 077; mkdir -p {ROOT}",
            "umask 022",
            *(
                f"rollback_install {path} {quote(content.rstrip())}"
                for path, content in INSTALLED.items()
            ),
            *(f"rollback_enable {unit} {link}" for unit, link in _LINKS.items()),
            f"/bin/sh {RESTORE} --arm {' '.join(map(quote, words))}",
            # Whoever listened may be gone: it goes on, or is undone, but does not stop half way.
            "trap '' PIPE; trap 'exit 1' HUP INT TERM",
            f"trap 'c=$?; trap - EXIT; [ $c = 0 ] || /bin/sh {RESTORE} --failed {change.subject} "
            ">&2; exit $c' EXIT",
            # As long as this, or what it has started, is at work, what is undone is not done with.
            f"exec 8< {ROOT}/{change.subject}/files; flock 8",
            in_time,
            *change.apply,
            in_time,
            "trap - EXIT",
        ]
    )


def forget(subject: str) -> str:
    """A shell script that drops an unconfirmed change without undoing it.

    For a job that takes the subject off the host: what was there before is not to come back.
    """
    there = f"[ -d {ROOT}/{subject} ] && [ -e {RESTORE} ]"
    return f"if {there}; then /bin/sh {RESTORE} --forget {subject}; fi; rm -rf {ROOT}/{subject}"


def confirm(subject: str) -> str:
    """The shell script that keeps the change; it fails where the host has undone it already."""
    return f"/bin/sh {RESTORE} --confirm {subject}"


def uninstall(subjects: Sequence[str] = ()) -> str:
    """The shell script that takes the rollback off a host; an armed change is undone first."""
    return "\n".join(
        [
            *(undo(subject) for subject in subjects),
            *(forget(subject) for subject in subjects),
            f"rm -f {' '.join(_LINKS.values())} {' '.join(INSTALLED)}",
            f"rm -rf {ROOT}",
        ]
    )
