"""What a host does when a change that could lock its owner out is not confirmed: shell, as text.

Before such a change the host is *armed*: copies of what is going to change and a marker go to
disk, and a timer is started. Whoever renames the marker first decides: the controller, once it has
logged in anew (:func:`confirm`), or the host itself, by the timer or at the next boot (the restore
script). A rename is atomic, so both can never believe that they won.

A subject's directory below :data:`ROOT` holds::

    files      one line a file: ``saved`` or ``absent``, a space, the path
    saved/N    the copy of line N (from 0), with owner, mode and times
    after      a command that makes the running system read the restored files
    armed      the marker; renamed to ``firing`` while files are put back, then to ``restored``
               (it stays ``firing`` where something could not be put back: the next boot tries)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

ROOT = "/var/lib/pyinfra-swarm/rollback"
RESTORE = "/usr/local/lib/pyinfra-swarm/restore"
UNIT = "pyinfra-swarm-rollback.service"
UNREAD = 3
"""The exit code of a restore that has put all files back which the running system does not take."""

_UNITS = "/etc/systemd/system"

RESTORE_SCRIPT = f"""\
#!/bin/sh
# pyinfra-swarm: put back what a change replaced that nobody confirmed.
# usage: restore SUBJECT    now, and let the running system read it; {UNREAD}: it does not take it
#        restore --boot     every subject, before anything has read its files
root=${{SWARM_ROLLBACK_ROOT:-{ROOT}}}

restore() (
    cd "$root/$1" || exit 1
    mv armed firing 2>/dev/null || [ -e firing ] || exit 0
    echo "pyinfra-swarm: the change to $1 was not confirmed; putting back what was there"
    failed=0 n=0
    while read -r state path; do
        case $state in
        saved)
            if [ -e "saved/$n" ] || [ -h "saved/$n" ]; then
                mkdir -p "${{path%/*}}"
                cp -a "saved/$n" "$path.restored" && mv -f "$path.restored" "$path" || failed=1
            else
                echo "pyinfra-swarm: the copy of $path is gone; it is left as it is" >&2
                failed=1
            fi ;;
        absent) rm -f "$path" || failed=1 ;;
        esac
        n=$((n + 1))
    done < files
    sync
    if [ "$2" = now ] && [ -s after ]; then
        sh ./after || [ $failed = 1 ] || failed={UNREAD}
    fi
    if [ $failed = 0 ]; then mv firing restored; fi
    exit $failed
)

if [ "$1" = --boot ]; then
    for marker in "$root"/*/armed "$root"/*/firing; do
        [ -e "$marker" ] || continue
        subject=${{marker%/*}}
        restore "${{subject##*/}}" boot
    done
else
    restore "$1" now
fi
"""

BOOT_UNIT = f"""\
# An owner who is locked out power-cycles, and timers do not survive that. So what was not
# confirmed is put back at boot as well, before anybody could be refused.
[Unit]
Description=Put back what a change replaced that was never confirmed
ConditionPathExistsGlob=|{ROOT}/*/armed
ConditionPathExistsGlob=|{ROOT}/*/firing
DefaultDependencies=no
RequiresMountsFor={ROOT} {RESTORE} /etc /home
After=local-fs.target
Before=network-pre.target ssh.socket ssh.service
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
ExecStart=/bin/sh {RESTORE} --boot
"""


@dataclass(frozen=True)
class Guarded:
    """A change that could lock the owner out.

    subject: a word that names it: ``ssh``, ``access``, ``firewall``.
    files: absolute paths, without blanks, of all that the change may write.
    apply: shell commands that make the change; ended at the first error.
    after_restore: a shell command that makes the running system read the restored files.
    seconds: how long the host waits for the confirmation.
    """

    subject: str
    files: tuple[str, ...]
    apply: tuple[str, ...]
    after_restore: str = ""
    seconds: int = 60

    def __post_init__(self) -> None:
        for path in self.files:
            if not path.startswith("/") or len(path.split()) != 1:
                raise ValueError(f"cannot guard the path {path!r}")


def pending(subject: str) -> str:
    """A shell condition: a change to the subject waits for its confirmation or its undoing.

    The shell's own words only, so that a fact can ask at no cost.
    """
    place = f"{ROOT}/{subject}"
    return f"[ -e {place}/armed ] || [ -e {place}/firing ]"


def timer(subject: str) -> str:
    """The name of the unit that undoes the subject's change in time."""
    return f"pyinfra-swarm-rollback-{subject}"


def outcome(subject: str) -> str:
    """A shell script that says what became of the subject's change.

    ``waiting`` for its confirmation, ``restored``, or ``nothing``: it was never armed, or is kept.
    """
    return (
        f"if {pending(subject)}; then echo waiting\n"
        f"elif [ -e {ROOT}/{subject}/restored ]; then echo restored\nelse echo nothing; fi"
    )


def undo(subject: str) -> str:
    """A shell script that undoes the subject's unconfirmed change now."""
    return f"if {pending(subject)}; then /bin/sh {RESTORE} {subject}; fi"


def arm_and_apply(change: Guarded) -> str:
    """The shell script that arms the host and then makes the change.

    An earlier change that was never confirmed is undone first: what is saved is always a state
    that somebody could log in to. Nothing is changed before copies, marker and boot unit are on
    the disk, in that order; if the change itself fails it is undone at once. So it is if it takes
    longer than the host waits: the timer has then put back what only half of it had changed.
    """
    place = f"{ROOT}/{change.subject}"
    unit = timer(change.subject)
    files = " ".join(quote(path) for path in change.files)
    return "\n".join(
        [
            f"umask 077; mkdir -p {ROOT}",
            "umask 022",
            _install(RESTORE, RESTORE_SCRIPT),
            _install(f"{_UNITS}/{UNIT}", BOOT_UNIT),
            f"mkdir -p {_UNITS}/sysinit.target.wants",
            f"[ -h {_UNITS}/sysinit.target.wants/{UNIT} ] || "
            f"ln -s ../{UNIT} {_UNITS}/sysinit.target.wants/{UNIT}",
            # Files that were broken before any change of ours are put back as they were, and may
            # be refused again: that must not keep the declared ones from taking their place.
            f"{{ {undo(change.subject)}; }} || [ $? = {UNREAD} ]",
            f"systemctl stop {unit}.timer 2>/dev/null || :",
            # The markers first: ended in the middle, it would be restored from what is left.
            f"umask 077; rm -f {place}/armed {place}/firing",
            f"rm -rf {place}; mkdir -p {place}/saved",
            f"printf '%s' {quote(change.after_restore)} > {place}/after",
            "n=0",
            f"for path in {files}; do",
            '  if [ -e "$path" ] || [ -h "$path" ]; then',
            f'    cp -a "$path" {place}/saved/$n; echo "saved $path"',
            '  else echo "absent $path"; fi',
            "  n=$((n + 1))",
            f"done > {place}/files",
            "sync",
            f"systemd-run --quiet --collect --unit={unit} --on-active={change.seconds} "
            f"--timer-property=AccuracySec=1s /bin/sh {RESTORE} {change.subject}",
            f": > {place}/armed",
            f"sync -f {place}",
            _back(change.subject),
            "trap 'c=$?; trap - EXIT; [ $c = 0 ] || back; exit $c' EXIT",
            "umask 022",
            *change.apply,
            f"[ -e {place}/armed ] || {{",
            '  echo "the time to confirm it was over before it was made" >&2; exit 1',
            "}",
            "trap - EXIT",
        ]
    )


def _back(subject: str) -> str:
    """A shell function that puts everything back, also what was written after the timer did so."""
    place = f"{ROOT}/{subject}"
    return "\n".join(
        [
            "back() {",
            f"  n=0; while [ -e {place}/firing ] && [ $n -lt 30 ]; do sleep 1; n=$((n + 1)); done",
            f"  mv {place}/restored {place}/firing 2>/dev/null || :",
            f"  /bin/sh {RESTORE} {subject} >&2",
            "}",
        ]
    )


def forget(subject: str) -> str:
    """A shell script that drops an unconfirmed change without undoing it.

    For a job that takes the subject off the host: what was there before is not to come back.
    """
    place = f"{ROOT}/{subject}"
    return "\n".join(
        [
            f"rm -f {place}/armed",
            f"systemctl stop {timer(subject)}.timer {timer(subject)}.service 2>/dev/null || :",
            f"rm -rf {place}",
        ]
    )


def confirm(subject: str) -> str:
    """The shell script that keeps the change; it fails where the host has undone it already."""
    place = f"{ROOT}/{subject}"
    return "\n".join(
        [
            "sync",  # the change itself, or a power cut could leave half of it and no marker
            f"mv {place}/armed {place}/confirmed",
            f"sync -f {place}",
            f"systemctl stop {timer(subject)}.timer 2>/dev/null || :",
            f"rm -rf {place}",
        ]
    )


def _install(path: str, content: str) -> str:
    """Shell that writes one of the guard's own files where it is missing or another version."""
    return (
        f"wanted={quote(content.rstrip())}\n"
        f'[ -e {path} ] && [ "$(cat {path})" = "$wanted" ] || {{\n'
        f"  mkdir -p {path.rsplit('/', 1)[0]}\n"
        f'  printf "%s\\n" "$wanted" > {path}.new; mv -f {path}.new {path}\n}}'
    )


def uninstall(subjects: Sequence[str] = ()) -> str:
    """The shell script that takes the guard off a host; an armed change is undone first."""
    return "\n".join(
        [
            *(undo(subject) for subject in subjects),
            f"rm -f {_UNITS}/sysinit.target.wants/{UNIT} {_UNITS}/{UNIT} {RESTORE}",
            f"rm -rf {ROOT}",
        ]
    )
