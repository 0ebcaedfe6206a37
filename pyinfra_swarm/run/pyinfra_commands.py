"""How pyinfra runs a command, changed where its own way would keep a run waiting.

Like :mod:`run.pyinfra_internals`, it touches what pyinfra promises nobody, and is tested with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gevent
from pyinfra.api import Host, StringCommand
from pyinfra.connectors import local as _local
from pyinfra.connectors import ssh as _ssh
from pyinfra.connectors import util as _util
from pyinfra.connectors.util import CommandOutput


def never_ask_for_sudo_passwords(told: Callable[[Host], str]) -> None:
    """Have a command fail where sudo wants a password, which pyinfra would ask for at the terminal.

    told: called with the host; its words become the last line of the command's output.

    A host says by its output alone that sudo wants one, so any host could have its owner asked;
    and while pyinfra asks, nothing else goes on: no sign of life is given for the cluster's lock.
    """
    asking = _util.SUDO_PASSWORD_REQUIRED_LINES

    def only_once(
        host: Host, arguments: Any, execute_command: Callable[..., tuple[int, CommandOutput]]
    ) -> tuple[int, CommandOutput]:
        status, output = execute_command()
        if status != 0 and any(line.strip() in asking for line in output.output_lines):
            output.combined_lines.append(_util.OutputLine("stderr", told(host)))
        return status, output

    for connector in (_ssh, _local):
        replaced = "execute_command_with_sudo_retry"
        getattr(connector, replaced)  # an error where pyinfra asks in another place
        setattr(connector, replaced, only_once)


def end_commands_in_time(grace: float = 30, pace: int = 1 << 17) -> None:
    """Have a remote command that has a time limit end soon after it, whatever the host does.

    grace: seconds beside the limit; pace: bytes a second that a slow connection takes at least, of
    what is sent to the command.

    pyinfra counts only while it reads what the command prints. A host that never says that it has
    begun, does not take what is sent to it, or never says how the command has ended, would be
    waited for without an end, and with it all others.
    """
    run = _ssh.SSHConnector.run_shell_command

    def in_time(
        connector: _ssh.SSHConnector, command: StringCommand, *args: Any, **arguments: Any
    ) -> tuple[bool, CommandOutput]:
        limit: float | None = arguments.get("_timeout")
        said = TimeoutError(f"the host did not end the command, which had {limit} seconds")
        sending = len(str(arguments.get("_stdin") or "")) / pace
        with gevent.Timeout(limit + grace + sending if limit else None, said):
            return run(connector, command, *args, **arguments)

    _ssh.SSHConnector.run_shell_command = in_time  # type: ignore[method-assign,assignment]
