"""Changes that could lock the owner out: armed, applied, proven by a new login, then confirmed.

The host undoes the change by itself unless the controller confirms it in time, after it has logged
in *again* with the run's own connection parameters and used sudo; see :mod:`rollback.plan` for what
the host does. A controller that dies, a network that is cut and a power cut all end the same way:
the host is as it was.

The rollback's own files on a host (a restore script and two boot units) are installed when
something is armed for the first time, and stay; ``docs/ssh.md`` says how to remove them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from pyinfra.api import Host, State, StringCommand

from pyinfra_swarm.rollback.plan import (
    ReversibleChange,
    arm_and_apply,
    confirm,
    outcome,
    undo,
    undo_all,
)
from pyinfra_swarm.run import clock, interruption, reporting
from pyinfra_swarm.run.connection import UNREACHABLE, why
from pyinfra_swarm.run.converge import Commands, call, current_host, progress, script
from pyinfra_swarm.run.pyinfra_internals import another_login, operation_arguments
from pyinfra_swarm.run.writing import arrives_whole

Verify = Callable[[State, Host], str | None]
"""Looks at the changed host and returns what is wrong with it, or None."""

_ATTEMPTS = 3
_MARGIN = 30
_PAUSE = 6
"""Seconds between logins that may fail: sshd shuts an address out for a while that fails often
(``PerSourcePenalties``: five seconds each, enforced from fifteen on)."""
_CONNECTOR_ARGUMENTS = (
    "_sudo",
    "_sudo_user",
    "_use_sudo_login",
    "_sudo_password",
    "_preserve_sudo_env",
    "_su_user",
    "_use_su_login",
    "_su_shell",
    "_preserve_su_env",
    "_doas",
    "_doas_user",
    "_shell_executable",
    "_temp_dir",
)


def with_rollback(
    subject: str,
    *,
    files: Sequence[str],
    apply: Sequence[str],
    after_restore: str = "",
    seconds: int = 60,
    verify: Verify | None = None,
    in_homes: Sequence[tuple[str, str]] = (),
    passwords: Sequence[str] = (),
) -> Commands:
    """Make a change that undoes itself unless a new login works after it.

    + subject: a word that names what changes: ``ssh``, ``access``, ``firewall``
    + files: absolute paths of root's files that ``apply`` may write; these are put back
    + apply: shell commands that validate and make the change, ended at the first error
    + after_restore: shell that makes the running system read the restored files
    + seconds: how long the host waits for the confirmation
    + verify: what to check besides the login; returns a sentence where something is wrong
    + in_homes: user and path of the files in users' folders that it may write, likewise
    + passwords: users whose locked password it unlocks

    On failure this host alone fails, with a message that says what was seen, and whether the host
    is known to be as it was before.
    """
    change = ReversibleChange(
        subject,
        tuple(files),
        tuple(apply),
        after_restore,
        seconds,
        tuple(in_homes),
        tuple(passwords),
    )
    given = operation_arguments(current_host())
    arguments = {
        key: value
        for key, value in given.items()
        if key in _CONNECTOR_ARGUMENTS and value is not None
    }
    yield call(_change, change, verify, arguments)


def rolled_back_first() -> Commands:
    """Have the host undo each change that nobody has confirmed, whatever its subject.

    This comes before anything is planned: what is there may be gone in a minute, also the key that
    this run has logged in with. The caller observes and plans again afterwards.
    """
    progress("first undoing an earlier change that was never confirmed")
    yield script(undo_all(), timeout=180)


def _change(
    state: State,
    host: Host,
    change: ReversibleChange,
    verify: Verify | None,
    arguments: dict[str, Any],
) -> bool:
    interruption.guarded(host.name, change.subject)
    applied, output = _run(host, arm_and_apply(change), arguments, timeout=120)
    deadline = clock.now() + change.seconds
    problem = _works(state, host, verify, arguments) if applied else f"it failed: {output}"
    if problem is None:
        interruption.confirming(host.name)
        kept, output = _run(host, confirm(change.subject), arguments)
        if kept:
            interruption.no_longer_guarded(host.name)
            return True
        problem = (
            f"no new login worked within {change.seconds} seconds"
            if clock.now() > deadline
            else f"a new login worked, but the change could not be confirmed: {output}"
        )
    progress(f"{change.subject}: {problem}; the change is being undone")
    # The connection of the run often outlives the change: then there is nothing to wait for. If
    # not, the host's own timer does the same.
    undone, _ = _run(host, undo(change.subject), arguments)
    if not undone:
        time.sleep(max(0, deadline + 2 - clock.now()))
    ending = _ending(state, host, change, arguments, deadline + _MARGIN)
    interruption.no_longer_guarded(host.name)
    reporting.failed(host, f"{change.subject}: {problem}. {ending}")
    return False


def _ending(
    state: State, host: Host, change: ReversibleChange, arguments: dict[str, Any], deadline: float
) -> str:
    """How the host was left, as far as a new login can tell."""
    while True:
        answered, said = _log_in(state, host, arguments, outcome(change.subject))
        if answered and said == "restored":
            return "The host has put back what was there before; a new login confirmed it"
        if answered and said == "unread":
            return (
                "The host has put back the files that were there before, but they are not in "
                "force: they were broken before, or the program that reads them fails. Look on the "
                "host (`sudo iptables -S` for the firewall, `sudo sshd -t` for SSH), mend what it "
                "names, then run the same command again"
            )
        if answered and said == "nothing":
            return "A new login found no change waiting: it was not made, or it was kept"
        if clock.now() > deadline and answered and said == "retrying":
            return (
                "The host has put back the files that were there before, but the running system "
                "could not read them yet: the host tries that again every 30 seconds for an hour, "
                "and reads them when it is powered off and on"
            )
        if clock.now() > deadline:
            return (
                "Could not confirm that the host has put back what was there before "
                f"({said}); it does so by itself, at the latest when it is powered off and on"
            )
        time.sleep(_PAUSE)


def _works(
    state: State, host: Host, verify: Verify | None, arguments: dict[str, Any]
) -> str | None:
    problem: str | None = None
    for attempt in range(_ATTEMPTS):
        if attempt:
            time.sleep(1)  # a daemon that reloads refuses connections for a moment
        problem = fresh_login(state, host, arguments)
        if problem is None and verify is not None:
            problem = verify(state, host)
        if problem is None or "Authentication" in problem:
            break
    return problem


def fresh_login(state: State, host: Host, arguments: dict[str, Any]) -> str | None:
    """Log in as the run does, over a new connection, and use sudo; what went wrong, or None."""
    worked, said = _log_in(state, host, arguments, "true")
    return None if worked else said


def _log_in(state: State, host: Host, arguments: dict[str, Any], command: str) -> tuple[bool, str]:
    try:
        with another_login(state, host) as login:
            worked, said = _run(login, command, arguments, timeout=20)
    except UNREACHABLE as error:
        return False, f"a new login failed: {why(error)}"
    if worked:
        return True, said
    return False, f"a new login worked, but a command with sudo did not: {said or 'no message'}"


def _run(
    login: Any, script: str, arguments: dict[str, Any], *, timeout: int = 30
) -> tuple[bool, str]:
    """Run a script over the run's connection or a new one; whether it worked, and its last words.

    It travels on standard input: with the rules of many hosts in it, it may be longer than Linux
    lets one argument be (128 KiB).
    """
    command, sent = arrives_whole('eval "$(cat)"', f"set -eu\n{script}")
    given = {**arguments, "_timeout": timeout, "_stdin": sent}
    try:
        done, output = login.run_shell_command(StringCommand(command), **given)
    except UNREACHABLE as error:
        return False, f"the connection was lost: {why(error)}"
    said = output.stderr_lines or output.stdout_lines
    return bool(done), " / ".join(line.strip() for line in said[-4:])
