"""This computer's list of known hosts, with a real SSH server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from paramiko import RSAKey
from pyinfra.api import Config, Host, State
from pyinfra.api.inventory import Inventory
from pyinfra.context import ctx_state

from pyinfra_swarm.run import pyinfra_internals
from pyinfra_swarm.ssh.known_hosts_operations import known_types, learn
from tests.tools.ssh_server import Server


@pytest.fixture
def run(tmp_path: Path) -> Iterator[State]:
    server = Server(tmp_path)
    state = State(Inventory(([("rk1", server.data), "@local"], {})), Config())
    with ctx_state.use(state):
        yield state
    server.close()


@pytest.fixture
def rk1(run: State) -> Host:
    host: Host = run.inventory.get_host("rk1")
    host.connect(raise_exceptions=True)
    return host


def test_a_host_is_learnt_by_more_keys_in_this_run_and_in_the_file(run: State, rk1: Host) -> None:
    known = Path(rk1.data.ssh_known_hosts_file)
    before = known.read_text()
    known.write_text(before.rstrip("\n"))  # as an editor may leave it
    assert known_types(rk1) == ["ecdsa-sha2-nistp256"]
    key = RSAKey.generate(1024)
    line = f"{key.get_name()} {key.get_base64()}"
    learn(rk1, [line])
    assert known_types(rk1) == ["ecdsa-sha2-nistp256", "ssh-rsa"]
    name = before.split(" ", 1)[0]
    assert known.read_text() == f"{before}{name} {line}\n"
    with pyinfra_internals.another_connection(run, rk1) as again:
        assert again.is_authenticated()


def test_a_list_that_cannot_be_written_is_an_error_and_nothing_is_learnt(rk1: Host) -> None:
    known = Path(rk1.data.ssh_known_hosts_file)
    known.unlink()
    known.mkdir()
    with pytest.raises(IsADirectoryError):
        learn(rk1, ["ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC7"])
    assert known_types(rk1) == ["ecdsa-sha2-nistp256"]


def test_a_host_that_is_reached_otherwise_has_no_key_to_be_known_by(run: State) -> None:
    local: Host = run.inventory.get_host("@local")
    assert known_types(local) == []
    learn(local, ["ssh-rsa AAAA"])
