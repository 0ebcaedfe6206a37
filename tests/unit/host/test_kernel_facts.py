"""The kernel fact reads what modprobe, ip and iptables say.

modprobe 34.2 on kernel 6.12 (Debian 13), iproute2 6.15, iptables 1.8.11; shortened paths.
"""

from __future__ import annotations

import subprocess

import pytest
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.host.kernel_facts import MODULES, Capabilities
from pyinfra_swarm.host.system import Kernel
from tests.tools.answers import encoded

MODPROBE = """\
modprobe: WARNING: Module ip_vs not found in directory /lib/modules/6.12.113
insmod /lib/modules/6.12.113/kernel/net/xfrm/xfrm_algo.ko
install /bin/true
insmod /lib/modules/6.12.113/kernel/net/ipv4/udp_tunnel.ko
insmod /lib/modules/6.12.113/kernel/drivers/net/vxlan/vxlan.ko
insmod /lib/modules/6.12.113/kernel/net/netfilter/xt_bpf.ko.xz
builtin br_netfilter"""

BLOCKS = """\
/etc/modprobe.d/block.conf:2:install esp4 /bin/true
/etc/modprobe.d/block.conf:3:blacklist xt-bpf
/usr/lib/modprobe.d/vxlan.conf:1:install vxlan /sbin/modprobe --ignore-install vxlan
/etc/modprobe.d/block.conf:4:install br_netfilter /bin/false
cmdline console=ttyS0 module_blacklist=xfrm_user,floppy quiet"""


def said(
    *,
    present: str = "loaded overlay\nbuiltin bridge",
    modprobe: str = MODPROBE,
    blocks: str = "cmdline quiet",
    matches: str = "",
    namespace: str = "exit 0",
    ciphers: str = "",
) -> Kernel:
    output = (
        f"\n#> kernel\n6.12.113\n{present}\n\n#> modprobe\n{modprobe}\n\n#> blocks\n{blocks}\n"
        f"\n#> matches\n{matches}\n\n#> ciphers\n{ciphers}\n\n#> namespace\n{namespace}\n"
    )
    return Capabilities().process(encoded(output))


@pytest.mark.parametrize(
    ("module", "state"),
    [
        ("overlay", "loaded"),
        ("bridge", "builtin"),
        ("br_netfilter", "builtin"),
        ("vxlan", "loadable"),
        ("xt_bpf", "loadable"),
        ("ip_vs", "missing"),
        ("esp4", "unknown"),
    ],
)
def test_each_module_has_the_state_that_the_host_shows(module: str, state: str) -> None:
    assert said().module(module).state == state


def test_all_modules_are_answered_for() -> None:
    assert tuple(module.name for module in said().modules) == MODULES


@pytest.mark.parametrize(
    ("module", "by"),
    [
        ("esp4", "/etc/modprobe.d/block.conf:2: install esp4 /bin/true"),
        ("xt_bpf", "/etc/modprobe.d/block.conf:3: blacklist xt-bpf"),
        ("xfrm_user", "the kernel's command line: module_blacklist=xfrm_user,floppy"),
    ],
)
def test_what_blocks_a_module_is_named_with_its_place(module: str, by: str) -> None:
    assert said(blocks=BLOCKS).module(module).blocked_by == by


def test_an_install_line_that_loads_the_module_blocks_nothing() -> None:
    assert said(blocks=BLOCKS).module("vxlan").blocked_by == ""


def test_a_module_that_is_built_in_cannot_be_blocked() -> None:
    assert said(blocks=BLOCKS).module("br_netfilter").blocked_by == ""


def test_everything_works_where_ip_says_nothing() -> None:
    kernel = said()
    assert (kernel.esp, kernel.vxlan, kernel.errors) == (True, True, ())


def test_a_cipher_that_the_kernel_lacks_is_esp_that_does_not_work() -> None:
    kernel = said(namespace="Error: Requested AEAD algorithm not found.\nexit 2")
    assert (kernel.esp, kernel.vxlan) == (False, True)
    assert kernel.errors == ("Error: Requested AEAD algorithm not found.",)


def test_a_kernel_without_vxlan_says_so_apart_from_esp() -> None:
    kernel = said(namespace="Error: Unknown device type.\nCommand failed -:1\nexit 1")
    assert (kernel.esp, kernel.vxlan) == (True, False)


def test_what_could_not_be_tried_is_neither_working_nor_broken() -> None:
    kernel = said(namespace="unshare: unshare failed: Operation not permitted\nexit 1")
    assert (kernel.esp, kernel.vxlan) == (None, None)


@pytest.mark.parametrize(
    ("output", "works"),
    [
        ("", None),
        ("works", True),
        ("iptables-restore v1.8.11 (legacy): Couldn't load match `policy'", False),
    ],
)
def test_matches_of_iptables_are_judged_by_a_rule_that_was_taken(
    output: str, works: bool | None
) -> None:
    assert said(matches=output).matches is works


CRYPTO = """\
name         : gcm(aes)
driver       : gcm-aes-rk
priority     : {rk}
name         : cbc(aes)
driver       : cbc-aes-rk
priority     : 999
name         : gcm(aes)
driver       : gcm-aes-ce
priority     : 200
"""


@pytest.mark.parametrize(("rk", "driver"), [(300, "gcm-aes-rk"), (0, "gcm-aes-ce")])
def test_the_driver_with_the_highest_priority_is_the_one_that_encrypts(
    rk: int, driver: str
) -> None:
    assert said(ciphers=CRYPTO.format(rk=rk)).cipher == driver
    assert said().cipher == ""


def test_output_that_is_cut_off_fails_the_fact_and_not_the_run() -> None:
    with pytest.raises(FactProcessError, match="modprobe"):
        Capabilities().process(encoded(["#> kernel", "6.12.113"]))


def test_the_script_runs_to_its_end_on_any_machine() -> None:
    done = subprocess.run(
        ["sh", "-c", Capabilities().command()], capture_output=True, text=True, check=True
    )
    kernel = Capabilities().process(done.stdout.splitlines())
    assert kernel.release
    assert len(kernel.modules) == len(MODULES)
