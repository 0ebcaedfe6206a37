"""pyinfra's private parts are still what they were: each test fails by the name of one of them.

Against the real pyinfra that is installed, and a real SSH server. A release that changes one of
them fails here before it fails at somebody's cluster.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from contextlib import nullcontext, redirect_stderr
from pathlib import Path
from types import ModuleType
from typing import Any

import gevent
import pyinfra
import pytest
from paramiko import SSHException
from pyinfra.api import Config, FactBase, Host, State
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.inventory import Inventory
from pyinfra.api.state import StateStage
from pyinfra.connectors.ssh import SSHConnector
from pyinfra.context import ctx_state

from pyinfra_swarm.run import connection, pyinfra_commands, pyinfra_internals, pyinfra_output
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.tools.ssh_server import USER, Server


class Said(FactBase[list[str]]):
    """What the host says when it is asked."""

    def command(self) -> str:
        return "echo it says this"

    def process(self, output: list[str]) -> list[str]:
        return output


class Fails(Said):
    def command(self) -> str:
        return "echo it fails >&2; exit 3"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    started = Server(tmp_path)
    yield started
    started.close()


def a_run(**hosts: dict[str, object]) -> State:
    """A run's state, as pyinfra's command line makes it, before it has connected."""
    names = [("rk1", hosts.get("rk1", {})), ("@fake/rk2", {"fake_delay": 0})]
    inventory = Inventory(
        (names, {}), override_data={"host": "rk9"}, managers=(["rk1"], {"role": "manager"})
    )
    return State(inventory, Config(CONNECT_TIMEOUT=5))


@pytest.fixture
def run(server: Server) -> Iterator[State]:
    state = a_run(rk1=server.data)
    with ctx_state.use(state):
        yield state


@pytest.fixture
def rk1(run: State) -> Host:
    """A host that pyinfra is connected to by SSH."""
    host = run.inventory.get_host("rk1")
    host.connect(raise_exceptions=True)
    run.activate_host(host)
    return host


@pytest.fixture
def rk2(run: State) -> Host:
    """A host of another connector than SSH's."""
    host: Host = run.inventory.get_host("@fake/rk2")
    return host


class TestTheRun:
    def test_context(self, run: State, rk2: Host) -> None:
        assert pyinfra_internals.has_run_state()
        assert pyinfra_internals.run_state() is run
        with pyinfra_internals.in_the_name_of(run, rk2):
            assert pyinfra_internals.host_in_context() is rk2
            assert type(pyinfra_internals.host_in_context()) is Host

    def test_no_context(self) -> None:
        assert not pyinfra_internals.has_run_state()

    def test_without_a_command_line_nothing_was_given(self) -> None:
        assert pyinfra_internals.given_options() == {}

    def test_override_data_is_the_command_lines(self, run: State) -> None:
        assert pyinfra_internals.data_of_the_command_line(run) == {"host": "rk9"}

    def test_stages(self, run: State) -> None:
        assert pyinfra_internals.is_begun(run)
        assert not pyinfra_internals.is_begun(State())
        seen = []
        for stage in StateStage:
            run.set_stage(stage)
            seen.append(
                (
                    stage.name,
                    pyinfra_internals.is_connecting(run),
                    pyinfra_internals.was_carried_out(run),
                    pyinfra_internals.is_over(run),
                )
            )
        assert seen == [
            ("Setup", False, False, False),
            ("Connect", True, False, False),
            ("Prepare", False, False, False),
            ("Execute", False, True, False),
            ("Disconnect", False, True, True),
        ]

    def test_is_executing(self, run: State) -> None:
        assert not pyinfra_internals.is_executing(run)
        run.is_executing = True
        assert pyinfra_internals.is_executing(run)

    def test_should_raise_failed_hosts(self, run: State, rk1: Host, rk2: Host) -> None:
        run.activate_host(rk2)
        run.config.FAIL_PERCENT = 0
        asked = []

        def ask(state: State) -> bool:
            asked.append(state)
            return True

        run.should_raise_failed_hosts = ask
        pyinfra_internals.go_on_without_failed_hosts(run)
        pyinfra_internals.fail_host(run, rk1)
        assert not asked

    def test_when_planned(self, monkeypatch: pytest.MonkeyPatch, run: State) -> None:
        def plans(state: State, config: object, command: object) -> object:
            return state, config, command

        # Its own would change this process's sockets; test_converge.py has runs of it.
        command_line = types.SimpleNamespace(_handle_commands=plans)
        monkeypatch.setitem(sys.modules, "pyinfra_cli", types.ModuleType("pyinfra_cli"))
        monkeypatch.setitem(sys.modules, "pyinfra_cli.cli", command_line)
        told: list[State] = []
        assert pyinfra_internals.when_planned(told.append)
        assert command_line._handle_commands(run, "config", "command") == (run, "config", "command")
        assert told == [run]
        monkeypatch.delitem(sys.modules, "pyinfra_cli.cli")
        assert not pyinfra_internals.when_planned(told.append)

    def test_where_all_is_planned(self) -> None:
        source = (Path(pyinfra.__file__).parents[1] / "pyinfra_cli/cli.py").read_text()
        main = source[source.index("def _main(") :]
        places = ("StateStage.Prepare", "_handle_commands(", "_do_confirm(", "StateStage.Execute")
        found = [main.index(place) for place in places]
        assert found == sorted(found)

    def test_exit_of_the_command_line(
        self, monkeypatch: pytest.MonkeyPatch, run: State, rk1: Host
    ) -> None:
        ended: list[object] = []
        line = types.SimpleNamespace(_exit=lambda: ended.append({*run.failed_hosts}))
        monkeypatch.setitem(sys.modules, "pyinfra_cli", types.ModuleType("pyinfra_cli"))
        monkeypatch.setitem(sys.modules, "pyinfra_cli.cli", line)
        pyinfra_internals.before_the_status(
            lambda state: pyinfra_internals.count_as_failed(state, [rk1])
        )
        assert not ended
        line._exit()
        assert ended == [{rk1}]
        assert pyinfra_internals.is_left(run)
        monkeypatch.delitem(sys.modules, "pyinfra_cli.cli")
        pyinfra_internals.before_the_status(ended.append)

    @pytest.mark.parametrize("given", ["dry", "json_output", "debug_operations"])
    def test_hosts_that_fail_in_a_plan(
        self, given: str, monkeypatch: pytest.MonkeyPatch, run: State, rk1: Host
    ) -> None:
        monkeypatch.setattr(pyinfra_internals, "given_options", lambda: {given: True})
        pyinfra_internals.fail_hosts(run, [rk1])
        assert {*pyinfra_internals.failed_hosts(run)} == {rk1}
        assert not pyinfra_internals.is_left(run)

    def test_hosts_that_fail_before_all_is_carried_out(self, run: State, rk1: Host) -> None:
        with pytest.raises(PyinfraError, match="No hosts remaining"):
            pyinfra_internals.fail_hosts(run, [rk1])
        pyinfra_internals.fail_hosts(run, [])

    @pytest.mark.parametrize("answer", [True, False])
    def test_should_raise_failed_hosts_asks_us(
        self, run: State, rk1: Host, rk2: Host, answer: bool
    ) -> None:
        run.activate_host(rk2)
        run.config.FAIL_PERCENT = 0
        assert not pyinfra_internals.asks_about_failed_hosts(run)
        pyinfra_internals.go_on_without_failed_hosts(run, lambda: answer)
        assert pyinfra_internals.asks_about_failed_hosts(run)
        with nullcontext() if answer else pytest.raises(PyinfraError):
            pyinfra_internals.fail_host(run, rk1)

    def test_pool_and_fact_pool_are_ended(self, run: State) -> None:
        at_work = [pool.spawn(gevent.sleep, 60) for pool in (run.pool, run.fact_pool)]
        gevent.sleep(0)
        pyinfra_output.end_all_work(run, 5)
        assert all(one.ready() for one in at_work)

    def test_disconnect_all_of_the_command_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        done: list[object] = []
        line = ModuleType("pyinfra_cli.cli")
        line.disconnect_all = done.append  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pyinfra_cli.cli", line)
        pyinfra_output.before_disconnecting(lambda: done.append("before"))
        line.disconnect_all("the state")
        assert done == ["before", "the state"]

    def test_without_a_command_line_nothing_is_replaced(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "pyinfra_cli.cli", raising=False)
        pyinfra_output.before_disconnecting(lambda: None)
        assert pyinfra_output.pyinfra_command_line() is None

    def test_callbacks_tell_of_an_operation_that_fails(self, run: State, rk1: Host) -> None:
        told: list[Any] = []
        pyinfra_internals.listen_for_errors(run, lambda *said: told.append(said))
        run.trigger_callbacks("operation_host_error", rk1, "the hash", 0, 0)
        assert told == [(run, rk1, "the hash")]

    def test_progress_wait_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The spinner really turns by it: while it is still, nothing is written."""
        monkeypatch.setattr("pyinfra.progress.IS_TTY", True)
        monkeypatch.delenv("PYINFRA_PROGRESS", raising=False)
        monkeypatch.setattr("pyinfra.progress.is_output_active", lambda: True)
        import gevent
        from pyinfra.progress import progress_spinner

        shown = io.StringIO()
        with redirect_stderr(shown), progress_spinner({"rk1"}):
            gevent.sleep(0.5)
            turned = shown.getvalue().count("\r")
            with pyinfra_internals.still_spinner() as pause:
                gevent.sleep(2 * pause)
                before = shown.getvalue()
                gevent.sleep(1)
                assert shown.getvalue() == before
        assert turned >= 2, "there was no spinner to keep still"

    def test_set_echo(self, rk1: Host) -> None:
        printed: list[str] = []
        pyinfra_internals.print_by(lambda message, **more: printed.append(message))
        try:
            rk1.run_shell_command(pyinfra.api.StringCommand("echo hello"), print_output=True)
        finally:
            pyinfra_internals.print_by(lambda message=None, **more: None)  # as it was
        assert [line.endswith("hello") for line in printed] == [True]

    def test_data_keys(self) -> None:
        known = pyinfra_internals.known_data_keys()
        assert {"ssh_user", "ssh_known_hosts_file", "_sudo", "_sudo_password", "_timeout"} <= {
            *known
        }


class TestItsHosts:
    def test_groups(self, run: State) -> None:
        assert [h.name for h in pyinfra_internals.hosts_in_group(run, "managers")] == ["rk1"]
        assert pyinfra_internals.hosts_in_group(run, "workers") == []

    def test_limit(self, run: State, rk1: Host, rk2: Host) -> None:
        assert pyinfra_internals.is_in_limit(run, rk1)
        run.limit_hosts = [rk2]
        assert not pyinfra_internals.is_in_limit(run, rk1)
        assert pyinfra_internals.is_in_limit(run, rk2)

    def test_activated_and_failed_hosts(self, run: State, rk1: Host, rk2: Host) -> None:
        assert pyinfra_internals.was_reached(run, rk1)
        assert not pyinfra_internals.was_reached(run, rk2)
        run.activate_host(rk2)
        assert pyinfra_internals.is_left(run)
        pyinfra_internals.fail_host(run, rk1)
        assert {*pyinfra_internals.failed_hosts(run)} == {rk1}
        assert pyinfra_internals.was_reached(run, rk1)
        assert run.inventory.get_active_hosts() == [rk2]

    def test_active_hosts_come_in_the_declared_order(self) -> None:
        names = [f"@fake/rk{number}" for number in range(40)]
        state = State(Inventory((names, {})), Config())
        for host in reversed(list(state.inventory)):
            state.activate_host(host)
        pyinfra_internals.keep_declared_order()
        assert [host.name for host in state.inventory.get_active_hosts()] == names

    def test_get_fact_fails_nobody(self, run: State, rk1: Host) -> None:
        given = {"_timeout": 10, "_sudo": False}
        with pyinfra_internals.in_the_name_of(run, rk1):
            assert pyinfra_internals.ask(run, rk1, Said, given) == ["it says this"]
            pyinfra_internals.ask(run, rk1, Fails, given)
        assert not pyinfra_internals.failed_hosts(run)


class TestConnections:
    def test_client_and_transport(self, run: State, rk1: Host, rk2: Host, server: Server) -> None:
        assert pyinfra_internals.is_ssh(rk1)
        assert not pyinfra_internals.is_ssh(rk2)
        found = pyinfra_internals.transport(rk1)
        assert found is not None
        assert found.is_active()
        assert found.getpeername() == ("127.0.0.1", server.port)
        assert pyinfra_internals.transport(rk2) is None

    def test_there_is_none_before_it_is_connected(self, run: State) -> None:
        assert pyinfra_internals.transport(run.inventory.get_host("rk1")) is None

    @pytest.mark.parametrize("gone", ["renamed", "none", "without a transport"])
    def test_a_connection_that_is_not_where_it_was_is_said(self, rk1: Host, gone: str) -> None:
        connector: Any = rk1.connector
        if gone == "renamed":
            connector.session = connector.client
            connector.__dict__.pop("client")
        elif gone == "none":
            connector.client = None
        else:
            connector.client._transport = None
        with pytest.raises(pyinfra_internals.NoConnectionFound) as error:
            connection.transport(rk1)
        assert f"pyinfra {pyinfra.__version__} is connected to rk1 by SSH, but its conn" in str(
            error.value
        )

    def test_connect_outside_of_the_limit(self, run: State, server: Server) -> None:
        host = run.inventory.get_host("rk1")
        assert not pyinfra_internals.is_connected(host)
        assert pyinfra_internals.connect(host, "outside of the limit")
        assert pyinfra_internals.is_connected(host)

    def test_saved_exception_is_there_before_a_connection_is_called_inactive(
        self, rk1: Host, server: Server
    ) -> None:
        found = pyinfra_internals.transport(rk1)
        assert found is not None
        assert not connection.connection_broke(rk1)
        at_the_end: list[tuple[bool, bool]] = []
        channel: Any = found.open_session()
        ends = channel._unlink

        def look() -> None:
            at_the_end.append((found.is_active(), connection.connection_broke(rk1)))
            ends()

        channel._unlink = look  # what paramiko calls for each command, once the connection is gone
        server.close()
        found.join(10)
        assert at_the_end == [(True, True)]

    def test_connect_to_nobody(self, tmp_path: Path) -> None:
        gone = Server(tmp_path)
        gone.close()
        state = a_run(rk1={**gone.data, "ssh_connect_retries": 0})
        assert not pyinfra_internals.connect(state.inventory.get_host("rk1"), "to see")

    def test_connect_again(self, rk1: Host, server: Server) -> None:
        rk1.connector_data["sudo_askpass_path__/tmp"] = "/tmp/of the old boot"
        first = pyinfra_internals.transport(rk1)
        assert first is not None
        assert pyinfra_internals.connect_again(rk1)
        second = pyinfra_internals.transport(rk1)
        assert second is not None
        assert second is not first
        assert not first.is_active()
        assert second.is_active()
        assert not rk1.connector_data["sudo_askpass_path__/tmp"]

    def test_global_arguments_and_connector_argument_keys(self, run: State, rk1: Host) -> None:
        run.config.SUDO = True
        found = pyinfra_internals.login_arguments(run, rk1, but=("_timeout", "_stdin"))
        assert found["_sudo"] is True
        assert not {"_timeout", "_stdin", "_serial", "name"} & {*found}

    def test_make_unix_command_for_host(self, run: State, rk1: Host) -> None:
        given = {"_sudo": True, "_shell_executable": "bash"}
        line, shown = pyinfra_internals.command_line(run, rk1, "read -r x; echo $x", given)
        assert line == "sudo -H -n bash -c 'read -r x; echo $x'"
        assert shown == line

    def test_make_paramiko_kwargs_has_the_key(self, rk1: Host, rk2: Host, server: Server) -> None:
        key = pyinfra_internals.login_key(rk1)
        assert key is not None
        assert key.get_base64() == server.key.get_base64()
        assert pyinfra_internals.login_key(rk2) is None

    def test_another_login(self, run: State, rk1: Host, server: Server) -> None:
        with pyinfra_internals.another_login(run, rk1) as login:
            assert server.connections() == 2
            done, output = login.run_shell_command(pyinfra.api.StringCommand("echo hello"))
            assert (done, output.stdout_lines) == (True, ["hello"])
        _wait_for_one_connection(server)

    def test_paramiko_connect_kwargs_and_ssh_config(self, rk1: Host, server: Server) -> None:
        """Without the names of pyinfra's arguments the run's own key would be offered."""
        with pyinfra_internals.connection_without_keys(rk1) as (found, user, problem):
            assert user == USER
            assert problem
            assert found is not None
            assert found.is_active()
            assert not found.is_authenticated()
            with pytest.raises(SSHException) as offered:
                found.auth_none(user)
            assert getattr(offered.value, "allowed_types", None) == ["publickey"]
        _wait_for_one_connection(server)

    def test_command_output(self, rk1: Host) -> None:
        done, output = rk1.run_shell_command(pyinfra.api.StringCommand("echo a; echo b >&2"))
        assert done
        assert isinstance(output, pyinfra_internals.CommandOutput)
        assert (output.stdout_lines, output.stderr_lines) == (["a"], ["b"])


def _wait_for_one_connection(server: Server) -> None:
    import time

    end = time.monotonic() + 5
    while server.connections() > 1 and time.monotonic() < end:
        time.sleep(0.02)
    assert server.connections() == 1, "a connection was left open"


ASKS = """#!/bin/sh
echo {said}
echo asked >> {asked}
exit 1
"""


@pytest.mark.parametrize(
    "said",
    ["sudo: a password is required", "sudo-rs: interactive authentication is required"],
)
def test_sudo_that_wants_a_password_has_nobody_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Neither by SSH nor on this machine, and the command is not run a second time."""
    (tmp_path / "sudo").write_text(ASKS.format(said=said, asked=tmp_path / "asked"))
    (tmp_path / "sudo").chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    monkeypatch.setenv("PATH", environment["PATH"])
    for connector in ("ssh", "local"):
        name = f"pyinfra.connectors.{connector}.execute_command_with_sudo_retry"
        module = sys.modules[f"pyinfra.connectors.{connector}"]
        monkeypatch.setattr(name, module.execute_command_with_sudo_retry)  # put back at the end
    monkeypatch.setattr("pyinfra.connectors.util.getpass", _asked)
    pyinfra_commands.never_ask_for_sudo_passwords(lambda host: f"told of {host.name}: NOPASSWD")
    server = Server(tmp_path, environment)
    state = State(Inventory(([("rk1", server.data), "@local"], {})), Config())
    for host in state.inventory:
        host.connect(raise_exceptions=True)
        done, output = host.run_shell_command(pyinfra.api.StringCommand("true"), _sudo=True)
        assert not done
        assert output.output_lines == [said, f"told of {host.name}: NOPASSWD"]
    assert (tmp_path / "asked").read_text() == "asked\n" * 2
    server.close()


def _asked(prompt: str) -> str:
    raise AssertionError(f"the owner was asked: {prompt}")


STAYS_SILENT = """
from gevent import monkey

monkey.patch_all()

import sys
import time
from pathlib import Path

from pyinfra.api import Config, State, StringCommand
from pyinfra.api.inventory import Inventory

from pyinfra_swarm.run import pyinfra_commands, pyinfra_internals
from tests.tools import ssh_server


class Silent(ssh_server.Server):
    def run(self, command, channel):
        self.kept = channel
        if {said!r} == "no exit status":
            channel.shutdown_write()


if {said!r} == "nothing":
    ssh_server._Session.check_channel_exec_request = lambda *_: time.sleep(30) or True
pyinfra_commands.end_commands_in_time(grace=1, pace=1 << 30)
server = Silent(Path({folder!r}))
host = next(iter(State(Inventory(([("rk1", server.data)], {{}})), Config()).inventory))
host.connect(raise_exceptions=True)
begun = time.monotonic()
try:
    sent = {{"_stdin": "x" * 10_000_000}} if {said!r} == "takes nothing" else {{}}
    host.run_shell_command(StringCommand("true"), _timeout=1, **sent)
except pyinfra_internals.UNREACHABLE as error:
    print(type(error).__name__, round(time.monotonic() - begun))
sys.stdout.flush()
"""


@pytest.mark.parametrize("said", ["nothing", "no exit status", "takes nothing"])
def test_a_host_that_does_not_end_a_command_is_not_waited_for(said: str, tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text(STAYS_SILENT.format(said=said, folder=str(tmp_path)))
    done = forked.run([sys.executable, "-m", "silent"], cwd=tmp_path, env=os.environ)
    kind, _, seconds = done.stdout.strip().partition(" ")
    assert kind == "TimeoutError", done.stderr
    assert 1 <= int(seconds) < 10


def test_what_is_sent_over_a_slow_connection_has_its_time(
    rk1: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[float | None] = []
    timeout = gevent.Timeout

    def noted(seconds: float | None, error: Exception) -> object:
        limits.append(seconds)
        return timeout(seconds, error)

    monkeypatch.setattr(gevent, "Timeout", noted)
    connector = SSHConnector
    monkeypatch.setattr(connector, "run_shell_command", connector.run_shell_command)
    pyinfra_commands.end_commands_in_time()
    for given in ({}, {"_timeout": 10}, {"_timeout": 10, "_stdin": "x" * (1 << 20)}):
        rk1.run_shell_command(pyinfra.api.StringCommand("cat >/dev/null"), **given)
    assert limits == [None, 40, 48]


def test_known_hosts(rk1: Host, rk2: Host) -> None:
    found = pyinfra_internals.known_hosts(rk1)
    assert found is not None
    keys, file, name = found
    assert (file, name) == (
        rk1.data.ssh_known_hosts_file,
        f"[127.0.0.1]:{rk1.data.ssh_port}",
    )
    assert list(keys[name]) == ["ecdsa-sha2-nistp256"]
    assert pyinfra_internals.known_hosts(rk2) is None


# What operations rest on, seen from inside of a run of pyinfra's command line
# ----------------------------------------------------------------------------

LOOKED = """
import json

import gevent
from pyinfra.api import FunctionCommand, operation

from pyinfra_swarm.run import pyinfra_internals as internals


def record(what, **more):
    host = internals.host_in_context()
    with open({seen!r}, "a") as file:
        file.write(json.dumps({{"what": what, "host": host.name, **more}}) + "\\n")


def work(state, host, number):
    with internals.in_the_name_of(state, host):
        record("begun", number=number)
        gevent.sleep(float(host.data.takes))
        record("ended", number=number)


@operation()
def looked(number):
    host, state = internals.host_in_context(), internals.run_state()
    now = internals.current_operation(host)
    record(
        "body",
        number=number,
        executing=internals.is_executing(state),
        names=internals.operation_names(state, now) if internals.is_executing(state) else [],
        timeout=internals.operation_arguments(host).get("_timeout"),
        sudo=internals.operation_arguments(host).get("_sudo"),
        hash=now,
        given=[*internals.given_options()],
    )
    yield FunctionCommand(work, (number,), {{}})
    record("behind", number=number)


looked(1, name="The first", _timeout=77, _sudo=True)
looked(2, name="The second", _serial=True)
looked(3, name="The third")
"""

LOOKED_INVENTORY = """
import json as _json
import sys as _sys

from pyinfra_swarm.run import pyinfra_internals as _internals


def _record(**what):
    with open({seen!r}, "a") as file:
        file.write(_json.dumps(what) + "\\n")


def _end():
    _record(what="end", error=repr(_sys.exc_info()[1]))


_given = _internals.given_options()
_record(
    what="given", names=[*_given], operations=[*_given["operations"]], limit=[*_given["limit"]]
)
_internals.at_the_end(_end)

hosts = [
    (f"@fake/rk{{number}}", {{"fake_delay": 0, "takes": takes}})
    for number, takes in enumerate((0.4, 0.0, 0.2), start=1)
]
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("looked")
    (folder / "deploy.py").write_text(LOOKED.format(seen=str(folder / "seen")))
    (folder / "inventory.py").write_text(LOOKED_INVENTORY.format(seen=str(folder / "seen")))
    done = subprocess.run(
        [forked.python(), "-P", "-m", "pyinfra", "--limit", "@fake/*", "inventory.py", "deploy.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input="\n",  # to pyinfra's question; with -y it would plan nothing
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in (folder / "seen").read_text().splitlines()]


def test_parameters_of_the_command_line(seen: list[dict[str, Any]]) -> None:
    given = next(entry for entry in seen if entry["what"] == "given")
    assert {"data", "exclude", "inventory", "limit", "operations"} <= {*given["names"]}
    flags = {"debug_operations", "dry", "json_output", "no_wait", "serial", "yes"}
    assert flags <= {*given["names"]}
    assert (given["operations"], given["limit"]) == (["deploy.py"], ["@fake/*"])


def test_where_hosts_run_the_command_line_is_not_known(seen: list[dict[str, Any]]) -> None:
    """What is to be known of it there is kept while the inventory is read."""
    bodies = [entry for entry in seen if entry["what"] == "body"]
    side_by_side = [one for one in bodies if one["number"] != 2]  # that one is serial
    assert [one["given"] for one in side_by_side] == [[]] * 12


def test_what_is_called_at_the_end_sees_how_it_ends(seen: list[dict[str, Any]]) -> None:
    ends = [entry["error"] for entry in seen if entry["what"] == "end"]
    assert ends
    assert {*ends} == {"SystemExit(0)"}


def test_operations_run_in_lockstep(seen: list[dict[str, Any]]) -> None:
    """None begins anywhere before the one before has ended everywhere, however long one takes."""
    order = [entry["number"] for entry in seen if entry["what"] in ("begun", "ended", "behind")]
    assert order == sorted(order)
    assert order.count(1) == 9


def test_hosts_are_at_an_operation_at_the_same_time(seen: list[dict[str, Any]]) -> None:
    carried_out = [e for e in seen if e.get("number") == 1 and e["what"] in ("begun", "ended")]
    assert [entry["what"] for entry in carried_out[:3]] == ["begun"] * 3


def test_serial_operations_run_one_host_after_the_other(seen: list[dict[str, Any]]) -> None:
    second = [entry for entry in seen if entry.get("number") == 2 and entry["what"] != "body"]
    assert [entry["what"] for entry in second] == ["begun", "ended", "behind"] * 3


def test_a_body_is_run_twice_and_not_past_its_first_command_while_it_is_planned(
    seen: list[dict[str, Any]],
) -> None:
    for number in (1, 2, 3):
        own = [e for e in seen if e.get("number") == number and e["host"].endswith("rk1")]
        assert [(e["what"], e.get("executing")) for e in own] == [
            ("body", False),
            ("body", True),
            ("begun", None),
            ("ended", None),
            ("behind", None),
        ]


def test_current_op_hash_names_and_global_arguments(seen: list[dict[str, Any]]) -> None:
    bodies = [entry for entry in seen if entry["what"] == "body"]
    assert all(entry["hash"] for entry in bodies)
    assert len({entry["hash"] for entry in bodies}) == 3
    carried_out = {entry["number"]: entry["names"] for entry in bodies if entry["executing"]}
    assert carried_out == {1: ["The first"], 2: ["The second"], 3: ["The third"]}
    assert {e["timeout"] for e in bodies if e["number"] == 1} == {77}
    assert {e["sudo"] for e in bodies if e["number"] == 1} == {True}
