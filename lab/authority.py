"""The lab's own keys: a TLS authority the hosts trust, and the apt repositories' signing keys.

Made once per cache, since the image trusts the authority and tests pin Docker's fingerprint.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import trustme

from lab import places
from lab.commands import run


@dataclass(frozen=True)
class SigningKey:
    """An OpenPGP key that signs apt repositories.

    home: GnuPG's folder with the secret half
    fingerprint: 40 hexadecimal digits
    armoured: the public half, as text
    """

    home: Path
    fingerprint: str
    armoured: str


@dataclass(frozen=True)
class Authority:
    """Everything the lab signs with.

    certificate: the TLS authority's certificate, PEM
    docker: signs what the lab offers as Docker's repository
    distribution: signs the hosts' base repository
    """

    certificate: str
    key: str
    docker: SigningKey
    distribution: SigningKey

    def server_certificate(self, names: list[str], folder: Path) -> Path:
        """Write a certificate with its key for `names`, as one PEM file."""
        issuer = trustme.CA.from_pem(self.certificate.encode(), self.key.encode())
        leaf = issuer.issue_cert(*names)
        path = folder / "server.pem"
        path.touch(0o600)
        leaf.private_key_and_cert_chain_pem.write_to_path(path)
        return path


def authority() -> Authority:
    """Read the lab's keys from the cache, making them when it has none."""
    folder = places.cache() / "authority"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="authority.unfinished-", dir=folder.parent))
        try:
            _make(unfinished)
            unfinished.rename(folder)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return Authority(
        certificate=(folder / "ca.pem").read_text(),
        key=(folder / "ca.key").read_text(),
        docker=_signing_key(folder / "docker"),
        distribution=_signing_key(folder / "distribution"),
    )


def _make(folder: Path) -> None:
    issuer = trustme.CA(organization_name="swarm lab (throw-away)")
    issuer.cert_pem.write_to_path(folder / "ca.pem")
    issuer.private_key_pem.write_to_path(folder / "ca.key")
    for name, owner in [
        ("docker", "Docker Release as played by the lab <docker@lab.example>"),
        ("distribution", "Distribution archive as played by the lab <archive@lab.example>"),
    ]:
        home = folder / name
        home.mkdir(0o700)
        _gpg(home, "--quick-generate-key", owner, "rsa4096", "sign", "never")
        (home / "public.asc").write_text(_gpg(home, "--armor", "--export"))
        run(["gpgconf", "--homedir", home, "--kill", "all"])


def _signing_key(home: Path) -> SigningKey:
    listing = _gpg(home, "--with-colons", "--list-keys")
    fingerprint = next(
        line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")
    )
    return SigningKey(home, fingerprint, (home / "public.asc").read_text())


def _gpg(home: Path, *arguments: str | os.PathLike[str]) -> str:
    return run(
        [
            *("gpg", "--homedir", home, "--batch", "--yes", "--no-tty", "--quiet"),
            *("--pinentry-mode", "loopback", "--passphrase", "", *map(str, arguments)),
        ]
    )


def sign(key: SigningKey, release: Path) -> None:
    """Write `InRelease` and `Release.gpg` beside a repository's `Release`."""
    _gpg(key.home, "--clearsign", "--output", release.with_name("InRelease"), release)
    _gpg(key.home, "--armor", "--detach-sign", "--output", f"{release}.gpg", release)
    run(["gpgconf", "--homedir", key.home, "--kill", "all"])
