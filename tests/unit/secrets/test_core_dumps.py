"""A process that holds values leaves no image of its memory: seen on processes that crash."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux")

CRASH = """
import os, resource, sys
from pathlib import Path
from pyinfra_swarm.secrets.sources import read
from pyinfra_swarm.settings import Secret
hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
if sys.argv[1] == "reads":
    read(Secret(name="x", file="db"), Path("."))
if sys.argv[2] == "raises the limit again":
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
os.abort()
"""


def crashed(folder: Path, *words: str) -> bool:
    """Whether the kernel has dumped the process."""
    (folder / "db").write_text("hunter2")
    text = f"import os; os.chdir({str(folder)!r})\n{CRASH}"
    child = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", text, *words],
        {**os.environ, "PYTHONPATH": os.getcwd()},
    )
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "it has not crashed"
    return os.WCOREDUMP(status)


@pytest.fixture
def dumps(tmp_path: Path) -> None:
    """Only where the kernel dumps a process of ours at all does its silence say something."""
    if resource.getrlimit(resource.RLIMIT_CORE)[1] == 0 or not crashed(tmp_path, "-", "-"):
        pytest.skip("this machine dumps no core")


@pytest.mark.usefixtures("dumps")
def test_a_crash_after_the_first_value_dumps_nothing(tmp_path: Path) -> None:
    assert not crashed(tmp_path, "reads", "-")


@pytest.mark.usefixtures("dumps")
def test_not_even_where_dumps_go_to_a_program_that_ignores_the_limit(tmp_path: Path) -> None:
    assert not crashed(tmp_path, "reads", "raises the limit again")


def test_the_mark_and_the_limit_are_set_for_the_process_itself(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("hunter2")
    text = """
import ctypes, resource
from pathlib import Path
from pyinfra_swarm.secrets.sources import read
from pyinfra_swarm.settings import Secret
read(Secret(name="x", file="db"), Path("."))
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["0", "0"]
