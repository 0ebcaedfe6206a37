"""A container image without a registry: a web server, for `docker import`."""

import io
import tarfile
from pathlib import Path

COMMAND = ("/bin/web",)
"""What a container of the image should run."""

_WEB = """\
#!/bin/sh
httpd -f -p 80 -h /www &
trap 'kill $!; exit 0' TERM INT
wait
"""
"""A container's first process ignores what it has no handler for; this one ends when told to."""

_HOSTNAME = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
hostname
"""


def write(busybox: Path, path: Path) -> None:
    """Write the tar: `/` answers a greeting, `/cgi-bin/hostname` the container's name."""
    directories = ("bin", "etc", "tmp", "proc", "sys", "dev", "www", "www/cgi-bin")
    links = ("sh", "httpd", "hostname", "sleep", "ping", "ping6", "wget", "nc", "cat", "ip", "ls")
    files = {
        "bin/busybox": (0o755, busybox.read_bytes()),
        "bin/web": (0o755, _WEB.encode()),
        "etc/passwd": (0o644, b"root:x:0:0:root:/:/bin/sh\n"),
        "www/index.html": (0o644, b"hello from the lab\n"),
        "www/cgi-bin/hostname": (0o755, _HOSTNAME.encode()),
    }
    with tarfile.open(path, "w") as archive:
        for name in directories:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            archive.addfile(member)
        for name, (mode, content) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode
            archive.addfile(member, io.BytesIO(content))
        for name in links:
            member = tarfile.TarInfo(f"bin/{name}")
            member.type, member.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(member)
