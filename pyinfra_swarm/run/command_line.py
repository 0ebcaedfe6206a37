"""Mistakes on pyinfra's command line, reported before any host is asked.

pyinfra takes any ``--data``, and takes a missing file for the name of a host. So a run with a
mistake would end as if there were nothing to do, or would do something else than was meant.
"""

from __future__ import annotations

import difflib
import importlib
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, get_origin

from pyinfra import logger
from pyinfra.api import FactBase, ShortFactBase

from pyinfra_swarm.run import own_words
from pyinfra_swarm.run.context import this_run
from pyinfra_swarm.run.pyinfra_internals import given_options, known_data_keys
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.errors import nearest
from pyinfra_swarm.settings.fields import model_of
from pyinfra_swarm.settings.paths import project

_ROLLING = ("reboot", "restart", "upgrade")
_CONFIRMED = ("backup", "recover", "remove", "replace", "reset", "restore", "stacks")
_OF_PYINFRA = known_data_keys()


@dataclass(frozen=True)
class Option:
    """What ``--data`` can say under a key.

    values: the words it takes, with ``|`` between them, or in capitals what stands for any other:
    ``HOST`` a declared one, ``HOSTS`` some of them with commas between.
    deploys: those that take it; needed: those of them that cannot do without it.
    means: what it is for, as a phrase.
    """

    key: str
    values: str
    deploys: Sequence[str]
    means: str
    needed: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.key}={self.values.replace('|', ' or ')}"

    def takes(self, value: str, hosts: Collection[str] | None = None) -> bool:
        """Whether a value can be meant; hosts: the declared ones, where they are known."""
        if self.values == "SECONDS":
            return re.fullmatch(r"[1-9]\d{0,5}", value) is not None
        if self.values in ("HOST", "HOSTS") and hosts is not None:
            return {*(value.split(",") if self.values == "HOSTS" else [value])} <= {*hosts}
        return bool(value) if self.values.isupper() else value in self.values.split("|")

    def right(self, hosts: Collection[str] | None) -> str:
        """What can be given, in words."""
        names = ", ".join(hosts or ())
        return {
            "SECONDS": f"{self.key}=300, a whole number of seconds",
            "HOST": f"{self}, one of {names}" if names else str(self),
            "HOSTS": f"{self}, of {names}, with commas between" if names else str(self),
        }.get(self.values, str(self))


OPTIONS = (
    Option("all", "yes", ["reboot"], "hosts that wait for no reboot, too"),
    Option("back", "yes", ["secrets"], "the version before"),
    Option("confirm", "WORD", _CONFIRMED, "the word that the job asks for"),
    Option("downgrade", "accepted", ["upgrade"], "an older version"),
    Option("drain", "yes|no", ["backup"], "whether the manager's tasks move away first"),
    Option("file", "PATH", ["restore"], "the backup", needed=["restore"]),
    Option("gone", "HOSTS", ["restore"], "hosts that will not come back"),
    Option("host", "HOST", ["backup", "recover", "restore"], "the manager it is done on"),
    # A node that is not declared any more can go as well.
    Option(
        "host", "NAME", ["remove", "replace"], "the node that goes", needed=["remove", "replace"]
    ),
    Option("identity", "PATH", ["restore"], "the key that opens the backup", needed=["restore"]),
    Option("interruption", "accepted", _ROLLING, "services may be interrupted"),
    Option(
        "key_file", "PATH", [*_ROLLING, "docker", "site", "unlock"], "a file with the unlock key"
    ),
    Option("names", "FILE", ["secrets"], "where the current versions' names are written"),
    Option("purge", "docker", ["reset"], "Docker and its data go, too"),
    Option("refresh", "now", ["firewall", "site"], "the hosts ask Cloudflare for its ranges"),
    Option("remove", "NAME", ["stacks"], "the stack that goes"),
    Option("report", "FILE", ["prove"], "where a report to send along is written"),
    Option("resolve", "NAME", ["site", "stacks"], "a stack whose images are resolved anew"),
    Option("secret", "NAME", ["secrets"], "the only secret it is about"),
    Option("to", "PATH", ["backup"], "the folder or file that it is written to"),
    Option("unlock", "PATH", ["recover", "restore"], "a file with the unlock key"),
    Option("wait", "SECONDS", _ROLLING, "the longest wait for a node or its services"),
)
"""All that ``--data`` can say to the project's deploys."""


def refuse_slips(hosts: Collection[str] | None = None) -> None:
    """End the run with one message where its command line does not make sense.

    hosts: the names of the declared ones, once the settings are read.
    """
    given = given_options()
    words = given.get("operations") or ()
    this_run(_Deploys).own = deploys(words)
    found = [
        *order_slips(given),
        *inventory_slips(given.get("inventory") or "inventory.py", words),
        *fact_slips(words),
        *data_slips(given.get("data") or (), deploys(words), hosts),
    ]
    if found:
        stop("\n\n".join(found))


@dataclass
class _Deploys:
    """The project's own deploys that this run is of; ``None`` where it does anything else."""

    own: list[str] | None = None


def is_run_of(name: str) -> bool:
    """Whether this run is of that deploy alone, as ``secrets`` for :file:`deploys/secrets.py`.

    It is kept since the inventory was read: hosts run in greenlets, where the command line is not.
    """
    return this_run(_Deploys).own == [name]


def is_run_with(*names: str) -> bool:
    """Whether one of these deploys is among those that this run is of."""
    return not {*names}.isdisjoint(this_run(_Deploys).own or ())


def order_slips(given: Mapping[str, Any]) -> list[str]:
    """Options of pyinfra's with which hosts do not go through the operations together."""
    return [
        f"--{option} lets one host run ahead of the others, but a swarm is built step by step, on "
        "all hosts\n\n"
        "    instead: leave it out; steps that take one host at a time do so anyway"
        for option, name in (("no-wait", "no_wait"), ("serial", "serial"))
        if given.get(name) and deploys(given.get("operations") or ()) is not None
    ]


def refuse_elsewhere(folder: Path) -> None:
    """End the run where it is not in the project's folder: pyinfra looks for the rest there.

    folder: that of the inventory.
    """
    if Path.cwd() == folder:
        return
    # We name the command and do not change folders: a path in it may be meant from here.
    command = shlex.join(["pyinfra", *(_from(folder, word) for word in own_words.shown())])
    stop(
        f"pyinfra reads config.py and group_data/ in the folder it is run in: {Path.cwd()}\n\n"
        f"    instead: cd {shlex.quote(str(folder))}\n"
        f"             {command}"
    )


def _from(folder: Path, word: str) -> str:
    path = Path(word).absolute().resolve()
    own = path.suffix == ".py" and path.is_file() and path.is_relative_to(folder)
    return str(path.relative_to(folder)) if own else word


def deploys(words: Sequence[str]) -> list[str] | None:
    """The project's own deploys that a run is of; ``None`` where it does anything else."""
    paths = [Path(word).resolve() for word in words]
    there = project() / "deploys"
    own = [path.stem for path in paths if path.suffix == ".py" and path.parent == there]
    return own if own and len(own) == len(words) else None


def inventory_slips(inventory: str, words: Sequence[str]) -> list[str]:
    """What is wrong with the word that names the inventory."""
    meant = [word for word in words if word != "inventory.py"]
    if deploys([inventory]):
        found = f"{inventory} is a deploy, and stands where the inventory belongs"
        meant = [inventory, *meant]
    elif Path(inventory).is_file() and inventory.endswith(".py"):
        return []
    elif inventory.endswith((".py", ".toml")) or any(deploys([word]) for word in words):
        found = f"{inventory} is not an inventory file"
    else:
        return []  # pyinfra alone, on hosts that are not declared
    right = shlex.join(["pyinfra", "inventory.py", *meant])
    return [f"{found}\n\n    instead: {right}, with your options (for some hosts: --limit HOST)"]


def fact_slips(words: Sequence[str]) -> list[str]:
    """Facts that are asked for without the word ``fact``, and names that no fact has."""
    if words[:1] and words[0].startswith("facts."):
        right = shlex.join(["pyinfra", "inventory.py", "fact", *words])
        return [f"{words[0]}: a fact is asked for with the word fact\n\n    instead: {right}"]
    if [*words] == ["fact"]:
        right = "pyinfra inventory.py fact facts.swarm.Nodes"
        return [f"fact: name the fact to ask for\n\n    instead: {right} (all: docs/facts.md)"]
    found = []
    for word in words[1:] if words[:1] == ("fact",) else ():
        module, _, name = word.replace(":", ".").rpartition(".")
        if "=" in word or not module.startswith("facts."):
            continue
        there = vars(importlib.import_module(module))
        if not _is_fact(there.get(name)):
            own = [each for each in there.values() if _is_fact(each)]
            names = sorted(fact.__name__ for fact in own)
            meant = nearest(name, names)
            right = ", ".join(f"{module}.{name}" for name in ([meant] if meant else names))
            found.append(f"{word} is not a fact\n\n    instead: {right} (all: docs/facts.md)")
    return found


def _is_fact(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, FactBase | ShortFactBase)


def data_slips(
    data: Sequence[str], jobs: Sequence[str] | None, hosts: Collection[str] | None = None
) -> list[str]:
    """What is wrong with ``--data``.

    jobs: the deploys that are run, ``None`` where they are not all ours: others have keys of their
    own; hosts: as in :func:`refuse_slips`.
    """
    options = {
        option.key: option for option in OPTIONS if jobs is None or {*option.deploys} & {*jobs}
    }
    keys = [word.partition("=")[0] for word in data]
    found = [
        f"--data {key}= is given more than once\n\n    instead: --data {options[key]}"
        for key in sorted({key for key in keys if keys.count(key) > 1} & {*options})
    ]
    told = {*keys}
    for word in data:
        key, sign, value = word.partition("=")
        if not sign and key not in options and (meant := _without_its_key(word, options)):
            found.append(f"--data {word} lacks its key\n\n    instead: --data {meant}={word}")
            told.add(meant)
        elif key in options and not options[key].takes(value, hosts):
            right = f"--data {options[key].right(hosts)}"
            found.append(f"--data {word} is not understood\n\n    instead: {right}")
        elif jobs and key not in options and not ("=" in word and key in _OF_PYINFRA):
            # Without its value: a mistyped _sudo_password has a secret one.
            found.append(_unknown(key, options, jobs))
    found += [
        f"deploys/{name}.py needs --data {option}"
        for option in options.values()
        for name in jobs or ()
        if name in option.needed and option.key not in told
    ]
    return found


def _without_its_key(word: str, options: Mapping[str, Option]) -> str:
    """The key that a host's name alone is meant for, as in ``--data rk4``; "" for none."""
    hosts = [option for option in options.values() if option.values in ("HOST", "NAME")]
    named = [option.key for option in hosts if option.key == "host"]
    return named[0] if named and not nearest(word, options) else ""


def _setting(key: str) -> str:
    """The setting that somebody may mean who tells a deploy; "" for none."""
    named = {
        name: f"{section}.{name}"
        for section, field in Settings.model_fields.items()
        if get_origin(field.annotation) is not tuple and (inner := model_of(field.annotation))
        for name in inner.model_fields
    }
    # Nearer than for other slips: whoever types --data seldom means a setting.
    meant = difflib.get_close_matches(key, named, n=1, cutoff=0.8)
    return f"{named[meant[0]]} in cluster.toml is a setting of that name" if meant else ""


def _unknown(key: str, options: Mapping[str, Option], jobs: Sequence[str]) -> str:
    by = " or ".join(f"deploys/{name}.py" for name in jobs)
    meant = nearest(key, {**dict.fromkeys(_OF_PYINFRA), **options})
    if meant in _OF_PYINFRA:
        right = [f"--data {meant}="]
    else:
        right = (
            [f"--data {options[meant]}"]
            if meant
            else [f"--data {option} ({option.means})" for option in options.values()]
        )
        if not meant and (setting := _setting(key)):
            right.insert(0, setting)
    if key in ("host", "limit"):
        right.append("--limit HOST for some hosts only")
    return (
        f"{by} does not take --data {key}=\n\n    instead: {'; or '.join(right) or 'leave it out'}"
    )


def stop(message: str) -> NoReturn:
    """End the run with a message that needs neither a traceback nor pyinfra's words around it."""
    logger.error("--> %s", message)
    raise SystemExit(1)
