"""`scripts/system-packages` where it can install nothing: one message says what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.scenarios.conftest import ROOT


def ask(
    path: Path, *packages: str, installed: str = "", python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Ask for packages where no program is on the path but dpkg-query, which knows some."""
    if installed:
        query = path / "dpkg-query"
        query.write_text(f'#!/bin/sh\ncase " {installed} " in *" $4 "*) printf installed;; esac\n')
        query.chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(ROOT / "scripts/system-packages"), python, *packages],
        env={"PATH": str(path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def test_without_apt_get_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    done = ask(tmp_path, "curl", "iptables", "tcpdump", installed="iptables")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "These packages are missing: curl tcpdump\n"
        "As root on Debian or Ubuntu: apt-get install --no-install-recommends curl tcpdump\n"
    )


def test_without_dpkg_nothing_is_taken_for_installed(tmp_path: Path) -> None:
    done = ask(tmp_path, "curl", "tcpdump")
    assert done.returncode == 1
    assert done.stderr.startswith("These packages are missing: curl tcpdump\n")


def test_where_nothing_is_missing_nothing_is_said(tmp_path: Path) -> None:
    done = ask(tmp_path, "curl", "tcpdump", installed="tcpdump curl")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_python_that_is_too_old_or_not_there_is_said_before_anything(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    for python in (str(old), str(tmp_path / "none")):
        done = ask(tmp_path, "curl", python=python)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == (
            f"Python 3.11 or newer is needed, and {python} is not: make PYTHON=python3.13 …\n"
        )
