"""How often hosts are asked while daemon.json changes: no pair of hosts costs anything."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.tools.answers import encoded

FIXTURES = Path(__file__).parents[1] / "fixtures"
INSTALLATION, STATE = "section packages", "section answers"

INVENTORY = """
import atexit
import json

from pyinfra.context import ctx_state

from pyinfra_swarm.settings import Settings
from pyinfra_swarm.run import start

hosts = {hosts!r}
declared = Settings.host
Settings.host = lambda settings, name: declared(settings, name.removeprefix("@fake/"))
start.install()


def _write():
    said = {{h.name: h.connector.executed_commands for h in ctx_state.get().inventory}}
    open({commands!r}, "w").write(json.dumps(said))


atexit.register(_write)
"""


def asked(folder: Path, count: int, mode: str) -> dict[str, set[int]]:
    """How often a host was asked each fact, by fact, when every host's daemon.json differs."""
    said = {
        INSTALLATION: encoded((FIXTURES / "docker-installation-28.5.2.txt").read_text()),
        STATE: encoded((FIXTURES / "swarm-state-manager-28.5.2.txt").read_text()),
    }
    data = {"fake_responses": said, "fake_delay": 0}
    names = [f"rk{number}" for number in range(1, count + 1)]
    commands = folder / "commands.json"
    (folder / "inventory.py").write_text(
        INVENTORY.format(hosts=[(f"@fake/{name}", data) for name in names], commands=str(commands))
    )
    (folder / "deploy.py").write_text(
        "from pyinfra_swarm.settings import load\n"
        "from pyinfra_swarm.docker import operations as docker\n"
        "docker.followers(load(), name='Followers', _serial=True)\n"
        "docker.daemon(load(), name='All', _serial=True)\n"
    )
    hosts = "".join(
        f'[[hosts]]\nname = "{name}"\naddress = "192.168.1.{10 + number}"\nrole = "manager"\n'
        for number, name in enumerate(names)
    )
    (folder / "cluster.toml").write_text(f'{hosts}[ssh]\nuser = "debian"\n')
    done = forked.run(
        [sys.executable, "-P", "-m", "pyinfra", mode, "inventory.py", "deploy.py"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SWARM_SETTINGS": str(folder / "cluster.toml"),
            "SWARM_DOCKER__LOG_MAX_FILES": "9",
        },
    )
    assert done.returncode == 0, done.stdout + done.stderr
    if mode == "-y":
        assert done.stderr.count("] restarting Docker") == count
    found = json.loads(commands.read_text())
    return {
        fact: {sum(fact in text for text in commands) for commands in found.values()}
        for fact in said
    }


@pytest.mark.parametrize("mode", ["-y", "--dry"])
def test_how_often_a_host_is_asked_does_not_depend_on_how_many_others_change(
    tmp_path: Path, mode: str
) -> None:
    few, many = (asked(tmp_path, count, mode) for count in (3, 6))
    assert few == many
