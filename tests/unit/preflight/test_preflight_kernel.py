"""What a kernel lacks for an encrypted swarm, by name and reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pyinfra_swarm.host.kernel_facts import MODULES
from pyinfra_swarm.host.system import Module
from pyinfra_swarm.run.findings import Refusal
from tests.unit.preflight.hosts import (
    KERNEL,
    differing,
    found_on,
    the_notice,
    the_refusal,
    with_kernel,
    with_module,
)


def test_a_blocked_module_is_refused_with_the_line_that_blocks_it() -> None:
    line = "/etc/modprobe.d/blacklist-blocked.conf:7: install esp4 /bin/true"
    sentence = the_refusal(with_module("esp4", "loaded", line))
    assert "kernel module esp4: loading it is blocked" in sentence
    assert line in sentence
    assert "CVE-2026-43284" in sentence
    assert "sudo modprobe esp4" in sentence


def test_a_missing_module_is_refused_with_what_it_is_needed_for() -> None:
    sentence = the_refusal(with_module("ip_vs", "missing"))
    assert "kernel 6.12.48+deb13-arm64 does not have it" in sentence
    assert "the routing mesh balances with IPVS" in sentence


def test_a_module_that_is_not_listed_but_works_is_no_finding() -> None:
    assert found_on(with_module("esp4", "missing")) == []


def test_esp_that_does_not_work_is_refused_though_its_module_is_there() -> None:
    said = "Error: Requested AEAD algorithm not found."
    sentence = the_refusal(with_kernel(esp=False, errors=(said,)))
    assert "refused an ESP state with AES-GCM" in sentence
    assert said in sentence


def test_a_blocked_esp_module_is_named_once() -> None:
    modules = with_module("esp4", "loadable", "a.conf:1: blacklist esp4").kernel.modules
    assert "a.conf:1" in the_refusal(with_kernel(modules=modules, esp=False))


def test_vxlan_that_does_not_work_is_refused() -> None:
    assert "created no VXLAN interface" in the_refusal(with_kernel(vxlan=False))


def test_iptables_without_the_policy_match_is_refused() -> None:
    assert "unencrypted packets cannot be told from encrypted" in the_refusal(
        with_kernel(matches=False)
    )


def test_what_could_not_be_found_out_about_the_kernel_is_said() -> None:
    sentence = the_notice(with_module("ip_vs", "unknown"))
    assert "it is unknown whether it has ip_vs" in sentence
    assert "Reboot if the kernel was updated" in sentence


OFF, ON = "cgroup_disable=memory", "cgroup_enable=memory"
APPEND = f"append `{ON}` to the one line of /boot/firmware/cmdline.txt"
TAKE_OUT = f"take `{OFF}` out of the kernel's command line"
OWN = "Install the distribution's own kernel"


@pytest.mark.parametrize(
    ("options", "told", "untold"),
    [
        ((OFF,), (APPEND, TAKE_OUT), OWN),
        ((ON, OFF), (APPEND, TAKE_OUT), OWN),
        (
            (OFF, ON),
            ("does not know cgroup_enable", TAKE_OUT, "install Raspberry Pi's own kernel"),
            APPEND,
        ),
        ((), (OWN,), TAKE_OUT),
        ((ON,), (OWN,), TAKE_OUT),
    ],
)
def test_a_kernel_that_does_not_limit_memory_is_told_with_how_to_change_that(
    options: tuple[str, ...], told: tuple[str, ...], untold: str
) -> None:
    sentence = the_notice(with_kernel(limits_memory=False, memory_options=options))
    assert sentence.startswith("memory limits: this kernel does not limit memory")
    assert all(words in sentence for words in (*options, *told))
    assert untold not in sentence


@pytest.mark.parametrize("limits", [True, None])
def test_a_kernel_that_limits_memory_or_could_not_be_asked_is_no_finding(
    limits: bool | None,
) -> None:
    assert found_on(with_kernel(limits_memory=limits, memory_options=(OFF, ON))) == []


@pytest.mark.parametrize("name", MODULES)
def test_each_module_that_is_missing_or_blocked_is_named_with_its_reason(name: str) -> None:
    unknown = replace(KERNEL, esp=None, vxlan=None, matches=None)
    for state, line in (("missing", ""), ("unknown", "/etc/modprobe.d/x.conf: blacklist")):
        modules = tuple(
            Module(name, state, line) if module.name == name else module
            for module in KERNEL.modules
        )
        [finding] = found_on(differing(kernel=replace(unknown, modules=modules)))
        assert finding.what == f"kernel module {name}"
        assert isinstance(finding, Refusal)
        assert ("Dirty Frag" in finding.remedy) is (name == "esp4" and bool(line))


TRIED = [("esp", "esp4"), ("esp", "xfrm_user"), ("vxlan", "vxlan")]
TRIED += [("matches", "xt_policy"), ("matches", "xt_bpf")]


def worked(what: str, did: bool) -> Any:
    return {what: did}


@pytest.mark.parametrize(("works", "name"), TRIED)
def test_what_was_tried_and_works_needs_no_module(works: str, name: str) -> None:
    host = with_module(name, "missing")
    assert found_on(replace(host, kernel=replace(host.kernel, **worked(works, True)))) == []
    host = with_module(name, "unknown")
    assert found_on(replace(host, kernel=replace(host.kernel, **worked(works, True)))) == []


@pytest.mark.parametrize(("works", "name"), TRIED)
def test_what_was_tried_and_fails_is_named_once(works: str, name: str) -> None:
    for host in (with_module(name, "missing"), with_module(name, "unknown", "a line")):
        kernel = replace(host.kernel, **worked(works, False))
        [finding] = found_on(replace(host, kernel=kernel))
        assert finding.what == f"kernel module {name}"
    host = with_module(name, "unknown")
    [finding] = found_on(replace(host, kernel=replace(host.kernel, **worked(works, False))))
    assert not finding.what.startswith("kernel")


def test_what_nobody_could_try_is_told_and_what_is_blocked_is_not_told_twice() -> None:
    modules = (Module("veth", "unknown"), Module("bridge", "unknown", "a line"))
    kernel = replace(KERNEL, modules=modules)
    blocked, untried = found_on(differing(kernel=kernel))
    assert blocked.what == "kernel module bridge"
    assert "whether it has veth:" in untried.reason
