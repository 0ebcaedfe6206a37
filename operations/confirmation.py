"""The owner's word, asked for before something is destroyed."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click
import gevent
from gevent import GreenletExit
from gevent.event import AsyncResult
from gevent.select import select

from cluster.findings import Refusal
from operations import story
from operations.converge import given, is_executing, tell
from operations.pyinfra_internals import still_spinner

KEY = "confirm"
"""``--data confirm=WORD`` answers without a question."""

_answers: dict[str, AsyncResult[str | None]] = {}


def confirmed(word: str, consequence: str) -> None:
    """Go on only if the owner has typed a word: asked once a run, for all hosts.

    word: what has to be typed, such as the name of the host that goes.
    consequence: what cannot be taken back, as a sentence (``rk4 leaves the swarm, and its …``).

    Call it inside of an operation's body, on every host, before the first yield of the first
    operation that changes something. It does nothing while the run only plans. ``-y`` is no
    confirmation, and neither is a word in the inventory: it has to come with this very run.

    Raises :class:`operations.converge.Refused`, told already, which fails this host.
    """
    if not is_executing():
        return
    answer = _answer(word, consequence)
    if story.interrupted():
        raise GreenletExit  # pyinfra waits for its hosts' greenlets before it disconnects
    if answer != word:
        tell("confirmation", [refusal(word, consequence, answer, sys.argv[1:])])


def refusal(word: str, consequence: str, answer: str | None, arguments: Sequence[str]) -> Refusal:
    """What is not done, and exactly what to type to have it done.

    answer: what was given or typed instead of the word; None where nobody was there to ask.
    arguments: the run's command line, without the name of the program.
    """
    command = shlex.join(["pyinfra", *_without_answer(arguments), "--data", f"{KEY}={word}"])
    why = "nobody has confirmed that" if answer is None else "the answer was another word"
    return Refusal(
        "confirmation",
        f"{consequence.rstrip('.')}, and {why}",
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


def _answer(word: str, consequence: str) -> str | None:
    """The answer of this run; hosts that work at the same time wait for the one question."""
    asked = _answers.get(word)
    if asked is not None:
        known: str | None = asked.get()
        return known
    pending: AsyncResult[str | None] = AsyncResult()
    _answers[word] = pending
    answer: str | None = None
    try:
        # Of the command line alone: what the inventory says would confirm every run to come.
        said = given(KEY)
        answer = said if said is not None else _asked(word, consequence)
    finally:
        pending.set(answer)
    return answer


def _asked(word: str, consequence: str) -> str | None:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    with still_spinner() as pause:
        gevent.sleep(2 * pause)
        try:
            click.secho(f"\n    {consequence.rstrip('.')}.", fg="red", err=True)
            question = f"    To go on, type {word} and press enter; anything else changes nothing: "
            click.echo(question, nl=False, err=True)
            # All else goes on meanwhile: the connections are kept alive, and the lock held.
            while not select([sys.stdin], [], [], 0.2)[0]:
                if story.interrupted():
                    return None
            return sys.stdin.readline().strip()
        finally:
            click.echo(err=True)
