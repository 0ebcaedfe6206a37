"""The exit codes of a check, and which one an outcome has."""

from __future__ import annotations

IN_SYNC, DRIFT, COULD_NOT_TELL = 0, 2, 1


def exit_code(*, looked: bool, differs: bool, complete: bool) -> int:
    """2 where something differs, whatever else is unknown; 1 where it is unknown; else 0.

    looked: hosts were looked at at all; complete: every host was, and whole.
    """
    if not looked:
        return COULD_NOT_TELL
    if differs:
        return DRIFT
    return IN_SYNC if complete else COULD_NOT_TELL
