"""Every program and option of our scripts, tried with the programs that our users have.

The systems are unpacked from Debian's archives, once, and their programs run in them.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import release, roots
from lab.errors import LabError
from tests.tools import must_run
from tests.tools.datagrams import EVERY_BYTE, sent_by
from tests.tools.host_programs import PACKAGE, table

COMMON = (
    *("coreutils", "grep", "sed", "mawk", "tar", "diffutils", "util-linux", "dash", "bash", "sudo"),
    *("passwd", "procps", "apt", "dpkg", "iproute2", "iptables", "kmod", "iputils-ping", "curl"),
    *("tcpdump", "systemd", "openssh-server", "openssh-client", "ca-certificates"),
)
RUST = ("rust-coreutils", "sudo-rs")
AS_IN_UBUNTU = "/usr/local/rust"
"""A folder of Rust's programs, under the names of those whose place they take. Ubuntu 26.04 still
has GNU's cp, mv, rm and ln; from 26.10 on these are Rust's as well."""

LINK = f"""
mkdir -p {AS_IN_UBUNTU}
for path in /usr/lib/cargo/bin/coreutils/*; do ln -sf "$path" {AS_IN_UBUNTU}/; done
for name in sudo visudo; do ln -sf "$(command -v $name-rs)" {AS_IN_UBUNTU}/$name; done
"""


@dataclass(frozen=True)
class Userland:
    version: str
    packages: tuple[str, ...]
    path: str = ""


USERLANDS = {
    "Debian 12": Userland("12", COMMON),
    "Debian 13": Userland("13", (*COMMON, *RUST)),
    "Rust's": Userland("13", (*COMMON, *RUST), AS_IN_UBUNTU),
}
TRIES = [(name, text) for name, each in table().programs.items() for text in each.tries]


@pytest.fixture(scope="session", params=USERLANDS)
def inside(request: pytest.FixtureRequest) -> Inside:
    for program in ("mmdebstrap", "unshare"):
        if os.geteuid() != 0 or shutil.which(program) is None:
            must_run.give_up(f"systems are unpacked as root, with {program}")
    userland = USERLANDS[request.param]
    try:
        debian = roots.debian(userland.version, release.machine_release())
        root = roots.root(debian, userland.packages, print)
    except LabError as error:
        must_run.give_up(str(error))
    made = Inside(root, userland.path)
    if userland.path:
        made.run(LINK, check=True)
    return made


@dataclass(frozen=True)
class Inside:
    root: Path
    path: str

    def run(
        self,
        script: str,
        *,
        given: str = "",
        check: bool = False,
        into: int = subprocess.PIPE,
    ) -> subprocess.CompletedProcess[str]:
        set_up = f"PATH={self.path}:$PATH; " if self.path else ""
        body = f"{set_up}cd /tmp; {script}"
        return subprocess.run(
            roots.inside(self.root, body),
            input=given,
            stdout=into,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=120,
            check=check,
        )


@pytest.mark.parametrize(("program", "text"), TRIES, ids=[name for name, _ in TRIES])
def test_the_programs_do_what_we_want_of_them(inside: Inside, program: str, text: str) -> None:
    done = inside.run(text)
    assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def test_a_datagram_is_one_whatever_is_in_it(inside: Inside) -> None:
    def run(script: str, end: int) -> None:
        inside.run(f"exec bash -c {shlex.quote(script)}", into=end)

    assert sent_by(run) == [EVERY_BYTE]


def test_rusts_programs_are_tried_where_they_are_meant(inside: Inside) -> None:
    said = inside.run("stat --version; cp --version; sudo --version 2>&1; command -v visudo").stdout
    assert ("GNU coreutils" in said) == (not inside.path)
    assert ("sudo-rs" in said) == bool(inside.path)


def test_the_shells_there_read_our_scripts(inside: Inside) -> None:
    read = 0
    for shell, texts in _by_shell().items():
        # One after the other as functions that nobody calls: a process each would take minutes.
        script = "".join(f"f{number}() {{\n{text}\n}}\n" for number, text in enumerate(texts))
        done = inside.run(f"{shell} -n", given=script)
        assert (done.returncode, done.stderr) == (0, ""), shell
        read += len(texts)
    assert read > 100


def _by_shell() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"dash": [], "bash": []}
    for path in sorted(PACKAGE.glob("*/onhost/*.sh")):
        text = path.read_text()
        found["bash" if text.startswith("#!/bin/bash") else "dash"].append(f": {path.name}\n{text}")
    return found
