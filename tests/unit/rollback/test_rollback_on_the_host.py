"""What the host does by itself, run for real with sh in a directory of its own."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.rollback.plan import (
    ReversibleChange,
    arm_and_apply,
    confirm,
    forget,
    outcome,
    undo,
    undo_all,
)

STUB = '#!/bin/sh\necho "$(basename "$0") $*" >> "$LOG"\n'


@dataclass
class Machine:
    """A host whose absolute paths lie in a temporary directory; systemd only takes notes."""

    root: Path

    def path(self, name: str) -> Path:
        return self.root / name

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        here = str(self.root)
        for place in ("/var/lib/pyinfra-swarm", "/usr/local/lib/pyinfra-swarm", "/etc/systemd"):
            script = script.replace(place, here + place)
        return subprocess.run(
            ["sh", "-c", f"set -eu\n{script}"],
            capture_output=True,
            text=True,
            env={
                "PATH": f"{here}/bin:{os.environ['PATH']}",
                "LOG": f"{here}/log",
            },
            check=False,
        )

    @property
    def log(self) -> str:
        return self.path("log").read_text()

    def place(self, subject: str = "ssh") -> Path:
        return self.root / "var/lib/pyinfra-swarm/rollback" / subject

    def boot(self) -> None:
        assert self.run(f"sh {rollback.RESTORE} --boot").returncode == 0


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    for name in ("systemctl", "systemd-run", "sync"):
        (tmp_path / "bin" / name).write_text(STUB)
        (tmp_path / "bin" / name).chmod(0o755)
    (tmp_path / "log").touch()
    (tmp_path / "old").write_text("before\n")
    (tmp_path / "old").chmod(0o640)
    return Machine(tmp_path)


def change(machine: Machine, *apply: str) -> ReversibleChange:
    return ReversibleChange(
        "ssh",
        (str(machine.path("old")), str(machine.path("new"))),
        apply or (f"echo after > {machine.path('old')}", f"echo after > {machine.path('new')}"),
        after_restore="systemctl reload it",
        seconds=60,
    )


def apply(machine: Machine, *commands: str) -> None:
    done = machine.run(arm_and_apply(change(machine, *commands)))
    assert done.returncode == 0, done.stderr


def waits(machine: Machine) -> bool:
    """Whether the host still has something to undo, or to be confirmed."""
    return machine.run(rollback.pending()).returncode == 0


def is_as_before(machine: Machine) -> bool:
    old = machine.path("old")
    return (
        old.read_text() == "before\n"
        and old.stat().st_mode & 0o777 == 0o640
        and not machine.path("new").exists()
    )


def test_a_confirmed_change_stays(machine: Machine) -> None:
    apply(machine)
    assert machine.run(confirm("ssh")).returncode == 0
    machine.run(f"sh {rollback.RESTORE} ssh")
    machine.boot()
    assert machine.path("old").read_text() == "after\n"
    assert not machine.place().exists()
    assert "systemctl reload it" not in machine.log


def test_the_timer_puts_everything_back_and_has_it_read(machine: Machine) -> None:
    apply(machine)
    assert "--on-active=60" in machine.log
    assert machine.run(f"sh {rollback.RESTORE} ssh").returncode == 0
    assert is_as_before(machine)
    assert machine.log.rstrip().endswith("systemctl reload it")


def test_the_boot_puts_everything_back_before_anything_could_read_it(machine: Machine) -> None:
    apply(machine)
    machine.boot()
    assert is_as_before(machine)
    assert "systemctl reload it" not in machine.log


def test_a_restore_that_a_power_cut_ended_is_finished_at_boot(machine: Machine) -> None:
    apply(machine)
    (machine.place() / "armed").rename(machine.place() / "firing")
    machine.boot()
    assert is_as_before(machine)


def test_a_change_that_was_undone_cannot_be_confirmed(machine: Machine) -> None:
    apply(machine)
    machine.run(f"sh {rollback.RESTORE} ssh")
    assert machine.run(confirm("ssh")).returncode != 0
    assert is_as_before(machine)


def test_a_change_that_fails_half_way_is_undone_at_once(machine: Machine) -> None:
    half = (f"echo after > {machine.path('old')}", "false", f"echo x > {machine.path('new')}")
    done = machine.run(arm_and_apply(change(machine, *half)))
    assert done.returncode == 1
    assert is_as_before(machine)


@pytest.mark.parametrize("end", ["true", "false"])
def test_a_change_that_takes_longer_than_the_host_waits_is_undone_whole(
    machine: Machine, end: str
) -> None:
    """The timer fires in the middle of it: what comes after that must not stay."""
    slow = (
        f"echo early > {machine.path('old')}",
        f"sh {rollback.RESTORE} ssh || :",
        f"echo late > {machine.path('old')}; echo late > {machine.path('new')}",
        end,
    )
    done = machine.run(arm_and_apply(change(machine, *slow)))
    assert done.returncode == 1
    assert is_as_before(machine)
    assert (machine.place() / "restored").exists()
    assert machine.log.count("systemctl reload it") == 2


def test_what_is_taken_off_does_not_come_back(machine: Machine) -> None:
    apply(machine)
    for name in ("old", "new"):
        machine.path(name).unlink()
    assert machine.run(forget("ssh")).returncode == 0
    machine.run(f"sh {rollback.RESTORE} ssh")
    machine.boot()
    assert not machine.path("old").exists()
    assert not machine.place().exists()
    assert f"systemctl stop {rollback.timer('ssh')}.timer" in machine.log


@pytest.mark.parametrize("first", ["ssh", "access"])
def test_nothing_is_changed_on_top_of_what_nobody_has_confirmed(
    machine: Machine, first: str
) -> None:
    """Whatever it concerns: the key that a run has logged in with may be gone in a minute."""
    done = machine.run(arm_and_apply(replace(change(machine), subject=first)))
    assert done.returncode == 0, done.stderr
    second = change(machine, f"echo other > {machine.path('old')}")
    done = machine.run(arm_and_apply(second))
    assert done.returncode == 1
    assert f"an earlier change is not undone yet, so nothing is changed: {first}" in done.stderr
    assert machine.path("old").read_text() == "after\n"

    assert machine.run(undo_all()).returncode == 0
    assert is_as_before(machine)
    assert machine.run(arm_and_apply(second)).returncode == 0
    machine.boot()
    assert is_as_before(machine)


def test_without_a_timer_that_runs_nothing_is_changed(machine: Machine) -> None:
    """The host may have slept between the timer's start and the marker: it has fired, then."""
    machine.path("bin/systemctl").write_text(f"{STUB}[ $2 != is-active ]\n")
    done = machine.run(arm_and_apply(change(machine)))
    assert done.returncode == 1
    assert "the timer that undoes the change does not run, so nothing is changed" in done.stderr
    assert is_as_before(machine)
    assert not waits(machine)


def test_without_systemd_run_nothing_is_changed(machine: Machine) -> None:
    machine.path("bin/systemd-run").write_text("#!/bin/sh\nexit 127\n")
    assert machine.run(arm_and_apply(change(machine))).returncode == 127
    assert is_as_before(machine)
    assert not waits(machine)


def test_files_that_the_running_system_refuses_do_not_stand_in_the_way_of_better_ones(
    machine: Machine,
) -> None:
    """They were broken before the change that was undone, so they are once more."""
    machine.path("bin/systemctl").write_text(f"{STUB}[ $1 != reload ]\n")
    apply(machine)
    assert machine.run(f"sh {rollback.RESTORE} ssh").returncode == rollback.UNREAD
    assert is_as_before(machine)
    assert not waits(machine)
    assert machine.run(outcome("ssh")).stdout == "unread\n"
    machine.path("old").write_text("mended by hand\n")
    machine.boot()
    assert machine.path("old").read_text() == "mended by hand\n"
    apply(machine)
    assert machine.run(confirm("ssh")).returncode == 0
    assert machine.path("old").read_text() == "after\n"


def test_what_is_undone_at_once_may_be_refused_by_the_running_system(machine: Machine) -> None:
    machine.path("bin/systemctl").write_text(f"{STUB}[ $1 != reload ]\n")
    apply(machine)
    assert machine.run(undo_all()).returncode == 0
    assert is_as_before(machine)


def not_read_yet(machine: Machine) -> None:
    """The change is undone, but the running system cannot read its files for now."""
    machine.path("bin/systemctl").write_text(f"{STUB}[ $1 != reload ] || exit {rollback.LATER}\n")
    apply(machine)
    done = machine.run(f"sh {rollback.RESTORE} ssh")
    assert done.returncode == rollback.LATER
    assert "the files of ssh are back, and could not be read yet" in done.stderr
    assert machine.run(outcome("ssh")).stdout == "retrying\n"


def test_files_that_could_not_be_read_yet_are_read_later_and_not_put_back_again(
    machine: Machine,
) -> None:
    not_read_yet(machine)
    assert is_as_before(machine)
    machine.path("old").write_text("mended by hand\n")
    assert machine.run(f"sh {rollback.RESTORE} ssh").returncode == rollback.LATER
    machine.path("bin/systemctl").write_text(STUB)
    assert machine.run(f"sh {rollback.RESTORE} ssh").returncode == 0
    assert machine.log.count("systemctl reload it") == 3
    assert machine.run(outcome("ssh")).stdout == "restored\n"
    assert machine.path("old").read_text() == "mended by hand\n"
    machine.run(f"sh {rollback.RESTORE} ssh")
    assert machine.log.count("systemctl reload it") == 3


def test_files_that_could_not_be_read_yet_do_not_stand_in_the_way_of_better_ones(
    machine: Machine,
) -> None:
    not_read_yet(machine)
    assert not waits(machine)
    assert machine.run(undo_all()).returncode == 0
    apply(machine)
    assert machine.run(outcome("ssh")).stdout == "waiting\n"
    assert machine.run(confirm("ssh")).returncode == 0
    assert machine.path("old").read_text() == "after\n"


def test_what_is_undone_at_once_may_be_read_later(machine: Machine) -> None:
    machine.path("bin/systemctl").write_text(f"{STUB}[ $1 != reload ] || exit {rollback.LATER}\n")
    apply(machine)
    assert machine.run(undo_all()).returncode == 0
    assert is_as_before(machine)
    assert machine.run(outcome("ssh")).stdout == "retrying\n"


def test_files_that_cannot_be_read_in_an_hour_are_tried_by_hand_or_at_the_next_boot(
    machine: Machine,
) -> None:
    not_read_yet(machine)
    restore = f"sh {rollback.RESTORE} ssh"
    tries = machine.place() / "tries"
    assert machine.run(restore).returncode == rollback.LATER
    assert tries.read_text() == "\n" * 2
    tries.write_text("\n" * 118)
    assert machine.run(restore).returncode == rollback.LATER
    assert machine.run(restore).returncode == rollback.UNREAD
    done = machine.run(restore)
    assert done.returncode == rollback.UNREAD
    assert "could not be read in 120 tries. They are read at the next boot" in done.stderr
    machine.path("bin/systemctl").write_text(STUB)
    assert machine.run(restore).returncode == 0
    assert machine.run(outcome("ssh")).stdout == "restored\n"


def test_a_new_change_has_its_own_hour(machine: Machine) -> None:
    not_read_yet(machine)
    (machine.place() / "tries").write_text("\n" * 120)
    not_read_yet(machine)


def test_a_boot_reads_what_could_not_be_read_yet(machine: Machine) -> None:
    not_read_yet(machine)
    machine.boot()
    assert machine.log.count("systemctl reload it") == 1
    assert machine.run(outcome("ssh")).stdout == "restored\n"


def test_files_that_could_not_be_put_back_are_not_given_up_for_a_new_change(
    machine: Machine,
) -> None:
    apply(machine)
    (machine.place() / "saved/0").unlink()
    done = machine.run(undo_all())
    assert done.returncode == 1
    assert f"Fix it by hand, then: rm -r {machine.place()}" in done.stderr
    assert machine.run(arm_and_apply(change(machine))).returncode == 1
    assert (machine.place() / "firing").exists()


def test_what_was_never_armed_is_left_alone(machine: Machine) -> None:
    apply(machine)
    machine.run(confirm("ssh"))
    machine.path("old").write_text("the owner's\n")
    assert machine.run(undo("ssh")).returncode == 0
    machine.boot()
    assert machine.path("old").read_text() == "the owner's\n"


def test_a_lost_copy_never_deletes_the_file(machine: Machine) -> None:
    apply(machine)
    for copy in (machine.place() / "saved").iterdir():
        copy.unlink()
    assert machine.run(f"sh {rollback.RESTORE} ssh").returncode != 0
    assert machine.path("old").read_text() == "after\n"
    assert (machine.place() / "firing").exists()


def test_the_boot_unit_is_enabled_before_the_change(machine: Machine) -> None:
    apply(machine, "echo change >> $LOG")
    wanted = machine.path("etc/systemd/system/sysinit.target.wants") / rollback.UNIT
    assert wanted.resolve().read_text().rstrip() == rollback.BOOT_UNIT.rstrip().replace(
        "/var/lib/pyinfra-swarm", f"{machine.root}/var/lib/pyinfra-swarm"
    ).replace("/usr/local/lib/pyinfra-swarm", f"{machine.root}/usr/local/lib/pyinfra-swarm")
    lines = machine.log.splitlines()
    assert lines.index("sync ") < lines.index("change")
    assert [line for line in lines if line.startswith("systemd-run")]


@pytest.mark.parametrize("path", ["relative", "/with a blank", ""])
def test_a_path_that_the_shell_could_misread_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="cannot roll back"):
        ReversibleChange("ssh", (path,), ())
