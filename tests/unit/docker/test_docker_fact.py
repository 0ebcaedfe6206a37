"""Docker on a host, as the host tells it; outputs of Engine 28.5.2 on Debian 13 under fixtures."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.docker.daemon import UNIT_DROP_IN_CONTENT
from pyinfra_swarm.docker.facts import (
    Info,
    IngressNetwork,
    Installation,
    Offered,
    OverlayNetworks,
    PublishedKey,
)
from pyinfra_swarm.docker.installation import PACKAGES, Engine, Package
from pyinfra_swarm.docker.openpgp import read_key
from tests.tools.answers import encoded, recorded

FIXTURES = Path(__file__).parents[1] / "fixtures"


def lines(name: str) -> list[str]:
    return (FIXTURES / f"{name}.txt").read_text().splitlines()


def installation(name: str) -> Engine:
    return Installation().process(encoded(lines(f"docker-installation-{name}")))


def test_a_fresh_host_is_told_explicitly() -> None:
    engine = installation("absent")
    assert (engine.distribution, engine.codename, engine.architecture) == (
        "debian",
        "trixie",
        "amd64",
    )
    assert engine.version is None
    assert not engine.complete
    assert not engine.running
    assert engine.curl
    assert engine.daemon_json is None
    assert engine.stale == ()


def test_a_converged_host_is_read_whole() -> None:
    engine = installation("28.5.2")
    assert engine.version == "28.5.2"
    assert engine.complete
    assert all(package.held for package in engine.packages.values())
    assert engine.packages["containerd.io"] == Package("2.1.9-1~debian.13~trixie", held=True)
    assert engine.running
    assert engine.enabled
    assert not engine.reload_needed
    assert not engine.changed_since_start
    assert engine.group == ("debian",)
    assert engine.drop_in == UNIT_DROP_IN_CONTENT
    assert engine.daemon_json == engine.loaded_json
    assert json.loads(engine.daemon_json or "")["live-restore"] is False
    assert read_key(engine.keyring).fingerprint == "B0A0138566695F7847D9DC9E16B030FF7476653A"


def with_packages(*rows: str) -> Engine:
    output = lines("docker-installation-absent")
    at = output.index("#> packages")
    return Installation().process(encoded([*output[: at + 1], *rows, *output[at + 1 :]]))


def test_a_package_that_was_removed_and_left_its_configuration_is_not_installed() -> None:
    engine = with_packages("docker-ce 5:28.5.2-1~debian.13~trixie config-files deinstall")
    assert engine.packages == {}


def test_after_an_interrupted_installation_a_package_without_a_version_is_not_installed() -> None:
    interrupted = [
        "containerd.io 2.1.9-1~debian.13~trixie unpacked install"
        if line.startswith("containerd.io ")
        else "docker-compose-plugin  not-installed unknown"
        if line.startswith("docker-compose-plugin ")
        else line
        for line in lines("docker-installation-28.5.2")
    ]
    engine = Installation().process(encoded(interrupted))
    assert {*PACKAGES} - {*engine.packages} == {"containerd.io", "docker-compose-plugin"}
    assert not engine.complete


def test_an_installation_that_was_cut_short_is_read_and_is_not_complete() -> None:
    # What dpkg-query 1.22 says when dpkg was killed between two packages.
    engine = with_packages(
        "containerd.io 2.1.9-1~debian.13~trixie unpacked install",
        "docker-ce 5:28.5.2-1~debian.13~trixie half-configured install",
        "docker-ce-cli 5:28.5.2-1~debian.13~trixie installed install",
        "docker-compose-plugin  not-installed unknown",
    )
    assert set(engine.packages) == {"docker-ce-cli"}
    assert not engine.complete


def test_a_package_that_nobody_holds_is_free() -> None:
    engine = with_packages("docker-ce 5:28.5.2-1~debian.13~trixie installed install")
    assert not engine.packages["docker-ce"].held
    assert not engine.complete


def test_an_installation_in_part_is_not_complete() -> None:
    rows = [f"{name} 1.0 installed hold" for name in PACKAGES[:-1]]
    assert not with_packages(*rows).complete


@pytest.mark.parametrize("end", range(0, 60, 7))
def test_output_that_is_cut_off_fails_the_fact_and_not_the_run(end: int) -> None:
    whole = (FIXTURES / "docker-installation-28.5.2.txt").read_text()
    with pytest.raises(FactProcessError):
        Installation().process(encoded(whole[: min(end, 20)]))


def test_stale_sources_and_keyrings_are_found_and_comments_are_not(tmp_path: Path) -> None:
    files = {
        "etc/os-release": 'ID=debian\nVERSION_CODENAME="trixie"\n',
        "etc/group": "docker:x:999:debian\n",
        "etc/apt/sources.list": "deb http://mirror.example/debian trixie main\n",
        "etc/apt/sources.list.d/docker.list": (
            "deb [signed-by=/etc/apt/keyrings/docker.gpg] "
            "https://download.docker.com/linux/debian trixie stable\n"
        ),
        "etc/apt/sources.list.d/old.list": (
            "# deb https://download.docker.com/linux/debian trixie stable\n"
        ),
        "etc/apt/sources.list.d/extra.sources": (  # its last line has no end
            "Types: deb\nSigned-By: KEYRINGS/docker-archive-keyring.gpg\n"
            "URIs: https://download.docker.com/linux/ubuntu"
        ),
        "etc/apt/sources.list.d/docker.sources": (
            "Types: deb\nURIs: https://download.docker.com/linux/debian\n"
        ),
        "etc/apt/keyrings/docker.gpg": "x",
        "etc/apt/keyrings/docker.asc": "x",
        "usr/share/keyrings/docker-archive-keyring.gpg": "x",
        # What other sources trust is not ours to remove.
        "usr/share/keyrings/docker-one.gpg": "x",
        "usr/share/keyrings/docker-two.gpg": "x",
        "etc/apt/sources.list.d/one.list": (
            "deb [signed-by=KEYRINGS/docker-one.gpg] https://one.example/debian trixie main\n"
        ),
        "etc/apt/sources.list.d/two.sources": (
            "Types: deb\nURIs: https://two.example/\nSuites: x\n"
            "Signed-By:\n KEYRINGS/docker-two.gpg\n\n"
            "Types: deb\nURIs: https://three.example/\nSuites: x\n"
            "# Signed-By: KEYRINGS/docker-archive-keyring.gpg\n"
        ),
    }
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        keyrings = f"{tmp_path}/usr/share/keyrings"
        (tmp_path / name).write_text(content.replace("KEYRINGS", keyrings))
    script = Installation().command()
    for place in (
        "/etc/os-release",
        "/etc/group",
        "/etc/apt",
        "/usr/share/keyrings",
        "/etc/docker",
        "/etc/systemd",
    ):
        script = script.replace(place, f"{tmp_path}{place}")
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho ActiveState=active\n")
    (tmp_path / "systemctl").chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    said = recorded(done.stdout.splitlines()).replace(str(tmp_path), "")
    engine = Installation().process(encoded(said))
    assert engine.stale == (
        "/etc/apt/sources.list.d/docker.list",
        "/etc/apt/sources.list.d/extra.sources",
        "/etc/apt/keyrings/docker.gpg",
        "/usr/share/keyrings/docker-archive-keyring.gpg",
    )
    assert engine.shared == (
        "/usr/share/keyrings/docker-one.gpg",
        "/usr/share/keyrings/docker-two.gpg",
    )
    assert engine.sources == files["etc/apt/sources.list.d/docker.sources"]


def test_the_versions_that_apt_offers_newest_first() -> None:
    offered = Offered().process(encoded(lines("docker-offered")))
    assert offered.versions == ("5:28.5.2-1~debian.13~trixie", "5:26.1.5-1~debian.13~trixie")
    assert Offered().process(encoded(["", "#> madison"])).versions == ()


def test_a_key_that_is_far_too_long_is_not_fetched(tmp_path: Path) -> None:
    with (tmp_path / "gpg").open("wb") as file:
        file.truncate(1 << 30)
    script = PublishedKey().command(url=f"file://{tmp_path}/gpg").replace("--retry 2", "")
    done = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    fetched = PublishedKey().process(done.stdout.splitlines())
    assert not fetched.text.strip()
    assert fetched.error.startswith("curl: (63)")


def test_a_key_that_cannot_be_fetched_is_told_with_the_reason(tmp_path: Path) -> None:
    script = PublishedKey().command(url=f"file://{tmp_path}/gpg").replace("--retry 2", "")
    fetch = ["/bin/sh", "-c", script]
    done = subprocess.run(fetch, capture_output=True, text=True, check=True)
    missing = PublishedKey().process(done.stdout.splitlines())
    assert missing.error.startswith("curl: (37)")
    assert missing.text.strip() == ""
    (tmp_path / "gpg").write_text("-----BEGIN…\n\nkey\n")
    done = subprocess.run(fetch, capture_output=True, text=True, check=True)
    found = PublishedKey().process(done.stdout.splitlines())
    assert found.text == "-----BEGIN…\n\nkey\n"
    assert found.error == ""


def test_the_ingress_network_and_its_encryption() -> None:
    shown = IngressNetwork().process(encoded(lines("docker-ingress-28.5.2"))).to_json()
    assert list(shown)[:3] == ["engine", "exists", "encrypted"]
    assert shown["encrypted"] is True
    assert shown["subnets"] == ["10.201.0.0/24"]
    assert shown["peers"] == {"1257da85d99a": "192.168.77.12", "9e6776e7cbc2": "192.168.77.13"}
    clear = IngressNetwork().process(encoded(lines("docker-ingress-clear-28.5.2"))).to_json()
    assert clear["exists"] is True
    assert clear["encrypted"] is False


def test_a_host_without_an_ingress_network_says_so() -> None:
    answer = '{"message":"network ingress not found"}'
    output = ["#> state", "running", "#> answer", answer]
    assert IngressNetwork().process(encoded(output)).to_json() == {
        "engine": "running",
        "exists": False,
    }


def test_all_overlay_networks_with_their_encryption() -> None:
    shown = OverlayNetworks().process(encoded(lines("docker-overlays-28.5.2"))).to_json()
    assert {name: shown[name]["encrypted"] for name in ("ingress", "backend", "sealed")} == {
        "ingress": False,
        "backend": False,
        "sealed": True,
    }


@pytest.mark.parametrize("fact", [Info, IngressNetwork, OverlayNetworks])
@pytest.mark.parametrize("state", ["absent", "stopped", "unreachable: curl is not installed"])
def test_without_a_running_engine_every_question_has_an_explicit_answer(
    fact: type[Info], state: str
) -> None:
    assert fact().process(encoded(["", "#> state", state])).to_json() == {"engine": state}


def test_a_run_prints_nothing_of_an_installation() -> None:
    """Its ``daemon.json`` is as the host has it, with a proxy's password, if there is one."""
    assert Installation.unprinted
