"""Docker's apt repository: its key is judged, and older entries go without anything else."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from pyinfra_swarm.docker import operations
from pyinfra_swarm.docker.apt_key import accepted_key, key_url
from pyinfra_swarm.docker.openpgp import read_key
from pyinfra_swarm.docker.repository import plan_repository, sources
from pyinfra_swarm.run.findings import Change, Notice, Refusal
from pyinfra_swarm.run.onhost import program
from tests.unit.docker.installations import (
    CONVERGED,
    FRESH,
    LAB_KEY,
    SETTINGS,
    declared,
    differing,
    the,
)


def test_without_curl_the_engine_could_not_be_asked() -> None:
    change = the(Change, plan_repository(SETTINGS, differing(curl=False)))
    assert change.what == "package curl"


def test_a_missing_key_is_fetched() -> None:
    change = the(Change, plan_repository(SETTINGS, differing(keyring="")))
    assert change.found == ""
    assert "is missing" in change.sentence()
    assert change.expected == LAB_KEY


def test_a_key_that_is_not_the_pinned_one_is_replaced() -> None:
    change = the(Change, plan_repository(declared(key_fingerprint="A" * 40), CONVERGED))
    assert "is not the pinned one" in change.sentence()
    assert change.found == LAB_KEY


@pytest.mark.parametrize(
    "text",
    [
        CONVERGED.keyring * 2,
        CONVERGED.keyring + "\n",
        CONVERGED.keyring.replace("\n\n", "\nComment: of somebody else's\n\n", 1),
        CONVERGED.keyring.replace("\n", "\r\n"),
    ],
)
def test_a_keyring_that_holds_anything_but_what_is_written_there_is_replaced(text: str) -> None:
    change = the(Change, plan_repository(SETTINGS, differing(keyring=text)))
    assert change.what == "Docker's apt key"
    assert read_key(CONVERGED.keyring).armoured == CONVERGED.keyring


@pytest.mark.parametrize("text", ["", "<html>not found</html>", CONVERGED.keyring * 2])
def test_a_published_text_that_is_not_one_key_is_refused(text: str) -> None:
    refusal = accepted_key(text, SETTINGS)
    assert isinstance(refusal, Refusal)
    assert "is not one public key" in refusal.sentence()
    assert "nothing is installed from there" in refusal.sentence()
    assert refusal.found == "no readable key"
    assert "docker.key_fingerprint" in refusal.remedy


def test_a_published_key_that_is_not_the_pinned_one_is_refused_with_both_fingerprints() -> None:
    refusal = accepted_key(CONVERGED.keyring, declared(key_fingerprint="A" * 40))
    assert isinstance(refusal, Refusal)
    assert (refusal.expected, refusal.found) == ("A" * 40, LAB_KEY)


def test_the_pinned_key_is_taken_in_the_form_that_is_written() -> None:
    published = "\n" + CONVERGED.keyring.replace("\n\n", "\nVersion: 1\n\n", 1)
    key = accepted_key(published, SETTINGS)
    assert not isinstance(key, Refusal)
    assert plan_repository(SETTINGS, differing(keyring=key.armoured)) == []


def test_sources_that_differ_are_rebuilt() -> None:
    change = the(
        Change,
        plan_repository(SETTINGS, differing(sources=CONVERGED.sources.replace("trixie", "sid"))),
    )
    assert "differs from what is declared" in change.sentence()


def test_stale_entries_are_named() -> None:
    change = the(
        Change,
        plan_repository(SETTINGS, differing(stale=("/etc/apt/sources.list.d/docker.list",))),
    )
    assert "conflicts with the managed one (Signed-By)" in change.sentence()
    assert "/etc/apt/sources.list.d/docker.list" in change.sentence()


def test_a_keyring_that_other_sources_trust_is_named_and_stays() -> None:
    notice = the(Notice, plan_repository(SETTINGS, differing(shared=("/etc/apt/x.gpg",))))
    assert "so it stays" in notice.sentence()
    assert "/etc/apt/x.gpg" in notice.sentence()


def test_the_repository_of_the_hosts_own_distribution_is_used() -> None:
    ubuntu = replace(FRESH, distribution="ubuntu", codename="noble", architecture="arm64")
    text = sources(declared(repository="https://mirror.example.org/docker/"), ubuntu)
    assert "URIs: https://mirror.example.org/docker/ubuntu\n" in text
    assert "Suites: noble\n" in text
    assert "Architectures: arm64\n" in text
    assert "Signed-By: /etc/apt/keyrings/docker.asc\n" in text
    assert key_url(SETTINGS, ubuntu) == "https://download.docker.com/linux/ubuntu/gpg"
    mirrored = declared(repository="https://mirror.example.org/docker/")
    assert key_url(mirrored, ubuntu) == "https://mirror.example.org/docker/ubuntu/gpg"


# Stale entries are taken out, and nothing else: the operation's own shell
# -------------------------------------------------------------------------

DOCKER_SOURCES = """\
Types: deb
URIs: https://download.docker.com/linux/debian
Suites: trixie
Components: stable
"""
DEBIAN_SOURCES = """\
Types: deb
URIs: http://mirror.example/debian
Suites: trixie
Components: main
"""


def removed(root: Path, files: dict[str, str]) -> dict[str, str]:
    """What is left of the files after the operation's script ran over all of them."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
        os.chmod(root / name, 0o644)
    paths = " ".join(str(root / name) for name in files)
    script = program(operations.__file__, "remove_old_entries.sh", files=paths)
    subprocess.run(["sh", "-c", f"umask 077; set -eu\n{script}"], check=True, timeout=20)
    left = [path for path in root.rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in left)
    return {str(path.relative_to(root)): path.read_text() for path in left}


def test_dockers_own_files_and_keyrings_go(tmp_path: Path) -> None:
    assert not removed(
        tmp_path,
        {
            "sources.list.d/docker.list": "deb https://download.docker.com/linux/debian x stable\n",
            "sources.list.d/download.docker.com.sources": DOCKER_SOURCES,
            "keyrings/docker.gpg": "x",
            "trusted.gpg.d/docker.asc": "x",
            "keyrings/docker-archive-keyring.gpg": "x",
        },
    )


def test_other_repositories_in_the_same_list_stay(tmp_path: Path) -> None:
    debian = "deb http://mirror.example/debian trixie main\n# a comment\n"
    docker = "deb [arch=amd64] https://download.docker.com/linux/debian trixie stable\n"
    assert removed(tmp_path, {"sources.list": debian + docker}) == {"sources.list": debian}


@pytest.mark.parametrize(
    "content",
    [
        DEBIAN_SOURCES + "\n" + DOCKER_SOURCES,
        DOCKER_SOURCES + "\n\n" + DEBIAN_SOURCES,
        DOCKER_SOURCES + " \n" + DEBIAN_SOURCES,
        DEBIAN_SOURCES + "\n" + "# for Docker\n" + DOCKER_SOURCES.rstrip(),
    ],
)
def test_other_stanzas_of_the_same_sources_stay(content: str, tmp_path: Path) -> None:
    left = removed(tmp_path, {"all.sources": content})
    assert list(left) == ["all.sources"]
    assert left["all.sources"].strip() == DEBIAN_SOURCES.strip()


def test_a_comment_about_docker_makes_no_entry_dockers(tmp_path: Path) -> None:
    content = "# not https://download.docker.com/linux/debian\n" + DEBIAN_SOURCES
    assert removed(tmp_path, {"a.sources": content}) == {"a.sources": content}
