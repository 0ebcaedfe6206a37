"""What is particular to boards and their images, and shows at a boot weeks later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pyinfra_swarm.engine.versions import major
from pyinfra_swarm.host.system import Host
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


def board_findings(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    """What one host's image and hardware bring along."""
    yield from _interface(settings, name, host)
    yield from _cloud_init(host)
    yield from _expired(settings, name, host)
    yield from _image_store(host)


def _interface(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    """Of the interface with the declared address: whether it has it again after a boot, in time."""
    address = settings.host(name).address
    link = host.link(host.device(address))
    if link is None:
        return
    if link.random_mac:
        yield Notice(
            f"interface {link.device}",
            "it has a random MAC address, another one after each boot: a reserved DHCP lease does "
            f"not find it, so {address} may be gone",
            expected="the hardware's, or one that is set",
            found="random",
            remedy="Set one: in netplan `macaddress:` for this interface, with systemd-networkd "
            "`MACAddress=` in its .network file; or update the board's boot loader",
        )
    if link.awaited is False:
        yield Notice(
            f"interface {link.device}",
            f"the boot does not wait for it, so Docker may start before it has {address}, and the "
            "node comes up without its overlay networks",
            expected="required for online",
            found="optional",
            remedy="In netplan set `optional: false` for this interface (a file "
            "/etc/netplan/90-online.yaml with that alone will do), then `sudo netplan apply`; with "
            "systemd-networkd alone `RequiredForOnline=yes` under [Link]",
        )


def _cloud_init(host: Host) -> Iterator[Finding]:
    if not host.first_boot_again:
        return
    yield Notice(
        "cloud-init",
        "it is on, and where it takes a boot for the first one (another instance-id: an edited "
        f"seed, a copied disk) it makes {listed(host.first_boot_again)} and sshd's drop-in anew",
        expected="off, or told to leave them",
        remedy="`sudo touch /etc/cloud/cloud-init.disabled` turns it off, and leaves what it has "
        "set up; or set preserve_hostname: true and ssh_deletekeys: false in a file of "
        "/etc/cloud/cloud.cfg.d",
    )


def _expired(settings: Settings, name: str, host: Host) -> Iterator[Finding]:
    for admin in settings.admins(settings.host(name)):  # the user of the runs is among them
        user = admin.name
        if user in host.expired_accounts:
            yield Notice(
                f"account of {user}",
                "it has expired: sshd and sudo refuse it",
                remedy=f"`sudo chage -E -1 {quoted(user)}` lifts that",
            )
        if user in host.expired_passwords:
            yield Notice(
                f"password of {user}",
                "it has expired: sudo, and sshd with PAM, refuse whoever does not change it, also "
                "with a key and without a password",
                remedy=f"`sudo chage -d $(date +%F) -M -1 {quoted(user)}` lifts that and keeps the "
                "password; images ship it so that a first login changes it",
            )


def _image_store(host: Host) -> Iterator[Finding]:
    """A disk for images that the image store is not on."""
    docker, store = host.disk("/var/lib/docker"), host.disk("/var/lib/containerd")
    root = host.disk("/")
    kept = store or host.disk("/var")
    if docker is None or kept is None or root is None:
        return
    if host.engine and major(host.engine) < 29:
        return
    if docker.file_system != root.file_system == kept.file_system:
        yield Notice(
            "images",
            "/var/lib/docker is on a disk of its own, but engines from 29 on that are installed "
            "anew keep images in /var/lib/containerd, on the root file system",
            remedy="Mount a folder of that disk at /var/lib/containerd as well (with Docker "
            "stopped: `sudo mount --bind`, and a line in /etc/fstab)",
        )
