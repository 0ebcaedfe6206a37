"""Real engines for a module's tests, and one clear reason where this machine cannot have any."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.preflight.tested import Machine
from pyinfra_swarm.services import operations, verdict
from tests.engines import machines, programs
from tests.engines.backups import MANAGERS, WORKERS, fill
from tests.engines.hosts import Hosts
from tests.engines.updates import until
from tests.tools import must_run, tested

SWARM = ("inventory.py", "deploys/swarm.py")
"""The swarm's part of the job, as a user names it."""

_NEEDED = (
    "unshare",
    "nsenter",
    "ip",
    "iptables",
    "ssh-keygen",
    "apt-get",
    "dpkg-deb",
    "gpg",
    "mkfs.ext4",
)


def _why_not() -> str | None:
    if os.geteuid() != 0:
        return "namespaces need root: sudo .venv/bin/python -m pytest tests/engines"
    if missing := [name for name in _NEEDED if shutil.which(name) is None]:
        return f"programs are missing here: {', '.join(missing)} (make install)"
    if not Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").exists():
        return "the kernel lists no children of processes (CONFIG_PROC_CHILDREN)"
    tried = (
        "mount -t tmpfs engines /mnt && mkdir /mnt/upper /mnt/work /mnt/root && "
        "mount -t overlay o /mnt/root -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work && "
        "ip link add br0 type bridge && ip link add veth0 type veth peer name veth1 && "
        "ip link add vxlan0 type vxlan id 7 dstport 4789"
    )
    namespaces = ("--net", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork")
    done = subprocess.run(
        ["unshare", *namespaces, "sh", "-c", tried],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    return f"no hosts of namespaces here: {done.stderr.strip()}" if done.returncode else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    mine = [item for item in items if here in item.path.parents]
    if mine and (why := _why_not()):
        must_run.skip(mine, why)


def pytest_configure(config: pytest.Config) -> None:
    if tested.is_recording():
        recorder = tested.Recorder("engines", _machines, Path(__file__).parent)
        config.pluginmanager.register(recorder)


def _machines() -> list[Machine | None]:
    """What the hosts are; nothing of those that are off."""
    return [
        tested.machine(made.run(name, tested.ASK, check=False).stdout)
        for made in machines.switched_on
        for name, host in made.hosts.items()
        if host.on
    ]


@pytest.fixture(scope="module")
def four() -> Iterator[Hosts]:
    """Four hosts for a module's tests, whatever was done to them before."""
    with Hosts(4) as made:
        yield made


@pytest.fixture
def hosts(four: Hosts) -> Hosts:
    """Four hosts with engines, freshly installed: in no swarm."""
    four.reset()
    return four


# For backups
# -----------


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SSH key, as a user has one."""
    path = tmp_path_factory.mktemp("keys") / "id_ed25519"
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "backups"


@pytest.fixture(scope="module")
def swarm(four: Hosts) -> Hosts:
    """Three managers and a worker, with something in it."""
    four.reset()
    four.form(MANAGERS, WORKERS)
    fill(four, "rk1")
    return four


# For services that are updated
# -----------------------------


_ASKED_FOR = os.environ.get("ENGINES_VERSION")


@pytest.fixture(
    scope="module",
    params=[_ASKED_FOR] if _ASKED_FOR else [0, 1],
    ids=[_ASKED_FOR] if _ASKED_FOR else ["this release's engine", "the next one's"],
)
def each_version(request: pytest.FixtureRequest) -> str:
    """Each engine version that the machine's archives carry, or the one that is asked for."""
    if isinstance(request.param, str):
        return request.param
    known = programs.versions()
    if request.param >= len(known):
        pytest.skip(f"the machine's apt archives carry one engine only: {known[0]}")
    version: str = known[request.param]
    return version


@pytest.fixture(scope="module")
def two(each_version: str) -> Iterator[Hosts]:
    """A manager and a worker, with an image that both have; with each engine version there is."""
    with Hosts(2, version=each_version) as made:
        made.form(["rk1"], ["rk2"])
        made.import_image()
        yield made


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is told while an update is awaited. The waits that end a failed one are short here."""
    said: list[str] = []
    monkeypatch.setattr(operations, "progress", said.append)
    monkeypatch.setattr(operations, "still_ours", lambda **_: None)
    monkeypatch.setattr(operations, "pause", time.sleep)
    monkeypatch.setattr(operations, "SECONDS", 1)
    monkeypatch.setattr(verdict, "SETTLED", 2.0)
    monkeypatch.setattr(verdict, "TO_RUN", 15.0)
    monkeypatch.setattr(verdict, "ANOTHER_NODE", 3.0)
    return said


@pytest.fixture
def pair(two: Hosts, told: list[str]) -> Iterator[Hosts]:
    """A manager and a worker, left without services, secrets and configs."""
    yield two
    for one in two.api("rk1", "/services"):
        two.api("rk1", f"/services/{one['ID']}", method="DELETE")
    until(lambda: not two.api("rk1", "/tasks"), "the tasks to be gone")
    for kind in ("secrets", "configs"):
        for one in two.api("rk1", f"/{kind}"):
            two.api("rk1", f"/{kind}/{one['ID']}", method="DELETE")
