"""What a manager is asked about services' replicas: run for real with sh."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinfra_swarm.engine.api import ENGINE_STATE
from pyinfra_swarm.rolling.facts import Replicas, parse_replicas
from pyinfra_swarm.rolling.services import Replicas as Seen
from pyinfra_swarm.run.answer import asked, sections
from tests.tools.pretended_host import Machine, pretended

DOCKER = """\
#!/bin/sh
case "$1 $2" in
  "service ls") printf '%s\\n' 'no9rezjqbb35 "pinned" 0/1 replicated' 'sf6 "web" 3/3 replicated' ;;
  "service ps")
    [ "$ANSWER" != "has none" ] || exit 0
    echo '"web.1" '; echo '"pinned.1" "no suitable node (1 node not available for new tasks)"'
    case $ANSWER in
      fails) echo "Error response: The swarm does not have a leader." >&2; exit 1 ;;
      "has lost one")
        [ ! -e "$HERE/asked" ] || exit 0
        : > "$HERE/asked"; echo "no such service: 18eqw9aqhdl7" >&2; exit 1 ;;
    esac ;;
esac
"""


def looked(here: Path, answer: str) -> tuple[Seen, ...]:
    machine: Machine = pretended(here)
    (machine.here / "bin/docker").write_text(DOCKER)
    running = "engine_state() { echo running; }\n"
    script = Replicas().script().replace(ENGINE_STATE, f"{ENGINE_STATE}{running}")
    done = machine.run(asked(f"export ANSWER='{answer}'\n{script}"))
    return parse_replicas(sections(done.stdout.splitlines()))


@pytest.mark.parametrize("answer", ["has some", "has lost one"])
def test_tasks_that_no_node_may_run_are_counted(tmp_path: Path, answer: str) -> None:
    """A service may go between two questions: then both are asked again."""
    assert looked(tmp_path, answer) == (Seen("pinned", 1, 0, 1), Seen("web", 3, 3, 0))


def test_where_every_task_has_a_node_none_is(tmp_path: Path) -> None:
    assert looked(tmp_path, "has none") == (Seen("pinned", 1, 0, 0), Seen("web", 3, 3, 0))


def test_a_manager_that_does_not_list_tasks_is_not_taken_for_one_without_any_that_wait(
    tmp_path: Path,
) -> None:
    """Before a turn that is resumed, the node's own services would count as ill: nobody waits."""
    with pytest.raises(ValueError, match=r"The swarm does not have a leader\."):
        looked(tmp_path, "fails")
