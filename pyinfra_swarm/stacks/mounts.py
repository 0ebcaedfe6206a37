"""Mounts, in the short way of writing them: ``[SOURCE:]TARGET[:OPTIONS]``.

As docker reads them: docker/cli, ``internal/volumespec/volumespec.go``.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Mount:
    """One mount. kind: ``bind`` or ``volume``; source: "" for a volume without a name."""

    kind: str
    source: str
    target: str
    read_only: bool = False


def parse(text: str) -> Mount:
    """What a short specification mounts. Raises ``ValueError`` for one that docker refuses."""
    if not text:
        raise ValueError("is empty")
    if len(text) <= 2:
        return Mount("volume", "", text)
    parts = _sections(text)
    if any(not part for part in parts):
        raise ValueError("has nothing between two colons")
    if len(parts) > 3:
        raise ValueError("has too many colons")
    if len(parts) == 1:
        return Mount("volume", "", parts[0])
    read_only = False
    for option in parts[2].split(",") if len(parts) == 3 else ():
        read_only = {"ro": True, "rw": False}.get(option, read_only)
    return Mount("bind" if _is_path(parts[0]) else "volume", parts[0], parts[1], read_only)


def _sections(text: str) -> list[str]:
    """The text at its colons, but for the one of a Windows drive."""
    parts, here = [], ""
    for letter in text:
        if letter == ":" and not (len(here) == 1 and here.isalpha()):
            parts.append(here)
            here = ""
        else:
            here += letter
    return [*parts, here]


def _is_path(source: str) -> bool:
    if source[0] in "./~" or source.startswith("\\\\"):
        return True
    return source[1:2] == ":"  # a Windows drive
