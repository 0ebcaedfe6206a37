"""Every plan, given hosts that say hostile things: findings are plain, commands run nothing.

The plans are found by what they return, and the facts are made by their types: a new plan, or a
new field of a fact, is tried without being named here.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import importlib
import inspect
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Literal, Union, get_args, get_origin

import pytest

from pyinfra_swarm.backup import archive as backup_archive
from pyinfra_swarm.nodes import membership
from pyinfra_swarm.run.findings import Finding
from pyinfra_swarm.settings import Host, Settings
from pyinfra_swarm.settings.errors import UnknownHost
from tests.builders import CONVERGED, SETTINGS
from tests.tools import hostile
from tests.unit.project import test_architecture as project

NAMES = [host.name for host in SETTINGS.hosts]
MODULES = [
    importlib.import_module(name)
    for name in project.MODULES
    if not name.startswith("pyinfra_swarm.drift")
    and not {one.split(".")[0] for one in project.beneath(name)} & project.DOING
]
ONLY_FOR_TYPES = {
    **{k: v for module in MODULES for k, v in vars(module).items() if not k.startswith("_")},
    "Settings": Settings,
    "Host": Host,
    "Backup": backup_archive.Backup,
}
"""What a module may import for the type checker alone."""

MADE_OF = ("Finding", "Notice", "Refusal", "Change", "Step")


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(function, {**ONLY_FOR_TYPES, **vars(inspect.getmodule(function))})


def holds_findings(kind: Any) -> bool:
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return issubclass(kind, Finding) or any(
            any(word in str(field.type) for word in MADE_OF) for field in dataclasses.fields(kind)
        )
    return any(holds_findings(argument) for argument in get_args(kind))


def plans() -> dict[str, Callable[..., Any]]:
    """Every public function of the domain that gives findings, and is not given any."""
    found: dict[str, Callable[..., Any]] = {}
    for module in MODULES:
        for name, one in vars(module).items():
            if (
                not inspect.isfunction(one)
                or one.__module__ != module.__name__
                or name.startswith("_")
            ):
                continue
            kinds = hints(one)
            given_findings = any(
                holds_findings(kind) for key, kind in kinds.items() if key != "return"
            )
            if holds_findings(kinds.get("return")) and not given_findings:
                found[f"{module.__name__.removeprefix('pyinfra_swarm.')}.{name}"] = one
    return found


PLANS = plans()


def test_the_plans_are_found() -> None:
    assert {
        "access.plan.plan",
        "docker.packages.plan_packages",
        "firewall.plan.plan",
        "preflight.plan.plan",
        "ssh.plan.plan",
        "swarm.labels.plan_labels",
        "swarm.init.plan_init",
        "updates.plan.plan",
    } <= set(PLANS)
    assert len(PLANS) > 40


# Values of any type, with hostile words in them
# ----------------------------------------------

HOSTILE = [text for text in hostile.KNOWN if len(text) < 1000]
ORDINARY = [*NAMES, "", "28.5.2", "10.0.0.1", "ready", "a" * 25]


def of(kind: Any, luck: Random) -> Any:
    """A value of a type; texts are hostile, but names of hosts, which are declared."""
    origin, arguments = get_origin(kind), get_args(kind)
    if kind is Settings:
        return SETTINGS
    if kind is Host:
        return luck.choice(SETTINGS.hosts)
    if kind in (str, Any, object):
        return luck.choice(HOSTILE if luck.random() < 0.6 else ORDINARY)
    if kind in SIMPLE:
        return SIMPLE[kind](luck)
    if origin in (Union, types.UnionType):
        return of(luck.choice(arguments), luck)
    if origin is Literal:
        return luck.choice(arguments)
    if origin is tuple and arguments[-1:] != (...,):
        return tuple(of(one, luck) for one in arguments)
    if origin is not None and issubclass(origin, collections.abc.Mapping):
        key, held = arguments
        return _mapping(key, held, luck)
    if origin is not None and issubclass(origin, collections.abc.Iterable):
        made = [of(arguments[0], luck) for _ in range(luck.randint(0, 3))]
        return {tuple: tuple, frozenset: frozenset, set: set}.get(origin, list)(made)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return luck.choice(list(kind))
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        known = typing.get_type_hints(kind, {**ONLY_FOR_TYPES, **vars(inspect.getmodule(kind))})
        fields = [one.name for one in dataclasses.fields(kind) if one.init]
        return kind(**{name: of(known[name], luck) for name in fields})
    raise NotImplementedError(f"a value of type {kind}: say here how one is made")


SIMPLE: dict[Any, Callable[[Random], Any]] = {
    int: lambda luck: luck.choice([-3, 0, 1, 2, 1000, 10**6]),
    float: lambda luck: luck.choice([-1e6, 0.0, 0.5, 1e6]),
    bool: lambda luck: luck.random() < 0.5,
    bytes: lambda luck: luck.randbytes(5),
    type(None): lambda luck: None,
}


def _mapping(key: Any, value: Any, luck: Random) -> Mapping[Any, Any]:
    if membership.Membership in get_args(value):
        return {name: _lied(said, luck) for name, said in CONVERGED.items()}
    if key is str and (dataclasses.is_dataclass(value) or get_args(value)):
        return {name: of(value, luck) for name in NAMES}
    return {of(key, luck): of(value, luck) for _ in range(luck.randint(0, 3))}


def _lied(value: Any, luck: Random) -> Any:
    """An answer of a swarm as declared, in which some words are not what they should be."""
    if isinstance(value, str):
        return luck.choice(HOSTILE) if luck.random() < 0.15 else value
    if isinstance(value, tuple):
        return tuple(_lied(one, luck) for one in value)
    if isinstance(value, dict):
        more = {luck.choice(HOSTILE): luck.choice(HOSTILE)} if luck.random() < 0.2 else {}
        return {key: _lied(one, luck) for key, one in value.items()} | more
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [one.name for one in dataclasses.fields(value)]
        return dataclasses.replace(
            value, **{name: _lied(getattr(value, name), luck) for name in fields}
        )
    return value


# The walk
# --------


def findings_in(value: Any) -> Iterator[Finding]:
    if isinstance(value, Finding):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from findings_in(getattr(value, field.name))
    elif isinstance(value, Mapping):
        yield from findings_in(list(value.values()))
    elif isinstance(value, Iterator | list | tuple | set | frozenset):
        for one in value:
            yield from findings_in(one)


pytestmark = pytest.mark.xdist_group("plans")  # the last test looks at what the others have seen
COMMANDS_SEEN: set[str] = set()


@pytest.mark.parametrize("name", PLANS)
def test_what_a_plan_finds_is_plain_and_its_commands_run_nothing(name: str) -> None:
    plan = PLANS[name]
    kinds = hints(plan)
    for seed in range(60):
        luck = Random(f"{name} {seed}")
        given = {key: of(kinds[key], luck) for key in inspect.signature(plan).parameters}
        if kinds.get("name") is str:  # of a declared host, where one is asked for
            given["name"] = luck.choice(NAMES)
        try:
            found = list(findings_in(plan(**given)))
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, UnknownHost):
            continue  # facts that no parser lets pass: the host is unknown then
        for finding in found:
            hostile.assert_plain(finding.record())
            for command in hostile.commands(finding.remedy):
                if hostile.CANARY in command:
                    COMMANDS_SEEN.add(name)
                    assert hostile.CANARY not in hostile.unquoted(command), finding


def test_hostile_words_have_come_into_commands() -> None:
    """Or nothing was tried above; by far not every plan offers one with a host's words in it."""
    for name in PLANS if not COMMANDS_SEEN else ():
        test_what_a_plan_finds_is_plain_and_its_commands_run_nothing(name)
    assert COMMANDS_SEEN
