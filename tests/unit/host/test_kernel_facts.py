"""The kernel fact reads what modprobe, ip and iptables say.

modprobe 34.2 on kernel 6.12 (Debian 13), iproute2 6.15, iptables 1.8.11; shortened paths.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.host.kernel_facts import MODULES, PROGRAM, Capabilities
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
    cgroups: str = "",
) -> Kernel:
    output = (
        f"\n#> kernel\n6.12.113\n{present}\n\n#> modprobe\n{modprobe}\n\n#> blocks\n{blocks}\n"
        f"\n#> cgroups\n{cgroups}\n"
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


V1 = "v1 #subsys_name enabled\nv1 cpu 1\n{memory}v1 pids 1"
"""What a kernel says of version 1; 6.12 said so, started with cgroup_disable=memory and without."""


@pytest.mark.parametrize(
    ("cgroups", "limits"),
    [
        ("v2 cpu io memory pids", True),
        ("v2 cpu io pids", False),
        ("v2 cpu memory_other pids", False),
        (V1.format(memory="v1 memory 1\n"), True),
        (V1.format(memory="v1 memory 0\n"), False),
        (V1.format(memory=""), False),
        ("", None),
    ],
)
def test_whether_the_kernel_limits_memory_is_read_in_cgroups_of_either_version(
    cgroups: str, limits: bool | None
) -> None:
    assert said(cgroups=cgroups).limits_memory is limits


def test_a_host_that_was_asked_without_it_does_not_say_whether_it_limits_memory() -> None:
    text = (Path(__file__).parents[1] / "fixtures/facts/facts.kernel.Capabilities.txt").read_text()
    assert Capabilities().process(encoded(text)).limits_memory is True
    text = text.replace("#> cgroups\nv2 cpu io memory pids\n", "")
    assert Capabilities().process(encoded(text)).limits_memory is None


@pytest.mark.parametrize(
    ("line", "options"),
    [
        ("quiet", ()),
        ("cgroup.memory=nokmem cgroup_disable=pids,cpu memory=1", ()),
        ("cgroup_disable=memory quiet", ("cgroup_disable=memory",)),
        ("a=1 cgroup_disable=pids,memory", ("cgroup_disable=pids,memory",)),
        (
            "cgroup_disable=memory quiet cgroup_enable=memory",
            ("cgroup_disable=memory", "cgroup_enable=memory"),
        ),
    ],
)
def test_what_the_command_line_says_of_memory_is_read_in_its_order(
    line: str, options: tuple[str, ...]
) -> None:
    assert said(blocks=f"cmdline {line}").memory_options == options


def limits_of(root: Path) -> bool | None:
    """What the script makes of a host whose file system begins at a folder."""
    text = re.search(r"(?s)section cgroups\n.*?(?=section matches\n)", PROGRAM)
    assert text is not None
    script = re.sub(r"(?<=[ \n])/(?=sys/|proc/)", f"{root}/", text[0])
    assert script.count(str(root)) == 4
    run = subprocess.run(
        ["sh", "-euc", f"section() {{ :; }}\n{script}"], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""
    return said(cgroups=run.stdout).limits_memory


def test_the_script_asks_version_2_first_and_says_nothing_where_it_can_read_neither(
    tmp_path: Path,
) -> None:
    assert limits_of(tmp_path) is None
    old, new = tmp_path / "proc/cgroups", tmp_path / "sys/fs/cgroup/cgroup.controllers"
    for file in (old, new):
        file.parent.mkdir(parents=True)
    row = "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t1\t7\t1\nmemory\t{}\t60\t{}\n"
    old.write_text(row.format(4, 1))
    assert limits_of(tmp_path) is True
    old.write_text(row.format(0, 0))
    assert limits_of(tmp_path) is False
    new.write_text("cpuset cpu io memory pids\n")
    assert limits_of(tmp_path) is True
    new.write_text("cpuset cpu io pids\n")
    old.write_text(row.format(4, 1))
    assert limits_of(tmp_path) is False


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
