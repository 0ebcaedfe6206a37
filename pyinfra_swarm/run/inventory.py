"""The hosts that pyinfra works on, from the settings, and the checks that come before any host."""

from __future__ import annotations

from contextlib import suppress
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pyinfra import logger

from pyinfra_swarm.run import command_line, start
from pyinfra_swarm.run.pyinfra_internals import given_options
from pyinfra_swarm.settings import Host, Settings, SettingsError, load, source
from pyinfra_swarm.settings.model import Ssh
from pyinfra_swarm.settings.paths import from_user, project

Group = list[tuple[str, dict[str, Any]]]
"""What pyinfra takes for a group of hosts: each one's name and its data."""


def groups(inventory: str, settings: Settings | None = None) -> tuple[Group, Group]:
    """The managers and the workers. Ends the run where the command line cannot be what was meant.

    inventory: the path of the file that pyinfra reads, its ``__file__``. The project is its folder.
    settings: the cluster; read from where settings are (:func:`settings.load`) if left out.
    """
    command_line.refuse_elsewhere(Path(inventory).resolve().parent)
    where = "a value"
    if settings is None:
        try:
            settings, where = load(), source().in_full
        except SettingsError as error:
            command_line.stop(str(error))
    _refuse_a_limit_to_nobody(settings)
    command_line.refuse_slips([host.name for host in settings.hosts])
    logger.info(
        'Cluster "%s": %s (%s, %s) from %s',
        settings.cluster.name,
        _many(len(settings.hosts), "host"),
        _many(len(settings.managers), "manager"),
        _many(len(settings.workers), "worker"),
        where,
    )
    make_room_for_host_keys(settings.ssh)
    start.install()
    for warning in (*settings.warnings, *_hidden_facts()):
        logger.warning("%s", warning)
    return (
        [_entry(host, settings.ssh) for host in settings.managers],
        [_entry(host, settings.ssh) for host in settings.workers],
    )


def make_room_for_host_keys(ssh: Ssh) -> None:
    """Make the folder of the known hosts where new ones are to be taken, as ``ssh`` does.

    Without it no host is reached, for the lack of a file that is only to be written.
    """
    if ssh.strict_host_keys == "accept-new":
        with suppress(OSError):  # whoever then opens the file says what is wrong
            folder = from_user(ssh.known_hosts or "~/.ssh/known_hosts").parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _entry(host: Host, ssh: Ssh) -> tuple[str, dict[str, Any]]:
    data: dict[str, Any] = {
        "address": host.address,
        "role": host.role,
        "ssh_hostname": host.ssh_host,
        "ssh_port": host.ssh_port,
        "ssh_user": host.ssh_user,
        "ssh_strict_host_key_checking": ssh.strict_host_keys,
    }
    if host.ssh_key:
        data["ssh_key"] = host.ssh_key
    if ssh.known_hosts:
        data["ssh_known_hosts_file"] = ssh.known_hosts
    return (host.name, data)


def _hidden_facts() -> list[str]:
    """A warning where another package is taken for the project's facts.

    pyinfra puts the project's folder at the end of Python's path, so any installed package of the
    name comes first, and pyinfra answers `No such module: facts.swarm` before it reads anything.
    """
    own = project() / "facts"
    spec = find_spec("facts")
    if spec is None or not own.is_dir():
        return []
    [found, *_] = spec.submodule_search_locations or [spec.origin or "unknown"]
    if Path(found).resolve() == own.resolve():
        return []
    return [
        f"another package named facts ({found}) hides this project's own, so pyinfra does not find "
        "`fact facts.…`. Name a fact by its room, as in `fact pyinfra_swarm.nodes.facts.Nodes`, or "
        "uninstall that package"
    ]


def _refuse_a_limit_to_nobody(settings: Settings) -> None:
    """pyinfra would run on no host at all, and end with exit code 0."""
    given = given_options()
    names = [host.name for host in settings.hosts]
    members = {
        "inventory": names,
        "managers": [host.name for host in settings.managers],
        "workers": [host.name for host in settings.workers],
    }

    def meant(option: str) -> set[str]:
        found: set[str] = set()
        for pattern in given.get(option) or ():
            matching = members.get(pattern, [name for name in names if fnmatch(name, pattern)])
            if not matching:
                no = "names nobody: there are none" if pattern in members else "is no host's name"
                command_line.stop(
                    f"--{option} {pattern} {no}\n\n"
                    f"    instead: {', '.join(names)}; or managers, workers; "
                    f"--{option} can be repeated"
                )
            found |= set(matching)
        return found

    if meant("exclude") >= (meant("limit") or set(names)):
        command_line.stop(
            "--exclude leaves no host\n\n    instead: a narrower pattern, or a wider --limit"
        )
