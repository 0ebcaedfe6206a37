"""One host with arm64: a whole machine, emulated, with its disk, its seed and its console.

Its disk is one of NVMe, whose driver the kernel has built in, since it boots without an initrd; the
seed and the network card are virtio's, which the bus that they are on finds.
"""

from lab.commands import run
from lab.image_arm64 import HARDWARE
from lab.machine import Machine

PROGRAM = "qemu-system-aarch64"

INTERFACE = "en*"
"""What a network card's name begins with."""


class Board(Machine):
    """A host that is an emulated board."""

    program = PROGRAM
    slowness = 6

    def prepare(self) -> None:
        """Flash it, if it is fresh.

        The disk is a whole copy, with holes: the program keeps nothing of it in its memory, so what
        the host wrote is there whatever happens to the host.
        """
        if not self.disk.exists():
            unfinished = self.disk.with_suffix(".new")
            run(["cp", "--sparse=always", "--reflink=auto", self._base, unfinished])
            unfinished.rename(self.disk)

    def command(self) -> list[str]:
        """The emulator and the board's parts."""
        lan = f"tap,id=lan,ifname={self.node.tap},script=no,downscript=no"
        card = f"virtio-net-pci,netdev=lan,mac={self.node.mac},romfile="
        disk = f"if=none,id=disk,file={self.disk},format=raw,cache=unsafe,discard=unmap"
        seed = f"if=none,id=seed,file={self.seed},format=raw,readonly=on"
        kernel = f"console=ttyAMA0 root={HARDWARE.root} rootfstype=ext4 rootflags=nobarrier rw"
        return [
            # As an RK3588's large cores, without what takes longest to emulate in later ones.
            *(PROGRAM, "-M", "virt,gic-version=3", "-cpu", "cortex-a76", "-smp", "2"),
            *("-m", str(self._memory), "-accel", "tcg,thread=multi,tb-size=512"),
            *("-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"),
            *("-serial", "stdio", "-rtc", "base=utc", "-device", "virtio-rng-pci"),
            *("-netdev", lan, "-device", card, "-drive", disk, "-drive", seed),
            # One of NVMe only: the kernel looks at several at once, and names them as they come.
            *("-device", "nvme,serial=board,drive=disk", "-device", "virtio-blk-pci,drive=seed"),
            *("-kernel", str(self._kernel)),
            *("-append", f"{kernel} quiet systemd.show_status=0 panic=1"),
        ]
