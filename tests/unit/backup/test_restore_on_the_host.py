"""How a host puts a state back: run for real with sh, on a pretended host."""

from __future__ import annotations

import base64
import hashlib

from pyinfra_swarm.backup import restore_operations as restore
from pyinfra_swarm.backup.archive import NEEDED, rebuilt
from tests.tools.pretended_host import (
    SYSTEMCTL,
    Machine,
)
from tests.unit.backup.test_archive import state


def test_a_state_is_put_back_with_no_more_of_it_on_the_disk_than_the_engine_needs(
    machine: Machine,
) -> None:
    """It may be unlocked, and what was on flash once can be read there for long."""
    (machine.here / "var/lib/docker/swarm/docker-state.json").unlink()
    (machine.here / "run/pyinfra-swarm-restore.old").mkdir()
    watch = 'find "$HERE" -type f >> "$HERE/files"\nexec "$HERE/bin/real" "$@"\n'
    (machine.here / "bin/systemctl").rename(machine.here / "bin/real")
    (machine.here / "bin/systemctl").write_text(f"#!/bin/sh\n{watch}")
    (machine.here / "bin/systemctl").chmod(0o755)
    archive = rebuilt(state())
    sent = base64.encodebytes(archive).decode()
    digest = hashlib.sha256(archive).hexdigest()
    done = machine.run(restore.put_back_script(digest), sent)
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.count("start docker") == 1
    there = {str(path.relative_to(machine.here)) for path in machine.here.rglob("*")}
    assert {f"var/lib/docker/{name}" for name in NEEDED} < there
    assert not [name for name in there if "restore" in name]
    while_stopped = (machine.here / "files").read_text()
    kept = [line for line in while_stopped.splitlines() if "restore" in line]
    assert kept, "the engine was not stopped while the state was ready beside it"
    assert all("/var/lib/docker/.swarm-restore/swarm/" in line for line in kept)


def test_a_state_that_has_not_arrived_whole_leaves_nothing_behind(machine: Machine) -> None:
    (machine.here / "var/lib/docker/swarm/docker-state.json").unlink()
    digest = hashlib.sha256(b"another").hexdigest()
    done = machine.run(restore.put_back_script(digest), "d2hvbGU=")
    assert done.returncode == 1
    assert "the state has not arrived whole" in done.stderr
    assert not [path for path in machine.here.rglob("*") if "restore" in path.name]
    assert machine.count("stop docker") == 0


def test_a_state_that_appears_while_the_engine_is_stopped_is_not_overwritten(
    machine: Machine,
) -> None:
    state = machine.here / "var/lib/docker/swarm/docker-state.json"
    state.write_text("")
    (machine.here / "bin/base64").write_text("#!/bin/sh\ncat\n")
    (machine.here / "bin/tar").write_text("#!/bin/sh\n")
    joined = f'case "$*" in "stop docker") echo joined > {state} ;; esac\n'
    systemctl = SYSTEMCTL.replace("#!/bin/sh\n", f"#!/bin/sh\n{joined}")
    (machine.here / "bin/systemctl").write_text(systemctl)
    for name in ("base64", "tar"):
        (machine.here / "bin" / name).chmod(0o755)
    digest = hashlib.sha256(b"whole").hexdigest()
    done = machine.run(restore.put_back_script(digest), "whole")
    assert done.returncode == 1
    assert "this host already has the state of a swarm" in done.stderr
    assert state.read_text() == "joined\n"
    assert machine.count("start docker") == 1
