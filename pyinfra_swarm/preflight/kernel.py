"""What an encrypted swarm lacks in a host's kernel."""

from __future__ import annotations

from collections.abc import Iterator

from pyinfra_swarm.host.system import Kernel, Module
from pyinfra_swarm.run.findings import Finding, Notice, Refusal
from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.run.wording import listed

NEEDED_FOR = {
    "overlay": "images are stored in overlay file systems",
    "bridge": "containers are connected by bridges",
    "veth": "containers are connected by veth pairs",
    "br_netfilter": "traffic on bridges must pass iptables",
    "vxlan": "overlay networks are VXLANs",
    "esp4": "encrypted networks are ESP",
    "xfrm_user": "Docker programs encryption through it",
    "ip_vs": "the routing mesh balances with IPVS",
    "ip_vs_rr": "the routing mesh balances round robin",
    "xt_policy": "only with it can iptables tell encrypted packets from others",
    "xt_bpf": "Docker tells encrypted networks apart with it",
    "xt_conntrack": "iptables rules of Docker use it",
    "xt_addrtype": "iptables rules of Docker use it",
}


def kernel_findings(kernel: Kernel) -> Iterator[Finding]:
    """What an encrypted swarm lacks in a host's kernel."""
    works = {
        "esp4": kernel.esp,
        "xfrm_user": kernel.esp,
        "vxlan": kernel.vxlan,
        "xt_policy": kernel.matches,
        "xt_bpf": kernel.matches,
    }
    named = set()
    for module in kernel.modules:
        if module.blocked_by:
            named.add(module.name)
            yield _blocked(module)
        elif module.state == "missing" and not works.get(module.name):
            named.add(module.name)
            yield Refusal(
                f"kernel module {module.name}",
                f"kernel {kernel.release} does not have it, but {NEEDED_FOR[module.name]}",
                remedy="Install the distribution's own kernel, or its package of extra modules"
                " (on Ubuntu linux-modules-extra-…); a board's vendor kernel may lack it",
            )
    said = "; ".join(kernel.errors)
    if kernel.esp is False and not named & {"esp4", "xfrm_user"}:
        yield Refusal(
            "encryption (ESP)",
            "the kernel refused an ESP state with AES-GCM (tried in a separate network namespace),"
            " so an encrypted network would carry nothing",
            found=said,
            remedy=_REBOOT_OR + "`sudo modprobe -a esp4 gcm aes_generic; dmesg | tail` says why",
        )
    if kernel.vxlan is False and "vxlan" not in named:
        yield Refusal(
            "VXLAN",
            "the kernel created no VXLAN interface (tried in a separate network namespace), but"
            " overlay networks are VXLANs",
            found=said,
            remedy=_REBOOT_OR + "`sudo modprobe vxlan; dmesg | tail` says why",
        )
    if kernel.matches is False and not named & {"xt_policy", "xt_bpf"}:
        yield Refusal(
            "iptables matches",
            "iptables refused rules with the matches policy and bpf (tried in a separate network"
            " namespace), without which unencrypted packets cannot be told from encrypted ones",
            found=said,
            remedy=_REBOOT_OR + "`sudo modprobe -a xt_policy xt_bpf`; `iptables --version` shows"
            " the back end, whose kernel part (nf_tables or ip_tables) may be missing",
        )
    if kernel.cipher.rstrip(")").endswith("-rk"):
        yield Notice(
            "encryption (ESP)",
            "AES-GCM goes through the queue of Rockchip's crypto engine, which is slower than the "
            "processor's own instructions, and has lost packets in some kernels",
            found=kernel.cipher,
            remedy="Install a kernel that prefers the processor's (Armbian's, or Ubuntu's own): "
            "`grep -A3 'gcm(aes)' /proc/crypto` shows the priorities",
        )
    if kernel.limits_memory is False:
        yield _no_memory_limits(kernel)
    untried = [
        module.name
        for module in kernel.modules
        if module.state == "unknown" and not module.blocked_by and works.get(module.name) is None
    ]
    if untried:
        yield Notice(
            "kernel",
            f"it is unknown whether it has {listed(untried)}: there is no modprobe, or no "
            f"folder /lib/modules/{kernel.release}",
            found=said,
            remedy="Reboot if the kernel was updated since the last boot, or install kmod",
        )


def _no_memory_limits(kernel: Kernel) -> Notice:
    """Docker drops the limits with no more than a line in `docker info`.

    The device tree of a Raspberry Pi puts `cgroup_disable=memory` before what `cmdline.txt` says.
    Its own kernel knows `cgroup_enable`, others do not (raspberrypi/linux #6524, #7442).
    """
    options = kernel.memory_options
    remedy = "take `cgroup_disable=memory` out of the kernel's command line, and reboot"
    if not any(option.startswith("cgroup_disable=") for option in options):
        remedy = "Install the distribution's own kernel: this one is built without (CONFIG_MEMCG)"
    elif options[-1].startswith("cgroup_disable="):
        remedy = (
            "On Raspberry Pi OS, append `cgroup_enable=memory` to the one line of"
            f" /boot/firmware/cmdline.txt, and reboot; elsewhere, {remedy}"
        )
    else:  # it was switched on again, but not for this kernel
        remedy = (
            f"This kernel does not know cgroup_enable: {remedy}. On a Raspberry Pi the device tree"
            " puts it there: install Raspberry Pi's own kernel, or update it"
        )
    return Notice(
        "memory limits",
        "this kernel does not limit memory, so limits of services and containers do nothing, and"
        " one that leaks takes the memory of the whole board",
        found=" ".join(options),
        remedy=remedy,
    )


_REBOOT_OR = "Reboot if the kernel was updated since the last boot; else: "


def _blocked(module: Module) -> Refusal:
    mitigation = (
        ". If the line is a mitigation of “Dirty Frag” (CVE-2026-43284), install a kernel with the"
        " fix and reboot first"
        if module.name == "esp4"
        else ""
    )
    return Refusal(
        f"kernel module {module.name}",
        f"loading it is blocked, but {NEEDED_FOR[module.name]}",
        found=module.blocked_by,
        remedy=f"Remove that line, then: `sudo modprobe {quoted(module.name)}`{mitigation}",
    )
