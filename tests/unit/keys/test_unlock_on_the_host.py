"""A locked manager unlocked with the keys on a script's standard input: run for real with sh."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.engine.api import API
from pyinfra_swarm.keys import unlock_operations as unlock
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.writing import arrives_whole
from tests.tools.pretended_host import NODES, Machine, as_json

UNLOCK = program(unlock.__file__, "unlock.sh", using=[API, unlock.REACHABLE_MANAGER])

CURL = """\
#!/bin/sh
echo "$*" >> "$HERE/log"
for url; do :; done
case $url in
  */swarm/unlock)
    body=$(cat); echo "$body" >> "$HERE/tried"
    case $body in
      *"$(cat "$HERE/right")"*) echo active > "$HERE/state"; code=200 ;;
      *not-a-key*) code=400 ;;
      *no-leader*) exit 28 ;;
      *) code=401 ;;
    esac
    printf '{"message":"of %s"}\\n%s' "$body" "$code" ;;
  */info) printf '{"Swarm":{"NodeID":"one","LocalNodeState":"%s"}}\\n200' "$(cat "$HERE/state")" ;;
  */nodes/one) cat "$HERE/node"; printf '\\n200' ;;
esac
"""
"""An engine that is locked until it gets the right key, and repeats what it is sent."""


@pytest.fixture
def manager(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    for name, text in {"curl": CURL, "sleep": "#!/bin/sh\n"}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    for name, text in {"state": "locked", "right": "right", "node": as_json(NODES[1])}.items():
        (tmp_path / name).write_text(text)
    return Machine(tmp_path)


def unlocked(manager: Machine, *keys: str) -> subprocess.CompletedProcess[str]:
    bodies = "".join(json.dumps({"UnlockKey": key}) + "\n" for key in keys)
    script, sent = arrives_whole(UNLOCK, bodies)
    done = manager.run(script, sent)
    log = (manager.here / "log").read_text()
    for key in keys:
        assert key not in log, "in no argument list"
        assert key not in done.stdout + done.stderr
    return done


def tried(manager: Machine) -> list[str]:
    return [json.loads(line)["UnlockKey"] for line in (manager.here / "tried").open()]


def test_keys_are_tried_until_one_fits(manager: Machine) -> None:
    done = unlocked(manager, "wrong", "not-a-key", "right", "older")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tried(manager) == ["wrong", "not-a-key", "right"]


def test_where_none_fits_that_is_said(manager: Machine) -> None:
    done = unlocked(manager, "wrong", "older")
    assert done.returncode == 1
    assert done.stderr == "neither the key in the file nor an earlier one beside it fits\n"
    assert tried(manager) == ["wrong", "older"]


def test_where_the_engine_does_not_answer_no_other_key_is_tried(manager: Machine) -> None:
    """It waits for a quorum: the key was right, and its state decides."""
    done = unlocked(manager, "no-leader", "older")
    assert done.returncode == 1
    assert done.stderr == "this manager is still locked; the engine answered nothing\n"
    assert tried(manager) == ["no-leader"]
