"""What a host does when a change to its firewall is undone: its script, run with stand-ins."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.firewall import host_files, operations
from pyinfra_swarm.firewall.paths import SCRIPT, UNIT, WATCH, WATCH_FILE
from pyinfra_swarm.rollback.plan import LATER


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
    restored(host, f"#!/bin/sh\nexit {LATER}\n")
    code, asked = after_restore(host)
    assert code == LATER
    assert f"restart {WATCH}" in asked


@pytest.mark.parametrize("code", [1, 2, 127])
def test_restored_rules_that_cannot_be_loaded_are_not_tried_for_ever(host: Path, code: int) -> None:
    restored(host, f"#!/bin/sh\nexit {code}\n")
    assert after_restore(host)[0] == 1


def iptables(host: Path, says: str, *, restores: str = "cat > /dev/null") -> None:
    """What the host has of it, for both families. says: shell; ``$*`` is what it is asked."""
    for folder in ("run", "etc/pyinfra-swarm"):
        (host / folder).mkdir(parents=True, exist_ok=True)
    for family, name in (("ipv4", "iptables"), ("ipv6", "ip6tables")):
        tool(host / "bin" / name, f"#!/bin/sh\n{says}\n")
        tool(host / f"bin/{name}-restore", f"#!/bin/sh\n{restores}\n")
        (host / f"etc/pyinfra-swarm/firewall.{family}").write_text("*filter\nCOMMIT\n")


ANSWERS = "[ $3 != -S ] || echo -P INPUT ACCEPT"


@pytest.mark.parametrize(
    ("says", "restores", "expected"),
    [
        (ANSWERS, "cat > /dev/null", 0),
        ("exit 4", "cat > /dev/null", LATER),
        (ANSWERS, "cat > /dev/null; exit 4", LATER),
        ("exit 1", "cat > /dev/null", 1),
        ("exit 127", "cat > /dev/null", 1),
        (ANSWERS, "cat > /dev/null; exit 2", 1),
        ("case $0 in *ip6tables) exit 1 ;; *) exit 4 ;; esac", "cat > /dev/null", LATER),
        ("case $0 in *ip6tables) exit 4 ;; *) exit 1 ;; esac", "cat > /dev/null", LATER),
    ],
)
def test_only_rules_that_iptables_has_no_lock_for_are_loaded_later(
    host: Path, says: str, restores: str, expected: int
) -> None:
    iptables(host, says, restores=restores)
    ours = host_files.script().replace("\nPATH=", f"\nPATH={host}/bin:", 1)
    restored(host, ours.replace("[ -e /proc/net/if_inet6 ]", "true"))
    assert after_restore(host)[0] == expected


def test_a_script_that_another_run_of_it_keeps_waiting_says_so(host: Path) -> None:
    iptables(host, ANSWERS)
    tool(host / "bin/flock", "#!/bin/sh\nexit 1\n")
    restored(host, host_files.script().replace("\nPATH=", f"\nPATH={host}/bin:", 1))
    assert after_restore(host)[0] == LATER


@pytest.mark.parametrize("says", ["exit 4", "[ $3 != -S ] || echo -N SWARM-INPUT"])
def test_rules_that_could_not_be_taken_out_are_taken_out_later(host: Path, says: str) -> None:
    iptables(host, f"case $* in *-D*) exit 1 ;; esac\n{says}")
    code, asked = after_restore(host)
    assert code == LATER
    assert f"stop {UNIT} {WATCH}" in asked


@pytest.mark.parametrize("says", ["exit 3", "[ $3 != -S ] || echo -P INPUT ACCEPT"])
def test_rules_that_are_gone_are_looked_for_no_more(host: Path, says: str) -> None:
    iptables(host, f"case $* in *-D*) exit 1 ;; esac\n{says}")
    assert after_restore(host)[0] == 0


@pytest.mark.parametrize("code", [1, 2, 127])
def test_an_iptables_that_cannot_answer_is_not_asked_for_ever(host: Path, code: int) -> None:
    iptables(host, f"exit {code}")
    assert after_restore(host)[0] == 1


@pytest.mark.parametrize("family", ["iptables", "ip6tables"])
def test_one_family_that_has_to_wait_is_enough(host: Path, family: str) -> None:
    iptables(host, f"case $0 in *{family}) exit 4 ;; *) exit 1 ;; esac")
    assert after_restore(host)[0] == LATER
