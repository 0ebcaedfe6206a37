"""Docker's version names: the engine's, ``28.5.2``, and the package's, ``5:28.5.2-1~debian``."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PACKAGE = re.compile(r"^(?:\d+:)?(?P<engine>\d+\.\d+\.\d+(?:[~-](?:rc|beta|alpha)\.?\d+)?)")


def engine_version(package_version: str) -> str:
    """The engine's version in a package's: ``5:28.5.2-1~debian.13~trixie`` → ``28.5.2``.

    A version that does not look like Docker's is returned as it is.
    """
    match = _PACKAGE.match(package_version)
    return match["engine"] if match else package_version


def order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """A sort key for engine versions; a pre-release sorts before its release."""
    engine = engine_version(version)
    release, _, suffix = engine.replace("~", "-").partition("-")
    numbers = tuple(int(part) if part.isdigit() else 0 for part in release.split("."))
    return numbers, not suffix, suffix


def newest(versions: Iterable[str]) -> str | None:
    """The newest of some engine versions, pre-releases left out; ``None`` where there is none."""
    released = [version for version in versions if order(version)[1]]
    return max(released, key=order, default=None)


def major(version: str) -> int:
    """The engine's major version: 28 for ``28.5.2``."""
    return order(version)[0][0]


def encrypt_alike(one: str, other: str) -> bool:
    """Whether two engine versions understand each other over encrypted networks.

    Some releases derive a flow's security parameter index in another way than all others, and
    drop what these send without a word (moby #51798; the release notes of 29.2.1 name them).
    """
    return _odd(one) == _odd(other)


def _odd(version: str) -> bool:
    numbers = order(version)[0]
    return (29, 0, 0) <= numbers <= (29, 2, 0) or numbers in ((28, 2, 2), (25, 0, 13), (25, 0, 14))
