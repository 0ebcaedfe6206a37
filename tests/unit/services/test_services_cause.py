"""Why a task does not run, in the words that engines have for it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.services.cause import LINE_LIMIT, LOG_LINES, NOTHING, Cause, cause_of
from pyinfra_swarm.services.ended import Ended, NotBegun, Unseen
from pyinfra_swarm.services.service import Task, parse_service, parse_tasks
from pyinfra_swarm.services.verdict import Completed, Failed
from tests.tools.hostile import assert_plain, texts
from tests.unit.services import described

NODE = "node" + "0" * 21


def tasks(*entries: dict[str, Any]) -> tuple[Task, ...]:
    return parse_tasks(json.dumps(entries))


def cause(state: str, error: str = "", exit_code: int | None = None, **more: Any) -> Cause:
    more["desired"] = "shutdown" if state in ("failed", "rejected", "complete") else "running"
    one = described.task(1, state=state, error=error, exit_code=exit_code, **more)
    return cause_of(tasks(one))


@pytest.mark.parametrize(
    ("state", "error", "code", "kind", "words"),
    [
        ("rejected", "No such image: nowhere:1", None, "image", "its image cannot be had: “No suc"),
        (
            "rejected",
            "pull access denied for x, repository does not exist or may require 'docker login'",
            None,
            "image",
            "whether that wants a login: root's on every manager, by sudo docker login",
        ),
        (
            "rejected",
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            None,
            "image",
            "is not made for the node's kind of processor",
        ),
        (
            "failed",
            "starting container failed: exec /app: exec format error",
            None,
            "image",
            "is not made for the node's kind of processor",
        ),
        ("failed", "task: non-zero exit (3)", 3, "crash", "its program ended with exit code 3"),
        ("failed", "task: non-zero exit (137)", 137, "crash", "where memory runs out"),
        ("complete", "", 0, "crash", "exit code 0 (a service's program has to go on; where a he"),
        (
            "failed",
            "task: non-zero exit (137): dockerexec: unhealthy container",
            137,
            "health",
            "its health check failed",
        ),
        (
            "pending",
            "no suitable node (scheduling constraints not satisfied on 4 nodes)",
            None,
            "placement",
            "no node may run it: “no suitable node (scheduling",
        ),
        (
            "pending",
            "no suitable node (host-mode port already in use on 4 nodes)",
            None,
            "port",
            "has the port in use already",
        ),
        (
            "rejected",
            'invalid mount config for type "bind": bind source path does not exist: /srv/a b',
            None,
            "mount",
            "the path /srv/a b that it mounts does not exist on the node",
        ),
        (
            "failed",
            "starting container failed: driver failed programming external connectivity on "
            "endpoint x: Bind for 0.0.0.0:80 failed: port is already allocated",
            None,
            "port",
            "a port that it publishes on the node is in use there",
        ),
        (
            "failed",
            'starting container failed: OCI runtime create failed: exec: "appp": executable file '
            "not found in $PATH",
            127,
            "start",
            "its program cannot be begun",
        ),
        (
            "failed",
            "starting container failed: something else",
            128,
            "start",
            "the node could not start its container: “starting container failed: something else”",
        ),
        ("preparing", "", None, "not yet", "its image is still being pulled"),
        ("starting", "", None, "not yet", "its health check has not passed yet"),
        ("ready", "", None, "not yet", "waits for the task before it to end"),
        ("pending", "", None, "not yet", "it waits to be given a node"),
        ("assigned", "", None, "not yet", "it is still assigned"),
    ],
)
def test_the_engines_words_are_told_plainly(
    state: str, error: str, code: int | None, kind: str, words: str
) -> None:
    found = cause(state, error, code)
    assert found.kind == kind
    assert words in found.sentence()
    assert (found.task, found.node, found.exit_code) == (f"task{1:021d}", NODE, code)
    assert found.sentence().endswith(f"(node {NODE})")


RUNC = (
    "starting container failed: failed to create task for container: failed to create shim task: "
    "OCI runtime create failed: runc create failed: unable to start container process: "
)


@pytest.mark.parametrize(
    "words",
    [
        'error during container init: exec: "/entrypoint.sh": permission denied',
        'exec: "/entrypoint.sh": permission denied',
        'exec: "/app": is a directory: permission denied',
        'exec: "appp": executable file not found in $PATH',
        'exec: "/denied: ": no such file or directory',
        'error during container init: exec: "/unauthorized": permission denied',
    ],
)
@pytest.mark.parametrize("end", ["", ": unknown"])
def test_a_program_that_runc_cannot_begin_is_no_fault_of_the_registry(words: str, end: str) -> None:
    told = cause("failed", f"{RUNC}{words}{end}", 126)
    assert told.kind == "start"
    assert "its program cannot be begun: “" in told.sentence()
    assert "registry" not in told.sentence()


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["redis-server --requirepass hunter2"], "redis-server…"),
        (["PASSWORD=hunter2 app"], "PASSWORD=…"),
        (["app\t--password", "x", "hunter2 y"], "app…"),
        (['app --password "hunter2"'], "app…"),
        (["app 'é' \\ hunter2", "app 'é'"], "app…"),
    ],
)
@pytest.mark.parametrize("part", ["Command", "Args"])
def test_a_command_in_one_word_is_not_repeated_whole(
    part: str, command: list[str], said: str
) -> None:
    """runc names the word that it takes for a program, and a password may be in it."""
    of = described.spec(container={"Command": None, "Args": None, part: command})
    word = json.dumps(command[0], ensure_ascii=False)
    error = f"{RUNC}exec: {word}: executable file not found in $PATH: unknown"
    told = cause("failed", error, 127, of=of)
    assert told.kind == "start"
    assert "hunter2" not in told.sentence()
    assert f'exec: "{said}": executable file not found in $PATH: unknown”' in told.sentence()


def test_words_of_a_command_that_hold_nothing_more_stay() -> None:
    of = described.spec(container={"Command": ["appp", " ", "=", "x="], "Args": ["a b"]})
    error = f'{RUNC}exec: "appp": executable file not found in $PATH'
    assert f"“{error}”" in cause("failed", error, 127, of=of).sentence()


def test_a_registry_that_denies_access_is_told_as_such() -> None:
    for words in ("denied: requested access to the resource is denied", "error: denied: no"):
        assert cause("rejected", words).kind == "image"


def test_without_tasks_nothing_is_known() -> None:
    assert cause_of(()) is NOTHING
    assert cause_of(tasks(described.task(1))) is NOTHING
    assert cause_of(tasks(described.task(1, state="shutdown", desired="shutdown"))) is NOTHING


def test_the_task_that_is_named_is_told_else_the_one_that_failed_last() -> None:
    first, last = (
        described.task(n, state="failed", desired="shutdown", exit_code=n, version=30 + n)
        for n in (1, 2)
    )
    waits = described.task(3, state="pending", error="no suitable node", version=99)
    found = tasks(last, waits, first)
    assert cause_of(found).exit_code == 2
    assert cause_of(found, first["ID"]).exit_code == 1
    assert cause_of(found, waits["ID"]).exit_code == 2
    assert cause_of(tasks(waits, described.task(4, state="preparing"))).kind == "placement"


def test_what_is_not_to_run_waits_for_nothing() -> None:
    going = described.task(1, state="pending", desired="shutdown", error="no suitable node")
    coming = described.task(2, state="starting")
    assert cause_of(tasks(going, coming)).kind == "not yet"


def test_a_cause_without_words_of_the_engine() -> None:
    assert Cause("unknown", "the engine does not say why") == NOTHING
    assert (NOTHING.task, NOTHING.slot, NOTHING.node, NOTHING.log) == ("", 0, "", ())
    assert NOTHING.sentence() == "the engine does not say why"
    assert NOTHING.with_log([]) == NOTHING
    assert (
        cause("rejected").sentence() == f"the node could not start its container: “” (node {NODE})"
    )


@pytest.mark.parametrize(
    "error",
    [
        "error while mounting volume '/var/lib/docker/volumes/x': no such device",
        'invalid mount config for type "volume": invalid specification',
        "starting container failed: failed to mount local volume: mount a:/b: permission denied",
    ],
)
def test_a_mount_that_the_node_cannot_make(error: str) -> None:
    told = cause("rejected", error)
    assert told.kind == "mount"
    assert f"cannot be mounted: “{error}”" in told.sentence()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (1, "with exit code 1"),
        (126, "with exit code 126 (its command cannot be executed)"),
        (127, "with exit code 127 (its command is not in the image)"),
        (139, "with exit code 139 (it crashed: SIGSEGV)"),
        (143, "with exit code 143 (ended by SIGTERM)"),
    ],
)
def test_what_an_exit_code_means(code: int | None, words: str) -> None:
    assert cause("failed", "task: ended", code).words == f"its program ended {words}"


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (None, "; where a health check of its image, if it has one, fails, the engine stops it,"),
        ({"Retries": 3}, "; where a health check of its image, if it has one, fails, the engine"),
        ({"Test": ["CMD", "false"]}, "; where its health check fails, the engine stops it, and"),
        ({"Test": ["NONE"]}, ")"),
    ],
)
@pytest.mark.parametrize("code", [0, None])
def test_a_program_that_ends_well_may_have_been_stopped_for_its_health(
    check: dict[str, Any] | None, words: str, code: int | None
) -> None:
    of = described.spec(container={"Healthcheck": check} if check else None)
    told = cause("complete", "", code, of=of)
    assert told.kind == "crash"
    begin = "its program ended with exit code 0 (a service's program has to go on"
    assert told.words.startswith(begin + words)


def test_words_of_a_host_are_no_command() -> None:
    told = cause("rejected", "No such image: `reboot`").with_log(["`halt`"], "`n`")
    assert "“No such image: 'reboot'”" in told.sentence()
    assert told.sentence().endswith("(node 'n'). The last it wrote: “'halt'”")


def test_a_jobs_task_may_end_well() -> None:
    done = described.task(1, state="complete", desired="complete", JobIteration={"Index": 1})
    assert cause_of(tasks(done)) is NOTHING


# A program's last lines
# ----------------------


def test_the_last_lines_are_few_and_short() -> None:
    lines = [f"line {n}" for n in range(20)] + ["", "x" * 5000]
    told = cause("failed", "task: non-zero exit (1)", 1).with_log(lines, "rk3")
    assert (LOG_LINES, LINE_LIMIT) == (5, 200)
    assert len(told.log) == LOG_LINES
    assert len(told.log[-1]) == LINE_LIMIT
    assert "“line 19” / “xxxx" in told.sentence()
    assert "(node rk3). The last it wrote: “line 16”" in told.sentence()
    assert told.with_log([]).node == "rk3"
    assert told.with_log(["  ", "a"]).log == ("a",)


def test_only_a_program_that_has_run_is_asked_for_its_lines() -> None:
    assert cause("failed", "task: non-zero exit (1)", 1).has_log
    assert cause("failed", "task: non-zero exit (137): dockerexec: unhealthy container").has_log
    assert not cause("rejected", "No such image: x").has_log
    assert not cause("pending", "no suitable node").has_log


def test_the_engines_words_are_short() -> None:
    assert 400 < len(cause("rejected", "No such image: " + "x" * 5000).sentence()) < 700


def test_what_went_wrong_stands_at_their_end() -> None:
    runc = "failed to create task for container: failed to create shim task: OCI runtime create "
    runc += "failed: runc create failed: unable to start container process: error during "
    runc += 'container init: exec: "no-such-program": executable file not found in $PATH'
    assert "no-such-program" in cause("failed", f"starting container failed: {runc}").sentence()


def test_what_the_engine_broke_off_itself_is_no_fault_of_the_services() -> None:
    """As Docker 29.7.2 has said it, of tasks whose state the managers changed meanwhile."""
    for words in (
        "Canceled: context canceled",
        "failed to read config content: rpc error: code = Canceled desc = context canceled",
    ):
        told = cause("rejected", words).sentence()
        assert "through no fault of the service" in told
        assert words in told


@given(texts(), texts(), texts())
def test_hostile_words_are_made_plain(error: str, line: str, node: str) -> None:
    for state in ("failed", "rejected", "pending"):
        told = cause(state, error).with_log([line], node)
        assert_plain(told.sentence())
        assert "`" not in told.sentence()
    path = cause("rejected", f"bind source path does not exist: {error}")
    assert_plain(path.sentence())


# How it has ended, in words
# --------------------------

CRASH = Cause("crash", "its program ended with exit code 3", "t", 1, "rk3", 3, ("no password",))


def seen(state: str) -> Any:
    status = {"State": state, "Message": ""}
    return parse_service({**described.service(), "UpdateStatus": status})


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (Ended("web", Completed(1)), "service web: done, 1 task runs"),
        (Ended("web", Completed(3)), "service web: done, 3 tasks run"),
        (
            Ended("web", Failed("paused", CRASH), Completed(2)),
            "service web: the managers have paused the update: its program ended with exit code 3 "
            "(node rk3). The last it wrote: “no password”. It was put back to what it was before",
        ),
        (
            Ended("web", Failed("timeout", CRASH), Failed("timeout", CRASH)),
            "Putting it back was asked for, but its tasks do not run (its program ended with exit "
            "code 3 (node rk3). The last it wrote: “no password”): look at `docker service ps "
            "--no-trunc web`",
        ),
        (
            Ended("web", Failed("timeout", CRASH), Failed("superseded", NOTHING)),
            "Putting it back was asked for, but somebody else has changed the service meanwhile",
        ),
        (
            Ended("web", Failed("timeout", CRASH), Unseen("rk1: no answer")),
            "but it could not be seen whether it has ended (rk1: no answer): look at `docker",
        ),
        (
            Ended("web", Failed("timeout", CRASH), NotBegun("rpc error")),
            "It could not be put back: rpc error",
        ),
        (Ended("web", Failed("timeout", CRASH)), "It was left as it is: look at `docker service"),
        (
            Ended("web", Failed("rolled back", CRASH), Completed(2)),
            "it was rolled back: its program ended with exit code 3 (node rk3). The last it "
            "wrote: “no password”. It has what it had before",
        ),
        (
            Ended("web", Failed("rolled back", NOTHING), Failed("timeout", CRASH)),
            "it was rolled back: the engine does not say why. The managers' rollback has failed as "
            "well: its tasks do not run (its program ended with exit code 3 (node rk3). The last "
            "it wrote: “no password”). Look at `docker service ps --no-trunc web`",
        ),
        (
            Ended("web", Failed("rolled back", NOTHING), Unseen("rk1: no answer")),
            "rollback has failed as well: it could not be seen whether it has ended (rk1: no",
        ),
        (
            Ended("web", Failed("rolled back", CRASH), seen=seen("rollback_started")),
            "The managers' rollback goes on: look at `docker",
        ),
        (
            Ended("web", NotBegun("name in use")),
            "service web: the manager did not take the update, and nothing has changed: name in",
        ),
        (Ended("web", Failed("paused", CRASH)), "It was left as it is: look at `docker service"),
        (
            Ended("web", Failed("timeout", CRASH), Failed("paused", CRASH)),
            "Putting it back was asked for, but its tasks do not run (its program ended",
        ),
        (
            Ended("web", NotBegun("x", overtaken=True)),
            "somebody else has changed the service since",
        ),
        (Ended("web", Unseen("rk1: no answer")), "could not see how the update has ended: rk1: no"),
    ],
)
def test_what_has_happened_is_told_in_one_line(ended: Ended, words: str) -> None:
    assert words in ended.sentence()
    assert_plain(ended.sentence())


def test_where_nothing_is_to_be_said_of_putting_back_nothing_is() -> None:
    words = "could not see how the update has ended: no answer. The managers go on with it by "
    words += "themselves. Run the same command again: it looks, and continues from there"
    assert Ended("web", Unseen("no answer")).sentence() == f"service web: {words}"
    words = "somebody else has changed the service meanwhile"
    assert Ended("web", Failed("superseded", NOTHING)).sentence() == f"service web: {words}"


def test_nothing_that_a_service_holds_is_in_a_repr() -> None:
    assert "Service(" not in repr(Ended("web", Completed(1), seen=seen("completed")))


def test_one_outcome_alone_is_a_success() -> None:
    assert Ended("web", Completed(1)).done
    others = (Failed("paused", CRASH), NotBegun("x"), Unseen("x"))
    assert not any(Ended("web", one).done for one in others)


def test_who_is_overtaken_looks_again() -> None:
    assert Ended("web", NotBegun("x", overtaken=True)).overtaken
    assert Ended("web", Failed("superseded", NOTHING)).overtaken
    others = (Completed(1), Failed("paused", CRASH), NotBegun("x"), Unseen("x"))
    assert not any(Ended("web", one).overtaken for one in others)


@given(texts())
def test_a_hostile_name_harms_nobody(name: str) -> None:
    for back in (None, Completed(1), Failed("timeout", CRASH), NotBegun(name)):
        assert_plain(plain(Ended(name, Failed("timeout", CRASH), back).sentence()))
