"""Packages of the machine's own apt archives, with apt's state kept apart from the machine's."""

from collections.abc import Collection, Iterable
from pathlib import Path

from lab.commands import run
from lab.errors import LabError
from lab.release import Source, write_sources


class NotCarried(LabError):
    """The archives do not have something, which trying again would not change."""


def download(
    sources: Collection[Source], wanted: Iterable[str], folder: Path, architecture: str = ""
) -> list[Path]:
    """Fetch packages, unopened, into `folder`; those that the archives do not have are left out.

    architecture: dpkg's name; without it, the machine's own

    Raises NotCarried when the archives do not have the release at all.
    Raises LabError when they cannot be read.
    """
    if not sources:
        raise NotCarried("its place on the machine's apt archives is not known")
    for part in ("lists/partial", "archives/partial", "empty", "downloads"):
        (folder / part).mkdir(parents=True)
    write_sources(sources, folder / "sources.list")
    (folder / "status").touch()
    settings: dict[str, object] = {
        "Dir::Etc::SourceList": folder / "sources.list",
        "Dir::Etc::SourceParts": folder / "empty",
        "Dir::Etc::PreferencesParts": folder / "empty",
        "Dir::State::Lists": folder / "lists",
        "Dir::State::Status": folder / "status",
        "Dir::Cache": folder,
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        # A mirror's copy of the next release may be older than its date of expiry.
        "Acquire::Check-Valid-Until": "false",
    }
    if architecture:
        settings |= {"APT::Architecture": architecture, "APT::Architectures": architecture}
    options = [f"-o{name}={value}" for name, value in settings.items()]
    try:
        run(["apt-get", *options, "-qq", "update"])
    except LabError as error:
        if "does not have a Release file" in str(error):
            raise NotCarried("the machine's apt archives do not carry it") from error
        raise
    known = set(run(["apt-cache", *options, "pkgnames"]).split())
    carried = [name for name in wanted if name in known]
    if carried:
        run(["apt-get", *options, "-qq", "download", *carried], cwd=folder / "downloads")
    return sorted((folder / "downloads").glob("*.deb"))
