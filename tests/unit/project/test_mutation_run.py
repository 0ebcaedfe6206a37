"""`make mutation`: which changes it makes, and that it sees which of them the tests notice."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mutation import running
from tests.mutation.forks import ENDED_BADLY, Job, ends
from tests.mutation.mutants import finding_names, mutants
from tests.mutation.record import (
    Score,
    entry,
    portions,
    recorded,
    unexplained,
    unmeasured,
    with_scores,
)
from tests.mutation.running import Reach

MODULE = '''
"""A module that decides."""

from __future__ import annotations

PORTS = (22, 80)


class Host:
    """A host."""

    def __init__(self, roles: tuple[str, ...] = ()) -> None:
        self.roles = roles

    @property
    def manages(self) -> bool:
        """It is a manager."""
        return "manager" in self.roles


def findings(host: Host, port: int) -> list[Change]:
    if host.manages and port in PORTS:
        return [Change("port", f"{port} is open", node="rk1")]
    if port < 0:
        raise ValueError(f"{port} is no port")
    return []
'''


def made(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "module.py"
    path.write_text(text)
    return [str(mutant) for mutant in mutants(path)]


def test_what_decides_is_changed_and_what_a_person_reads_is_not(tmp_path: Path) -> None:
    assert made(tmp_path, MODULE) == [
        "module: `22` → `23`",
        "module: `80` → `81`",
        "Host.manages: `'manager' in self.roles` → `'manager' not in self.roles`",
        "Host.manages: `'manager'` → `'XXmanagerXX'`",
        "findings: `host.manages and port in PORTS` → `port in PORTS`",
        "findings: `host.manages and port in PORTS` → `host.manages`",
        "findings: `port in PORTS` → `port not in PORTS`",
        "findings: `[Change('port', f'{port} is open', node='rk1')]` → `[]`",
        "findings: `Change('port', f'{port} is open', node='rk1')` → "
        "`Change('port', f'{port} is open')`",
        "findings: `'rk1'` → `'XXrk1XX'`",
        "findings: `port < 0` → `port <= 0`",
        "findings: `0` → `1`",
        "findings: `raise ValueError(f'{port} is no port')` → `pass`",
    ]


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("a = not b", {"b"}),
        ("a = b or c", {"b", "c"}),
        ("a = b + c", {"b", "c"}),
        ("a = b - c", {"b + c"}),
        ("a = b if c else d", {"b", "d"}),
        ("a = [b for b in c if b]", {"for b in c"}),
        ("a = any(b)", {"all(b)"}),
        ("a = sorted(b, key=c)", {"list(b)", "sorted(b)"}),
        ("a = b.strip()", {"b"}),
        ("a = {**b, **c}", {"{**b}", "{**c}"}),
        ("a = f'{b}-{c}'", {"'XX-XX'"}),
        ("a = ', '.join(b)", set()),
        ("a = zip(b, c, strict=True)", set()),
        ("a = 'two words'", set()),
        ("a = b + ' is not there'", set()),
        ("a: int | None = b", set()),
        ("def a(b: int = 1) -> None: ...", {"2"}),
        ("if a:\n  b()", {"if not a: ...", "pass"}),
        ("while a:\n  break", {"while not a: ...", "continue"}),
    ],
)
def test_each_kind_of_change(tmp_path: Path, text: str, changes: set[str]) -> None:
    assert {change.rpartition(" → ")[2].strip("`") for change in made(tmp_path, text)} == changes


def test_findings_are_known_by_their_classes() -> None:
    assert {"Change", "Notice", "Refusal", "CreateOverlay"} <= finding_names()
    assert "Settings" not in finding_names()


TESTS = """
from module import PORTS, Host, findings

MANAGER = Host(("manager",))
RIGHT = Host.manages.fget(MANAGER)

def test_a_manager_is_one():
    assert MANAGER.manages and RIGHT

def test_ssh_is_a_port():
    assert 22 in PORTS

def test_a_worker_has_none():
    assert findings(Host(), 22) == []
"""


def test_survivors_are_what_no_test_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "ROOT", tmp_path)
    monkeypatch.setattr(running, "OPTIONS", ("-qq", "-s", f"--rootdir={tmp_path}"))
    monkeypatch.setattr(running, "LIBRARIES", ())
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.chdir(tmp_path)
    made(tmp_path, MODULE)
    (tmp_path / "test_module.py").write_text(TESTS)
    outcome = running.run("module.py", ["test_module.py"])
    noticed = {
        "module: `22` → `23`",
        "Host.manages: `'manager' in self.roles` → `'manager' not in self.roles`",
        "Host.manages: `'manager'` → `'XXmanagerXX'`",
        "findings: `host.manages and port in PORTS` → `port in PORTS`",
    }
    assert noticed.isdisjoint(map(str, outcome.survivors))
    assert outcome.killed == len(noticed), outcome.survivors
    (tmp_path / "test_module.py").write_text(TESTS.replace("22 in", "23 in"))
    with pytest.raises(running.Broken, match="test_ssh_is_a_port does not pass"):
        running.run("module.py", ["test_module.py"])


def test_what_a_module_states_is_seen_by_tests_that_run_no_line_of_it(tmp_path: Path) -> None:
    """A name beside a function, say: who runs the function need not look at the name."""
    path = tmp_path / "module.py"
    path.write_text('STAGE = ("first", lambda: 1)\n\n\ndef two() -> int:\n    return 2\n')
    one, *_, two = mutants(path)
    reach = Reach(
        lines={"runs": {1}, "looks": set(), "calls": {5}},
        seconds={"runs": 3.0, "looks": 2.0, "calls": 1.0},
    )
    assert (one.line, two.line) == (1, 5)
    assert reach.tests(one) == ["runs", "calls", "looks"]
    assert reach.tests(two) == ["calls"]


def _dies() -> int:
    os.kill(os.getpid(), signal.SIGKILL)  # any other could have a handler here
    return 0


def _raises() -> int:
    raise ValueError


def _spins() -> int:
    while True:
        pass


@pytest.mark.parametrize(
    ("work", "end"),
    [
        (lambda: 0, 0),
        (lambda: 10, 10),
        (_raises, ENDED_BADLY),
        (_dies, -signal.SIGKILL),
        (_spins, -signal.SIGXCPU),
    ],
)
def test_each_end_is_told(work: Callable[[], int], end: int) -> None:
    assert ends({7: Job(work, 0.0)}, 2) == {7: end}


def test_what_is_left_behind_ends_with_its_job() -> None:
    reading, writing = os.pipe()

    def leaves() -> int:
        if os.fork() == 0:
            time.sleep(60)
        return 0

    assert ends({0: Job(leaves, 0.0)}, 1) == {0: 0}
    os.close(writing)
    assert os.read(reading, 1) == b"", "somebody still holds the other end"


def test_the_page_keeps_scores_and_explanations(tmp_path: Path) -> None:
    page = "Words.\n\n| module | killed | score | seconds |\n|---|---|---|---|\n\n## Survivors\n"
    scores = {"cluster/b.py": Score(9, 10, 12), "cluster/a.py": Score(3, 3, 4)}
    text = with_scores(page, scores)
    assert text == (
        "Words.\n\n| module | killed | score | seconds |\n|---|---|---|---|\n"
        "| `cluster/a.py` | 3 of 3 | 100.0 % | 4 |\n"
        "| `cluster/b.py` | 9 of 10 | 90.0 % | 12 |\n"
        "| all | 12 of 13 | 92.3 % | |\n\n## Survivors\n"
    )
    assert recorded(text) == scores
    assert with_scores(text, scores) == text
    path = tmp_path / "module.py"
    path.write_text("a = 1\nb = 2\n")
    one, other = mutants(path)
    explained = f"{text}\n{entry('cluster/a.py', one)}: nobody reads it.\n"
    assert unexplained(explained, "cluster/a.py", [one, other]) == [other]
    assert unexplained(explained, "cluster/b.py", [one, other]) == [one, other]
    anywhere = f"{text}\n- anywhere: `{other.old}` → `{other.new}`: of no use.\n"
    assert unexplained(anywhere, "cluster/b.py", [one, other]) == [one]


def test_what_has_no_score_says_why_until_it_has_one() -> None:
    page = (
        "| module | killed | score | seconds |\n|---|---|---|---|\n\n"
        "- `cluster/a.py`: not measured yet: its tests are too slow.\n"
        "- `cluster/b.py`: not measured yet: it is new.\n"
        "- `cluster/c.py`: not measured yet:\n"
    )
    assert unmeasured(page) == {"cluster/a.py", "cluster/b.py"}
    scored = with_scores(page, {"cluster/b.py": Score(9, 10, 12)})
    assert unmeasured(scored) == {"cluster/a.py"}
    assert "it is new" not in scored
    assert "cluster/c.py" in scored


def test_modules_are_run_in_portions_that_fit() -> None:
    seconds = {"a": 300, "b": 200, "c": 100, "d": 60, "e": 500}
    assert portions(seconds, 360) == [["e"], ["a", "d"], ["b", "c"]]
