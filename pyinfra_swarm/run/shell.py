"""Shell text that more than one part needs. All of it is for ``sh`` with ``set -eu``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
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


def write_file(path: str, content: str, *, mode: str = "644") -> str:
    """Write a file of root's whole: beside it first, then renamed, so that nobody reads half of it.

    Only where nobody but root can write to the folder: elsewhere ``path.new`` may be a link that
    somebody has laid there. In a user's folder :func:`write_in_home` does it.

    The content is part of the command, so it must not be a secret. It is on the disk before it
    takes the old one's place: a power cut leaves the one or the other.
    """
    folder = path.rpartition("/")[0]
    return (
        f"[ -d {folder} ] || mkdir -p -m 755 {folder}\n"
        f"cat > {path}.new <<'END-OF-FILE'\n{content.rstrip()}\nEND-OF-FILE\n"
        f"chown root: {path}.new; chmod {mode} {path}.new; sync {path}.new\n"
        f"mv -f {path}.new {path}"
    )


_AS_USER = """\
umask 077
[ -d "$1" ] || mkdir "$1"
new=$(mktemp "$1/.$2.XXXXXX")
trap 'rm -f "$new"' EXIT
cat > "$new"
chmod 600 "$new"; sync "$new"
mv -fT "$new" "$1/$2"
shift 2
[ $# = 0 ] || rm -f "$@"
"""


def write_in_home(
    user: str, folder: str, name: str, content: str, *, instead_of: Sequence[str] = ()
) -> str:
    """Write a file in a user's folder, readable for the user alone, as that user.

    Root would follow what the user, or whoever can write there, has laid in the way: a link in
    place of the folder, of the file, or of the new one beside it. The user's own process goes only
    where the user may go, and ends after half a minute, whatever stops it.

    folder: made if it is not there, but not its parent; instead_of: other paths in it that go then.
    """
    words = " ".join(map(quote, (folder, name, *instead_of)))
    refused = f"user {user} cannot write {folder}/{name}: both have to belong to that user"
    return (
        f'timeout -k 5 30 setpriv --reuid {quote(user)} --regid "$(id -g {quote(user)})" '
        f"--init-groups sh -euc {quote(_AS_USER)} write {words} <<'END-OF-FILE' || {{\n"
        f"{content.rstrip()}\nEND-OF-FILE\n"
        f"echo {quote(refused)} >&2; exit 1\n}}"
    )


def write_files(contents: Mapping[str, str]) -> str:
    """Write several files of root's, path to content, as :func:`write_file` writes one.

    All of them are on the disk before the first takes its place. Each process counts on a small
    board, so there are as few as can be.
    """
    folders = dict.fromkeys(path.rpartition("/")[0] for path in contents)
    lines = ["umask 022", f"mkdir -p {' '.join(folders)}"]
    lines += [
        f"cat > {path}.new <<'END-OF-FILE'\n{content.rstrip()}\nEND-OF-FILE"
        for path, content in contents.items()
    ]
    lines.append("sync " + " ".join(f"{path}.new" for path in contents))
    lines += [f"mv -f {path}.new {path}" for path in contents]
    return "\n".join(lines)


def arrives_whole(text: str, stdin: str) -> tuple[str, str]:
    """A script that does nothing unless all of its standard input has arrived.

    A connection that dies while it is sent ends the input in the middle, and no program can tell
    that from its end: half a script would be executed, half a file written. So an end mark is
    demanded, which the input has nowhere else, before the script begins.

    text: what to do with the input, which it reads on its standard input.
    stdin: text without NUL; trailing line ends are not kept, but for one.

    Returns the script, and what to send to it.
    """
    mark = f"# end of {sha256(stdin.encode()).hexdigest()[:32]}"
    script = (
        "input=$(cat)\n"
        f"case $input in *'{mark}') ;;\n"
        '*) echo "the connection broke before all was sent; nothing was done" >&2; exit 1 ;;\n'
        "esac\n"
        f"printf '%s' \"${{input%'{mark}'}}\" | {{\n{text.rstrip()}\n}}"
    )
    body = stdin.rstrip("\n")
    return script, f"{body}\n{mark}\n"
