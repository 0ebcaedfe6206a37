"""WireGuard's change ended between any two of its steps, and what becomes of the host.

The real scripts, armed and undone by the real rollback, on a disk of which a copy is kept before
each command. WireGuard itself is a stand-in here that keeps what it was told in a file: what is
asked is whether files, key and interface go together, however it ends.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.rollback import plan as rollback
from pyinfra_swarm.rollback.plan import ReversibleChange, arm_and_apply, confirm, undo_all
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.vpn import operations
from pyinfra_swarm.vpn.wireguard import Wanted, config_path, key_path, link, wanted
from tests.netns.rollback_host import Disk, disk, script
from tests.netns.test_rollback_steps import traced
from tests.unit.vpn.vpn_examples import WANTED, settings

pytestmark = pytest.mark.lifecycle

_WG = """\
#!/bin/sh
case $1 in
genkey) echo made-here ;;
pubkey) read -r key && [ "$key" ] && echo public ;;
show) [ "$3" = private-key ] && [ -e "/run/up-$2" ] && echo made-here ;;
syncconf) cat > "/run/up-$2.new"; mv "/run/up-$2.new" "/run/up-$2" ;;
esac
"""
_WG_QUICK = """\
#!/bin/sh
cat "/etc/wireguard/$2.conf"
"""
_SYSTEMCTL = """\
#!/bin/sh
now=
for word do
  shift
  case $word in --now) now=yes ;; -*) ;; *) set -- "$@" "$word" ;; esac
done
action=$1 unit=${2-} name=${2#wg-quick@}
name=${name%.service}
wants=/etc/systemd/system/multi-user.target.wants
case $unit in
wg-quick@*)
  case $action in
  enable) mkdir -p $wants; ln -sfn /lib/systemd/system/wg-quick@.service "$wants/$unit" ;;
  disable) rm -f "$wants/$unit"; [ -z "$now" ] || rm -f "/run/up-$name" ;;
  is-active) [ -e "/run/up-$name" ] ;;
  start) cp "/etc/wireguard/$name.conf" "/run/up-$name.new"
    mv "/run/up-$name.new" "/run/up-$name" ;;
  stop) rm -f "/run/up-$name" ;;
  esac ;;
*)
  case $action in
  stop) shift; for unit do case $unit in *.timer) rm -f "/run/timers/${unit%.timer}" ;; esac; done
    ;;
  is-active) [ -e "/run/timers/${unit%.timer}" ] ;;
  esac ;;
esac
"""


def change(declared: Wanted, *, restart: bool) -> ReversibleChange:
    """What the operation makes of it."""
    name = declared.interface
    return ReversibleChange(
        "vpn",
        (config_path(name), link(name)),
        (operations._bring_up(declared, restart=restart),),
        operations.after_restore([name]),
    )


def removal(name: str) -> ReversibleChange:
    return ReversibleChange(
        "vpn",
        (config_path(name), link(name), key_path(name)),
        (operations._remove(name),),
        operations.after_restore([name]),
    )


def state(host: Disk) -> tuple[str, bool, str]:
    """The configuration and the key, whether it starts at boot, and what is up; "" for none."""

    def text(path: str) -> str:
        place = host.path(path)
        if not place.exists():
            return ""
        return f"{oct(place.stat().st_mode)} {place.read_text()}"

    up = host.path("/run/up-wg0")
    return (
        text(config_path("wg0")) + text(key_path("wg0")),
        host.path(link("wg0")).is_symlink(),
        up.read_text() if up.exists() else "",
    )


@pytest.fixture
def host(tmp_path: Path) -> Disk:
    made = disk(tmp_path / "host")
    for name, text in {"wg": _WG, "wg-quick": _WG_QUICK, "systemctl": _SYSTEMCTL}.items():
        (made.tools / name).write_text(text)
        (made.tools / name).chmod(0o755)
    (made.tools / "ip").write_text("#!/bin/sh\nexit 1\n")  # no such interface
    (made.tools / "ip").chmod(0o755)
    made.path("/etc/systemd/system").mkdir(parents=True)
    key = program(operations.__file__, "make_key.sh", interface="wg0", key=key_path("wg0"))
    done = made.run(script(key))
    assert done.returncode == 0, done.stderr
    return made


def confirmed(host: Disk, of: ReversibleChange) -> None:
    done = host.run(script(f"({arm_and_apply(of)})\n{confirm('vpn')}"))
    assert done.returncode == 0, done.stderr


def every_step(host: Disk, of: ReversibleChange, folder: Path) -> Iterator[Disk]:
    """The host as it was before each command that found something changed, and at the end."""
    assert traced(host, arm_and_apply(of), folder) == 0
    seen: list[list[str]] = []
    for path in sorted(folder.glob("[0-9]*.*.*")):
        here = Disk(path, host.tools)
        now = here.everything()
        if now not in seen:
            seen.append(now)
            yield here
    yield host


assert WANTED is not None
OTHER = wanted(settings(peers=[]), "rk1")
assert OTHER is not None
CASES = {
    "the first": (None, change(WANTED, restart=True)),
    "other peers": (change(WANTED, restart=True), change(OTHER, restart=False)),
    "another address": (change(WANTED, restart=True), change(OTHER, restart=True)),
    "taken away": (change(WANTED, restart=True), removal("wg0")),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_ended_at_any_step_is_undone(host: Disk, tmp_path: Path, case: str) -> None:
    first, then = CASES[case]
    if first:
        confirmed(host, first)
    before = state(host)
    copy = tmp_path / "copy"
    steps = 0
    for at in every_step(host, then, tmp_path / "steps"):
        steps += 1
        shutil.rmtree(copy, ignore_errors=True)
        died = at.copy(copy)
        died.time_passes()
        assert state(died) == before, f"the timer, at step {steps}"
        assert not died.waits(), steps
        shutil.rmtree(copy)
        booted = at.copy(copy)
        booted.boots()
        assert state(booted)[:2] == before[:2], f"a boot, at step {steps}"  # then systemd starts it
        assert not booted.waits(), steps
        shutil.rmtree(copy)
        again = at.copy(copy)
        done = again.run(script(f"({undo_all()})\n({arm_and_apply(then)})\n{confirm('vpn')}"))
        assert done.returncode == 0, f"step {steps}: {done.stderr}"
        assert state(again) == state(host), steps
    assert steps > 12
    assert state(host) != before


def test_the_private_key_survives_whatever_is_undone(host: Disk, tmp_path: Path) -> None:
    key = host.path(key_path("wg0")).read_text()
    for at in every_step(host, CASES["the first"][1], tmp_path / "steps"):
        died = at.copy(tmp_path / "copy")
        died.time_passes()
        assert died.path(key_path("wg0")).read_text() == key
        assert not [line for line in died.everything() if "saved" in line and "made-here" in line]
        shutil.rmtree(tmp_path / "copy")


def test_no_copy_of_a_private_key_is_left_or_readable(host: Disk) -> None:
    """A configuration with the key in it is saved while it changes: for root alone."""
    confirmed(host, CASES["the first"][1])
    done = host.run(script(arm_and_apply(CASES["other peers"][1])))
    assert done.returncode == 0, done.stderr
    place = host.path(rollback.ROOT)
    copies = [
        path for path in place.rglob("*") if path.is_file() and "made-here" in path.read_text()
    ]
    assert copies
    assert {path.stat().st_mode & 0o077 for path in copies} == {0}
    assert place.stat().st_mode & 0o077 == 0
    done = host.run(script(confirm("vpn")))
    assert not [path for path in place.rglob("*") if path.is_file()]
