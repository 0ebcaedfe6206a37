"""What to check: the declared hosts that ``--limit`` leaves, and the deploy."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from pyinfra_swarm.drift.report import Host
from pyinfra_swarm.drift.states import jobs_in
from pyinfra_swarm.settings import Settings, SettingsError, load, source
from pyinfra_swarm.settings.errors import nearest
from pyinfra_swarm.settings.paths import from_user, project


class Unusable(Exception):
    """The check cannot do what it was asked for; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """The cluster to check.

    cluster: its name; source: where its settings come from; hosts: those to check.
    host_keys: what a check does about unknown keys: ``no`` (accepts any, stores none) where that
    is declared, else ``yes`` (refuses). It never stores one, as a run may.
    """

    cluster: str
    source: str
    hosts: tuple[Host, ...]
    host_keys: str = "yes"


def target(limit: Sequence[str], *, lab: bool) -> Target:
    """The declared cluster. Raises :class:`Unusable`.

    lab: whether the running lab was asked for; otherwise a lab is not checked.
    """
    try:
        settings, where = load(), source()
    except SettingsError as error:
        raise Unusable(str(error)) from error
    if where.is_lab and not lab:
        raise Unusable(
            "There is no cluster.toml, and the lab is checked only when it is asked for\n"
            "    instead: pyinfra-swarm drift --lab, or write cluster.toml (start "
            "from cluster.example.toml)"
        )
    if lab and not where.is_lab:
        raise Unusable(
            f"The lab was asked for, but the settings in force are {where}\n"
            "    instead: leave out --lab, or move that file away"
        )
    host_keys = "no" if settings.ssh.strict_host_keys == "no" else "yes"
    return Target(settings.cluster.name, where.in_full, limited(settings, limit), host_keys)


def limited(settings: Settings, limit: Sequence[str]) -> tuple[Host, ...]:
    """The hosts that a limit selects: names, shell patterns, ``managers``, ``workers``.

    Raises :class:`Unusable` for a word that selects none.
    """
    groups = {
        "managers": {host.name for host in settings.managers},
        "workers": {host.name for host in settings.workers},
        "inventory": {host.name for host in settings.hosts},
    }
    names = [host.name for host in settings.hosts]
    chosen: set[str] = set() if limit else set(names)
    for word in limit:
        if groups.get(word) == set():
            raise Unusable(f"--limit {word}: there are none; the hosts are {', '.join(names)}")
        matching = groups.get(word) or {name for name in names if fnmatch(name, word)}
        if not matching:
            meant = nearest(word, [*names, *groups])
            hint = f'did you mean "{meant}"?' if meant else f"the hosts are {', '.join(names)}"
            raise Unusable(f"--limit {word}: no declared host and no group has that name; {hint}")
        chosen |= matching
    return tuple(
        Host(host.name, host.role, host.address) for host in settings.hosts if host.name in chosen
    )


def deploys() -> tuple[str, ...]:
    """The project's deploys that describe a state, as pyinfra takes them."""
    paths = sorted((project() / "deploys").glob("*.py"))
    return tuple(f"deploys/{path.name}" for path in paths if not jobs_in(path))


def a_job(given: str, jobs: Sequence[str]) -> Unusable:
    """The refusal to check a deploy that contains jobs."""
    what = ", ".join(jobs[:3]) + (", …" if len(jobs) > 3 else "")
    return Unusable(
        f"--deploy {given}: is a job ({what}), not a state that hosts could differ from\n"
        f"    instead: one of {', '.join(deploys())}"
    )


def deploy(given: str) -> str:
    """A deploy from the command line, as pyinfra takes it. Raises :class:`Unusable`.

    One of the project is named from its folder, whatever the working directory. A job is refused.
    """
    folder = project()
    own_names = {path.stem: path for path in sorted((folder / "deploys").glob("*.py"))}
    if (named := own_names.get(given)) is not None:
        given = f"deploys/{named.name}"
    for path in (folder / given, from_user(given).absolute()):
        if os.path.isfile(path) and path.suffix == ".py":
            resolved = path.resolve()
            if resolved.parent == folder:  # inventory.py: pyinfra would look at nothing
                raise Unusable(
                    f"--deploy {given}: is not a deploy\n    instead: one of {', '.join(deploys())}"
                )
            if jobs := jobs_in(resolved):
                raise a_job(given, jobs)
            own = resolved.is_relative_to(folder)
            return str(resolved.relative_to(folder) if own else path)
    by_name = {Path(name).stem: name for name in deploys()}
    meant = nearest(Path(given).stem, by_name)
    instead = by_name[meant] if meant else f"one of {', '.join(deploys())}"
    raise Unusable(f"--deploy {given}: there is no such file\n    instead: {instead}")
