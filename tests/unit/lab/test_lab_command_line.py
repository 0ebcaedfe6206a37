"""What the `lab` command and its functions take, without a lab."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lab import api, orders
from lab.cli import _parser
from lab.errors import LabError


@pytest.mark.parametrize("text", ["-5", "nan", "inf", "soon"])
def test_a_power_cut_lasts_a_number_of_seconds(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    # Otherwise the host would have lost its power when the number turns out to be none.
    with pytest.raises(SystemExit):
        _parser().parse_args(["power-cut", "node1", "--for", text])
    assert f'"{text}" is no number of seconds from 0 to 86400' in capsys.readouterr().err


def test_a_command_to_run_on_a_host_may_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert _parser().parse_args(["ssh", "node1"]).remote == []
    with pytest.raises(SystemExit):
        _parser().parse_args(["ssh"])
    assert capsys.readouterr().err.endswith("required: HOST\n")


def test_what_lab_does_is_said_to_whoever_names_nothing_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args([])
    assert "{up,kernel,down,status,settings,ssh," in capsys.readouterr().err


def test_a_supervisor_that_does_not_answer_is_said_and_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_STATE", str(tmp_path))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as deaf:
        deaf.bind(str(tmp_path / "control"))
        deaf.listen()
        with pytest.raises(LabError, match=r"has not answered for 1 s; .*supervisor\.log"):
            orders.give_order("status", timeout=1)


@pytest.mark.parametrize("fault", ["hung", {"status": 500}])
def test_a_fault_that_the_world_does_not_know_is_said(fault: str | dict[str, int]) -> None:
    with pytest.raises(LabError, match=r"no fault .* for a\.test/\*: there are status, empty, "):
        api.set_faults({"b.test/*": "hang", "a.test/*": fault})
