"""What does not yet keep the rules of test_architecture, by room.

Nothing may be added. A test fails when an entry is no longer needed: it is deleted then.
"""

from __future__ import annotations

UPWARDS: set[tuple[str, str]] = set()
"""Rooms that import from a room above them: the room, what it imports."""

READING_PLANS: set[str] = set()
"""Modules beneath a plan that read files or the environment."""

SHELL_IN_PYTHON: set[str] = set()
"""Modules with programs for a host in strings of three lines or more."""

LONG: set[str] = set()
"""Files of more than 450 lines."""
