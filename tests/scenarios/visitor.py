"""A visitor outside, who asks for pages all the time, each time over a new connection."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from lab import network
from lab.description import Description

GREETING = "hello from the lab\n"
"""What the lab's web server answers."""

_VISITOR = """
import json, sys, threading, time, urllib.request

def visit(name, url, expected):
    while True:
        begun, problem = time.time(), ""
        try:
            with urllib.request.urlopen(url, timeout=8) as answer:
                if answer.read().decode() != expected:
                    problem = "another answer"
        except Exception as error:
            problem = repr(error)
        line = json.dumps([name, begun, time.time(), problem])
        sys.stdout.write(line + "\\n")
        sys.stdout.flush()
        time.sleep(0.2)

targets, expected = json.loads(sys.argv[1])
for name, url in targets.items():
    threading.Thread(target=visit, args=(name, url, expected), daemon=True).start()
sys.stdin.read()
"""


@dataclass(frozen=True)
class Request:
    """A visitor's request: for which target, when (seconds since 1970), and what went wrong."""

    target: str
    begun: float
    ended: float
    problem: str


@contextmanager
def a_visitor(
    found: Description, targets: Mapping[str, str], expected: str = GREETING
) -> Iterator[list[Request]]:
    """Somebody who asks for all targets, name to URL, all the time; the requests so far.

    The list is whole once the visitor has gone.
    """
    command = [sys.executable, "-c", _VISITOR, json.dumps([dict(targets), expected])]
    process = subprocess.Popen(
        network.inside(found.clients["cloudflare"].namespace, command),
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
