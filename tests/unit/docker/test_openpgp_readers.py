"""What is written of a published key, as the programs read it that trust it: sqv, gpgv, apt.

A signature of somebody else's must not be good by it, whatever the text that was published held
beside the pinned key.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyinfra_swarm.docker.openpgp import Unreadable, read_key

pytestmark = pytest.mark.skipif(
    not (shutil.which("gpg") and shutil.which("gpg-agent")), reason="needs gpg and gpg-agent"
)
VERIFIERS = [name for name in ("sqv", "gpgv") if shutil.which(name)]
needs_a_verifier = pytest.mark.skipif(not VERIFIERS, reason="needs sqv or gpgv")


@dataclass(frozen=True)
class Rings:
    """Two owners' keys and their signatures of one file.

    pinned: with a subkey that signs; attacker: the public key, secret: the same with its secret
    part; forged: a subkey's packet of the attacker's with the pinned subkey's binding signature.
    """

    folder: Path
    fingerprint: str
    pinned: bytes
    attacker: bytes
    secret: bytes

    def signed_by(self, who: str, keyring: str, program: str) -> bool:
        """Whether a program takes the owner's signature for good by an armoured keyring."""
        ring = self.folder / "ring"
        if program == "gpgv":
            ring.write_bytes(dearmoured(keyring))
        else:
            ring.write_text(keyring)
        done = subprocess.run(
            [program, "--keyring", ring, self.folder / f"{who}.sig", self.folder / "data"],
            env={**os.environ, "GNUPGHOME": str(self.folder)},
            capture_output=True,
            timeout=60,
        )
        return done.returncode == 0


def dearmoured(text: str) -> bytes:
    body = text.split("\n\n", 1)[1].splitlines()
    return base64.b64decode("".join(line for line in body if line[0] not in "-="), validate=True)


def armoured(data: bytes) -> str:
    begin, end = (f"-----{what} PGP PUBLIC KEY BLOCK-----" for what in ("BEGIN", "END"))
    return "\n".join([begin, "", base64.b64encode(data).decode(), end, ""])


@pytest.fixture(scope="module")
def rings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rings]:
    home = tmp_path_factory.mktemp("gnupg")
    home.chmod(0o700)

    def gpg(*arguments: str | Path) -> bytes:
        command = ["gpg", "--homedir", home, "--batch", "-q", "--passphrase", "", *arguments]
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout

    (home / "data").write_text("what a repository signs\n")
    try:
        for who in ("pinned", "attacker"):
            gpg("--quick-gen-key", f"{who} <{who}@example.org>", "ed25519", "cert,sign", "never")
        listed = gpg("--list-keys", "--with-colons", "pinned@example.org").decode().splitlines()
        fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
        gpg("--quick-add-key", fingerprint, "ed25519", "sign", "never")
        for who in ("pinned", "attacker"):
            gpg("-u", who, "-o", home / f"{who}.sig", "--detach-sign", home / "data")
        yield Rings(
            home,
            fingerprint,
            gpg("--export", "pinned@example.org"),
            gpg("--export", "attacker@example.org"),
            gpg("--export-secret-keys", "attacker@example.org"),
        )
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False)


@needs_a_verifier
@pytest.mark.parametrize("program", VERIFIERS)
def test_a_program_trusts_the_pinned_key_that_was_written_and_no_other(
    rings: Rings, program: str
) -> None:
    written = read_key(armoured(rings.pinned)).armoured
    assert rings.signed_by("pinned", written, program)
    assert not rings.signed_by("attacker", written, program)
    # What it does with a ring of two keys: the check above can fail.
    assert rings.signed_by("attacker", armoured(rings.pinned + rings.attacker), program)


@pytest.mark.parametrize("program", [name for name in VERIFIERS if name == "sqv"])
def test_a_secret_key_behind_the_pinned_one_that_sqv_would_trust_is_refused(
    rings: Rings, program: str
) -> None:
    """Seen with sqv 1.3.0 and apt 3.0.4 of Debian 13: a secret key verifies as a public one."""
    published = armoured(rings.pinned + rings.secret)
    if not rings.signed_by("attacker", published, program):
        pytest.skip("this sqv does not take a secret key for one to verify with")
    with pytest.raises(Unreadable, match="a secret key"):
        read_key(published)


@needs_a_verifier
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_whatever_is_put_beside_the_pinned_key_makes_no_program_trust_another(
    rings: Rings, data: st.DataObject
) -> None:
    """Inserted, cut or changed at any place, whole packets and single bytes."""
    pinned = rings.pinned
    subkey = b"\xb8" + rings.attacker[1:53]  # the attacker's key, as a subkey
    strangers = [rings.attacker, rings.secret, rings.attacker[53:], subkey, subkey + pinned[-200:]]
    where = st.one_of(st.sampled_from([0, len(pinned)]), st.integers(0, len(pinned)))
    at, cut = data.draw(where), data.draw(st.one_of(st.just(0), st.integers(0, 60)))
    put = data.draw(st.one_of(st.sampled_from(strangers), st.binary(max_size=60)))
    try:
        key = read_key(armoured(pinned[:at] + put + pinned[at + cut :]))
    except Unreadable:
        return
    if key.fingerprint != rings.fingerprint:
        return  # it is not used
    for program in VERIFIERS:
        assert not rings.signed_by("attacker", key.armoured, program)
    shown = subprocess.run(
        ["gpg", "--homedir", rings.folder, "--show-keys", "--with-colons"],
        input=key.armoured.encode(),
        capture_output=True,
        timeout=60,
    ).stdout.decode(errors="replace")
    kinds = [line.split(":") for line in shown.splitlines()]
    assert [kind[0] for kind in kinds if kind[0] in ("pub", "sec")] in (["pub"], [])
    assert next((kind[9] for kind in kinds if kind[0] == "fpr"), key.fingerprint) == key.fingerprint


@pytest.mark.skipif(not shutil.which("apt-ftparchive"), reason="needs apt and apt-utils")
@pytest.mark.parametrize("signer", ["pinned", "attacker"])
def test_apt_takes_a_repository_that_the_pinned_key_has_signed_and_no_other(
    rings: Rings, signer: str, tmp_path: Path
) -> None:
    repository, etc = tmp_path / "repository", tmp_path / "etc"
    for folder in (repository, etc, tmp_path / "state/lists/partial", tmp_path / "cache"):
        folder.mkdir(parents=True)
    (repository / "Packages").write_text("")
    release = subprocess.run(
        ["apt-ftparchive", "release", repository], capture_output=True, check=True, timeout=60
    ).stdout
    (tmp_path / "Release").write_bytes(release)
    sign = f"gpg --homedir {rings.folder} --batch -q --passphrase= -u {signer}".split()
    to = ["-o", str(repository / "InRelease"), "--clearsign", str(tmp_path / "Release")]
    subprocess.run([*sign, *to], check=True, timeout=60)
    keyring = tmp_path / "key.asc"
    keyring.write_text(read_key(armoured(rings.pinned)).armoured)
    (etc / "sources").write_text(f"deb [signed-by={keyring}] file:{repository} ./\n")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    options = {
        "Dir::Etc::SourceList": etc / "sources",
        "Dir::Etc::SourceParts": "-",
        "Dir::State": tmp_path / "state",
        "Dir::Cache": tmp_path / "cache",
        "APT::Sandbox::User": "",
    }
    updated = subprocess.run(
        ["apt-get", "update", *(f"-o{name}={value}" for name, value in options.items())],
        env={**os.environ, "LC_ALL": "C"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    said = updated.stdout + updated.stderr
    assert (updated.returncode == 0 and "not signed" not in said) == (signer == "pinned"), said
