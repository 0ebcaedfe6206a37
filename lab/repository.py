"""Signed apt repositories."""

import gzip
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
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    release = dist / "Release"
    release.unlink(missing_ok=True)
    text = run(["apt-ftparchive", *options, "release", dist])
    release.write_text(text)
    sign(key, release)
