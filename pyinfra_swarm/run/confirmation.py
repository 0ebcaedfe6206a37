"""Before something is destroyed, the owner is asked to type a word."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import click
from gevent.event import AsyncResult

from pyinfra_swarm.run import own_words
from pyinfra_swarm.run.asking import can_ask, typed
from pyinfra_swarm.run.converge import (
    current_host,
    forget_everywhere,
    given,
    is_executing,
    report,
    this_run,
)
from pyinfra_swarm.run.findings import Finding, Refusal, refusals
from pyinfra_swarm.run.interruption import stop_if_interrupted
from pyinfra_swarm.run.printable import plain

T = TypeVar("T")

KEY = "confirm"
"""``--data confirm=WORD`` answers without a question."""

PART = "confirmation"


@dataclass(frozen=True)
class _Answer:
    """text: what was typed or given, None where nobody was there; consequence: what was asked."""

    text: str | None
    consequence: str


@dataclass
class _Answers:
    """words: the answer to each question, by the word that was asked for."""

    words: dict[str, AsyncResult[_Answer]] = field(default_factory=dict)


@dataclass(frozen=True)
class Proposal(Generic[T]):
    """What a job is about to do, as its owner is shown it before the question.

    part, findings: what is reported on this host; a refusal among them ends it before the question.
    plan: what the job carries out. Compared with ``==``: it holds what the work rests on, and
    nothing that changes by itself, such as times.
    word: what has to be typed, such as the name of the host that goes; "" where nothing is
    destroyed: then nobody is asked.
    consequence: what cannot be taken back, as a sentence (``rk4 leaves the swarm, and its …``).
    whole: what later operations will report and do; compared, and not reported here.
    """

    part: str
    findings: list[Finding]
    plan: T
    word: str = ""
    consequence: str = ""
    whole: Sequence[Finding] = ()


def confirmed(propose: Callable[[], Proposal[T]]) -> T:
    """Report a plan, ask its owner, plan again, and go on only if the plan is still the same.

    propose: observes and plans, and does nothing else: it is called twice. While the question
    waits, a switch may come back, and what was right to destroy is right no longer.

    Call it inside of an operation's body, on every host, before the first yield of the first
    operation that changes something. The question is asked once a run, for all hosts, and never
    while the run only plans. ``-y`` is no answer, and neither is a word in the inventory: it has to
    come with this very run.

    Raises :class:`run.converge.Refused`, reported already, which fails this host.
    """
    answered = {word for word, answer in this_run(_Answers).words.items() if answer.ready()}
    shown = propose()
    report(shown.part, shown.findings)
    if not shown.word or not is_executing():
        return shown.plan
    answer = _answer(shown.word, shown.consequence)
    stop_if_interrupted(current_host().name)
    if answer.text != shown.word:
        report(PART, [refusal(shown.word, shown.consequence, answer.text, own_words.shown())])
    # What was planned after the answer is compared with what was asked; all else is planned again.
    now = shown if shown.word in answered else propose()
    different = differences(shown, now)
    if not different and now.consequence != answer.consequence:  # another host has been shown that
        different = [_now(now.consequence)]
    if different:
        report(PART, [changed_since(different)])
    return now.plan


def differences(shown: Proposal[T], now: Proposal[T]) -> list[str]:
    """What is not as it was shown any more, in sentences; none where all is the same."""
    forbidden = refusals(now.findings)
    if forbidden:
        return [finding.sentence() for finding in forbidden]
    before, after = [*shown.findings, *shown.whole], [*now.findings, *now.whole]
    found = [f"no longer: {finding.sentence()}" for finding in before if finding not in after]
    found += [f"now: {finding.sentence()}" for finding in after if finding not in before]
    if now.consequence != shown.consequence:
        found.append(_now(now.consequence))
    if not found and (now.plan, now.word) != (shown.plan, shown.word):
        found.append("what the plan was made from is not the same any more")
    return found


def _now(consequence: str) -> str:
    return f"now: {consequence or 'nothing is to be done'}"


def changed_since(different: Sequence[str]) -> Refusal:
    """Why nothing is done although it was confirmed."""
    return Refusal(
        PART,
        "things changed while the question waited, so nothing was done: "
        + "; ".join(one.rstrip(".") for one in different),
        remedy="Run the same command again: it shows the plan as it is now, and asks again",
    )


def refusal(word: str, consequence: str, answer: str | None, arguments: Sequence[str]) -> Refusal:
    """What is not done, and exactly what to type to have it done.

    answer: what was given or typed instead of the word; None where nobody was there to ask.
    arguments: the run's command line, without the name of the program.
    """
    command = shlex.join(["pyinfra", *_without_answer(arguments), "--data", f"{KEY}={word}"])
    why = "nobody has confirmed that" if answer is None else "the answer was another word"
    return Refusal(
        PART,
        f"{consequence.rstrip('.')}; {why}",
        expected=word,
        found=answer or "",
        remedy=f"To have it done, answer {word} when asked at a terminal, or type: {command}",
    )


def _without_answer(arguments: Sequence[str]) -> list[str]:
    left: list[str] = []
    for argument in arguments:
        if argument.startswith(f"--data={KEY}="):
            continue
        if argument.startswith(f"{KEY}=") and left[-1:] == ["--data"]:
            left.pop()
            continue
        left.append(argument)
    return left


def _answer(word: str, consequence: str) -> _Answer:
    """The answer of this run; hosts that work at the same time wait for the one question."""
    answers = this_run(_Answers).words
    asked = answers.get(word)
    if asked is not None:
        known = asked.get()
        assert known is not None  # it is set once, to an answer
        return known
    pending: AsyncResult[_Answer] = AsyncResult()
    answers[word] = pending
    text: str | None = None
    try:
        # Of the command line alone: what the inventory says would confirm every run to come.
        said = given(KEY)
        text = said if said is not None else _asked(word, consequence)
    finally:
        forget_everywhere()
        pending.set(_Answer(text, consequence))
    return _Answer(text, consequence)


def _asked(word: str, consequence: str) -> str | None:
    if not can_ask():
        return None
    click.secho(f"\n    {plain(consequence.rstrip('.'))}.", fg="red", err=True)
    question = f"To go on, type {plain(word)} and press enter; anything else changes nothing:"
    line = typed(f"    {question}")
    return None if line is None else line.strip()
