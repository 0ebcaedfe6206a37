"""Keys that have another name now: the old ones are read, from wherever they come."""

from __future__ import annotations

import pytest

from pyinfra_swarm import settings
from pyinfra_swarm.settings import Settings, SettingsError
from tests.unit.settings.conftest import BOARDS, Write, refused
from tests.unit.settings.settings_examples import four_boards, put

OLD_FILE = BOARDS + "[swarm]\nfound_without = ['rk1']\n[firewall]\ncut_clear_vxlan = true\n"


def test_old_keys_in_the_file_are_read_with_a_notice(write: Write) -> None:
    write(OLD_FILE)
    loaded = settings.load()
    assert loaded.swarm.init_without == ("rk1",)
    assert loaded.firewall.drop_cleartext_vxlan
    assert loaded.warnings == [
        "firewall.cut_clear_vxlan in mine.toml is now called firewall.drop_cleartext_vxlan. "
        "The old name still works; please rename it",
        "swarm.found_without in mine.toml is now called swarm.init_without. "
        "The old name still works; please rename it",
    ]


def test_old_variables_are_read_with_a_notice(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = write(env="SWARM_SWARM__FOUND_WITHOUT='[\"rk1\"]'\n")
    monkeypatch.setenv("SWARM_FIREWALL", '{"cut_clear_vxlan": true}')
    loaded = settings.load()
    assert loaded.swarm.init_without == ("rk1",)
    assert loaded.firewall.drop_cleartext_vxlan
    old, section = loaded.warnings
    where = f".env ({path.parent})"
    assert f"SWARM_SWARM__FOUND_WITHOUT in {where} is now called SWARM_SWARM__INIT_WITHOUT" in old
    assert "firewall.cut_clear_vxlan in the environment is now called" in section


def test_a_variable_wins_over_the_file_whichever_of_the_names_each_has(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(OLD_FILE)
    monkeypatch.setenv("SWARM_FIREWALL__DROP_CLEARTEXT_VXLAN", "false")
    assert not settings.load().firewall.drop_cleartext_vxlan
    write(BOARDS + "[firewall]\ndrop_cleartext_vxlan = true\n")
    monkeypatch.delenv("SWARM_FIREWALL__DROP_CLEARTEXT_VXLAN")
    monkeypatch.setenv("SWARM_FIREWALL__CUT_CLEAR_VXLAN", "false")
    assert not settings.load().firewall.drop_cleartext_vxlan


def test_a_wrong_value_is_reported_by_the_new_name_and_the_variable_as_it_was_written(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write()
    monkeypatch.setenv("swarm_firewall__cut_clear_vxlan", "maybe")
    text = refused()
    name = "swarm_firewall__cut_clear_vxlan in the environment"
    assert f'firewall.drop_cleartext_vxlan (from {name}) = "maybe"' in text
    assert "1 problem" in text


def test_both_names_at_once_are_refused(
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(OLD_FILE + "drop_cleartext_vxlan = false\n")
    monkeypatch.setenv("SWARM_SWARM__FOUND_WITHOUT", "[]")
    monkeypatch.setenv("SWARM_SWARM__INIT_WITHOUT", "[]")
    text = refused()
    assert (
        "firewall.cut_clear_vxlan in mine.toml\n"
        "    is the old name of firewall.drop_cleartext_vxlan, which is given as well\n"
        "    instead: firewall.drop_cleartext_vxlan only" in text
    )
    assert (
        "SWARM_SWARM__FOUND_WITHOUT in the environment\n"
        "    is the old name of SWARM_SWARM__INIT_WITHOUT, which is given as well\n"
        "    instead: SWARM_SWARM__INIT_WITHOUT only" in text
    )
    assert "2 problems" in text


def test_plain_values_may_have_old_names_as_well() -> None:
    made = Settings(**put("swarm.found_without", ["rk1"]))
    assert made.swarm.init_without == ("rk1",)
    [warning] = made.warnings
    assert warning.startswith("swarm.found_without is now called swarm.init_without.")
    assert Settings(**four_boards()).warnings == []
    with pytest.raises(SettingsError, match="is the old name of"):
        Settings(**put("swarm.found_without", [], put("swarm.init_without", [])))
