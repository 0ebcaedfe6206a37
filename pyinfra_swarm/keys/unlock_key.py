"""The file on this computer that keeps the swarm's unlock key, as plans see it."""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding


@dataclass(frozen=True)
class KeyFile:
    """What is there of the file that keeps the key. It holds no key itself.

    path: as a person would type it; problem: why it cannot be used, empty where it can.
    fingerprint: of the key in it, empty where there is no file yet.
    mode: the file's permission bits; earlier: how many keys of earlier times are kept beside it.
    """

    path: str
    problem: str = ""
    fingerprint: str = ""
    mode: int = 0o600
    earlier: int = 0

    def lacks(self, fingerprint: str) -> str:
        """Why it does not give the swarm's key, of this fingerprint; empty where it does."""
        if self.problem:
            return f"{self.path}: {self.problem}"
        if not self.fingerprint:
            return f"there is no unlock key in {self.path}"
        if self.fingerprint != fingerprint:
            return f"{self.path} holds another key than the swarm has"
        return ""

    @property
    def private(self) -> bool:
        """Nobody but its owner may read it."""
        return not self.mode & 0o077


@dataclass(frozen=True, kw_only=True)
class FetchUnlockKey(Change):
    """The swarm's unlock key is fetched from this manager. path: the file that gets it."""

    path: str


@dataclass(frozen=True, kw_only=True)
class MakePrivate(Change):
    """The file becomes its owner's alone. path: the file."""

    path: str


def fetched(file: KeyFile, fingerprint: str) -> list[Finding]:
    """The swarm's key, of this fingerprint, fetched where the file does not hold it."""
    if not fingerprint or file.fingerprint == fingerprint:
        return []
    if not file.fingerprint:
        return [
            FetchUnlockKey(
                "unlock key",
                "is not in its file, and without it no manager comes back after a reboot",
                expected=f"fetched from this manager into {file.path}",
                path=file.path,
            )
        ]
    return [
        FetchUnlockKey(
            "unlock key",
            "in the file is another than the swarm's",
            expected=f"fetched from this manager; the other is kept in {file.path}.old",
            path=file.path,
        )
    ]


def made_private(file: KeyFile) -> list[Finding]:
    """The file closed to others, where they can read it."""
    if file.private:
        return []
    return [
        MakePrivate(
            "unlock key",
            f"can be read by other users of this computer, in {file.path}",
            expected="0600",
            found=f"{file.mode:04o}",
            path=file.path,
        )
    ]
