"""No host has its owner asked for a password: a run in which sudo wants one says what to do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.tools.ssh_server import USER, Server
from tests.tools.terminal import Terminal

SUBJECT = """
from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.converge import converges, observe, script, report


class Said(SubjectFact[str]):
    def script(self):
        return "section word; echo it says this"

    def parse(self, said):
        return said["word"][0]


@converges("word")
def looked():
    observe(Said)
    yield from ()


@converges("word")
def mended():
    report("word", [Change("the word", "differs")])
    yield script("echo once >> {done}; echo 'sudo: a password is required'; exit 1")
"""

INVENTORY = """
from pyinfra_swarm.run import start as _start

hosts = [("rk1", {{**{data!r}, "_sudo": {sudo}}})]
_start.install()
"""

REMEDY = (
    f"sudo on rk1 wants a password, and a run never asks for one. Let {USER} use sudo without a "
    f"password. Type there: echo '{USER} ALL=(ALL:ALL) NOPASSWD: ALL' | "
    f"sudo tee /etc/sudoers.d/{USER}"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "sudo").write_text("#!/bin/sh\necho 'sudo: a password is required' >&2; exit 1\n")
    (programs / "sudo").chmod(0o755)
    started = Server(tmp_path, {"PATH": f"{programs}:{os.environ['PATH']}"})
    yield started
    started.close()


def ended(server: Server, folder: Path, call: str, *, sudo: bool) -> tuple[int, str]:
    (folder / "subject.py").write_text(SUBJECT.replace("{done}", str(folder / "done")))
    (folder / "inventory.py").write_text(INVENTORY.format(data=server.data, sudo=sudo))
    (folder / "deploy.py").write_text(f"import subject\nsubject.{call}(name='Words')\n")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    argv = [forked.python(), "-P", "-m", "pyinfra", "-y", "inventory.py", "deploy.py"]
    shown = Terminal(argv, cwd=folder, env=environment)
    try:
        code = shown.finish()
    finally:
        if shown.process.poll() is None:  # it waits for an answer
            shown.process.kill()
    return code, shown.words.replace("\r\n", "\n")


def test_a_host_whose_sudo_wants_a_password_is_not_done_and_says_what_to_type(
    server: Server, tmp_path: Path
) -> None:
    code, said = ended(server, tmp_path, "looked", sudo=True)
    assert code == 1
    assert "sudo password:" not in said
    assert "not done: rk1: rk1 did not answer subject.Said; nothing was decided" in said
    assert REMEDY in said.split("0 of 1 hosts")[1]


def test_a_host_that_only_says_so_has_nobody_asked_and_nothing_done_twice(
    server: Server, tmp_path: Path
) -> None:
    code, said = ended(server, tmp_path, "mended", sudo=False)
    assert code == 1
    assert "sudo password:" not in said
    assert (tmp_path / "done").read_text() == "once\n"
    assert REMEDY in said.split("0 of 1 hosts")[1]
