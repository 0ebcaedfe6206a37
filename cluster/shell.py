"""Shell text that more than one part needs. All of it is for ``sh`` with ``set -eu``."""

from __future__ import annotations


def write_file(path: str, content: str, *, mode: str = "644", owner: str = "root") -> str:
    """Write a file whole: beside it first, then renamed, so that no reader sees half of it.

    The content is part of the command, so it must not be a secret. It is on the disk before it
    takes the old one's place: a power cut leaves the one or the other.
    """
    folder = path.rpartition("/")[0]
    return (
        f"[ -d {folder} ] || mkdir -p -m 755 {folder}\n"
        f"cat > {path}.new <<'END-OF-FILE'\n{content.rstrip()}\nEND-OF-FILE\n"
        f"chown {owner}: {path}.new; chmod {mode} {path}.new; sync {path}.new\n"
        f"mv -f {path}.new {path}"
    )
