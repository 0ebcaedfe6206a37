"""Values of secrets on real engines: in the raft log and in the memory of tasks, and nowhere else.

A run prints all that it can (``-vvv --debug``) while arguments and environments of all processes
are watched, on the hosts and here. Then every file that a host has of its own is searched.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.secrets.digest import matches
from pyinfra_swarm.secrets.value import Value
from tests.canary import KINDS, canary, files_with, lay, seen, spellings
from tests.engines.hosts import Hosts
from tests.scenarios.conftest import ROOT, Run, wait_for

SECRETS = ("inventory.py", "deploys/secrets.py")
TALKATIVE = ("-y", "-vvv", "--debug")
OWN = "/run /tmp /var/tmp /home /root /srv /mnt /opt /var/log /dev/shm /etc /var/lib"
"""What a host does not share with this machine, or has written to."""

SETTINGS = "PATH", "SOPS_AGE_KEY_FILE", *(f"VALUE_OF_of_{kind}" for kind in KINDS)
"""Variables that sources set."""


class Watch:
    """What processes were given, as far as it was seen. Each is seen many times, or never.

    apart: a value that is in the environment of this machine's own processes.
    """

    def __init__(self, values: list[bytes], apart: bytes) -> None:
        self.any = pattern(values)
        self.others = pattern([value for value in values if value != apart])
        self.found: set[str] = set()
        self.creating = 0
        """How often a host was seen that asks its engine to create a secret."""

    def look(self, processes: Path, *, host: bool) -> None:
        """At all processes of a host, or of this machine with its hosts."""
        for number in os.listdir(processes):
            if not number.isdigit() or (not host and int(number) == os.getpid()):
                continue
            with suppress(OSError):
                arguments = (processes / number / "cmdline").read_bytes()
                environment = (processes / number / "environ").read_bytes()
                self.creating += host and b"localhost/secrets/create" in arguments
                wrong = self.any if host else self.others
                if self.any.search(arguments) or wrong.search(environment):
                    self.found.add(arguments[:60].decode(errors="replace"))


def pattern(values: list[bytes]) -> re.Pattern[bytes]:
    return re.compile(b"|".join(re.escape(one) for value in values for one in spellings(value)))


@contextmanager
def watching(hosts: Hosts, values: list[bytes], apart: bytes) -> Iterator[Watch]:
    watch, over = Watch(values, apart), threading.Event()

    def keep_looking(processes: Path, host: bool) -> None:
        while not over.is_set():
            watch.look(processes, host=host)
            time.sleep(0 if host else 0.1)

    places = [(hosts[name].path("/proc"), True) for name in hosts] + [(Path("/proc"), False)]
    threads = [threading.Thread(target=keep_looking, args=place) for place in places]
    for thread in threads:
        thread.start()
    try:
        yield watch
    finally:
        over.set()
        for thread in threads:
            thread.join()


@dataclass
class Shown:
    """A run, and what it has left."""

    run: Run
    reasons: str
    watch: Watch

    def no_trace(self, values: list[bytes]) -> None:
        assert "[pyinfra." in self.run.output  # --debug
        assert ">>>" in self.run.output  # -vv
        assert seen(self.run.output, values) == []
        assert seen(self.reasons, values) == []
        log = ROOT / "pyinfra-debug.log"
        assert not log.exists() or seen(log.read_bytes(), values) == []
        assert self.watch.found == set()


class Secrets:
    """A swarm of two with a value for each kind of source, whatever they are now."""

    def __init__(self, hosts: Hosts) -> None:
        self.hosts, self.values, self.given = hosts, dict[str, bytes](), dict[str, str]()

    def change(self) -> None:
        """Other values, at the places that are declared for them."""
        folder = self.hosts.folder
        (folder / ".env").unlink(missing_ok=True)
        before = {name: os.environ.get(name) for name in SETTINGS}
        try:
            tables = []
            for kind in KINDS:
                self.values[kind] = canary()
                fields = lay(kind, folder, self.values[kind], f"of_{kind}")
                tables.append(table(f"of_{kind}", fields))
            self.given = {name: os.environ[name] for name in SETTINGS if name in os.environ}
        finally:
            for name, text in before.items():
                if text is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = text
        path = self.hosts.settings(["rk1"], ["rk2"])
        path.write_text("\n".join([path.read_text(), *tables]))

    def run(self, *options: str) -> Shown:
        reasons = self.hosts.folder / "reasons"
        reasons.unlink(missing_ok=True)
        env = {**self.given, "SWARM_REASONS": str(reasons)}
        values = [*self.values.values()]
        with watching(self.hosts, values, self.values["env"]) as watch:
            run = self.hosts.pyinfra(*options, *SECRETS, env=env)
        return Shown(run, reasons.read_text(), watch)


def table(name: str, fields: Mapping[str, Any]) -> str:
    def written(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{key} = {written(one)}" for key, one in value.items()) + " }"
        return repr(value) if isinstance(value, list) else f'"{value}"'

    lines = [f"{key} = {written(value)}" for key, value in fields.items()]
    return "\n".join(["[[secrets]]", f'name = "{name}"', *lines, ""])


@pytest.fixture(scope="module")
def secrets() -> Iterator[Secrets]:
    with Hosts(2) as hosts:
        hosts.form(["rk1"], ["rk2"])
        hosts.import_image()
        yield Secrets(hosts)


def start(hosts: Hosts, name: str, versions: list[str], command: str, *options: str) -> None:
    given = [word for one in versions for word in ("--secret", f"source={one},target={one[:-3]}")]
    hosts.docker(
        "rk1",
        *("service", "create", "--quiet", "--detach=false", "--name", name, "--no-resolve-image"),
        *("--stop-grace-period", "0s", "--update-monitor", "1s", "--restart-delay", "1s"),
        *("--mode", "global", *options, *given, "busybox", "sh", "-c", command),
    )


def in_tasks(hosts: Hosts, service: str, name: str) -> list[bytes]:
    """A secret as the tasks of a service see it, on every host."""
    found = []
    for host in hosts:
        script = (
            f"docker exec $(docker ps -q --filter label=com.docker.swarm.service.name={service}) "
            f"cat /run/secrets/{name}"
        )
        found.append(hosts.run(host, script).stdout.encode())
    return found


def where(hosts: Hosts, host: str, values: list[bytes]) -> set[str]:
    """The files of a host that hold a value, in any spelling. No argument holds one."""
    patterns = sorted({one for value in values for one in spellings(value)})
    # Not on the command line, and not in a file: grep reads it from a pipe.
    text = b"\n".join([*patterns, b"canary-of-the-search"]).decode(errors="surrogateescape")
    script = (
        "echo canary-of-the-search > /run/canary; "
        f"grep -rlaF -D skip -f - {OWN} 2>/dev/null; rm /run/canary"
    )
    found = set(hosts.run(host, script, text=text + "\n", check=False, timeout=400).stdout.split())
    assert "/run/canary" in found
    return found - {"/run/canary"}


def nowhere(hosts: Hosts, host: str, values: list[bytes]) -> bool:
    return not where(hosts, host, values)


def is_a_tasks_memory(hosts: Hosts, host: str, path: str) -> bool:
    """Whether a file is a task's secret, in a file system that is in memory."""
    kind = hosts.run(host, f"stat -f -c %T {path}").stdout.strip()
    return kind == "tmpfs" and path.startswith("/var/lib/docker/containers/")


def test_values_are_seen_nowhere_but_in_tasks(secrets: Secrets) -> None:
    hosts = secrets.hosts
    secrets.change()
    created = secrets.run(*TALKATIVE)
    assert created.run.returncode == 0, created.run.closing
    assert "of_sops_v1" in created.reasons
    assert created.watch.creating  # the watch was awake at that moment
    created.no_trace([*secrets.values.values()])

    start(hosts, "app", [f"of_{kind}_v1" for kind in KINDS], "sleep 100000")
    for kind in KINDS:
        assert in_tasks(hosts, "app", f"of_{kind}") == [secrets.values[kind]] * 2

    old = [*secrets.values.values()]
    secrets.change()
    rotated = secrets.run(*TALKATIVE)
    assert rotated.run.returncode == 0, rotated.run.closing
    new = [*secrets.values.values()]
    rotated.no_trace([*old, *new])
    for kind in KINDS:
        assert in_tasks(hosts, "app", f"of_{kind}") == [secrets.values[kind]] * 2

    again = secrets.run(*TALKATIVE)
    assert "Nothing was changed." in again.run.closing
    again.no_trace([*old, *new])

    for name in hosts:
        held = where(hosts, name, [*old, *new])
        assert held  # the search finds what is there
        assert {path for path in held if not is_a_tasks_memory(hosts, name, path)} == set()
        wait_for(partial(nowhere, hosts, name, old), f"the old values to be gone from {name}", 60)
    kept = files_with([*old, *new], hosts.folder / "state")
    assert kept == set()
    assert (hosts.folder / "state/pyinfra-swarm/seals").exists()


def test_what_the_engine_tells_gives_nothing_to_guess_by(
    secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(secrets.hosts.folder / "state"))
    secrets.change()
    assert secrets.run("-y").run.returncode == 0
    said = secrets.hosts.docker("rk1", "secret", "inspect", *names(secrets.hosts))
    for kind, value in secrets.values.items():
        assert seen(said, [value]) == []
        for algorithm in hashlib.algorithms_guaranteed - {"shake_128", "shake_256"}:
            digest = hashlib.new(algorithm, value)
            for told in (digest.hexdigest(), base64.b64encode(digest.digest()).decode()):
                assert told[:12].lower() not in said.lower(), algorithm
        labels = [
            one["Spec"]["Labels"]
            for one in secrets.hosts.api("rk1", "/secrets")
            if one["Spec"]["Name"].startswith(f"of_{kind}_")
        ]
        sealed = [one["pyinfra-swarm.sealed"] for one in labels]
        assert len([one for one in sealed if matches(Value(value), one)]) == 1
        assert len({*sealed}) == len(sealed)


def names(hosts: Hosts) -> list[str]:
    return [one["Spec"]["Name"] for one in hosts.api("rk1", "/secrets")]


def test_a_value_that_a_program_writes_into_its_log_is_not_repeated(secrets: Secrets) -> None:
    """The cause of a failed update shows the last lines of the container's log."""
    hosts = secrets.hosts
    secrets.change()
    assert secrets.run("-y").run.returncode == 0
    current = sorted(name for name in names(hosts) if name.startswith("of_file_"))[-1]
    good = "test $(cat /run/secrets/value | md5sum | cut -c1-6) = {0} && exec sleep 100000"
    first = hashlib.md5(secrets.values["file"]).hexdigest()[:6]
    tells = "echo connecting as app; echo the password is $(cat /run/secrets/value); exit 3"
    hosts.docker(
        "rk1",
        *("service", "create", "--quiet", "--detach=false", "--name", "talks"),
        *("--no-resolve-image", "--stop-grace-period", "0s", "--update-monitor", "3s"),
        *("--restart-condition", "none", "--secret", f"source={current},target=value"),
        *("busybox", "sh", "-c", f"{good.format(first)}; {tells}"),
    )
    old = [*secrets.values.values()]
    secrets.change()
    failed = secrets.run(*TALKATIVE)
    assert failed.run.returncode == 1
    assert "connecting as app" in failed.run.output
    assert "the password is …" in failed.run.output
    failed.no_trace([*old, *secrets.values.values()])
    hosts.docker("rk1", "service", "rm", "talks")
