"""Files of keys that settings name: public keys are read, private ones only looked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyinfra_swarm.settings.errors import Problem, field_name, shown
from pyinfra_swarm.settings.fields import Loc
from pyinfra_swarm.settings.files import read_text
from pyinfra_swarm.settings.paths import from_user, project
from pyinfra_swarm.settings.values.file_paths import path_fault
from pyinfra_swarm.settings.values.keys import public_key_fault


def read_keys(data: dict[str, Any]) -> list[Problem]:
    """Adds the keys of each admin's `keys_file` to its `keys`; looks for the login keys."""
    problems: list[Problem] = []
    access = data.get("access")
    admins = access.get("admins") if isinstance(access, Mapping) else None
    if isinstance(access, Mapping) and isinstance(admins, list):
        read = []
        for index, admin in enumerate(admins):
            if isinstance(admin, Mapping) and isinstance(admin.get("keys_file"), str):
                place = field_name(("access", "admins", index, "keys_file"), data)
                keys, wrong = _keys_in(admin["keys_file"], place)
                problems += wrong
                own = admin.get("keys", [])
                if isinstance(own, list):
                    admin = {**admin, "keys": [*own, *(key for key in keys if key not in own)]}
            read.append(admin)
        data["access"] = {**access, "admins": read}
    return [*problems, *_missing_login_keys(data), *_unlock_key_in_a_repository(data)]


def _keys_in(name: str, place: str) -> tuple[list[str], list[Problem]]:
    if not name or path_fault(name):
        return [], []  # reported by the value itself
    path = from_user(name)
    instead = 'the path of a .pub file, such as "~/.ssh/id_ed25519.pub"'
    try:
        text = read_text(path)
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        return [], [Problem(place, shown(name), reason, instead)]
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text{error.reason}"
        return [], [Problem(place, shown(name), reason, instead)]
    if "PRIVATE KEY" in text:
        reason = "holds a private key, which must never leave its owner"
        return [], [Problem(place, shown(name), reason, f'its public half: "{name}.pub"')]
    keys: list[str] = []
    problems: list[Problem] = []
    # No other blank is left out, and no other line end is one: sshd knows no more.
    for number, line in enumerate((line.strip(" \t") for line in text.split("\n")), start=1):
        if not line or line.startswith("#"):
            continue
        if fault := public_key_fault(line):
            reason = f"line {number} {fault[0]}"
            problems.append(Problem(place, shown(name), reason, fault[1]))
        else:
            keys.append(line)
    if not keys and not problems:
        problems.append(Problem(place, shown(name), "holds no key", instead))
    return keys, problems


def _missing_login_keys(data: Mapping[str, Any]) -> list[Problem]:
    places: list[tuple[Loc, Any]] = []
    ssh, hosts = data.get("ssh"), data.get("hosts")
    if isinstance(ssh, Mapping):
        places.append((("ssh", "key"), ssh.get("key")))
    for index, host in enumerate(hosts if isinstance(hosts, list) else []):
        if isinstance(host, Mapping):
            places.append((("hosts", index, "ssh_key"), host.get("ssh_key")))
    return [
        Problem(
            field_name(loc, data),
            shown(value),
            "names no file on this machine",
            "the path of the private key you log in with, or leave it out to use your SSH agent "
            "and the keys in ~/.ssh",
        )
        for loc, value in places
        if isinstance(value, str)
        and value
        and not path_fault(value)
        and not value.endswith(".pub")
        and not os.path.isfile(from_user(value))
    ]


def _unlock_key_in_a_repository(data: Mapping[str, Any]) -> list[Problem]:
    swarm = data.get("swarm")
    value = swarm.get("unlock_key_file") if isinstance(swarm, Mapping) else None
    if not isinstance(value, str) or not value or path_fault(value):
        return []
    # As a string: a folder that one may not enter, or a link to itself, is no error there.
    path = Path(os.path.realpath(from_user(value)))
    if path.is_relative_to(project()):
        # Reported by the value itself, unless a link leads there.
        if from_user(value).is_relative_to(project()):
            return []
        return [_misplaced(value, f"leads into the project's folder, {project()}")]
    found = next((folder for folder in path.parents if os.path.exists(folder / ".git")), None)
    return [_misplaced(value, f"is inside a git repository, {found}")] if found else []


def _misplaced(value: str, reason: str) -> Problem:
    return Problem(
        "swarm.unlock_key_file",
        shown(value),
        f"{reason}, and a key there would be shared with it some day",
        'a path outside of any repository, such as "~/.config/pyinfra-swarm/home.unlock-key"',
    )
