"""``pyinfra-swarm lab``: virtual hosts on this machine. Its words: ``lab/cli.py`` of a clone."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import click

from pyinfra_swarm.commands.group import Passed

WORDS = (
    *("up", "status", "settings", "ssh", "reboot", "power-cut", "power-on", "reset", "kernel"),
    "down",
)
"""What can be asked of the lab; all but ``settings`` is carried out by the lab itself."""


def _run(words: Sequence[str]) -> int:
    from pyinfra_swarm.settings import lab
    from pyinfra_swarm.settings.paths import ROOT

    if not lab.available():
        print(
            "pyinfra-swarm lab: the lab is part of the repository, not of the installed package\n"
            "    instead: clone the repository, and run `make lab-up` in it",
            file=sys.stderr,
        )
        return 1
    if list(words) == ["settings"]:
        return _settings()
    sys.stdout.flush()
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-P", "-m", "lab", *words]
    return os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})


def _settings() -> int:
    from pyinfra_swarm.settings import lab

    values = lab.running()
    if values is None:
        raise click.ClickException("no lab is up\n    instead: pyinfra-swarm lab up, first")
    print(lab.as_toml(values), end="")
    return 0


command = Passed(
    "lab",
    run=_run,
    parser=lambda: None,
    words=WORDS,
    short_help="four virtual hosts on this machine, to try it",
)
