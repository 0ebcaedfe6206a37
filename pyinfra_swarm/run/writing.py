"""What is sent to a host arrives whole, and a file there is written whole, or nothing is done.

All of it is for ``sh`` with ``set -eu``. docs/decisions/writing-files.md has the reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from shlex import quote

from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.shell import function

_WRITE_FILE = program(__file__, "write_file.sh")
_WRITE_IN_HOME = program(__file__, "write_in_home.sh")
_AS_USER = program(__file__, "write_as_user.sh")


def write_file(path: str, content: str, *, mode: str = "644") -> str:
    """Write a file of root's whole: beside it first, then renamed, so that nobody reads half of it.

    Only where nobody but root can write to the folder: elsewhere ``path.new`` may be a link that
    somebody has laid there. In a user's folder :func:`write_in_home` does it.

    The content is part of the command, so it must not be a secret. It is on the disk before it
    takes the old one's place: a power cut leaves the one or the other.
    """
    return f"{_WRITE_FILE}write_file {path} {mode} {quote(content.rstrip())}"


def write_in_home(
    user: str, folder: str, name: str, content: str, *, instead_of: Sequence[str] = ()
) -> str:
    """Write a file in a user's folder, readable for the user alone, as that user.

    Root would follow what the user, or whoever can write there, has laid in the way: a link in
    place of the folder, of the file, or of the new one beside it. The user's own process goes only
    where the user may go, and ends after half a minute, whatever stops it.

    folder: made if it is not there, but not its parent; instead_of: other paths in it that go then.
    """
    words = " ".join(map(quote, (user, _AS_USER, content.rstrip(), folder, name, *instead_of)))
    return f"{_WRITE_IN_HOME}write_in_home {words}"


def write_files(contents: Mapping[str, str]) -> str:
    """Write several files of root's, path to content, as :func:`write_file` writes one.

    All of them are on the disk before the first takes its place. Each process counts on a small
    board, so there are as few as can be.
    """
    folders = dict.fromkeys(path.rpartition("/")[0] for path in contents)
    lines = ["umask 022", f"mkdir -p {' '.join(folders)}"]
    lines += [
        f"printf '%s\\n' {quote(content.rstrip())} > {path}.new"
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
    work = function("with_input", text)
    body = stdin.rstrip("\n")
    return program(__file__, "arrives_whole.sh", using=[work], mark=mark), f"{body}\n{mark}\n"
