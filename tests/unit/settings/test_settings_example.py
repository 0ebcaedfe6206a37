"""`cluster.example.toml` is what users start from: it must hold, and leave nothing out."""

from __future__ import annotations

import base64
import re
import tomllib
from typing import Any

import pytest
from pydantic import BaseModel

from pyinfra_swarm.settings import Config, Settings, SettingsError
from pyinfra_swarm.settings.fields import model_of
from pyinfra_swarm.settings.paths import ROOT

TEXT = (ROOT / "cluster.example.toml").read_text(encoding="utf-8")
UNCOMMENTED = re.sub(r"^#(?=\[\[|[a-z0-9_]+ = )", "", TEXT, flags=re.MULTILINE)
EVERYTHING = tomllib.loads(UNCOMMENTED)

SAMPLES = {
    *("hosts", "access.admins", "access.wireguard.peers", "firewall.open", "networks.overlays"),
    *("secrets", "configs", "stacks"),
}
"""Shown with an example in place of their default."""


def test_it_is_four_boards_as_it_stands() -> None:
    settings = Settings(**tomllib.loads(TEXT))
    assert [host.name for host in settings.managers] == ["rk1", "rk2", "rk3"]
    assert [host.name for host in settings.workers] == ["rk4"]
    assert settings.warnings == []


def test_it_also_holds_with_every_optional_line_in_force_and_a_real_key() -> None:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)
    text = UNCOMMENTED.replace("AAAA…", base64.b64encode(blob).decode())
    Settings(**tomllib.loads(text.replace('"…="', f'"{base64.b64encode(bytes(32)).decode()}"')))


def test_its_placeholder_for_a_key_is_refused_so_that_nobody_loses_theirs_to_it() -> None:
    with pytest.raises(SettingsError, match=r'access\.admins\[0\] "ubuntu"\.keys\[0\]'):
        Settings(**EVERYTHING)


def _fields(model: type[BaseModel], path: str = "") -> list[tuple[str, Any]]:
    found = []
    for name, field in model.model_fields.items():
        here = f"{path}.{name}" if path else name
        inner = model_of(field.annotation)
        found += (
            _fields(inner, here)
            if inner
            else [(here, field.get_default(call_default_factory=True, validated_data={}))]
        )
        if inner and here in SAMPLES:
            found.append((here, None))
    return found


OF_SECRETS = {*Config.model_fields} - {"template"}
"""What a config has like a secret is shown there."""


def _shown(path: str) -> Any:
    section, _, name = path.partition(".")
    if section == "configs" and name.partition(".")[0] in OF_SECRETS:
        path = f"secrets.{name}"
    here: Any = EVERYTHING
    for part in path.split("."):
        if isinstance(here, list):  # one of them shows it
            here = next(item for item in here if part in item)
        here = here[part]
    return here


@pytest.mark.parametrize(("path", "default"), _fields(Settings))
def test_every_setting_is_shown_with_its_default(path: str, default: Any) -> None:
    value = _shown(path)
    if not any(path == sample or path.startswith(sample + ".") for sample in SAMPLES):
        assert (tuple(value) if isinstance(value, list) else value) == default
