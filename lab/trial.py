"""A kernel tried without an image, a disk or a network: it runs one script in a system's folder."""

import tempfile
from collections.abc import Mapping
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
root=$1 modules=$3
mount -t tmpfs none "$root/mnt"
cp "$2/init" "$2/script" "$root/mnt"
shift 3
while [ "$1" != -- ]; do
    mkdir "$root/mnt/$1"
    mount --bind "$2" "$root/mnt/$1"
    shift 2
done
shift
mount -t tmpfs none "$root/usr/lib/modules"
cp -r "$modules" "$root/usr/lib/modules"
chroot "$root" depmod "${modules##*/}"
exec "$@"
"""


def said(
    kernel: Kernel,
    root: Path,
    script: str,
    *,
    given: Mapping[str, Path] | None = None,
    memory: int = 256,
    timeout: float = 180,
) -> str:
    """What a script says, run as root on a kernel whose disk is a folder, on its console.

    root: a system with kmod; nothing in it is changed, but for an empty folder for modules, and
        what the script changes
    given: folders that it finds below `/mnt`, by their names there
    memory: megabytes
    Raises LabError when the kernel does not end in time.
    """
    (root / "usr/lib/modules").mkdir(exist_ok=True)
    folders = [str(word) for pair in (given or {}).items() for word in pair]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "init").write_text(_INIT)
        (folder / "init").chmod(0o755)
        (folder / "script").write_text(script)
        words = [
            *("unshare", "--mount", "--propagation=private", "sh", "-euc", _ENTER, "enter"),
            *(str(root), name, str(kernel.modules), *folders, "--"),
            *(str(kernel.program), f"mem={memory}M", "rootfstype=hostfs", f"rootflags={root}"),
            *("rw", "init=/mnt/init", "umid=trial", f"uml_dir={name}/", "con=null"),
            *("con0=null,fd:1", "ssl=null", "loglevel=3", "noreboot", "panic=1"),
        ]
        return run(words, env=xstate.preloaded(), timeout=timeout).replace("\r", "")
