"""What a run sets up before pyinfra connects to the first host."""

from __future__ import annotations

import logging
import re
import shlex
import sys

from pyinfra import logger

from pyinfra_swarm.run import (
    own_words,
    printed,
    pyinfra_commands,
    pyinfra_internals,
    records,
    screen,
)
from pyinfra_swarm.run.context import state
from pyinfra_swarm.run.converge import fail_what_was_refused, go_on_planning
from pyinfra_swarm.run.ending import last_lines, write_last_lines
from pyinfra_swarm.run.interruption import notice_interruptions
from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.run.reporting import failed_by_name
from pyinfra_swarm.run.sudo_password import ask_for_no_passwords


def install() -> None:
    """Listen from the run's start and write its last lines at its end. Called by the inventory."""
    records.must_be_writable()
    printed.install()
    logging.getLogger("pyinfra").addHandler(_ConnectErrors(level=logging.ERROR))
    # A host that is down is reported in a line; paramiko would add a page of traceback to it.
    logging.getLogger("paramiko").setLevel(logging.CRITICAL)
    notice_interruptions(last_lines)
    go_on_planning()
    fail_what_was_refused()
    ask_for_no_passwords()
    pyinfra_commands.end_commands_in_time()
    screen.install()
    if not sys.stdin.isatty():
        _ask_nothing()
    elif pyinfra_internals.asks_about_failed_hosts(state()):
        # Also while it plans, and once for each host.
        pyinfra_internals.go_on_without_failed_hosts(state(), screen.goes_on_without_failed_hosts)
    write_last_lines()


def _ask_nothing() -> None:
    """Nobody is there to answer pyinfra's questions, which would end in an ``EOFError``."""
    # Whether to go on without the hosts that failed: what the others do does not depend on them.
    pyinfra_internals.go_on_without_failed_hosts(state())
    given = pyinfra_internals.given_options()
    answered = any(given.get(flag) for flag in ("yes", "dry", "json_output", "debug_operations"))
    asking = any(word.endswith(".py") for word in given.get("operations") or ())
    if asking and not answered:
        logger.error(
            "pyinfra asks whether to go on, and there is no terminal to ask at. A dry run shows "
            "what would change, -y changes it: " + own_words.command("-y")
        )
        raise SystemExit(1)


_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PREFIX = re.compile(r"^\s*\[(?P<host>[^\]]+)\]\s+(?P<message>.*)", re.DOTALL)


class _ConnectErrors(logging.Handler):
    """pyinfra only logs why it could not connect; keep it for the last lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if not (pyinfra_internals.has_run_state() and pyinfra_internals.is_connecting(state())):
            return
        match = _PREFIX.match(_ANSI.sub("", record.getMessage()))
        if match:
            message = plain(match["message"].strip()) + _by_hand(match["host"])
            failed_by_name(match["host"], message)


def _by_hand(name: str) -> str:
    """How to see with one's own eyes what keeps the run from connecting."""
    data = state().inventory.get_host(name).data
    if not data.get("ssh_hostname"):
        return ""
    command = ["ssh"]
    for option, key in (("-p", "ssh_port"), ("-i", "ssh_key")):
        value = str(data.get(key) or "")
        if value not in ("", "22"):
            command += [option, value]
    known = data.get("ssh_known_hosts_file")
    if known:
        command += ["-o", f"UserKnownHostsFile={known}"]
    return f". To see why: {shlex.join([*command, f'{data.ssh_user}@{data.ssh_hostname}'])}"
