"""A kernel tried without an image, a disk or a network: it runs one script in a system's folder."""

import tempfile
from pathlib import Path

from lab import xstate
from lab.commands import run
from lab.kernel import Kernel

_INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t tmpfs tmpfs /run
cd /run
sh /mnt/script 2>&1
echo o > /proc/sysrq-trigger
sleep 60
"""
"""The first and only process: it switches off when the script has ended."""

_ENTER = """\
mount -t tmpfs -o size=256m none "$1/mnt"
cp "$2/init" "$2/script" "$1/mnt"
mkdir "$1/mnt/modules"
cp -r "$3" "$1/mnt/modules"
mount -t tmpfs none "$1/usr/lib"/modules
cp -r "$1/mnt/modules/." "$1/usr/lib/modules"
chroot "$1" depmod "${3##*/}"
shift 3
exec "$@"
"""


def said(kernel: Kernel, root: Path, script: str, timeout: float = 180) -> str:
    """What a script says, run as root on a kernel whose disk is a folder, on its console.

    root: a system with kmod; nothing in it is changed, but for an empty folder for modules
    Raises LabError when the kernel does not end in time.
    """
    (root / "usr/lib/modules").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "init").write_text(_INIT)
        (folder / "init").chmod(0o755)
        (folder / "script").write_text(script)
        words = [
            *("unshare", "--mount", "--propagation=private", "sh", "-euc", _ENTER, "enter"),
            *(str(root), name, str(kernel.modules)),
            *(str(kernel.program), "mem=256M", "rootfstype=hostfs", f"rootflags={root}", "rw"),
            *("init=/mnt/init", "umid=trial", f"uml_dir={name}/", "con=null", "con0=null,fd:1"),
            *("ssl=null", "loglevel=3", "noreboot", "panic=1"),
        ]
        return run(words, env=xstate.preloaded(), timeout=timeout).replace("\r", "")
