"""What needrestart leaves alone, and a later file of its configuration that takes that back.

needrestart's files are Perl, read in the order of their names. What a file adds to the table stays
in it; a file that assigns the table takes out what was there. None of them is run here: they are
read as text, as far as people write such files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

NEEDRESTART = "/etc/needrestart/conf.d/zz-pyinfra-swarm.conf"
"""The managed part of its configuration; it is read after the files of others, one of which may
assign the whole table, and so take Docker's own entry out."""

SPARED = ("docker", "containerd")

_TABLE = r"\$(?:main)?(?:::)?nrconf\s*\{\s*(?:'override_rc'|\"override_rc\"|override_rc)\s*\}"
_ASSIGNED = re.compile(
    rf"{_TABLE}[\s}}]*=(?![=~])"  # also %{$nrconf{override_rc}} = (…)
    rf"|\b(?:delete|undef)\b[\s(]*{_TABLE}(?!\s*(?:->)?\{{)"
    r"|%(?:main)?(?:::)?nrconf\s*=(?![=~])"
)
_KEPT = re.compile(rf"%[\s{{]*{_TABLE}")
_COMMENT = re.compile(r"(?m)(?:^|(?<=\s))#.*$")


def needrestart_file() -> str:
    """The content of :data:`NEEDRESTART`: an entry more in its table, whatever else is in it."""
    return (
        "# Written by pyinfra-swarm (deploys/updates.py); changes here are overwritten.\n"
        "# Engines are restarted one node at a time (deploys/restart.py), never by an update.\n"
        f"$nrconf{{override_rc}}{{qr(^({'|'.join(SPARED)})\\.)}} = 0;\n"
    )


def undone_by(later: Mapping[str, str]) -> str:
    """The file that takes our entry back; "" where none does.

    later: the files that are read after ours, in that order, each path with its text. Where a file
    assigns the table, and entries for both services are in it afterwards, nothing is taken back.
    """
    by = since = ""
    for path, text in later.items():
        code = _COMMENT.sub("", text)
        lost = [one.end() for one in _ASSIGNED.finditer(code) if not _keeps(code, one)]
        by, since = (path, code[lost[-1] :]) if lost else (by, since + code)
    return by if by and not all(_spares(since, name) for name in SPARED) else ""


def _keeps(code: str, assigned: re.Match[str]) -> bool:
    """Whether what was in the table is in it after the assignment as well."""
    value = code[assigned.end() :].partition(";")[0]
    all_of_it = assigned[0].startswith("%") and "%nrconf" in value and "override_rc" not in value
    return all_of_it or _KEPT.search(value) is not None


def _spares(code: str, name: str) -> bool:
    # A length that ends: the text is a host's.
    return re.search(rf"{name}[^,;]{{0,200}}?(?:=>|\}}\s*=)\s*['\"]?0\b", code) is not None
