"""How long something was away, remembered from run to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyinfra.api import Config, Inventory, State
from pyinfra.context import ctx_state

from pyinfra_swarm.run import durations
from pyinfra_swarm.run.pyinfra_internals import in_the_name_of


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    hosts = [("@fake/rk1", {"ssh_hostname": "10.0.0.1"}), ("@fake/rk2", {})]
    state = State(Inventory((hosts, {})), Config())
    with ctx_state.use(state):
        yield state


def keep(run: State, name: str, seconds: float) -> None:
    with in_the_name_of(run, run.inventory.get_host(name)):
        durations.keep("Docker", seconds)


def test_the_last_time_counts_and_of_several_hosts_the_longest(run: State) -> None:
    assert durations.last("Docker", ["@fake/rk1", "@fake/rk2"]) is None
    keep(run, "@fake/rk1", 40)
    keep(run, "@fake/rk1", 20.04)
    keep(run, "@fake/rk2", 30)
    assert durations.last("Docker", ["@fake/rk1"]) == 20.0
    assert durations.last("Docker", ["@fake/rk1", "@fake/rk2"]) == 30.0
    assert durations.last("sshd", ["@fake/rk1"]) is None


def test_another_cluster_with_the_same_names_is_another(run: State, tmp_path: Path) -> None:
    keep(run, "@fake/rk1", 20)
    other = State(Inventory(([("@fake/rk1", {"ssh_hostname": "10.9.9.9"})], {})), Config())
    with ctx_state.use(other):
        assert durations.last("Docker", ["@fake/rk1"]) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"Docker": 3}', '{"Docker": {"a:22": "x"}}'])
def test_a_file_that_is_not_ours_is_no_reason_to_fail(
    run: State, tmp_path: Path, text: str
) -> None:
    path = tmp_path / "pyinfra-swarm/durations.json"
    path.parent.mkdir()
    path.write_text(text)
    assert durations.last("Docker", ["@fake/rk1"]) is None
    keep(run, "@fake/rk1", 20)
    assert durations.last("Docker", ["@fake/rk1"]) == 20.0


def test_a_folder_that_takes_nothing_is_no_reason_to_fail(
    run: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/proc/nowhere")
    keep(run, "@fake/rk1", 20)
    assert durations.last("Docker", ["@fake/rk1"]) is None
