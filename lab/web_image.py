"""A web server in a few files, for `docker import` and for the registry's images."""

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

COMMAND = ("/bin/web",)
"""What a container of the image should run."""

_WEB = """\
#!/bin/sh
httpd -f -p 80 -h /www &
trap 'sleep "${LINGER:-0}"; kill $!; exit 0' TERM INT
wait
"""
"""A container's first process ignores what it has no handler for; this one ends when told to.

It serves for some seconds more, if it is told so: the engine takes a task out of the routing mesh
two seconds before it stops it, and a busy node hears of that later.
"""

_HOSTNAME = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
hostname
"""

_SECRETS = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
cd /run/secrets && sha256sum *
"""
"""For tests of what a task was given. What is not the lab's shows nothing of its secrets."""

_DIRECTORIES = ("bin", "etc", "tmp", "proc", "sys", "dev", "run", "www", "www/cgi-bin")
_APPLETS = (
    "sh httpd hostname sleep ping ping6 wget nc cat ip ls sha256sum kill ps grep id stat env true"
)


def write(busybox: Path, path: Path) -> None:
    """Write the tar: `/` answers a greeting, `/cgi-bin/hostname` the container's name.

    `/cgi-bin/secrets` answers with the SHA-256 of each file in ``/run/secrets``.
    """
    path.write_bytes(contents(busybox))


def contents(busybox: Path) -> bytes:
    """The same tar, not written anywhere; always the same bytes."""
    files = {
        "bin/busybox": (0o755, busybox.read_bytes()),
        "bin/web": (0o755, _WEB.encode()),
        "etc/passwd": (0o644, b"root:x:0:0:root:/:/bin/sh\n"),
        "www/index.html": (0o644, b"hello from the lab\n"),
        "www/cgi-bin/hostname": (0o755, _HOSTNAME.encode()),
        "www/cgi-bin/secrets": (0o755, _SECRETS.encode()),
    }
    links = {f"bin/{name}": "busybox" for name in _APPLETS.split()}
    return tar(files, _DIRECTORIES, links)


def tar(
    files: Mapping[str, tuple[int, bytes]],
    directories: Iterable[str] = (),
    links: Mapping[str, str] | None = None,
) -> bytes:
    """An archive of directories, files (path to mode and content) and symbolic links."""
    archived = io.BytesIO()
    with tarfile.open(fileobj=archived, mode="w") as archive:
        for name in directories:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(member)
        for name, (mode, content) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
        for name, target in (links or {}).items():
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, target
            archive.addfile(member)
    return archived.getvalue()
