"""Keys and tokens replaced on a manager with Docker's command line, run for real with sh."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.keys import root_ca_operations as root_ca
from pyinfra_swarm.keys import unlock_key_operations as unlock_key
from pyinfra_swarm.keys.autolock_operations import TURN_OFF
from pyinfra_swarm.keys.swarm_update import UPDATE
from pyinfra_swarm.run.onhost import program
from tests.tools.pretended_host import Machine

OLD, NEW = (f"SWMKEY-1-{letter * 43}" for letter in "AB")

DOCKER = """\
#!/bin/sh
[ "$1 $2" = "-H unix://$HERE/run/docker.sock" ] || { echo "SWMKEY-1-of-another-engine"; exit; }
shift 2
echo "$*" >> "$HERE/log"
token() { echo "SWMTKN-1-$1-$(grep -c "^swarm join-token --rotate $1" "$HERE/log")"; }
changes() {
  [ ! -s "$HERE/refusal" ] || {
    head -n 1 "$HERE/refusal" >&2; sed -i 1d "$HERE/refusal"; exit 1; }
}
case "$*" in
  "info --format "*ID*Rotation*) cat "$HERE/rotating" ;;
  "info --format "*) echo false ;;
  "swarm unlock-key -q") cat "$HERE/key" ;;
  "swarm unlock-key --rotate")
    changes; [ -e "$HERE/stuck" ] || echo SWMKEY-1-NEW > "$HERE/key"
    echo "Successfully rotated manager unlock key."; cat "$HERE/key"
    [ ! -e "$HERE/late" ] || { echo "the connection broke" >&2; exit 1; } ;;
  "swarm join-token --rotate "*) changes; token "$4" ;;
  "swarm join-token -q "*) token "$4" ;;
  "swarm update "* | "swarm ca "*) changes; echo "Swarm updated." ;;
esac
""".replace("SWMKEY-1-NEW", NEW)
"""Docker's command line. A manager that knows no leader describes an empty swarm (moby's Info)."""

ROTATE_KEY = program(unlock_key.__file__, "rotate_unlock_key.sh", using=[UPDATE])
ROTATE_TOKENS = program(unlock_key.__file__, "rotate_join_tokens.sh", using=[UPDATE])
ROTATE_CA = program(root_ca.__file__, "rotate_root_ca.sh", using=[UPDATE])
TURN_ON = program(unlock_key.__file__, "turn_autolock_on.sh", using=[UPDATE])
OUT_OF_SEQUENCE = "Error response from daemon: rpc error: desc = update out of sequence\n"


@pytest.fixture
def manager(tmp_path: Path) -> Machine:
    (tmp_path / "bin").mkdir()
    for name, text in {"docker": DOCKER, "sleep": "#!/bin/sh\n"}.items():
        (tmp_path / "bin" / name).write_text(text)
        (tmp_path / "bin" / name).chmod(0o755)
    for name, text in {"log": "", "refusal": "", "key": f"{OLD}\n", "rotating": "false\n"}.items():
        (tmp_path / name).write_text(text)
    return Machine(tmp_path)


def asked(manager: Machine) -> list[str]:
    return (manager.here / "log").read_text().splitlines()


def succeeds(manager: Machine, script: str) -> str:
    done = manager.run(script)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def fails(manager: Machine, script: str) -> str:
    done: subprocess.CompletedProcess[str] = manager.run(script)
    assert done.returncode != 0
    assert done.stdout == ""
    return done.stderr


def test_a_new_unlock_key_is_printed_and_nothing_else(manager: Machine) -> None:
    assert succeeds(manager, ROTATE_KEY) == NEW


def test_the_key_of_this_hosts_engine_is_fetched_whatever_context_root_uses(
    manager: Machine,
) -> None:
    assert succeeds(manager, unlock_key.PRINT_UNLOCK_KEY) == OLD
    assert succeeds(manager, TURN_ON) == OLD
    assert asked(manager)[1] == "swarm update --autolock=true"


@pytest.mark.parametrize(
    ("script", "command"),
    [
        (ROTATE_TOKENS, "swarm join-token --rotate manager"),
        (ROTATE_CA, "swarm ca --rotate --detach"),
        (TURN_OFF, "swarm update --autolock=false"),
    ],
)
def test_every_change_is_made_on_this_hosts_engine_and_prints_nothing(
    manager: Machine, script: str, command: str
) -> None:
    assert succeeds(manager, script) == ""
    assert command in asked(manager)


def test_a_change_is_tried_again_where_the_swarm_has_changed_in_between(manager: Machine) -> None:
    (manager.here / "refusal").write_text(OUT_OF_SEQUENCE * 2)
    assert succeeds(manager, ROTATE_KEY) == NEW
    assert manager.count("swarm unlock-key --rotate") == 3


def test_it_is_not_tried_for_ever_and_not_after_another_error(manager: Machine) -> None:
    (manager.here / "refusal").write_text(OUT_OF_SEQUENCE * 20)
    assert "out of sequence" in fails(manager, ROTATE_KEY)
    assert manager.count("swarm unlock-key --rotate") == 10
    (manager.here / "refusal").write_text("the swarm does not have a leader\n")
    assert fails(manager, ROTATE_KEY) == "the swarm does not have a leader\n"
    assert manager.count("swarm unlock-key --rotate") == 11


def test_a_key_that_stays_the_old_one_is_a_failure(manager: Machine) -> None:
    (manager.here / "stuck").touch()
    said = fails(manager, ROTATE_KEY)
    assert "the unlock key is still the old one" in said
    assert "SWMKEY" not in said


def test_a_key_is_in_no_message_even_where_the_command_fails_after_printing_it(
    manager: Machine,
) -> None:
    (manager.here / "late").touch()
    assert fails(manager, ROTATE_KEY) == "the connection broke\n"


@pytest.mark.parametrize("rotating", ["true\n", "\n"])
def test_no_second_root_ca_is_begun_while_there_may_be_one_under_way(
    manager: Machine, rotating: str
) -> None:
    """During an election a manager describes a swarm without a rotation, and without an id."""
    (manager.here / "rotating").write_text(rotating)
    done = manager.run(ROTATE_CA)
    assert (done.returncode == 0) == (rotating == "true\n")
    assert "swarm ca --rotate --detach" not in asked(manager)
    assert ("did not say whether" in done.stderr) == (rotating == "\n")


@pytest.mark.parametrize(
    "script", [unlock_key.PRINT_UNLOCK_KEY, TURN_OFF, ROTATE_TOKENS, ROTATE_CA]
)
def test_an_engine_that_does_not_answer_is_said_to(manager: Machine, script: str) -> None:
    (manager.here / "bin/timeout").write_text("#!/bin/sh\nexit 124\n")
    (manager.here / "bin/timeout").chmod(0o755)
    assert fails(manager, script) == "the engine gave no answer within 60 s\n"
