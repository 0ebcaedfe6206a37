"""Facts asked of a real host whose files are not what they should be: the truth, or nothing.

Each file that a fact's script names is replaced by what somebody, or a dying disk, could leave in
its place. No question hangs, none ends in an error that is not the fact's own, and none says of a
healthy host that its engine does not run, its packages are gone or its swarm is another one.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from pyinfra.api.exceptions import FactProcessError
from pyinfra.api.facts import ShortFactBase

from tests.engines.hosts import Hosts
from tests.tools.facts_page import ARGUMENTS, facts

ASKED = {name: fact for name, fact in facts().items() if not issubclass(fact, ShortFactBase)}
ELSEWHERE = {"facts.docker.PublishedKey", "facts.docker.Offered"}
"""Ask the network and apt; nothing of the host that could lie in their way."""

WITHIN = 25
"""Seconds: an engine may take 20 to say that it has no leader."""

KINDS: Mapping[str, str] = {
    "random bytes": "head -c 4000 /dev/urandom > {0}",
    "10 MB of random bytes": "head -c 10000000 /dev/urandom > {0}",
    "one line of 10 MB": "head -c 10000000 /dev/zero | tr '\\0' x > {0}",
    "forged marks": "printf '#> state\\nabsent\\n#. 0\\n\\000\\r\\205#> unit\\nno\\n' > {0}",
    "empty": ": > {0}",
    "a directory": "mkdir {0}",
    "a pipe": "mkfifo {0}",
    "a link to nothing": "ln -s /nowhere {0}",
    "an endless device": "ln -s /dev/zero {0}",
    "unreadable": "ln -s /proc/self/mem {0}",
}

PEOPLE = ("/home/guest/.ssh", "/home/guest/.ssh/authorized_keys")
"""What a user who may nothing else decides about."""

AMONG_OTHERS = (
    "/etc/apt/sources.list.d/odd.list",
    "/etc/modprobe.d/odd.conf",
    "/etc/ssh/sshd_config.d/odd.conf",
    "/usr/share/keyrings/docker-odd.gpg",
)
"""Files that are found by a pattern."""

SHORT = ("/run/docker.pid", "/etc/machine-id")
"""Numbers that nobody but root's own programs write: they are not replaced by 10 MB, of which the
shell, which reads them by itself, would read byte by byte."""

NOT_THERE = re.compile(r"docker\.sock$|/systemd/system$|/netns$|\.d$|/apt$|/rollback|/$")

MOUNTED = "/var/lib/docker"
"""A mount here, which nothing can be put in the place of; and the engine would lose what it has."""

SEEN_INSTEAD = """\
mkdir -p /run/lib && mount --rbind /var/lib /run/lib && mount -t tmpfs instead /var/lib || exit
for there in /run/lib/*; do
  here=/var/lib/${there##*/}
  [ $here != %(path)s ] || continue
  if [ -d $there ]; then mkdir $here; else : > $here; fi
  mount --rbind $there $here || exit
done
%(make)s || exit
exec sh -c "$1"
"""
"""Shell: a line, its argument, sees something else at that path, and nobody else does."""

SEEING = "exec sh -c "

NAMES = "/etc/nsswitch.conf"
ENDLESS = ("a pipe", "an endless device")
"""Not in the place of the file of names: libc itself waits for a pipe and takes all memory for what
does not end, in each program that asks for a user's name (seen with getent and ls), sshd before
all. Nobody would come in to ask for a fact."""

# As much of systemd as the facts ask for: everything is there, active and enabled.
SYSTEMCTL = r"""#!/bin/sh
case "$* " in *"--value "*) echo "[::]:22 (Stream)"; exit;; esac
first=yes
for unit in "$@"; do
  case $unit in *.service|*.socket|*.timer) ;; *) continue;; esac
  [ $first ] || echo; first=
  printf 'Id=%s\nLoadState=loaded\nActiveState=active\nUnitFileState=enabled\n' "$unit"
  printf 'NeedDaemonReload=no\nRequires=\nStateChangeTimestamp=\n'
done
"""


def command(name: str) -> str:
    fact = ASKED[name]()
    return str(fact.command(**ARGUMENTS.get(name, {})))


def named(script: str) -> set[str]:
    """The files that a script names."""
    found = re.findall(r"(?<![\w}*])/(?:etc|run|var|boot)/[\w./@+-]*\w", script)
    return {path for path in found if not NOT_THERE.search(path)}


class Patient:
    """A host, a swarm of its own, and what each fact says of it while it is well."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts = hosts
        self.seeing = SEEING
        """Shell that runs its last argument."""
        hosts.form(["rk1"])
        self.run(
            "useradd -m guest; mkdir -p /home/guest/.ssh; echo k > /home/guest/.ssh/authorized_keys"
        )
        self.run(
            "mkdir -p /etc/apt/sources.list.d /etc/modprobe.d /etc/ssh/sshd_config.d "
            "/usr/share/keyrings"
        )
        hosts["rk1"].path("/usr/bin/systemctl").write_text(SYSTEMCTL)
        self.well = {name: self.ask(name) for name in sorted({*ASKED} - ELSEWHERE)}

    def run(self, line: str) -> None:
        self.hosts.run("rk1", line)

    def ask(self, name: str) -> Any:
        """What a fact says, as plain data. Only its own error may come, and in time."""
        begun = time.monotonic()
        done = self.hosts.run(
            "rk1", self.seeing + shlex.quote(command(name)), check=False, timeout=WITHIN
        )
        assert time.monotonic() - begun < WITHIN
        assert done.stdout.isascii(), "pyinfra's reader would end there"
        assert done.stderr == ""
        assert done.returncode == 0
        value = ASKED[name]().process(done.stdout.split("\n"))
        return json.loads(json.dumps(value, default=lambda one: one.to_json()))

    def replaced(self, path: str, make: str) -> Iterator[None]:
        """The path holds something else for a while."""
        if path == MOUNTED:
            seen = SEEN_INSTEAD % {"path": path, "make": make.format(path)}
            self.seeing = f"exec unshare --mount sh -c {shlex.quote(seen)} sh "
            try:
                yield
            finally:
                self.seeing = SEEING
            return
        self.run(
            f"mkdir -p {path.rpartition('/')[0]}; rm -rf {path}.kept; "
            f"[ ! -e {path} ] && [ ! -h {path} ] || mv {path} {path}.kept"
        )
        try:
            self.run(make.format(path))
            yield
        finally:
            self.run(
                f"rm -rf {path}; "
                f"[ ! -e {path}.kept ] && [ ! -h {path}.kept ] || mv {path}.kept {path}"
            )


@pytest.fixture(scope="module")
def patient() -> Iterator[Patient]:
    with Hosts(1) as hosts:
        yield Patient(hosts)


def of_the_engine(well: Any, now: Any) -> None:
    assert now["engine"] == well["engine"] or now["engine"].startswith("unreachable")
    if now["engine"] == "running":
        for key in ("state", "node", "manager", "cluster", "address", "in_ingress"):
            assert now[key] == well[key]
        assert {node["id"] for node in now["nodes"]} == {node["id"] for node in well["nodes"]}


def of_the_installation(well: Any, now: Any) -> None:
    for key in ("running", "enabled", "packages", "architecture", "curl", "forwarding"):
        assert now[key] == well[key]


def of_the_times(well: Any, now: Any) -> None:
    assert now["boot"] == well["boot"]
    assert now["engine_started"] is not None


def of_the_firewall(well: Any, now: Any) -> None:
    for key in ("ipv4", "ipv6"):
        assert now.get(key) == well.get(key)


def of_the_people(well: Any, now: Any) -> None:
    assert now["login_user"] == well["login_user"]


JUDGES: Mapping[str, Callable[[Any, Any], None]] = {
    "facts.swarm.State": of_the_engine,
    "facts.docker.Installation": of_the_installation,
    "facts.rolling.Running": of_the_times,
    "facts.firewall.State": of_the_firewall,
    "facts.firewall.Tables": of_the_firewall,
    "facts.access.Accounts": of_the_people,
}


def test_a_host_that_is_well_is_told_as_such(patient: Patient) -> None:
    assert patient.well["facts.swarm.State"]["engine"] == "running"
    assert patient.well["facts.docker.Installation"]["running"] is True
    assert [one["name"] for one in patient.well["facts.access.Accounts"]["accounts"]][-1] == "guest"


def test_something_else_is_seen_at_the_engine_s_mount_by_who_asks_alone(patient: Patient) -> None:
    for _ in patient.replaced(MOUNTED, KINDS["a pipe"]):
        patient.run(
            patient.seeing + shlex.quote(f"[ -p {MOUNTED} ] && [ -s /var/lib/dpkg/status ]")
        )
        patient.run(f"[ -d {MOUNTED}/swarm ]")
    patient.run(patient.seeing + shlex.quote(f"[ -d {MOUNTED}/swarm ]"))


def judged(patient: Patient, name: str) -> int:
    """Ask a fact, and see that what it says is true of a host that is well."""
    now = patient.ask(name)
    if name in JUDGES:
        JUDGES[name](patient.well[name], now)
    return 1


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_lies_at_a_path_no_fact_hangs_or_lies(patient: Patient, kind: str) -> None:
    scripts = {name: command(name) for name in patient.well}
    paths = {path for script in scripts.values() for path in named(script)}
    told = 0
    for path in sorted({*paths, *PEOPLE, *AMONG_OTHERS}):
        folder = path.rpartition("/")[0]
        reads = [
            name for name, script in scripts.items() if path in script or folder + "/*" in script
        ]
        if path in PEOPLE:
            reads = ["facts.access.Accounts"]
        if not reads or (path in SHORT and "10 MB" in kind) or (path == NAMES and kind in ENDLESS):
            continue
        for _ in patient.replaced(path, KINDS[kind]):
            for name in reads:
                where = f"{name}, {path} is {kind}"
                try:
                    told += judged(patient, name)
                except (subprocess.TimeoutExpired, AssertionError) as error:
                    raise AssertionError(f"{where}: {error}") from error
                except FactProcessError as error:
                    silence = str(error)
                    assert silence.isprintable(), where
                    assert path not in PEOPLE, f"{where}: a user who may nothing stops a fact"
    assert told, "nothing could be told of anything"


NAME = "docker-odd\n#> state\nabsent\n/etc/passwd\n#. 0"


def test_names_with_line_ends_are_nothing_but_odd_names(patient: Patient) -> None:
    folders = {
        "/etc/apt/sources.list.d": "deb https://download.docker.com/linux/debian trixie stable",
        "/etc/apt/trusted.gpg.d": "x",
        "/usr/share/keyrings": "x",
        "/etc/modprobe.d": "blacklist esp4",
        "/etc/ssh/sshd_config.d": "Match user x",
        "/boot": "x",
    }
    for folder, text in folders.items():
        for ending in (".list", ".gpg", ".conf", ""):
            prefix = "vmlinuz-" if folder == "/boot" else ""
            path = f"{folder}/{prefix}{NAME}{ending}".replace("'", "")
            patient.run(f"mkdir -p '{path.rpartition('/')[0]}'; printf '%s\\n' '{text}' > '{path}'")
            try:
                for name in patient.well:
                    with suppress(FactProcessError):
                        judged(patient, name)
                with suppress(FactProcessError):
                    stale = patient.ask("facts.docker.Installation")["stale"]
                    assert "/etc/passwd" not in stale, "it would be removed"
            finally:
                patient.run(f"rm -f '{path}'")


def test_pyinfra_reads_an_answer_with_any_bytes_in_it_to_its_end(patient: Patient) -> None:
    """Over SSH: its reader would die of the first byte that is no UTF-8, with a traceback."""
    patient.run(
        "printf 'ssh-rsa AAAA \\377\\205\\342\\200\\250\\n' > /home/guest/.ssh/authorized_keys"
    )
    patient.hosts.settings(["rk1"])
    ran = patient.hosts.pyinfra("--json", "inventory.py", "fact", "facts.access.Accounts")
    assert "Traceback" not in ran.stderr
    assert "UnicodeDecodeError" not in ran.stderr
    assert ran.returncode == 0
    assert "ssh-rsa AAAA \\\\xff\\\\x85" in ran.stdout
    assert '"login_user": "admin"' in ran.stdout
    assert '"sudoers_included"' in ran.stdout, "what comes after the keys"
