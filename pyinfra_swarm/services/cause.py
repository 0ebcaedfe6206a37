"""Why a task of a service does not run, in plain words, from what the engine says of it.

The engine has no codes for that, only words; they are looked through to choose the sentence that a
person reads, and stand in it. Nothing else is decided by them.

Sources: moby ``daemon/cluster/executor/container/{controller,errors}.go``, swarmkit
``manager/scheduler/filter.go``; the words are asserted in the tests on real
engines.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pyinfra_swarm.run.printable import plain
from pyinfra_swarm.services.service import Task

CauseKind = Literal[
    "image", "crash", "health", "placement", "mount", "port", "start", "not yet", "unknown"
]

LOG_LINES = 5
"""Of the failing task, at most. They may hold anything that a program writes, also secrets."""

LINE_LIMIT = 200
"""Letters of a line."""

WORDS_LIMIT = 400
"""Letters of the engine's words: what went wrong stands at their end, behind who has said it."""


@dataclass(frozen=True)
class Cause:
    """Why a service's tasks do not run.

    kind: what went wrong: its ``image`` cannot be had, its program ended (``crash``), its
    ``health`` check failed, no node may run it (``placement``), a ``mount`` or a ``port`` is not
    to be had, its program cannot be begun (``start``); ``not yet``: nothing went wrong, it has
    taken too long. words: a sentence without its end. task: the one that it is about, by id, ""
    for none; slot: its number among the replicas; node: where, the id or the name.
    exit_code: of its program. log: its last lines, as one line each.
    """

    kind: CauseKind
    words: str
    task: str = ""
    slot: int = 0
    node: str = ""
    exit_code: int | None = None
    log: tuple[str, ...] = ()

    @property
    def has_log(self) -> bool:
        """Whether the task's program has run, so that its last lines may say more."""
        return self.kind in ("crash", "health")

    def with_log(self, lines: Sequence[str], node: str = "") -> Cause:
        """The same with a task's last lines and the name of its node, made fit for a person."""
        kept = [_shown(line) for line in lines if line.strip()][-LOG_LINES:]
        return replace(self, log=tuple(kept), node=_shown(node) or self.node)

    def sentence(self) -> str:
        """The cause in one line, without its end."""
        said = f"{self.words}{f' (node {self.node})' if self.node else ''}"
        if self.log:
            said += f". The last it wrote: {' / '.join(f'“{line}”' for line in self.log)}"
        return said


NOTHING = Cause("unknown", "the engine does not say why")


def cause_of(tasks: Iterable[Task], named: str = "") -> Cause:
    """Why an update does not come to its end.

    tasks: those that it has made, also those that have ended. named: the id of the task that the
    engine's message names, if any. The one that failed last is told, else one that waits for a
    node, else the one that has come least far.
    """
    found = sorted(tasks, key=lambda task: task.version)
    failed = [task for task in found if ended_early(task)]
    for task in [*(task for task in failed if task.id == named), *reversed(failed)]:
        return _of_failed(task)
    for task in found:
        if task.wanted and task.state == "pending":
            return _of_pending(task)
    behind = [t for t in found if t.wanted and not t.ended and t.state != "running"]
    return _of_slow(behind[0]) if behind else NOTHING


def ended_early(task: Task) -> bool:
    """Whether a task has failed. One that is to run for good must not end well either."""
    return task.failed or (task.state == "complete" and task.iteration is None)


def _of_failed(task: Task) -> Cause:
    said = _said(task)
    for kind, pattern, words in _FAILED:
        if found := re.search(pattern, task.error, re.IGNORECASE):
            what = _shown(found[1], WORDS_LIMIT) if found.groups() and found[1] else ""
            return _cause(task, kind, words.format(said=said, what=what))
    if task.state == "rejected" or task.error.startswith("starting container failed"):
        return _cause(task, "start", f"the node could not start its container: {said}")
    code = task.exit_code or 0
    meaning = _ended_well(task) if code == 0 else _meaning(code)
    return _cause(task, "crash", f"its program ended with exit code {code}{meaning}")


def _of_pending(task: Task) -> Cause:
    if not task.error:
        return _cause(task, "not yet", "it waits to be given a node")
    if "host-mode port already in use" in task.error:
        return _cause(
            task, "port", f"each node that may run it has the port in use already: {_said(task)}"
        )
    return _cause(task, "placement", f"no node may run it: {_said(task)}")


def _of_slow(task: Task) -> Cause:
    words = {
        "preparing": "its image is still being pulled, or its container made",
        "starting": "its container has started, and its health check has not passed yet",
        "ready": "it waits for the task before it to end",
    }
    return _cause(task, "not yet", words.get(task.state, f"it is still {task.state}"))


_NO_PROGRAM = "executable file not found|no such file or directory|permission denied"
_NOT_BEGUN = "its program cannot be begun: {said}"
_FAILED: tuple[tuple[CauseKind, str, str], ...] = (
    ("health", "unhealthy container", "its health check failed, so the engine stopped it"),
    (
        "port",
        "port is already allocated|address already in use|host-mode port already in use",
        "a port that it publishes on the node is in use there: {said}",
    ),
    (
        "mount",
        "bind source path does not exist: *([^\n]+)",
        "the path {what} that it mounts does not exist on the node; the engine creates none",
    ),
    (
        "mount",
        "invalid mount config|error while mounting volume|failed to mount|mounting .* to rootfs",
        "something that it mounts cannot be mounted: {said}",
    ),
    (
        "image",
        "no matching manifest|exec format error|does not match the (?:specified|detected)",
        "its image is not made for the node's kind of processor: {said}",
    ),
    (
        "start",  # also of a program whose name, or whose error's end, has a registry's words in it
        f"(?:OCI runtime create failed|unable to start container process)(?s:.*)(?:{_NO_PROGRAM})",
        _NOT_BEGUN,
    ),
    (
        "image",
        "no such image|pull access denied|manifest unknown|manifest for .+ not found"
        "|failed to resolve|repository does not exist|unauthorized|(?<!permission )denied: "
        "|not found: manifest|dial tcp|toomanyrequests|failed to pull|error pulling"
        "|invalid reference format",
        "its image cannot be had: {said}. Look at its name and tag, whether the node reaches the "
        "registry, and whether that wants a login: root's on every manager, by sudo docker login",
    ),
    ("start", _NO_PROGRAM, _NOT_BEGUN),
    # With containerd's image store (usual since Docker 29): what managers change about a task while
    # its container is made breaks that off, and swarmkit takes it for an error of the task's
    # (``agent/exec/controller.go``: ``errors.Cause`` does not know gRPC's form of it).
    (
        "start",
        "context canceled",
        "the node's engine broke off making its container, through no fault of the service: {said}",
    ),
)


def _said(task: Task) -> str:
    return f"“{_shown(_without_command(task), WORDS_LIMIT)}”"


def _without_command(task: Task) -> str:
    """The engine's words, with no more of the task's command than the names in it.

    A command that stands in one word is taken for a program's name, and said again whole. What
    comes after the first blank or "=" of a word may be a password.
    """
    said, container = task.error, task.template.get("ContainerSpec") or {}
    words = [str(one) for part in ("Command", "Args") for one in container.get(part) or ()]
    for word in sorted(words, key=len, reverse=True):
        found = re.match(r"[^\s=]*(?:=|(?=\s))", word)
        if found and word[found.end() :].strip():
            for form in (word, _in_go(word)):
                said = said.replace(form, f"{found[0]}…")
    return said


def _in_go(word: str) -> str:
    """A word as Go quotes it, without the marks."""
    return json.dumps(word, ensure_ascii=False)[1:-1]


def _shown(text: str, limit: int = LINE_LIMIT) -> str:
    """A host's words, which are no command to copy either: those stand between backticks."""
    return plain(text, limit).replace("`", "'")


def _cause(task: Task, kind: CauseKind, words: str) -> Cause:
    return Cause(kind, words, task.id, task.slot, task.node, task.exit_code)


def _ended_well(task: Task) -> str:
    """The engine tells nothing of a health check that failed where the program then ends well.

    It stops the program for that, and looks at its exit code alone (``controller.Start``, ``Wait``
    in moby's ``daemon/cluster/executor/container/controller.go``).
    """
    container = task.template.get("ContainerSpec") or {}
    check = (container.get("Healthcheck") or {}).get("Test") or []
    if check[:1] == ["NONE"]:
        return f" ({_GOES_ON})"
    which = "its health check" if check else "a health check of its image, if it has one,"
    return f" ({_GOES_ON}; where {which} fails, the engine stops it, and says no more than this)"


_GOES_ON = "a service's program has to go on"


def _meaning(code: int) -> str:
    meanings = {
        126: " (its command cannot be executed)",
        127: " (its command is not in the image)",
        137: " (killed by SIGKILL, as where memory runs out)",
        139: " (it crashed: SIGSEGV)",
        143: " (ended by SIGTERM)",
    }
    return meanings.get(code, "")
