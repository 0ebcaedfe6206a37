"""What a host does when a change to its firewall is undone: its script, run with stand-ins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.firewall import operations
from pyinfra_swarm.firewall.paths import SCRIPT, UNIT, WATCH, WATCH_FILE
from pyinfra_swarm.rollback.plan import LATER

FAILS = "#!/bin/sh\nexit 1\n"


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A folder with a systemctl that takes notes, and fails at nothing."""
    for folder in ("bin", "etc", "lib"):
        (tmp_path / folder).mkdir()
    tool(tmp_path / "bin/systemctl", '#!/bin/sh\necho "$*" >> "$LOG"\n')
    return tmp_path


def tool(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def after_restore(host: Path) -> tuple[int, str]:
    """The script's exit code, and what systemctl was asked."""
    script = operations.AFTER_RESTORE
    for path in (SCRIPT, WATCH_FILE):
        script = script.replace(path, str(host / "lib" / Path(path).name))
    # What takes the rules out is a script of its own, with a path of its own.
    script = script.replace("\nPATH=", f"\nPATH={host}/bin:", 1)
    log = host / "log"
    done = subprocess.run(
        ["sh", "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={
            "PATH": f"{host}/bin:{os.environ['PATH']}",
            "LOG": str(log),
            "FIREWALL_ROOT": str(host),
        },
    )
    return done.returncode, log.read_text()


def restored(host: Path, text: str) -> None:
    """The firewall was there before the change: its script, and the unit that watches."""
    tool(host / "lib" / Path(SCRIPT).name, text)
    (host / "lib" / Path(WATCH_FILE).name).touch()


def test_restored_rules_are_loaded(host: Path) -> None:
    restored(host, "#!/bin/sh\n[ $1 = load ]\n")
    assert after_restore(host) == (0, f"daemon-reload\n--no-block restart {WATCH}\n")


def test_restored_rules_that_could_not_be_loaded_are_loaded_later(host: Path) -> None:
    """The kernel still holds those that may lock the owner out."""
    restored(host, FAILS)
    code, asked = after_restore(host)
    assert code == LATER
    assert f"restart {WATCH}" in asked


@pytest.mark.parametrize("says", ["exit 4", "[ $3 != -S ] || echo -N SWARM-INPUT"])
def test_rules_that_could_not_be_taken_out_are_taken_out_later(host: Path, says: str) -> None:
    (host / "run").mkdir()
    for name in ("iptables", "ip6tables"):
        tool(host / "bin" / name, f"#!/bin/sh\ncase $* in *-D*) exit 1 ;; esac\n{says}\n")
    code, asked = after_restore(host)
    assert code == LATER
    assert f"stop {UNIT} {WATCH}" in asked


@pytest.mark.parametrize("says", ["exit 3", "[ $3 != -S ] || echo -P INPUT ACCEPT"])
def test_rules_that_are_gone_are_looked_for_no_more(host: Path, says: str) -> None:
    (host / "run").mkdir()
    for name in ("iptables", "ip6tables"):
        tool(host / "bin" / name, f"#!/bin/sh\ncase $* in *-D*) exit 1 ;; esac\n{says}\n")
    assert after_restore(host)[0] == 0
