"""What is sent to a host arrives whole, or nothing is done with it: cut anywhere, by a shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.firewall.host_files import script, unload
from pyinfra_swarm.rollback.plan import ReversibleChange, arm_and_apply
from pyinfra_swarm.run.writing import arrives_whole
from pyinfra_swarm.settings.paths import ROOT

SHELLS = [
    pytest.param(
        words, marks=pytest.mark.skipif(not shutil.which(words[0]), reason="it is not here")
    )
    for words in (("dash",), ("bash",), ("bash", "--posix"), ("busybox", "sh"))
]
EXECUTE = 'eval "$(cat)"'
SCRIPT = """\
set -eu
echo one >> done
write() { cat > done.$1 <<'END'
two
END
}
write a; echo 'th"ree' >> done
"""


def run(
    shell: tuple[str, ...], folder: Path, command: str, stdin: bytes
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*shell, "-c", f"set -eu\n{command}"],
        cwd=folder,
        input=stdin,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_all_of_it_is_executed(shell: tuple[str, ...], tmp_path: Path) -> None:
    command, sent = arrives_whole(EXECUTE, SCRIPT)
    done = run(shell, tmp_path, command, sent.encode())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done").read_text() == 'one\nth"ree\n'
    assert (tmp_path / "done.a").read_text() == "two\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_cut_at_any_byte_nothing_is_executed(shell: tuple[str, ...], tmp_path: Path) -> None:
    command, sent = arrives_whole(EXECUTE, SCRIPT)
    for end in range(len(sent.encode()) - 1):  # without the last line end it is whole
        done = run(shell, tmp_path, command, sent.encode()[:end])
        assert done.returncode == 1, end
        assert b"nothing was done" in done.stderr
        assert not [*tmp_path.iterdir()], end


@pytest.mark.parametrize("shell", SHELLS[:2])
def test_a_change_with_rollback_cut_at_any_line_is_not_even_armed(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    inside = str(tmp_path / "host")
    text = arm_and_apply(ReversibleChange("ssh", ("/etc/x",), ("cat > /etc/x <<'END'\nnew\nEND",)))
    for place in ("/var/lib", "/usr/local", "/etc", "/run"):
        text = text.replace(place, inside + place)
    command, sent = arrives_whole(EXECUTE, f"set -eu\n{text}")
    lines = sent.splitlines(keepends=True)
    for end in range(len(lines)):
        done = run(shell, tmp_path, command, "".join(lines[:end]).encode())
        assert done.returncode == 1, end
        assert not [*tmp_path.iterdir()], end


@pytest.mark.parametrize("shell", SHELLS)
def test_a_file_that_is_sent_is_written_whole_or_not_at_all(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    text = '{"a": "ä \\\\ $(x) `y` %s",\n"b": 1}'
    command, sent = arrives_whole("cat > file", text)
    for end in range(len(sent.encode()) - 1):
        assert run(shell, tmp_path, command, sent.encode()[:end]).returncode == 1
        assert not (tmp_path / "file").exists()
    assert run(shell, tmp_path, command, sent.encode()).returncode == 0
    assert (tmp_path / "file").read_text() == f"{text}\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_what_fails_in_it_fails_and_its_own_last_word_is_heard(
    shell: tuple[str, ...], tmp_path: Path
) -> None:
    """The rollback undoes a change that fails half way in a trap."""
    command, sent = arrives_whole(EXECUTE, "set -eu\ntrap 'echo back' EXIT\nfalse\necho no")
    done = run(shell, tmp_path, f"{command}\necho after", sent.encode())
    assert (done.returncode, done.stdout) == (1, b"back\n")


def test_a_long_one_takes_no_time(tmp_path: Path) -> None:
    command, sent = arrives_whole("wc -c", "x" * 5_000_000)
    assert run(("dash",), tmp_path, command, sent.encode()).stdout.strip() == b"5000001"


def test_the_mark_is_no_line_that_the_text_could_have_itself() -> None:
    sent = arrives_whole(EXECUTE, SCRIPT)[1]
    again, twice = arrives_whole(EXECUTE, sent)
    mark = sent.splitlines()[-1]
    assert mark not in again
    assert twice.splitlines()[-2] == mark


def test_the_script_that_takes_the_firewall_off_is_an_argument_and_no_stream() -> None:
    text = unload()
    assert "<<" not in text.replace(script(), "")
    done = subprocess.run(["sh", "-n", "-c", text], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("path", sorted((ROOT / "pyinfra_swarm").rglob("*.py")), ids=str)
def test_nothing_else_sends_anything_to_a_host(path: Path) -> None:
    """Whoever writes to a command's standard input sends what ``arrives_whole`` has made."""
    text = path.read_text()
    given = re.findall(r"""_stdin["']?\s*[=:]\s*([^\s,})]+)""", text)
    assert given == ["sent"] * len(given)
    assert len(given) <= text.count("arrives_whole(")
    assert not re.search(r"\b(?:sh|bash|dash) -s\b", text)
