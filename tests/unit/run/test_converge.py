"""The shape of every operation, seen from outside: pyinfra's command line on pretended hosts."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pyinfra_swarm.run.findings import KINDS
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.tools.answers import encoded

SUBJECT = '''
"""A fact and an operation like any of ours: the host says a word, the plan follows it."""
from dataclasses import dataclass

import gevent
from pyinfra.api import StringCommand

from pyinfra_swarm.run.findings import Change, Notice, Refusal, refusals
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run import lock
from pyinfra_swarm.run.converge import (
    call,
    converges,
    current_host,
    fail,
    is_executing,
    job,
    observe,
    observe_all,
    pause,
    refused_beside,
    script,
    still_ours,
    report,
    Refused,
)


@dataclass(frozen=True)
class Word(Observation):
    word: str


class Said(SubjectFact[Word]):
    def script(self):
        return "say the word"

    def parse(self, said):
        return Word(said["word"][0])


def plan(word):
    return {
        "change": [Change("the word", "differs", expected="fine", found="change")],
        "refuse": [Refusal("the word", "forbids going on", remedy="Say another")],
        "notice": [Notice("the word", "was set by hand")],
    }.get(word, [])


@converges("word")
def mended():
    said = observe(Said)
    assert observe(Said) == said
    if report("word", plan(said.word)):
        yield script("mend the word")


@converges("word")
def mended_on(only):
    if current_host().name == only and report("word", plan(observe(Said).word)):
        yield script("mend the word")


@converges("word")
def looked_around():
    everybody = observe_all(Said)
    report("word", [] if all(everybody.values()) else [Notice("a host", "is silent")])
    yield from ()


together = []


@converges("word")
def looked_together():
    """A view that each host put together itself would cost the square of the hosts."""
    if not is_executing():
        together.append(observe_all(Said))
        assert together[-1] is together[0], "it has put together a view of its own"
    yield from ()


@converges("other")
def looked_at_besides():
    report("other", plan(observe(Said).word) if observe(Said).word == "change" else [])
    yield from ()


@converges("other", rests_on=["word"])
def rested():
    report("other", [Notice("the rest", "was looked at")])
    yield from ()


@converges("beside")
def refused_besides():
    """As a stack that is refused and holds up no other."""
    refused_beside("beside", refused := refusals(plan(observe(Said).word)))
    if refused and is_executing():
        yield fail(refused[0].sentence(), logged=True)


@converges("other")
def mended_always():
    yield script("mend the other")


@converges("broken")
def with_a_fault():
    raise ValueError("boom")
    yield


@job("word")
def asked_for():
    report("word", [Notice("the job", "was planned")])
    yield from ()


views = []


@converges("word")
def begun_by(first):
    """The first has begun to change something when the others come."""
    me = current_host().name
    if is_executing() and me != first:
        gevent.sleep(0.3)
    view = observe_all(Said)
    if is_executing():
        views.append(view)
        assert view is views[0], "it has seen something else than the first"
    if me == first:
        yield script("mend the word")
        gevent.sleep(0.6)
        assert observe_all(Said) is not view, "it has not looked anew"


def wait_long(state, host, seconds):
    gevent.sleep(seconds)
    host.log("it has waited")
    return True


@converges("word")
def waited(seconds):
    yield call(wait_long, seconds)


ENDS = [TimeoutError(), EOFError(), OSError(113, "No route to host"), ValueError("boom")]


def break_off(state, host, number):
    raise ENDS[number - 1]


@converges("word")
def broken_off():
    yield call(break_off, int(current_host().name[-1]))


def overtake():
    """As when this computer has slept, and another run has begun."""
    lock.problem = lambda *_, **__: "another run has begun"


def wait_then_break(state, host, between):
    overtake()
    between()
    host.run_shell_command(StringCommand("break the word"))
    return True


@converges("word")
def overtaken_inside(where):
    yield script("mend the word")
    if where == "a command":
        overtake()
        try:
            yield script("break the word")
        except Refused:
            current_host().log("its last words")
            raise
    elif where == "a wait":
        yield call(wait_then_break, lambda: pause(0.1))
    else:
        yield call(wait_then_break, still_ours)
    yield script("break the word")


turns = []


@converges("word")
def took_turns():
    if is_executing():
        turns.append(current_host().name)
        assert turns == sorted(turns), turns
    yield from ()


@converges("word")
def seen_anew():
    assert not is_executing() or observe_all(Said) is not views[0], "it has not looked anew"
    yield from ()
'''

INVENTORY = """
import atexit as _atexit
import json as _json

from pyinfra.context import ctx_state as _ctx_state

from pyinfra_swarm.run import start as _start

hosts = {hosts!r}
managers = {managers!r}
_start.install()


def _write(path={commands!r}):
    inventory = _ctx_state.get().inventory
    said = {{host.name[6:]: host.connector.executed_commands for host in inventory}}
    open(path, "w").write(_json.dumps(said))


_atexit.register(_write)
"""

DEPLOY = """
import subject
{calls}
"""

MEND, LOOK = "subject.mended(name='Mend')", "subject.looked_around(name='Look')"


@dataclass(frozen=True)
class Ran:
    """How a run ended. commands: host to what was run there."""

    code: int
    text: str
    commands: dict[str, list[str]]
    reasons: list[dict[str, str]]
    looked: list[dict[str, str]]

    def not_looked(self, host: str) -> dict[str, str]:
        """Operation to the reason why it could not judge a host."""
        return {
            record["what"]: record["reason"]
            for record in self.looked
            if record["kind"] == "not looked" and record["host"] == f"@fake/{host}"
        }

    def looked_at(self, host: str) -> list[str]:
        return [
            record["what"]
            for record in self.looked
            if record["kind"] == "looked" and record["host"] == f"@fake/{host}"
        ]

    def count(self, host: str, command: str) -> int:
        return sum(command in done for done in self.commands[host])

    @property
    def closing(self) -> str:
        """The last lines, from the one about all hosts on."""
        lines = self.text.rstrip().splitlines()
        while "" in lines:
            lines = lines[lines.index("") + 1 :]
        return "\n".join(lines)


Runs = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path) -> Runs:
    def runs(
        words: dict[str, str], *calls: str, mode: str = "-y", failing: tuple[str, ...] = ()
    ) -> Ran:
        entries = []
        for name, word in words.items():
            told: object = (
                word if word.startswith("!") else encoded(["", "#> word", *word.split("\n")])
            )
            if word.startswith("cut"):
                head, mark, line = encoded(["", "#> word", word])
                told = [head, mark, line[: len(line) // 2]]
            if word == "silent":
                told = {"success": False, "stderr": "no such thing"}
            responses: dict[str, object] = {"say the word": told}
            if name in failing:
                responses["mend the word"] = {"success": False, "stderr": "E: disk full"}
            data = {"fake_responses": responses, "fake_delay": 0.02, "fake_delay_jitter": 0}
            entries.append((f"@fake/{name}", data))
        managers = [entry[0] for entry in entries[:-1]]
        commands, reasons = tmp_path / "commands.json", tmp_path / "reasons.jsonl"
        (tmp_path / "subject.py").write_text(SUBJECT)
        (tmp_path / "deploy.py").write_text(DEPLOY.format(calls="\n".join(calls)))
        (tmp_path / "inventory.py").write_text(
            INVENTORY.format(hosts=entries, managers=managers, commands=str(commands))
        )
        done = forked.run(
            [sys.executable, "-P", "-m", "pyinfra", mode, "inventory.py", "deploy.py"],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
                "SWARM_REASONS": str(reasons),
            },
        )
        lines = reasons.read_text().splitlines() if reasons.exists() else []
        return Ran(
            done.returncode,
            done.stdout + done.stderr,
            json.loads(commands.read_text()),
            [entry for entry in map(json.loads, lines) if entry["kind"] in KINDS],
            [e for e in map(json.loads, lines) if e["kind"] in ("looked", "not looked")],
        )

    return runs


def test_hosts_as_declared_are_left_alone(run: Runs) -> None:
    ran = run({"rk1": "fine", "rk2": "notice"}, MEND)
    assert ran.code == 0
    assert ran.count("rk1", "mend") == ran.count("rk2", "mend") == 0
    assert ran.closing == (
        "All 2 hosts are as declared, except for the 1 item marked ! above. Nothing was changed."
    )
    assert [(reason["host"], reason["kind"]) for reason in ran.reasons] == [("@fake/rk2", "notice")]


def test_a_dry_run_tells_the_whole_plan_and_changes_nothing(run: Runs) -> None:
    ran = run({"rk1": "change", "rk2": "change"}, MEND, mode="--dry")
    assert ran.code == 0
    assert ran.count("rk1", "mend") == 0
    assert "the word: differs (change → fine)" in ran.text
    assert ran.closing == "1 to change, on 2 of 2 hosts; nothing was changed yet."
    assert {reason["phase"] for reason in ran.reasons} == {"plan"}


@pytest.mark.parametrize("mode", ["-y", "--dry"])
def test_refusals_and_facts_that_cannot_be_had_fail_their_own_hosts_alone(
    run: Runs, mode: str
) -> None:
    words = {"rk1": "refuse", "rk2": "!nonsense", "rk3": "silent", "rk4": "change"}
    ran = run(words, MEND, MEND.replace("Mend", "Again"), mode=mode)
    assert ran.code == 1
    assert [ran.count(name, "mend") for name in words][:3] == [0, 0, 0]
    assert bool(ran.count("rk4", "mend")) == (mode == "-y")
    if mode == "-y":
        assert "1 of 4 hosts are done: @fake/rk4." in ran.closing
    else:
        assert "2 of 4 hosts could be looked at: @fake/rk1, @fake/rk4." in ran.closing
    refused = "the word: forbids going on. Say another"
    assert refused in ran.text
    why = refused if mode == "-y" else "refused, as is marked ✗ above"
    assert f"not done: @fake/rk1: {why}" in ran.closing
    for silent in ("rk2", "rk3"):
        assert f"not done: @fake/{silent}: @fake/{silent} did not answer" in ran.closing
    assert ran.closing.count("nothing was decided without it. When it answers") == 2
    assert f"pyinfra {mode} inventory.py deploy.py" in ran.closing
    assert "Traceback" not in ran.text
    if mode == "--dry":  # else what changes on rk4 makes everybody ask again
        assert ran.count("rk1", "say the word") == 1  # a host that failed is asked nothing more


OTHER = "subject.looked_at_besides(name='Other')"
RESTED = "subject.rested(name='Rest')"
BESIDE = "subject.refused_besides(name='Beside')"
MEND_OTHERS = "subject.mended_always(name='Then')"
FAULT = "subject.with_a_fault(name='Fault')"


def test_a_plan_goes_on_with_what_can_be_judged_beside_a_refusal(run: Runs) -> None:
    ran = run({"rk1": "refuse", "rk2": "fine"}, MEND, OTHER, RESTED, mode="--dry")
    assert ran.code == 1
    assert ran.looked_at("rk1") == ["Mend", "Other"]
    assert ran.not_looked("rk1") == {"Rest": "it rests on word, which was refused or is unknown"}
    assert ran.looked_at("rk2") == ["Mend", "Other", "Rest"]
    assert "2 of 2 hosts could be looked at: @fake/rk1, @fake/rk2. Only in part: @fake/rk1." in (
        ran.closing
    )
    assert "not looked at: Rest" in ran.closing
    assert ran.closing.splitlines()[-2] == "When that is fixed, type:"


def test_a_refusal_that_holds_up_nothing_else_ends_a_plan_as_failed_too(run: Runs) -> None:
    words = {"rk1": "refuse", "rk2": "change", "rk3": "fine"}
    ran = run(words, BESIDE, MEND_OTHERS, mode="--dry")
    assert ran.code == 1
    assert ": 1 refused\n" in ran.text
    assert "left out" not in ran.text
    assert ran.closing.splitlines() == [
        "3 of 3 hosts could be looked at: @fake/rk1, @fake/rk2, @fake/rk3. 1 refused; "
        "nothing was changed.",
        "  not done: @fake/rk1: refused, as is marked ✗ above",
        "When that is fixed, type:",
        "  pyinfra --dry inventory.py deploy.py",
    ]
    ran = run({"rk1": "refuse", "rk2": "fine"}, BESIDE, mode="--json")
    assert ran.code == 1
    ran = run(words, MEND_OTHERS, BESIDE)
    assert ran.code == 1
    assert [ran.count(name, "mend the other") for name in words] == [1, 1, 1]
    assert "not done: @fake/rk1: the word: forbids going on. Say another" in ran.closing


def test_a_plan_goes_on_beside_an_answer_that_is_none_and_beside_a_fault_of_ours(run: Runs) -> None:
    ran = run({"rk1": "!nonsense", "rk2": "fine"}, MEND, FAULT, RESTED, mode="--dry")
    assert ran.code == 1
    assert ran.looked_at("rk2") == ["Mend", "Rest"]
    assert ran.looked_at("rk1") == []
    assert "did not answer" in ran.not_looked("rk1")["Mend"]
    assert "ValueError: boom" in ran.not_looked("rk2")["Fault"]
    assert "it rests on word" in ran.not_looked("rk1")["Rest"]


def test_a_silent_host_is_asked_for_nothing_more(run: Runs) -> None:
    ran = run({"rk1": "silent", "rk2": "fine"}, MEND, OTHER, mode="--dry")
    assert [*ran.not_looked("rk1")] == ["Mend"]
    assert ran.count("rk1", "say the word") == 1


def test_a_job_is_not_planned_where_something_was_refused(run: Runs) -> None:
    job = "subject.asked_for(name='Job')"
    ran = run({"rk1": "refuse", "rk2": "fine"}, MEND, job, mode="--dry")
    assert ran.code == 1
    told = {(one["host"], one["what"]) for one in ran.reasons}
    assert ("@fake/rk2", "the job") in told
    assert ("@fake/rk1", "the job") not in told


def test_where_every_host_is_refused_the_plan_is_shown_and_nothing_is_asked(run: Runs) -> None:
    ran = run({"rk1": "refuse", "rk2": "refuse"}, MEND, OTHER, mode="--dry")
    assert ran.code == 1
    assert ran.looked_at("rk1") == ran.looked_at("rk2") == ["Mend", "Other"]
    assert "2 of 2 hosts could be looked at" in ran.closing
    assert "--> The plan, after" in ran.text


def test_a_refused_part_and_what_comes_after_it_change_nothing(run: Runs) -> None:
    words = {"rk1": "refuse", "rk2": "change"}
    ran = run(words, MEND, "subject.mended_always(name='Then')")
    assert ran.code == 1
    assert [ran.count(name, "mend the other") for name in words] == [0, 1]


@pytest.mark.parametrize(
    ("mode", "mistake"),
    [
        ("-y", "raise ValueError('boom')"),
        ("--dry", "raise ValueError('boom')"),
        ("--dry", "def ("),
        ("-y", "subject.no_such()"),
        ("--dry", "exit(3)"),
    ],
)
def test_a_deploy_file_that_cannot_be_loaded_is_no_run_that_found_nothing(
    run: Runs, mode: str, mistake: str
) -> None:
    ran = run({"rk1": "fine", "rk2": "fine"}, MEND, mistake, mode=mode)
    assert ran.code != 0
    assert "as declared" not in ran.text
    assert ran.closing == (
        "The run stopped at the error above; nothing was changed.\n"
        f"When that is fixed, type:\n  pyinfra {mode} inventory.py deploy.py"
    )
    assert ran.count("rk1", "mend") == 0


def test_a_function_of_ours_is_not_ended_by_the_limit_for_a_single_command(run: Runs) -> None:
    ran = run({"rk1": "fine"}, "subject.waited(2, name='Wait', _timeout=1)")
    assert ran.code == 0, ran.text
    assert "it has waited" in ran.text


def test_a_host_that_falls_silent_in_the_middle_of_a_function_is_named(run: Runs) -> None:
    ran = run(dict.fromkeys(["rk1", "rk2", "rk3", "rk4"], "fine"), "subject.broken_off(name='Ask')")
    assert ran.code == 1
    for name, kind in (
        ("rk1", "TimeoutError"),
        ("rk2", "EOFError"),
        ("rk3", "[Errno 113] No route to host"),
    ):
        assert (
            f"not done: @fake/{name}: no answer in the middle of it ({kind}). When" in ran.closing
        )
    assert "not done: @fake/rk4: ValueError: boom (--debug shows where)" in ran.closing
    assert "Traceback" not in ran.text


@pytest.mark.parametrize("where", ["a command", "a wait", "a step"])
def test_a_run_that_is_overtaken_in_the_middle_of_an_operation_does_no_more_of_it(
    run: Runs, where: str
) -> None:
    ran = run({"rk1": "fine"}, f"subject.overtaken_inside({where!r}, name='Mend')", MEND)
    assert ran.code == 1
    assert (ran.count("rk1", "mend the word"), ran.count("rk1", "break the word")) == (1, 0)
    assert "not done: @fake/rk1: another run has begun" in ran.closing
    assert ("its last words" in ran.text) == (where == "a command")
    assert "Traceback" not in ran.text


def test_a_command_that_fails_names_host_and_operation(run: Runs) -> None:
    ran = run({"rk1": "change", "rk2": "change"}, MEND, failing=("rk1",))
    assert ran.code == 1
    assert "E: disk full" in ran.text
    assert "not done: @fake/rk1: “Mend” failed; the command's output is above" in ran.closing
    assert "1 of 2 hosts are done: @fake/rk2." in ran.closing


def test_a_command_that_failed_may_have_changed_something_too(run: Runs) -> None:
    ran = run({"rk1": "change", "rk2": "fine"}, MEND, LOOK, failing=("rk1",))
    assert ran.count("rk2", "say the word") == 2


@pytest.mark.parametrize("mode", ["-y", "--dry"])
def test_a_host_that_is_silent_when_everybody_is_asked_is_not_done(run: Runs, mode: str) -> None:
    ran = run({"rk1": "silent", "rk2": "fine"}, LOOK, mode=mode)
    assert ran.code == 1
    assert "not done: @fake/rk1: @fake/rk1 did not answer" in ran.closing
    assert "1 of 2 hosts" in ran.closing
    told = [reason for reason in ran.reasons if reason["kind"] not in ("looked", "failed")]
    assert [reason["host"] for reason in told] == ["@fake/rk2"]


@pytest.mark.parametrize("mode", ["-y", "--dry"])
def test_a_host_is_asked_once_however_many_want_to_know(run: Runs, mode: str) -> None:
    words = dict.fromkeys(["rk1", "rk2", "rk3"], "fine")
    ran = run(words, MEND, LOOK, LOOK.replace("Look", "Again"), mode=mode)
    assert ran.code == 0
    assert {host: ran.count(host, "say the word") for host in words} == dict.fromkeys(words, 1)


def test_after_a_change_anywhere_every_host_is_listing_operations(run: Runs) -> None:
    # The other host asks nothing meanwhile: whether it would ask before or after is chance.
    mend = "subject.mended_on('@fake/rk1', name='Mend')"
    before, *after = (LOOK.replace("Look", name) for name in ("Before", "After", "Again"))
    ran = run({"rk1": "change", "rk2": "fine"}, before, mend, *after)
    assert ran.code == 0
    assert ran.count("rk1", "mend") == 1
    assert ran.count("rk1", "say the word") == ran.count("rk2", "say the word") == 2


def test_hosts_at_an_operation_at_the_same_time_decide_by_the_same_view(run: Runs) -> None:
    """One that comes a moment later would see what the first has begun to change."""
    begun = "subject.begun_by('@fake/rk1', name='Begin')"
    ran = run(dict.fromkeys(["rk1", "rk2", "rk3"], "fine"), begun, "subject.seen_anew(name='Then')")
    assert ran.code == 0, ran.text


def test_hosts_that_plan_together_share_one_view(run: Runs) -> None:
    words = {"rk1": "fine", "rk2": "fine", "rk3": "fine"}
    ran = run(words, "subject.looked_together(name='Look')", mode="--dry")
    assert ran.code == 0, ran.text


def test_hosts_take_their_turns_as_they_are_declared(run: Runs) -> None:
    words = dict.fromkeys((f"rk{number}" for number in range(1, 8)), "fine")
    ran = run(words, "subject.took_turns(name='Turns', _serial=True)")
    assert ran.code == 0, ran.text


def test_what_is_told_in_the_plan_is_told_once(run: Runs) -> None:
    ran = run({"rk1": "change"}, MEND, MEND.replace("Mend", "Again"))
    assert len(ran.reasons) == 1


BUSY = 'fine\n#> lock\nbusy 5 {"user":"ada","computer":"desk","process":1,"deploys":"","run":"x"}'


def test_a_run_in_progress_is_believed_from_a_declared_manager(run: Runs) -> None:
    ran = run({"rk1": BUSY, "rk2": "fine"}, LOOK, mode="--dry")
    assert "a run is changing this cluster: ada@desk" in ran.text


def test_a_worker_that_claims_a_run_in_progress_is_not_believed(run: Runs) -> None:
    """Nobody holds the lock there: drift would be silent for as long as the worker likes."""
    ran = run({"rk1": "fine", "rk2": BUSY}, LOOK, mode="--dry")
    assert ran.code == 0
    assert "a run is changing this cluster" not in ran.text
    assert "ada" not in ran.text


def test_an_answer_that_was_cut_short_decides_nothing_and_says_what_to_look_at(run: Runs) -> None:
    ran = run({"rk1": "change", "rk2": "cut", "rk3": "fine"}, MEND)
    assert ran.code == 1
    assert ran.count("rk1", "mend") == 1
    assert ran.count("rk2", "mend") == 0
    [line] = [line for line in ran.closing.splitlines() if "not done: @fake/rk2" in line]
    assert re.search(
        r"did not answer subject\.Said: its answer was cut short after \d+ bytes.*journalctl", line
    )
    assert "Traceback" not in ran.text
