"""A stack's removal as the manager carries it out: run for real with sh."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from pyinfra_swarm.run.script import Outcome
from pyinfra_swarm.stacks import deploying_operations
from pyinfra_swarm.stacks.record import Record
from tests.tools.pretended_host import Machine

NO_LEADER = "Error response from daemon: rpc error: The swarm does not have a leader."
DOCKER = f"""\
#!/bin/sh
echo "$*" >> "$HERE/log"
case "$*" in
  *" ls "*)
    asked=$(grep -c ' ls ' "$HERE/log")
    [ "$asked" -gt "$NO_LEADER_FOR" ] || {{ echo "{NO_LEADER}" >&2; exit 1; }}
    [ "$1" != service ] || cat "$HERE/services" ;;
  "stack rm shop") : > "$HERE/services" ;;
esac
"""
"""A manager that lists no services while there is no leader: for so many questions."""

CURL = """\
#!/bin/sh
echo "$*" | grep -o 'DELETE .*' >> "$HERE/log"
printf '\\n200'
"""
REMOVED = "DELETE http://localhost/configs/abc"


def removed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, *, no_leader_for: int, seconds: int = 180
) -> subprocess.CompletedProcess[str]:
    """How a removal ends, of a stack with a service and the record ``abc``."""
    programs = {"docker": DOCKER, "curl": CURL, "sleep": "#!/bin/sh\n"}
    for name, text in programs.items():
        (machine.here / "bin" / name).write_text(text)
        (machine.here / "bin" / name).chmod(0o755)
    (machine.here / "services").write_text("i55t4b4ax88e\n")
    sent: list[str] = []

    def quietly(manager: Any, text: str, *, timeout: int, shown: bool) -> Outcome:
        sent.append(text)
        return Outcome()

    monkeypatch.setattr(deploying_operations, "progress", lambda words: None)
    monkeypatch.setattr(deploying_operations, "quietly", quietly)
    monkeypatch.setattr(deploying_operations, "GONE_WITHIN", seconds)
    manager: Any = None
    record = Record("shop", "", "", {}, {}, id="abc")
    assert deploying_operations.remove(manager, "shop", [record]) == ""
    return machine.run(f"export NO_LEADER_FOR={no_leader_for}\n{sent[0]}")


@pytest.mark.parametrize("no_leader_for", [0, 1, 2, 6])
def test_a_record_goes_only_when_nothing_of_the_stack_is_listed(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, no_leader_for: int
) -> None:
    """A manager without a leader for a moment lists nothing: that is no stack that is gone."""
    done = removed(machine, monkeypatch, no_leader_for=no_leader_for)
    assert (done.returncode, done.stderr) == (0, "")
    log = (machine.here / "log").read_text().splitlines()
    assert log.index("stack rm shop") < log.index(REMOVED)
    assert (machine.here / "services").read_text() == ""


def test_a_stack_that_cannot_be_listed_in_time_keeps_its_record(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = removed(machine, monkeypatch, no_leader_for=9999, seconds=0)
    assert (done.returncode, done.stderr) == (1, f"{NO_LEADER}\n")
    assert REMOVED not in (machine.here / "log").read_text()
