"""The repository's key on its way from the mirror to the host: judged, and written anew."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pyinfra_swarm.docker.paths import KEYRING
from pyinfra_swarm.settings.paths import ROOT
from tests.tools import forked
from tests.tools.answers import encoded, sections

FIXTURES = Path(__file__).parents[1] / "fixtures"
CONVERGED = (FIXTURES / "docker-installation-28.5.2.txt").read_text().split("\n")
KEY = "\n".join(sections(CONVERGED)["keyring"])

INVENTORY = """
import atexit, json
from pyinfra.context import ctx_state
from pyinfra_swarm.run import start

hosts = [("@fake/rk1", {{"fake_responses": {said!r}, "fake_delay": 0}})]
start.install()


def _write():
    [host] = ctx_state.get().inventory
    open({commands!r}, "w").write(json.dumps(host.connector.executed_commands))


atexit.register(_write)
"""


def run(folder: Path, published: str) -> tuple[str, list[str]]:
    """What a run says, and its commands, on a host without the key whose mirror has this one."""
    at = CONVERGED.index("#> keyring")
    without = [*CONVERGED[:at], *CONVERGED[at + len(KEY.split("\n")) + 1 :]]
    said = {
        "section packages": encoded(without),
        "section key": encoded(["#> key", *published.split("\n")]),
    }
    commands = folder / "commands.json"
    (folder / "inventory.py").write_text(INVENTORY.format(said=said, commands=str(commands)))
    (folder / "deploy.py").write_text(
        "from pyinfra_swarm.settings import load\n"
        "from pyinfra_swarm.docker import operations as docker\n"
        "docker.repository(load(), name='Repository')\n"
    )
    (folder / "cluster.toml").write_text(
        '[[hosts]]\nname = "rk1"\naddress = "192.168.1.11"\nrole = "manager"\n'
        '[ssh]\nuser = "debian"\n'
        '[docker]\nkey_fingerprint = "B0A0138566695F7847D9DC9E16B030FF7476653A"\n'
    )
    done = forked.run(
        [sys.executable, "-P", "-m", "pyinfra", "-y", "inventory.py", "deploy.py"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SWARM_SETTINGS": str(folder / "cluster.toml"),
        },
    )
    return done.stdout + done.stderr, json.loads(commands.read_text())


def test_the_text_that_a_mirror_publishes_is_never_what_is_written(tmp_path: Path) -> None:
    published = KEY.replace("\n\n", "\nComment: told by the mirror\n\n", 1) + "\n\n"
    said, commands = run(tmp_path, published)
    [written] = [command for command in commands if f"write_file {KEYRING} " in command]
    assert KEY in written, said
    assert "told by the mirror" not in written


def test_a_mirror_that_publishes_more_than_the_pinned_key_has_nothing_written(
    tmp_path: Path,
) -> None:
    said, commands = run(tmp_path, f"{KEY}\n{KEY}")
    assert "nothing is installed from there" in said
    assert not any("cat >" in command for command in commands)
