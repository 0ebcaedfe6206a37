"""The lab itself: one at a time, up again after whatever ended it, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from lab import description, places
from tests.scenarios.conftest import ROOT

pytestmark = pytest.mark.lifecycle


def lab_command(*arguments: str, user: int | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lab", *arguments],
        cwd=ROOT,
        user=user,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell that put the tests into the background has them, and all they start, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finish(process: subprocess.Popen[str], timeout: float = 300) -> str:
    return process.communicate(timeout=timeout)[0]


def of_the_lab() -> list[str]:
    """Processes of hosts, whoever started them."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError):
            continue
        if words[0] == b"linux.uml" and any(b"umid=node" in word for word in words):
            found.append(folder.name)
    return found


def namespaces() -> list[str]:
    listed = subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    return [line.split()[0] for line in listed.splitlines() if line.startswith("swarmlab")]


def assert_nothing_is_left() -> None:
    deadline = time.monotonic() + 20
    while of_the_lab() and time.monotonic() < deadline:
        time.sleep(0.5)
    assert of_the_lab() == []
    assert namespaces() == []
    assert not places.state().exists()
    assert description.read() is None


def test_a_second_lab_is_refused_with_whose_the_first_is(lab: ModuleType) -> None:
    second = lab_command("up")
    said = finish(second)
    assert second.returncode != 0
    known = description.read()
    assert known is not None
    assert str(known.supervisor) in said
    assert "Traceback" not in said


def test_a_host_that_is_rebooted_or_loses_its_power_comes_back(lab: ModuleType) -> None:
    before = lab.run("node4", "cat /proc/sys/kernel/random/boot_id").stdout
    lab.reboot("node4")
    between = lab.run("node4", "cat /proc/sys/kernel/random/boot_id").stdout
    lab.power_cut("node4")
    after = lab.run("node4", "cat /proc/sys/kernel/random/boot_id").stdout
    assert len({before, between, after}) == 3


def test_it_comes_up_after_its_supervisor_was_killed(lab: ModuleType) -> None:
    known = description.read()
    assert known is not None
    os.kill(known.supervisor, signal.SIGKILL)
    time.sleep(1)
    assert description.read() is None
    up = lab_command("up")
    said = finish(up)
    assert up.returncode == 0, said
    assert "4 hosts answer SSH" in said
    assert len(namespaces()) >= 4


def test_it_ends_without_a_trace(lab: ModuleType) -> None:
    down = lab_command("down")
    assert down.wait(timeout=120) == 0
    assert_nothing_is_left()


@pytest.mark.parametrize("seconds", [1.5, 6])
def test_coming_up_can_be_interrupted_without_a_trace(lab: ModuleType, seconds: float) -> None:
    up = lab_command("up")
    time.sleep(seconds)
    up.send_signal(signal.SIGINT)
    said = finish(up)
    assert up.returncode != 0, said
    assert "Traceback" not in said
    assert_nothing_is_left()


def test_without_root_it_says_what_is_missing() -> None:
    try:
        subprocess.run([sys.executable, "-c", "import lab"], user=65534, cwd=ROOT, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("an unprivileged user cannot run this Python at all")
    up = lab_command("up", user=65534)
    said = finish(up)
    assert up.returncode != 0
    assert "root" in said
    assert "Traceback" not in said


def test_it_comes_up_again(lab: ModuleType) -> None:
    up = lab_command("up")
    said = finish(up)
    assert up.returncode == 0, said
