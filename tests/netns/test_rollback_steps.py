"""The rollback ended between any two of its steps, and what becomes of the host.

The real scripts are run by a shell that keeps a copy of the disk before each command of theirs. Of
each of these: the script dies there, and the timer fires; the power is cut there, and comes back,
with all that was written or with what was there at the last ``sync``; the timer fires there, as on
a host that has slept, and the script goes on. After each of them the host is as before, or as
confirmed, nothing waits any more, and the next run succeeds.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.rollback.plan import ReversibleChange, arm_and_apply, confirm, forget, undo_all
from tests.netns.rollback_host import Disk, change, disk, script

pytestmark = pytest.mark.lifecycle

# Functions that only look are left out: nothing has changed in them.
_STEP = """\
set -T
step() {
  [ "$EUID" = 0 ] || return 0
  case ${FUNCNAME[1]-} in mount_of | on | waiting | real) return 0 ;; esac
  local count syncs timer command name
  # Both ends of a pipe come here at once.
  until [ -n "${FIRE-}" ] || mkdir "$STEPS/lock" 2>/dev/null; do sleep 0.01; done
  read -r count < "$STEPS/count"; read -r syncs < "$STEPS/syncs"
  count=$((count + 1)); echo "$count" > "$STEPS/count"
  if [ -n "${FIRE-}" ]; then
    [ "$count" = "$FIRE" ] || return 0
    for timer in /run/timers/*; do
      [ -e "$timer" ] || continue
      read -r command < "$timer"; rm "$timer"; echo "$command" > "$STEPS/fired"
      env -u BASH_ENV $command >&2
    done
  else
    name=$(printf %05d "$count").$syncs.$BASHPID
    cp -a "$DISK" "$STEPS/taking" && mv "$STEPS/taking" "$STEPS/$name"
    rmdir "$STEPS/lock"
  fi
}
trap step DEBUG
"""
_SHELL = '#!/bin/bash -p\nexec /bin/bash "$@"\n'


@dataclass(frozen=True)
class Step:
    """A host at the moment before a command.

    synced: as it was at the last ``sync``; new: that has not been met at a step before.
    """

    number: int
    disk: Disk
    synced: Disk
    new: bool


def traced(host: Disk, text: str, folder: Path, fire: int | None = None) -> int:
    """Run a script on the host, with a copy for each step; or let the timer fire at one.

    Returns its exit code.
    """
    folder.mkdir()
    (folder / "count").write_text("0\n")
    (folder / "syncs").write_text("0\n")
    (folder / "step").write_text(_STEP)
    (folder / "sh").write_text(_SHELL)
    (folder / "sh").chmod(0o755)
    host.copy(folder / "s0")
    done = host.run(
        script(text),
        before=f"mount --bind {folder}/sh $(readlink -f /bin/sh)",
        shell=("bash",),
        timeout=120,
        BASH_ENV=str(folder / "step"),
        STEPS=str(folder),
        FIRE="" if fire is None else str(fire),
    )
    return done.returncode


def steps(host: Disk, text: str, folder: Path) -> Iterator[Step]:
    """The host before each command of a script that changes something, and after the last."""
    traced(host, text, folder)
    host.copy(folder / f"99999.{(folder / 'syncs').read_text().strip()}.0")
    seen: list[tuple[list[str], str]] = []
    paths = sorted(folder.glob("[0-9]*.*.*"))
    for path in paths:
        number, syncs, _ = path.name.split(".")
        here = Disk(path, host.tools)
        state = (here.everything(), syncs)
        if state not in seen:
            new = syncs not in (known for _, known in seen) or path == paths[-1]
            seen.append(state)
            yield Step(int(number), here, Disk(folder / f"s{syncs}", host.tools), new)


class Copies:
    """Copies of disks, each thrown away when the next is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, of: Disk, *, own: Disk | None = None) -> Disk:
        """A copy. own: where the rollback's own files are from."""
        shutil.rmtree(self.folder, ignore_errors=True)
        made = of.copy(self.folder)
        if own is not None:
            shutil.rmtree(made.folder / "swarm")
            subprocess.run(["cp", "-a", own.folder / "swarm", made.folder], check=True)
        return made


@pytest.fixture
def host(tmp_path: Path) -> Disk:
    return disk(tmp_path / "host")


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies(tmp_path / "copy")


@pytest.fixture
def applied(host: Disk) -> tuple[Disk, str, str]:
    """A host whose change waits for its confirmation; how it was before, and how it is."""
    before = host.state()
    done = host.run(script(arm_and_apply(change())))
    assert done.returncode == 0, done.stderr
    return host, before, host.state()


def ended(at: Step, copies: Copies, allowed: Iterable[str]) -> None:
    """The script dies here, or the power is cut; whatever happens, the host is one of these."""
    died = copies(at.disk)
    died.time_passes()
    assert died.state() in allowed, f"the timer, after step {at.number}: {died.state()}"
    assert not died.waits(), f"it waits for ever, after step {at.number}"
    boots(at, copies, allowed)


def boots(at: Step, copies: Copies, allowed: Iterable[str]) -> None:
    """The power is cut here, and comes back; of what was not synced anything may be lost."""
    left = [
        ("all that was written", at.disk, None),
        ("of the rollback's only what was synced", at.disk, at.synced),
        ("only what was synced, and all of the rollback's", at.synced, at.disk),
        *([("only what was synced", at.synced, None)] if at.new else []),
    ]
    for what, disk_left, own in left:
        booted = copies(disk_left, own=own)
        booted.boots()
        assert booted.state() in allowed, f"a boot with {what}, after step {at.number}"
        assert not booted.waits(), f"the next boot undoes, too, after step {at.number}: {what}"


def goes_on(at: Step, copies: Copies, allowed: str) -> None:
    """Whatever was left there: the next run undoes it, and gets done."""
    again = copies(at.disk)
    text = f"({undo_all()})\n({arm_and_apply(change())})\n{confirm('access')}"
    done = again.run(script(text))
    assert done.returncode == 0, f"after step {at.number}: {done.stderr}"
    assert again.state() == allowed
    again.time_passes()
    again.boots()
    assert again.state() == allowed
    assert not [line for line in again.everything() if line.startswith("swarm/rollback/")]


def test_a_change_ended_at_any_step_is_undone(host: Disk, tmp_path: Path, copies: Copies) -> None:
    before = host.state()
    found = [*steps(host, arm_and_apply(change()), tmp_path / "steps")]
    assert len(found) > 20
    after = host.state()
    assert after != before
    for number, at in enumerate(found):
        ended(at, copies, [before])
        if number % 8 == 0:
            goes_on(at, copies, after)


def test_a_timer_that_fires_at_any_step_of_the_change_undoes_all_of_it(
    host: Disk, tmp_path: Path, copies: Copies
) -> None:
    before = host.state()
    text = arm_and_apply(change())
    found = [*steps(copies(host), text, tmp_path / "steps")]
    fired = 0
    for at in found[:-1]:
        if not at.disk.timers():
            continue
        slept, folder = copies(host), tmp_path / f"fire-{at.number}"
        code = traced(slept, text, folder, fire=at.number)
        assert (folder / "fired").exists(), f"step {at.number} was not met again"
        fired += 1
        assert code != 0, f"it says that the change was made, at step {at.number}"
        slept.run(f"/bin/sh {rollback.RESTORE} access")  # what its unit does 30 seconds later
        assert slept.state() == before, f"at step {at.number}"
        assert not slept.waits(), f"at step {at.number}"
        shutil.rmtree(folder)
    assert fired > 8


def test_a_confirmation_ended_at_any_step_keeps_all_of_it_or_nothing(
    host: Disk, tmp_path: Path, copies: Copies
) -> None:
    before = host.state()
    text = f"({arm_and_apply(change())})\n{confirm('access')}"
    found = [*steps(host, text, tmp_path / "steps")]
    after = host.state()
    found = [at for at in found if at.disk.state() == after]
    assert len(found) > 5
    for at in found:
        ended(at, copies, [before, after])
    ended(found[-1], copies, [after])  # it has said so
    assert not host.timers()


@pytest.mark.parametrize("by", ["access", "--boot", "--failed access"])
def test_an_undoing_ended_at_any_step_is_finished(
    applied: tuple[Disk, str, str], tmp_path: Path, copies: Copies, by: str
) -> None:
    host, before, after = applied
    found = [*steps(host, f"/bin/sh {rollback.RESTORE} {by}", tmp_path / "steps")]
    assert len(found) > 6
    for number, at in enumerate(found):
        again = copies(at.disk)
        again.run(f"/bin/sh {rollback.RESTORE} access")
        assert again.state() == before, at.number
        assert not again.waits(), at.number
        boots(at, copies, [before])
        if number % 8 == 0:
            goes_on(at, copies, after)


# Two subjects, in any order
# --------------------------


@dataclass(frozen=True)
class World:
    """What is to be expected of a host with two subjects, each with one file.

    values: what is in their files; waits: whose change nobody has confirmed; timers: whose wait.
    """

    values: tuple[int, int] = (0, 0)
    waits: int | None = None
    timers: frozenset[int] = frozenset()

    def with_value(self, subject: int, value: int) -> tuple[int, int]:
        return (value, self.values[1]) if subject == 0 else (self.values[0], value)

    def undone(self, *, timers: frozenset[int]) -> World:
        if self.waits is None:
            return World(self.values, None, timers)
        return World(self.with_value(self.waits, 1 - self.values[self.waits]), None, timers)


SUBJECTS = ("access", "ssh")
FILES = ("/etc/old", "/etc/other")


def _change(subject: int, world: World) -> ReversibleChange:
    value = 1 - world.values[subject]
    apply = (f"echo {value} > {FILES[subject]}.new; mv {FILES[subject]}.new {FILES[subject]}",)
    return ReversibleChange(SUBJECTS[subject], (FILES[subject],), apply)


def do_change(subject: int) -> Callable[[Disk, World], World]:
    def act(host: Disk, world: World) -> World:
        done = host.run(script(arm_and_apply(_change(subject, world))))
        assert (done.returncode == 0) == (world.waits is None), done.stderr
        if world.waits is not None:
            return world
        value = world.with_value(subject, 1 - world.values[subject])
        return World(value, subject, world.timers | {subject})

    return act


def do_confirm(subject: int) -> Callable[[Disk, World], World]:
    def act(host: Disk, world: World) -> World:
        done = host.run(script(confirm(SUBJECTS[subject])))
        assert (done.returncode == 0) == (world.waits == subject)
        if world.waits != subject:
            return world
        return World(world.values, None, world.timers - {subject})

    return act


def do_forget(host: Disk, world: World) -> World:
    armed_once = host.path(f"{rollback.ROOT}/{SUBJECTS[0]}").exists()
    assert host.run(script(forget(SUBJECTS[0]))).returncode == 0
    assert not host.path(f"{rollback.ROOT}/{SUBJECTS[0]}").exists()
    waits = None if world.waits == 0 else world.waits
    return World(world.values, waits, world.timers - {0} if armed_once else world.timers)


def do_time(host: Disk, world: World) -> World:
    host.time_passes()
    if world.waits in world.timers:
        return world.undone(timers=frozenset())
    return World(world.values, world.waits, frozenset())


def do_boot(host: Disk, world: World) -> World:
    host.boots()
    return world.undone(timers=frozenset())


def do_undo(host: Disk, world: World) -> World:
    assert host.run(script(undo_all())).returncode == 0
    return world.undone(timers=world.timers)


ACTIONS = {
    "access changed": do_change(0),
    "ssh changed": do_change(1),
    "access confirmed": do_confirm(0),
    "ssh confirmed": do_confirm(1),
    "access forgotten": do_forget,
    "time passes": do_time,
    "a boot": do_boot,
    "all undone": do_undo,
}


def test_two_subjects_in_any_order_never_rest_on_each_other(host: Disk, tmp_path: Path) -> None:
    """Every state that can be reached in four acts, and every act in each of them."""
    for path in FILES:
        host.path(path).write_text("0\n")
    known: dict[World, Disk] = {World(): host}
    reached: dict[World, list[str]] = {World(): []}
    edge, number = [World()], 0
    while edge:
        world = edge.pop(0)
        if len(reached[world]) == 3:
            continue
        for name, act in ACTIONS.items():
            number += 1
            here = known[world].copy(tmp_path / f"world-{number}")
            then = act(here, world)
            story = [*reached[world], name]
            values = tuple(int(here.path(path).read_text()) for path in FILES)
            assert values == then.values, story
            assert here.waits() == (then.waits is not None), story
            assert len(here.timers()) == len(then.timers), story
            if then not in known:
                known[then], reached[then] = here, story
                edge.append(then)
            else:
                shutil.rmtree(here.folder)
    assert len(known) > 10
