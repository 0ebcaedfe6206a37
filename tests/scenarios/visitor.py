"""Visitors outside, who ask for pages all the time, each time over a new connection."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from lab import network
from lab.description import Description

GREETING = "hello from the lab\n"
"""What the lab's web server answers."""

_VISITOR = """
import json, sys, threading, time, urllib.request

writing = threading.Lock()

def ask(name, url):
    begun, problem = time.time(), ""
    try:
        with urllib.request.urlopen(url, timeout=8) as answer:
            if answer.read().decode() != expected:
                problem = "another answer"
    except Exception as error:
        problem = repr(error)
    line = json.dumps([name, begun, time.time(), problem])
    with writing:
        sys.stdout.write(line + "\\n")
        sys.stdout.flush()

def visit(name, url):
    while True:
        ask(name, url)
        time.sleep(0.2)

def come_one_after_the_other(name, url):
    coming = time.monotonic()
    while not gone.is_set():
        one = threading.Thread(target=ask, args=(name, url), daemon=True)
        one.start()
        there.append(one)
        coming += every
        time.sleep(max(coming - time.monotonic(), 0))

targets, expected, every = json.loads(sys.argv[1])
gone, there = threading.Event(), []
for name, url in targets.items():
    how = come_one_after_the_other if every else visit
    threading.Thread(target=how, args=(name, url), daemon=True).start()
sys.stdin.read()
gone.set()
for one in there:
    one.join()
"""


@dataclass(frozen=True)
class Request:
    """A visitor's request: for which target, when (seconds since 1970), and what went wrong."""

    target: str
    begun: float
    ended: float
    problem: str


def a_visitor(
    found: Description, targets: Mapping[str, str], expected: str = GREETING, *, every: float = 0
) -> AbstractContextManager[list[Request]]:
    """Somebody of the internet who asks, as :func:`visiting` has it."""
    place = network.inside(found.clients["cloudflare"].namespace, [])
    return visiting(place, targets, expected, every=every)


@contextmanager
def visiting(
    place: Sequence[str], targets: Mapping[str, str], expected: str = GREETING, *, every: float = 0
) -> Iterator[list[Request]]:
    """Somebody who asks for all targets, name to URL, all the time; the requests so far.

    The list is whole once the visitor has gone.

    place: the first words of a command that is to run where the visitor is.
    every: seconds after which another one comes, whatever became of those before: somebody who
        waits for an answer asks nothing meanwhile, and would see less of an outage. 0: one for each
        target, who asks again when answered.
    """
    told = json.dumps([dict(targets), expected, every])
    process = subprocess.Popen(
        [*place, sys.executable, "-c", _VISITOR, told],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    requests: list[Request] = []

    def note() -> None:
        assert process.stdout is not None
        requests.extend(Request(*json.loads(line)) for line in process.stdout)

    noting = threading.Thread(target=note)
    noting.start()
    try:
        yield requests
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(timeout=30)
        noting.join()
