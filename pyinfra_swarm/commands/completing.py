"""What the shell completes: hosts, deploys, and what ``--data`` takes. It never says what is wrong:
whoever presses TAB has not finished."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import redirect_stderr

from click.shell_completion import CompletionItem


def items(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Those of the words that begin as the one that is typed."""
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def host_names() -> list[str]:
    """The declared hosts, and the groups; none where the settings cannot be read."""
    from pyinfra_swarm.settings import SettingsError, load

    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere):
        try:
            return [*(host.name for host in load().hosts), "managers", "workers"]
        except (SettingsError, OSError):
            return []


def deploy_names() -> list[str]:
    """The project's deploys, as ``plan`` and ``apply`` take them: ``site``, ``reset``, …"""
    return [path.removeprefix("deploys/").removesuffix(".py") for path in deploy_files()]


def deploy_files() -> list[str]:
    """The project's deploys, as pyinfra takes them."""
    from pyinfra_swarm.settings.paths import project

    return [f"deploys/{path.name}" for path in sorted((project() / "deploys").glob("*.py"))]


def data(deploys: Sequence[str], incomplete: str) -> list[CompletionItem]:
    """What ``--data`` takes for these deploys, by name; ``host=`` with each host."""
    from pyinfra_swarm.run.command_line import OPTIONS

    found: list[str] = []
    for option in OPTIONS:
        if not {*option.deploys} & {*deploys}:
            continue
        if option.values in ("HOST", "NAME") and option.key == "host":
            names = [name for name in host_names() if name not in ("managers", "workers")]
            found += [f"{option.key}={name}" for name in names]
        elif option.values.isupper():
            found.append(f"{option.key}=")
        else:
            found += [f"{option.key}={value}" for value in option.values.split("|")]
    return items(dict.fromkeys(found), incomplete)
