"""What a plan found: the vocabulary that the dry run, the apply log and the drift report share."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import ClassVar

from pyinfra_swarm.run.printable import plain

ENGINE = "Docker"
"""The engine, as a person calls it where it restarts."""


@dataclass(frozen=True)
class Whole:
    """Something declared of which several findings are the pieces: ``8080/tcp from anywhere``.

    reason: what is the case with it, as a finding has it.
    """

    what: str
    reason: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", plain(self.what))
        object.__setattr__(self, "reason", plain(self.reason))

    def sentence(self) -> str:
        """It in one line, for a person."""
        return f"{self.what}: {self.reason}"


@dataclass(frozen=True)
class Finding:
    """A difference between what is declared and what a host says.

    what: the thing that differs, in the field's own terms (``sshd PasswordAuthentication``).
    reason: why it matters or what is the case, a sentence a person understands.
    expected, found: the two values, as text; empty where a value would say nothing.
    remedy: what a person can do; empty where the operation fixes it.
    within: where this is one piece of something declared (a rule of an opened port), what says it
    for all pieces, on all hosts; the pieces themselves are shown with ``-v``.
    once: several parts may find it, and a person reads it once.

    Each is one line that can be printed (:func:`~run.printable.plain`), whatever a host has said:
    findings go to terminals, pages, mails and files. A command in them stands between backticks,
    with each word in it that is not our own as :func:`~run.printable.quoted` gives it.
    """

    kind: ClassVar[str] = "finding"
    once: ClassVar[bool] = False

    what: str
    reason: str
    expected: str = ""
    found: str = ""
    remedy: str = ""
    within: Whole | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        for part in _TOLD:
            object.__setattr__(self, part.name, plain(getattr(self, part.name)))

    def record(self) -> dict[str, str]:
        """The finding as a flat mapping, for JSON: what a person reads, no more."""
        whole = {"within": self.within.sentence()} if self.within else {}
        told = {part.name: getattr(self, part.name) for part in _TOLD}
        return {"kind": self.kind} | told | whole

    @property
    def told(self) -> str:
        """The one sentence that a person reads of it, unless all pieces are asked for."""
        return self.within.sentence() if self.within else self.sentence()

    def sentence(self) -> str:
        """The finding in one line, for a person."""
        text = f"{self.what}: {self.reason}"
        if self.found and self.expected:
            text += f" ({self.found} → {self.expected})"
        elif self.expected:
            text += f" (→ {self.expected})"
        elif self.found:
            text += f" (found {self.found})"
        if self.remedy:
            text += f". {self.remedy}"
        return text


_TOLD = [part for part in fields(Finding) if part.name != "within"]


@dataclass(frozen=True)
class Change(Finding):
    """A difference that the operation fixes.

    restarts: what has to be restarted for it, and stops containers: :data:`ENGINE`, or "".
    drains: the node is drained before, so that no task of a service runs there then.
    """

    kind: ClassVar[str] = "change"
    restarts: ClassVar[str] = ""
    drains: ClassVar[bool] = False


@dataclass(frozen=True)
class Notice(Finding):
    """A difference that the operation only reports, since it is the owner's to decide."""

    kind: ClassVar[str] = "notice"


@dataclass(frozen=True)
class Refusal(Finding):
    """A difference that makes going on unsafe: nothing more is changed on the host."""

    kind: ClassVar[str] = "refusal"


@dataclass(frozen=True)
class Remark(Finding):
    """What is worth knowing, and no difference: a run tells it, and nothing counts it."""

    kind: ClassVar[str] = "remark"


KINDS = tuple(kind.kind for kind in (Change, Notice, Refusal))
"""The words for differences, as records have them."""


def changes(findings: list[Finding]) -> list[Change]:
    """Only what the operation has to fix."""
    return [finding for finding in findings if isinstance(finding, Change)]


def refusals(findings: list[Finding]) -> list[Refusal]:
    """Only what forbids going on."""
    return [finding for finding in findings if isinstance(finding, Refusal)]


def unhandled(step: Change) -> NotImplementedError:
    """The error for a kind of change that an operation's ``match`` does not name."""
    return NotImplementedError(f"nothing carries out a {type(step).__name__}")
