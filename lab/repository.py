"""Signed apt repositories."""

import gzip
from collections.abc import Mapping
from pathlib import Path

from lab.authority import SigningKey, sign
from lab.commands import run


def publish(
    root: Path,
    *,
    suite: str,
    codename: str,
    component: str,
    pool: str,
    architecture: str,
    origin: str,
    label: str,
    key: SigningKey,
) -> None:
    """Write the signed indices of one suite.

    root: the folder that an apt source names
    suite: the suite's folder under `dists`
    pool: where the packages are, relative to `root`; no folder means an empty suite
    """
    dist = root / "dists" / suite
    index = dist / component / f"binary-{architecture}"
    index.mkdir(parents=True, exist_ok=True)
    packages = ""
    if (root / pool).is_dir():
        packages = run(["apt-ftparchive", "packages", pool], cwd=root)
    (index / "Packages").write_text(packages)
    (index / "Packages.gz").write_bytes(gzip.compress(packages.encode(), 6, mtime=0))
    fields = {
        "Origin": origin,
        "Label": label,
        "Suite": suite,
        "Codename": codename,
        "Architectures": architecture,
        "Components": component,
    }
    _release(dist, fields, key)


def join(root: Path, key: SigningKey) -> None:
    """Sign anew the suites of which a repository has several architectures, each from elsewhere."""
    for release in sorted((root / "dists").glob("*/Release")):
        indices = list(release.parent.glob("*/binary-*"))
        architectures = sorted({index.name.removeprefix("binary-") for index in indices})
        if len(architectures) > 1:
            said = dict(
                line.split(": ", 1) for line in release.read_text().splitlines() if ": " in line
            )
            fields = {name: said[name] for name in _FIELDS}
            for path in (release, *(release.parent / name for name in _SIGNED)):
                path.unlink()  # a link to what others have as well
            for link in (path for index in indices for path in index.iterdir()):
                content = link.read_bytes()  # a link is listed by where it leads to
                link.unlink()
                link.write_bytes(content)
            _release(release.parent, {**fields, "Architectures": " ".join(architectures)}, key)


_FIELDS = ("Origin", "Label", "Suite", "Codename", "Components")
_SIGNED = ("InRelease", "Release.gpg")


def _release(dist: Path, fields: Mapping[str, str], key: SigningKey) -> None:
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    release = dist / "Release"
    release.unlink(missing_ok=True)
    text = run(["apt-ftparchive", *options, "release", dist])
    release.write_text(text)
    sign(key, release)
