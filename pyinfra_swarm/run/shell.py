"""Values in a script: quoted by one function, which all of them go through."""

from __future__ import annotations

from shlex import quote


def with_values(text: str, **values: str) -> str:
    """A script that finds values in variables of the shell, as ``with_values('f "$id"', id=…)``.

    What a host has said, or a person has typed, goes into a script in this way only. The text is
    the same whatever the values are, so no value can become a part of it.

    Raises ``ValueError`` for a value that no shell can hold (NUL).
    """
    lines = []
    for name, value in values.items():
        if "\0" in value:
            raise ValueError(f"no shell can hold this {name}: it has a NUL in it")
        lines.append(f"{name}={quote(value)}\n")
    return "".join(lines) + text


def function(name: str, text: str) -> str:
    """A script as a shell function, for a program that says where in it the script is run."""
    return "\n".join([name + "() {", text, "}", ""])
