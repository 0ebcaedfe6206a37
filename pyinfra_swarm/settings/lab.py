"""The running lab as settings: what its owner would have written into `cluster.toml`.

The lab stands alone and may not be there at all; nothing of it is imported before it is needed.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyinfra_swarm.settings.paths import ROOT


def available() -> bool:
    """Whether there is a lab: in a clone, not where the package is installed."""
    return (ROOT / "lab").is_dir()


def running() -> dict[str, Any] | None:
    """Plain settings values for the running lab; `None` where no lab runs, or there is none."""
    if not available():
        return None
    spec = importlib.util.find_spec("lab")
    # The path may lead to the clone by a link.
    if spec is None or not spec.origin or Path(spec.origin).resolve() != ROOT / "lab/__init__.py":
        return None  # another package has the name
    description = importlib.import_module("lab.description")
    lab = description.read()
    return None if lab is None else as_settings(lab)


def as_settings(lab: Any) -> dict[str, Any]:
    """Plain settings values for a lab's description."""
    ssh: dict[str, Any] = {"user": lab.hosts[0].user, "key": str(lab.ssh_key)}
    if lab.known_hosts:
        ssh |= {"known_hosts": str(lab.known_hosts), "strict_host_keys": "yes"}
    return {
        "cluster": {"name": "lab"},
        "hosts": [
            {
                "name": host.name,
                "address": str(host.address),
                "role": host.role,
                "ssh_host": str(host.ssh_host),
                "ssh_port": int(host.ssh_port),
                "ssh_user": host.user,
            }
            for host in lab.hosts
        ],
        "ssh": ssh,
        "docker": {"key_fingerprint": lab.docker_key_fingerprint},
    }


def as_toml(values: Mapping[str, Any]) -> str:
    """The same as a settings file, which :func:`tomllib.loads` reads back."""
    lines = ["# The lab's settings, to try others on it. Use it so: SWARM_SETTINGS=lab.toml"]
    for name, section in values.items():
        for table in section if isinstance(section, list) else [section]:
            lines += ["", f"[[{name}]]" if isinstance(section, list) else f"[{name}]"]
            # JSON's texts and numbers are TOML's as well.
            lines += [
                f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in table.items()
            ]
    return "\n".join(lines) + "\n"
