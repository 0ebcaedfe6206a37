"""pyinfra's private parts: what its documentation does not promise is used here, and only here.

Facts and operations are written against what pyinfra documents (``pyinfra.api``, ``host.log``,
``host.run_shell_command`` and the like). All else may change with any release. So each function
here has a test of the same name (``tests/unit/run/test_pyinfra_internals.py``), and no other module
touches what is behind it. docs/decisions/pyinfra.md says what is used, and why.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import click
import pyinfra.progress
from paramiko import HostKeys, PKey, SSHException, Transport
from pyinfra.api import FactBase, Host, State, StringCommand
from pyinfra.api.arguments import (
    CONNECTOR_ARGUMENT_KEYS,
    all_global_arguments,
    pop_global_arguments,
)
from pyinfra.api.command import PyinfraCommand
from pyinfra.api.exceptions import NoGroupError, PyinfraError
from pyinfra.api.facts import get_fact
from pyinfra.api.inventory import Inventory
from pyinfra.api.operation import PyinfraOperation
from pyinfra.api.output import set_echo
from pyinfra.api.state import BaseStateCallback, StateStage
from pyinfra.connectors import ssh as _ssh
from pyinfra.connectors import util as _util
from pyinfra.connectors.sshuserclient import SSHClient
from pyinfra.connectors.sshuserclient.client import get_ssh_config
from pyinfra.connectors.util import CommandOutput
from pyinfra.context import ctx_host, ctx_state

__all__ = ["CommandOutput", "PyinfraCommand", "PyinfraOperation"]

T = TypeVar("T")

UNREACHABLE = (PyinfraError, SSHException, OSError, EOFError)
"""What a command raises whose host does not answer, or not in time (TimeoutError is an OSError)."""


# The run
# -------


def run_state() -> State:
    """The run's state, as pyinfra's context has it."""
    found: State = ctx_state.get()
    return found


def has_run_state() -> bool:
    """Whether pyinfra has a state yet."""
    return bool(ctx_state.isset())


def host_in_context() -> Host:
    """The host in whose name the code runs, as a plain object."""
    host: Host = ctx_host.get()
    return host


@contextmanager
def in_the_name_of(state: State, host: Host) -> Iterator[None]:
    """Run the block as pyinfra runs an operation of this host."""
    with ctx_state.use(state), ctx_host.use(host):
        yield


def given_options() -> Mapping[str, Any]:
    """What pyinfra's command line was given, by the names of its parameters; {} without one."""
    context = click.get_current_context(silent=True)
    return context.params if context else {}


def at_the_end(work: Callable[[], None]) -> None:
    """Have a function called when pyinfra's command line ends, with the error that ends it set."""
    context = click.get_current_context(silent=True)
    if context:
        context.call_on_close(work)


def data_of_the_command_line(state: State) -> Mapping[str, Any]:
    """What the run's ``--data`` says, without what the inventory says."""
    found: Mapping[str, Any] = state.inventory.get_override_data()
    return found


def is_executing(state: State) -> bool:
    """Whether changes are carried out now; else they are only planned."""
    return bool(state.is_executing)


def is_connecting(state: State) -> bool:
    """Whether the run is still at connecting to its hosts."""
    return bool(state.current_stage == StateStage.Connect)


def was_carried_out(state: State) -> bool:
    """Whether the run has come to changing something, however it went on."""
    return bool(state.current_stage >= StateStage.Execute)


def is_over(state: State) -> bool:
    """Whether the run has come to its regular end."""
    return bool(state.current_stage == StateStage.Disconnect)


def is_begun(state: State) -> bool:
    """Whether the run knows its hosts."""
    return bool(state.initialised)


def has_operations(state: State) -> bool:
    """Whether the run has any operation; a fact that is asked for has none."""
    return bool(state.op_meta)


def listen_for_errors(state: State, told: Callable[[State, Host, str], None]) -> None:
    """Have a function called where an operation fails on a host: ``told(state, host, operation)``.

    The last is the operation's hash.
    """

    class Listener(BaseStateCallback):
        @staticmethod
        def operation_host_error(
            state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
        ) -> None:
            told(state, host, op_hash)

    state.add_callback_handler(Listener())


def when_planned(told: Callable[[State], None]) -> bool:
    """Have a function called when all is planned, before pyinfra asks or ends; false if none is."""
    if (command_line := sys.modules.get("pyinfra_cli.cli")) is None:
        return False  # only imported by whoever uses it: it changes the process's sockets
    plan = command_line._handle_commands  # an error where pyinfra plans in another place

    def planned(state: State, *args: Any, **more: Any) -> Any:
        found = plan(state, *args, **more)
        told(state)
        return found

    command_line._handle_commands = planned  # type: ignore[attr-defined]
    return True


def before_the_status(work: Callable[[State], None]) -> None:
    """Have a function called before pyinfra's command line ends, which it does with status 1 where
    a host has failed."""
    if (command_line := sys.modules.get("pyinfra_cli.cli")) is None:
        return
    end = command_line._exit  # an error where pyinfra ends in another place

    def ending() -> None:
        if has_run_state():
            work(run_state())
        end()

    command_line._exit = ending  # type: ignore[attr-defined]


def count_as_failed(state: State, hosts: Collection[Host]) -> None:
    """Have the run end as failed because of these hosts; nothing is asked and nothing stopped."""
    state.failed_hosts.update(hosts)


def go_on_without_failed_hosts(state: State, asked: Callable[[], bool] = lambda: True) -> None:
    """Have pyinfra ask this function whether to go on without the hosts that have failed.

    Without one, it goes on. Where nobody is asked (``-y``), pyinfra does so itself.
    """
    state.should_raise_failed_hosts = lambda _: not asked()


def asks_about_failed_hosts(state: State) -> bool:
    """Whether pyinfra asks, whenever hosts have failed, if it is to go on without them."""
    return state.should_raise_failed_hosts is not None


@contextmanager
def still_spinner() -> Iterator[float]:
    """Keep pyinfra's spinner from writing over its line.

    Gives the seconds between two of its turns: the one that is under way may still come.
    """
    pause, pyinfra.progress.WAIT_TIME = pyinfra.progress.WAIT_TIME, 10**6
    try:
        yield pause
    finally:
        pyinfra.progress.WAIT_TIME = pause


def print_by(echo: Callable[..., None]) -> None:
    """Have pyinfra print by this function what it does not log, such as the output of commands.

    echo: takes what ``click.echo`` takes.
    """
    set_echo(echo)


def keep_declared_order() -> None:
    """Have serial operations take the hosts in the inventory's order; pyinfra has them in a set."""

    def in_declared_order(inventory: Inventory) -> list[Host]:
        return [host for host in inventory if host in inventory.state.active_hosts]

    Inventory.get_active_hosts = in_declared_order  # type: ignore[assignment,method-assign]


def known_data_keys() -> Collection[str]:
    """What ``--data`` may say to pyinfra itself: how hosts are reached, and global arguments."""
    names = (name for name, _ in all_global_arguments())
    return {*_ssh.ConnectorData.__annotations__, *names}


# Its hosts
# ---------


def hosts_in_group(state: State, name: str) -> list[Host]:
    """The hosts of a group, in their declared order; none where there is no such group."""
    try:
        return list(state.inventory.get_group(name))
    except NoGroupError:
        return []


def is_in_limit(state: State, host: Host) -> bool:
    """Whether ``--limit`` and ``--exclude`` leave this host to the run."""
    return bool(state.is_host_in_limit(host))


def was_reached(state: State, host: Host) -> bool:
    """Whether the run has connected to this host at any time."""
    return host in state.activated_hosts


def is_active(state: State, host: Host) -> bool:
    """Whether the run is connected to a host, and it has not failed."""
    return host in state.active_hosts


def is_left(state: State) -> bool:
    """Whether there is any host that has not failed."""
    return bool(state.active_hosts)


def failed_hosts(state: State) -> Collection[Host]:
    """The hosts that have failed: nothing more is done on them."""
    found: Collection[Host] = state.failed_hosts
    return found


def fail_host(state: State, host: Host) -> None:
    """Have nothing more done on this host."""
    state.fail_hosts({host})


def fail_hosts(state: State, hosts: Collection[Host]) -> None:
    """The same, when all is planned: where the run only plans, pyinfra asks nothing then."""
    if {"dry", "debug_operations", "json_output"} & {k for k, v in given_options().items() if v}:
        state.failed_hosts.update(hosts)
        state.active_hosts.difference_update(hosts)
    elif hosts:
        state.fail_hosts({*hosts})


def ask(state: State, host: Host, fact: type[FactBase[T]], arguments: Mapping[str, Any]) -> T:
    """What a host says to a fact, asked again; a host that does not answer does not fail."""
    value: T = get_fact(state, host, fact, kwargs={**arguments}, apply_failed_hosts=False)
    return value


# Operations
# ----------


def current_operation(host: Host) -> str:
    """The hash of the operation that a host is at; "" where it is at none."""
    return str(host.current_op_hash or "")


def operation_names(state: State, operation: str) -> list[str]:
    """What an operation is called, by its hash; several where deploys name it differently."""
    return sorted(state.get_op_meta(operation).names)


def operation_arguments(host: Host) -> dict[str, Any]:
    """The global arguments (``_sudo``, ``_timeout``, …) of the operation that a host is at."""
    return dict(host.current_op_global_arguments or {})


# Connections
# -----------


def is_connected(host: Host) -> bool:
    """Whether the run has a connection to this host, as far as pyinfra knows."""
    return bool(host.connected)


def connect(host: Host, reason: str) -> bool:
    """Connect to a host outside of ``--limit``; pyinfra says why where it cannot."""
    with suppress(*UNREACHABLE):
        host.connect(reason=reason, raise_exceptions=True)
    return is_connected(host)


def connect_again(host: Host) -> bool:
    """Replace the connection to a host by a new one, without a word where that fails."""
    _util.clear_askpass_cache(host)  # what was left there for sudo may be gone with the old boot
    connector = _by_ssh(host)
    host.disconnect()
    if connector is not None and connector.client is not None:
        connector.client.close()
    host.connect(show_errors=False)
    return is_connected(host)


def is_ssh(host: Host) -> bool:
    """Whether pyinfra reaches this host by SSH, and not by one of its other connectors."""
    return _by_ssh(host) is not None


def _by_ssh(host: Host) -> _ssh.SSHConnector | None:
    return host.connector if isinstance(host.connector, _ssh.SSHConnector) else None


class NoConnectionFound(Exception):
    """pyinfra says that it is connected by SSH, and its connection is not where it was."""


def transport(host: Host) -> Transport | None:
    """A host's SSH connection; None where there is none yet, or pyinfra has another connector.

    Raises :class:`NoConnectionFound` where there must be one: without it no lock would be held, and
    a connection that breaks would not be told.
    """
    connector = _by_ssh(host)
    if connector is None:
        return None
    client = getattr(connector, "client", None)
    found: Transport | None = client.get_transport() if client is not None else None
    if found is None and is_connected(host):
        raise NoConnectionFound(
            f"pyinfra {pyinfra.__version__} is connected to {host.name} by SSH, but its connection "
            "is not found where it was. Nothing is changed without it. Install a version of "
            "pyinfra that this project was tested with (requirements.txt)"
        )
    return found


def login_arguments(state: State, host: Host, but: Collection[str]) -> dict[str, Any]:
    """The arguments by which commands become root on a host, as every command of this run has them.

    but: names to leave out.
    """
    arguments: dict[str, Any] = dict(pop_global_arguments(state, host, {})[0])
    keys = [key for key in CONNECTOR_ARGUMENT_KEYS if key not in but]
    return {key: arguments[key] for key in keys if arguments.get(key) is not None}


def command_line(
    state: State, host: Host, script: str, arguments: Mapping[str, Any]
) -> tuple[str, str]:
    """What pyinfra would send to a host to run a script there, and the same without secrets."""
    command = _util.make_unix_command_for_host(state, host, StringCommand(script), **arguments)
    return command.get_raw_value(), str(command)


def login_key(host: Host) -> PKey | None:
    """The key file's key that the run logs in with; None where there is none, or no SSH.

    Raises what pyinfra raises for a key that it cannot read.
    """
    connector = _by_ssh(host)
    key: PKey | None = connector.make_paramiko_kwargs().get("pkey") if connector else None
    return key


def known_hosts(host: Host) -> tuple[HostKeys, str, str] | None:
    """A connection's list of known hosts, its file ("" for none), and the name of the host there.

    ``None`` where the run comes by no SSH.
    """
    connector = _by_ssh(host)
    if connector is None or (client := connector.client) is None:
        return None
    given = connector.make_paramiko_kwargs()
    config = get_ssh_config(given.get("_pyinfra_ssh_config_file"))
    alias = {"hostname": given["hostname"], **(config.lookup(given["hostname"]) if config else {})}
    name, port = alias["hostname"], int(given.get("port") or alias.get("port") or 22)
    file = getattr(client, "_host_keys_filename", None) or ""
    return client.get_host_keys(), file, name if port == 22 else f"[{name}]:{port}"


@contextmanager
def another_login(state: State, host: Host) -> Iterator[Any]:
    """A connector of its own for a host, connected again, beside the run's; closed at the end."""
    connector: Any = type(host.connector)(state, host)
    try:
        connector.connect()
        yield connector
    finally:
        client = connector.client if is_ssh(host) else None
        if client is not None:
            client.close()


@contextmanager
def another_connection(state: State, host: Host) -> Iterator[Transport]:
    """An SSH connection of its own to a host, beside the run's; closed at the end."""
    with another_login(state, host) as login:
        yield login.client.get_transport()


@contextmanager
def connection_without_keys(host: Host) -> Iterator[tuple[Transport | None, str, str]]:
    """A connection to a host on which no key and no password is offered, the run's way there.

    Gives it, the user's name for it, and what went wrong, "" where only nobody was let in.
    """
    connector = _by_ssh(host)
    assert connector is not None
    arguments = connector.make_paramiko_kwargs()
    hostname = arguments.pop("hostname")
    for secret in ("pkey", "password"):
        arguments.pop(secret, None)
    without = dict.fromkeys(["pkey", "password", "key_filename", "passphrase"])
    given = arguments["_pyinfra_ssh_paramiko_connect_kwargs"] or {}
    without_any = {**given, **without, "allow_agent": False, "look_for_keys": False}
    arguments["_pyinfra_ssh_paramiko_connect_kwargs"] = without_any
    client, problem = SSHClient(), ""
    try:
        try:
            client.connect(hostname, **arguments)
        except SSHException as error:
            problem = str(error) or type(error).__name__
        user = client._ssh_config.get("username") or arguments.get("username", "")
        yield client.get_transport(), str(user), problem
    finally:
        client.close()
