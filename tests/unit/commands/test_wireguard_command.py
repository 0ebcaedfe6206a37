"""``pyinfra-swarm wireguard add``: what it prints, where, and that it keeps nothing."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm import cli
from pyinfra_swarm.run.own_process import Ended
from pyinfra_swarm.settings import forget
from tests.unit.vpn.vpn_examples import key

BOARDS = """\
[access]
vpn = "wireguard"
[[access.wireguard.peers]]
name = "laptop"
public_key = "{key}"
address = "10.202.0.100"
""" + "".join(
    f'[[hosts]]\nname = "rk{n}"\naddress = "192.168.1.1{n}"\nrole = "manager"\n'
    f'vpn_address = "10.202.0.{n}"\n'
    for n in (1, 2, 3)
)

Asked = list[Sequence[str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.toml").write_text(BOARDS.format(key=key(1)))
    monkeypatch.setenv("SWARM_SETTINGS", str(tmp_path / "mine.toml"))
    monkeypatch.chdir(tmp_path)
    forget()
    return tmp_path


@pytest.fixture
def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What pyinfra was asked for; two hosts of three answer with their keys."""
    words: Asked = []
    hosts: dict[str, Any] = {
        f"rk{n}": {"keys": {"wg0": {"access": "600 root", "public": key(10 + n)}}} for n in (1, 2)
    }

    def run(given: Sequence[str], **_: Any) -> Ended:
        words.append(given)
        return Ended(0, json.dumps({"facts.vpn.State": {**hosts, "rk3": None}}), "", ())

    monkeypatch.setattr("pyinfra_swarm.run.own_process.run_pyinfra", run)
    return words


def add(*words: str) -> int:
    return cli.main(["wireguard", "add", *words])


def test_the_configuration_alone_is_on_standard_output(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add("phone") == 0
    out, beside = capsys.readouterr()
    lines = out.splitlines()
    assert lines[:2] == ["[Interface]", "# phone"]
    assert "Address = 10.202.0.101/32" in lines
    assert [line for line in lines if line.startswith("PublicKey")] == [
        f"PublicKey = {key(11)}",
        f"PublicKey = {key(12)}",
    ]
    assert asked == [["--json", "inventory.py", "fact", "facts.vpn.State"]]
    private = lines[2].removeprefix("PrivateKey = ")
    assert len(private) == 44
    assert private not in beside  # but for the QR code
    assert "▄" in beside
    assert "Without rk3: no public key was had from there." in beside


def test_the_lines_for_the_file_let_it_in(
    asked: Asked, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add("phone")
    beside = capsys.readouterr().err
    lines = beside[beside.index("[[access") : beside.index("Without")]
    path = folder / "mine.toml"
    path.write_text(path.read_text() + lines)
    peers = tomllib.loads(path.read_text())["access"]["wireguard"]["peers"]
    assert [peer["name"] for peer in peers] == ["laptop", "phone"]
    forget()
    assert add("tablet") == 0
    assert "Address = 10.202.0.102/32" in capsys.readouterr().out


def test_nothing_is_kept(asked: Asked, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add("phone")
    assert [path.name for path in folder.rglob("*")] == ["mine.toml"]
    assert (folder / "mine.toml").read_text() == BOARDS.format(key=key(1))
    first = capsys.readouterr().out
    add("phone")
    assert capsys.readouterr().out != first


def test_a_key_pair_of_the_computers_own_is_not_made_anew(
    asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add("phone", "--public-key", key(7)) == 0
    out, beside = capsys.readouterr()
    assert "\nPrivateKey" not in out
    assert "▄" not in beside
    assert f'public_key = "{key(7)}"' in beside


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["laptop"], "laptop is declared already\n    instead: another name"),
        (["My phone"], "NAME is not made of lower-case letters"),
        (["phone", "--public-key", "x"], "--public-key is not a WireGuard public key"),
    ],
)
def test_what_cannot_be_is_said_before_anybody_is_asked(
    words: list[str], said: str, asked: Asked, capsys: pytest.CaptureFixture[str]
) -> None:
    assert add(*words) == 1
    out, beside = capsys.readouterr()
    assert said in beside
    assert beside.count("instead:") == 1
    assert (out, asked) == ("", [])


def test_hosts_that_cannot_be_reached_are_named_with_the_cause(
    asked: Asked, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = tuple(
        {"kind": "failed", "host": f"rk{n}", "part": "", "what": "host", "reason": "Could not x"}
        for n in (1, 2, 3)
    )
    ended = Ended(1, "", "", records)
    monkeypatch.setattr("pyinfra_swarm.run.own_process.run_pyinfra", lambda *_, **__: ended)
    assert add("phone") == 1
    said = capsys.readouterr().err
    assert "no host has said its public key\n  rk1–rk3: Could not x\n    instead: once" in said
    assert "deploys/vpn.py" not in said


def test_without_wireguard_it_says_what_to_declare(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "mine.toml"
    path.write_text(path.read_text().replace('"wireguard"', '""'))
    assert add("phone") == 1
    assert 'instead: access.vpn = "wireguard"' in capsys.readouterr().err


def test_where_no_host_has_a_key_no_key_pair_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "pyinfra_swarm.run.own_process.run_pyinfra", lambda *_, **__: Ended(1, "", "", ())
    )
    assert add("phone") == 1
    out, beside = capsys.readouterr()
    assert out == ""
    assert "no host has said its public key" in beside
    assert "deploys/vpn.py" in beside
