"""Secrets are nowhere to be seen: canaries, looked for in everything that is printed or written.

A host is flashed anew and joins in a run that prints all that pyinfra can print (``-vvv --debug``),
while argument lists and environments of all processes are watched on it and on the manager that
lets it in. The tokens reach this test by its own way, and its own searches never put them into an
argument list.
"""

from __future__ import annotations

import base64
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from lab.description import Description
from tests.scenarios.conftest import ROOT, SITE, Run, on_each

pytestmark = pytest.mark.lifecycle

PYINFRA = Callable[..., Run]

PLACES = "/etc /var/log /tmp /var/tmp /run /dev/shm /root /home /usr/local /srv /opt"
PLACES_OF_OURS = "/var/lib/pyinfra-swarm /var/lib/systemd"


@dataclass(frozen=True)
class Watch:
    """What was seen of the processes of a host while a run was under way."""

    host: str
    path: Path

    @property
    def text(self) -> str:
        return self.path.read_text(errors="replace")


@dataclass(frozen=True)
class Joining:
    """A run that let a host in, with all that it could have left a secret in."""

    run: Run
    reasons: str
    tokens: tuple[str, ...]
    key: tuple[str, ...]
    watched: tuple[Watch, ...]
    newcomer: str
    hosts: tuple[str, ...]

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen: whole, and in the parts that are secret by themselves."""
        return self.tokens + tuple(token.rpartition("-")[2] for token in self.tokens) + self.key

    @property
    def decoded(self) -> str:
        """What was printed in base64, as facts return what hosts say."""
        found = re.findall(r"(?m)^(?:\s*\[\w+\] )?([A-Za-z0-9+/]{24,}={0,2})$", self.run.output)
        return "".join(
            base64.b64decode(line[: len(line) // 4 * 4]).decode(errors="replace") for line in found
        )


@pytest.fixture(scope="module")
def joining(
    converged: Description,
    lab: ModuleType,
    pyinfra: PYINFRA,
    tmp_path_factory: pytest.TempPathFactory,
) -> Joining:
    newcomer = next(host.name for host in converged.hosts if host.role == "worker")
    manager = next(host.name for host in converged.hosts if host.role == "manager")
    lab.reset([newcomer])
    tokens = tuple(
        lab.run(manager, f"sudo docker swarm join-token -q {role}").stdout.strip()
        for role in ("worker", "manager")
    )
    assert all(token.startswith("SWMTKN-1-") for token in tokens)
    folder = tmp_path_factory.mktemp("secrets")
    path = folder / "reasons"
    ROOT.joinpath("pyinfra-debug.log").unlink(missing_ok=True)
    with watching(lab, newcomer, folder) as first, watching(lab, manager, folder) as second:
        run = pyinfra("-y", "-vvv", "--debug", *SITE, env={"SWARM_REASONS": str(path)})
    assert run.returncode == 0, run.closing
    return Joining(
        run=run,
        reasons=path.read_text(),
        tokens=tokens,
        key=private_lines(Path(converged.ssh_key)),
        watched=(first, second),
        newcomer=newcomer,
        hosts=tuple(host.name for host in converged.hosts),
    )


def private_lines(path: Path) -> tuple[str, ...]:
    """The lines of a private key but for its first, which all keys of a kind share."""
    lines = [line for line in path.read_text().splitlines() if "-----" not in line]
    return tuple(line for line in lines[1:] if len(line) > 20)


def test_the_run_printed_all_it_can_and_really_joined_the_host(joining: Joining) -> None:
    assert "[pyinfra." in joining.run.output  # --debug
    assert f"[{joining.newcomer}] >>> sudo" in joining.run.output  # -vv
    assert '"LocalNodeState":"active"' in joining.decoded  # -vvv: what facts return
    assert "this host is not in it yet" in joining.reasons
    assert joining.key


def test_nothing_printed_holds_a_secret(joining: Joining) -> None:
    for secret in joining.secrets:
        assert secret not in joining.run.output
        assert secret not in joining.decoded
    for text in (joining.run.output, joining.decoded):
        assert not re.search(r"SWMTKN-\d", text)  # nor any other token


def test_neither_reasons_nor_pyinfras_own_log_hold_one(joining: Joining) -> None:
    log = ROOT / "pyinfra-debug.log"
    written = joining.reasons + (log.read_text() if log.exists() else "")
    for secret in joining.secrets:
        assert secret not in written


def test_no_process_was_given_one(joining: Joining) -> None:
    newcomer, manager = joining.watched
    assert "http://localhost/swarm/join" in newcomer.text  # the watch was awake at that moment
    assert "dockerd" in manager.text
    for watch in joining.watched:
        for secret in joining.secrets:
            assert secret not in watch.text, watch.host


def test_no_file_on_any_host_holds_one(joining: Joining, lab: ModuleType) -> None:
    lab.run(joining.newcomer, "echo canary-of-the-search | sudo tee /run/canary >/dev/null")
    try:
        for host in joining.hosts:
            patterns = "\n".join([*joining.secrets, "canary-of-the-search"])
            found = lab.run(
                host,
                f"sudo grep -rlF -D skip -f - {PLACES} {PLACES_OF_OURS} 2>/dev/null",
                stdin=patterns + "\n",
                check=False,
            ).stdout.split()
            assert found == (["/run/canary"] if host == joining.newcomer else [])
    finally:
        lab.run(joining.newcomer, "sudo rm /run/canary")


def test_no_journal_holds_one(joining: Joining) -> None:
    said = on_each(joining.hosts, "journalctl --boot --no-pager --output cat")
    for host, text in said.items():
        assert "COMMAND=" in text, host  # sudo writes down whole command lines
        for secret in joining.secrets:
            assert secret not in text, host


@pytest.mark.parametrize("level", ["--dry", "-y"])
def test_a_secret_among_the_settings_is_refused_and_not_repeated(
    level: str, converged: Description, pyinfra: PYINFRA, tmp_path: Path
) -> None:
    """Given where it does not belong: in ``.env``, in the environment, in the file itself."""
    (tmp_path / "cluster.toml").write_text(
        '[cluster]\nname = "home"\n\n[ssh]\npassword = "canary-in-the-file"\n\n'
        '[[hosts]]\nname = "rk1"\naddress = "192.168.1.11"\nrole = "manager"\n'
    )
    (tmp_path / ".env").write_text(
        'SWARM_REGISTRY_PASSWORD="canary-in-dotenv"\nSWARM_API_TOKEN="canary-too"\n'
    )
    run = pyinfra(
        level,
        "-vvv",
        "--debug",
        *SITE,
        env={
            "SWARM_SETTINGS": str(tmp_path / "cluster.toml"),
            "SWARM_SSH__PASSWORD": "canary-in-the-environment",
            "SWARM_REASONS": str(tmp_path / "reasons"),
        },
    )
    assert run.returncode != 0
    assert "SWARM_REGISTRY_PASSWORD" in run.output
    assert "SWARM_API_TOKEN" in run.output
    assert "SWARM_SSH__PASSWORD" in run.output
    assert "canary" not in run.output.replace(str(tmp_path), "")
    assert not (tmp_path / "reasons").exists()


@contextmanager
def watching(lab: ModuleType, host: str, folder: Path) -> Iterator[Watch]:
    """Look at all processes of a host, several times a second, until the block ends."""
    look = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"
    script = f"while echo; do {look}; sleep 0.1; done"
    path = folder / f"processes-of-{host}"
    with (
        path.open("wb") as file,
        subprocess.Popen(
            [*lab.ssh_command(host), shlex.join(["sudo", "timeout", "300", "sh", "-c", script])],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        try:
            yield Watch(host, path)
        finally:
            process.terminate()
