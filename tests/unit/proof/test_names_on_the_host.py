"""Names of services: the real programs, against a server of names of our own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pyinfra_swarm.proof import names
from pyinfra_swarm.proof.exchange import look
from pyinfra_swarm.proof.names import Answer, Lookup, answers
from pyinfra_swarm.run.answer import asked, sections
from tests.unit.proof.test_proof_names import WEB, reply


@contextmanager
def dns(answer: Callable[[int, bytes], bytes]) -> Iterator[int]:
    """A server of names at a port of this machine. answer: from the number of the question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            for number in range(100):
                try:
                    asked, client = server.recvfrom(512)
                except OSError:
                    return
                if asked == b"end":
                    return
                if said := answer(number, asked):
                    server.sendto(said, client)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.sendto(b"end", server.getsockname())
            thread.join()


def said_by(port: int, mine: list[Lookup], tmp_path: Path) -> dict[tuple[str, str], Answer]:
    """What the real programs say, run here as if each namespace were this one."""
    entered = tmp_path / "entered"
    stubs = {
        "nsenter": f'echo "$1" >> {entered}; shift; exec "$@"',
        "ip": "exit 0",
        "iptables-save": "exit 0",
    }
    for name, text in stubs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    script, lines = look(["lb_apps"], mine)
    for old, new in (
        ("127.0.0.11/53", f"127.0.0.1/{port}"),
        (f"seconds={names.SECONDS}\n", "seconds=0.3\n"),
        ("sleep 1", "sleep 0.05"),
    ):
        assert old in script
        script = script.replace(old, new)
    done = subprocess.run(
        [shutil.which("sh") or "sh", "-c", asked(script)],
        input=lines,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    found = sections(done.stdout.splitlines())
    assert "end" in found
    assert "--net=/run/docker/netns/" not in entered.read_text().splitlines()
    return answers(found["names"])


def test_names_are_asked_for_in_each_namespace_and_any_byte_arrives(tmp_path: Path) -> None:
    # Ten letters: their number is the byte that ends a line.
    mine = [WEB, replace(WEB, service="a" * 10), replace(WEB, sandbox="lb_other", service="a.b")]

    def answer(number: int, asked: bytes) -> bytes:
        del number
        return reply(asked, "10.0.1.10", f"10.0.1.{asked[12]}")

    with dns(answer) as port:
        said = said_by(port, mine, tmp_path)
    assert said == {
        ("lb_apps", "web"): Answer(0, ("10.0.1.10", "10.0.1.3")),
        ("lb_apps", "a" * 10): Answer(0, ("10.0.1.10", "10.0.1.10")),
        ("lb_other", "a.b"): Answer(0, ("10.0.1.10", "10.0.1.1")),
    }


def test_a_name_that_comes_at_the_second_question_is_found(tmp_path: Path) -> None:
    def answer(number: int, asked: bytes) -> bytes:
        return reply(asked, "10.0.1.5") if number else reply(asked, code=3)

    with dns(answer) as port:
        assert said_by(port, [WEB], tmp_path) == {("lb_apps", "web"): Answer(0, ("10.0.1.5",))}


def test_a_name_without_an_address_is_asked_for_three_times(tmp_path: Path) -> None:
    numbers = []

    def answer(number: int, asked: bytes) -> bytes:
        numbers.append(number)
        return reply(asked)

    with dns(answer) as port:
        assert said_by(port, [WEB], tmp_path) == {("lb_apps", "web"): Answer(0)}
    assert numbers == [0, 1, 2]


def test_a_server_that_is_silent_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with dns(lambda number, asked: b"") as port:
        assert said_by(port, [WEB], tmp_path) == {("lb_apps", "web"): Answer()}


def test_a_host_that_looks_nothing_up_asks_nobody(tmp_path: Path) -> None:
    assert said_by(9, [], tmp_path) == {}
