"""The lab's hosts, and the command line as a user types it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lab import api, description
from lab.errors import LabError
from pyinfra_swarm.preflight.tested import Machine
from pyinfra_swarm.run.findings import KINDS
from pyinfra_swarm.settings.lab import as_settings
from tests.tools import tested
from tests.tools.told import of_each

# What a helper of ours asserts is told with its values, as in a test.
pytest.register_assert_rewrite(
    *(
        f"tests.scenarios.{name}"
        for name in ("drift_cluster", "floating", "reach", "reports", "rotations", "vpn_client")
    )
)

ROOT = Path(__file__).resolve().parents[2]

SITE = ("inventory.py", "deploys/site.py")
"""The whole job, as a user names it."""


@dataclass(frozen=True)
class Run:
    """A finished command: what a user would have seen."""

    returncode: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def closing(self) -> str:
        """The last words, after the last empty line of the log."""
        return self.stderr.rstrip().rpartition("\n\n")[2]

    @property
    def json(self) -> Any:
        """What ``--json`` printed."""
        return json.loads(self.stdout)


def pyinfra_argv(*arguments: str) -> list[str]:
    """The command line ``pyinfra …``, by this interpreter."""
    return [sys.executable, "-P", "-m", "pyinfra", *arguments]


def environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without settings of its user's, plus some."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SWARM_")}
    return {**kept, "PYINFRA_PROGRESS": "off", **(extra or {})}


@contextmanager
def killed_at_the_end(
    *arguments: str, settings: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """``pyinfra …``, while it runs; whatever it is at then, it is killed."""
    with subprocess.Popen(
        pyinfra_argv(*arguments),
        cwd=ROOT,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def pytest_configure(config: pytest.Config) -> None:
    if tested.is_recording():
        config.pluginmanager.register(tested.Recorder("lab", _machines, Path(__file__).parent))


def _machines() -> list[Machine | None]:
    """What the lab's hosts are; nothing of those that are off, or do not answer."""
    found = description.read()
    names = [host.name for host in found.hosts] if found else []
    said = []
    for name in names:
        with contextlib.suppress(LabError, subprocess.SubprocessError):
            said.append(api.run(name, ["sudo", "sh", "-c", tested.ASK], timeout=60).stdout)
    return [tested.machine(each) for each in said]


@pytest.fixture(scope="session")
def lab() -> Iterator[ModuleType]:
    """The running lab; brought up for the session where it is not up yet."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # ip and tcpdump, for users who lack these
    if description.read() is not None:
        yield api
        return
    api.up()
    yield api
    api.down()


@pytest.fixture(scope="session")
def pyinfra(lab: ModuleType) -> Callable[..., Run]:
    """Run pyinfra as a user does, and return what came of it."""

    def run(*arguments: str, env: dict[str, str] | None = None, timeout: int = 900) -> Run:
        begun = time.monotonic()
        done = subprocess.run(
            pyinfra_argv(*arguments),
            cwd=ROOT,
            env=environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Run(done.returncode, done.stdout, of_each(done.stderr), time.monotonic() - begun)

    return run


@pytest.fixture(scope="module")
def converged(lab: ModuleType, pyinfra: Callable[..., Run]) -> description.Description:
    """The lab with the whole job done on it, whatever was done to it before."""
    run = pyinfra("-y", *SITE)
    assert run.returncode == 0, run.stderr
    return description_of_the_lab()


def description_of_the_lab() -> description.Description:
    """The running lab."""
    found = description.read()
    assert found is not None
    return found


def on_each(hosts: Iterable[str], script: str, *, timeout: float = 120) -> dict[str, str]:
    """What a script, run as root on several hosts at once, prints on each."""
    names = list(hosts)
    with ThreadPoolExecutor(max(len(names), 1)) as pool:
        said = pool.map(
            lambda name: api.run(name, ["sudo", "sh", "-c", script], timeout=timeout).stdout, names
        )
        return dict(zip(names, said, strict=True))


def load_web_image(hosts: Iterable[str]) -> None:
    """The lab's web server as image ``lab/web:1`` on these hosts."""
    found = description_of_the_lab()
    command = json.dumps(list(found.web_image_command))
    load = f"curl -fsS {found.web_image_url} | docker import -c 'CMD {command}' - lab/web:1"
    unless = "docker image inspect lab/web:1 >/dev/null 2>&1"
    on_each(hosts, f"set -e; {unless} || {load} >/dev/null", timeout=300)


def reasons(path: Path) -> list[dict[str, str]]:
    """The findings that a run wrote to its ``SWARM_REASONS`` file."""
    lines = path.read_text().splitlines() if path.exists() else []
    return [entry for entry in map(json.loads, lines) if entry["kind"] in KINDS]


def changes_in(payload: Any) -> list[str]:
    """The operations of a run's ``--json`` output that changed, or would change, some host."""
    done = payload["results"]
    if done is None:
        kinds = ("hosts_with_change", "hosts_with_conditional_change")
        operations = payload["plan"]
    else:
        kinds = ("success", "error")
        operations = done["operations"]
    return [
        f"{operation['name']}: {', '.join(operation[kind])} ({kind})"
        for operation in operations
        for kind in kinds
        if operation[kind]
    ]


def lines_with(text: str, words: Sequence[str]) -> list[str]:
    """The lines that hold all of some words."""
    return [line for line in text.splitlines() if all(word in line for word in words)]


def wait_for(true: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
        time.sleep(1)


def settings_without(path: Path, *names: str) -> Path:
    """The lab's settings as a file, but for some hosts."""
    values = as_settings(description_of_the_lab())
    tables = [f"[{name}]\n" + pairs(values[name]) for name in ("cluster", "ssh", "docker")]
    tables += ["[[hosts]]\n" + pairs(host) for host in values["hosts"] if host["name"] not in names]
    path.write_text("\n".join(tables))
    return path


def settings_with(path: Path, more: str) -> Path:
    """The lab's settings as a file, with more tables, which are TOML."""
    settings_without(path)
    with path.open("a") as file:
        file.write("\n" + more)
    return path


def pairs(table: dict[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in table.items())


@contextmanager
def without_docker_marks(node: str) -> Iterator[None]:
    """Docker's rules that have VXLAN encrypted, deleted by hand and put back."""
    said = on_each([node], "iptables -t mangle -S OUTPUT")[node]
    marks = re.findall(r"^-A (OUTPUT .*--dport 4789.*-j MARK.*)$", said, re.MULTILINE)
    assert marks
    on_each([node], "set -e\n" + "\n".join(f"iptables -t mangle -D {mark}" for mark in marks))
    try:
        yield
    finally:
        on_each([node], "set -e\n" + "\n".join(f"iptables -t mangle -A {mark}" for mark in marks))
