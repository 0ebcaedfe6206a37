"""What a host's kernel can do for an encrypted swarm: modules, what blocks them, whether ESP works.

A name in a list of modules proves little: a module can be blocked (``install esp4 /bin/true`` makes
``modprobe esp4`` succeed and load nothing), and ESP needs a cipher besides. So the kernel is asked
to do what Docker will ask of it, in a network namespace of its own that ends with the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pyinfra_swarm.host.system import Kernel, Module
from pyinfra_swarm.run.answer import Sections
from pyinfra_swarm.run.fact import SubjectFact
from pyinfra_swarm.run.onhost import program

MODULES = (
    "overlay",
    "bridge",
    "veth",
    "br_netfilter",
    "vxlan",
    "esp4",
    "xfrm_user",
    "ip_vs",
    "ip_vs_rr",
    "xt_policy",
    "xt_bpf",
    "xt_conntrack",
    "xt_addrtype",
)
"""What an encrypted swarm with its routing mesh needs (moby ``contrib/check-config.sh``)."""

PATH = "export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"

PROGRAM = program(
    __file__,
    "kernel.sh",
    modules=" ".join(MODULES),
    pattern="|".join(name.replace("_", "[-_]") for name in MODULES),
)
"""Shell text for a fact's script: the sections ``kernel`` to ``namespace``."""


def parse(said: dict[str, list[str]]) -> Kernel:
    """Make sense of what :data:`PROGRAM` printed.

    Raises ``ValueError`` where a section is missing.
    """
    try:
        release, *present = said["kernel"]
        loading, configured = said["modprobe"], said["blocks"]
        namespace, matching = said["namespace"], said["matches"]
    except KeyError as section:
        raise ValueError(f"the host said nothing under {section}") from None
    states = _states(loading)
    for line in present:
        state, name = line.split()
        states[name] = state
    blocks = _blocks(configured)
    modules = []
    for name in MODULES:
        state = states.get(name, "unknown")
        blocked_by = "" if state == "builtin" else blocks.get(name, "")
        modules.append(Module(name, state, blocked_by))
    esp, vxlan, errors = _tried(namespace)
    matches = None if not matching else matching[-1] == "works"
    if matches is False:
        errors += [line for line in matching if line.strip()]
    return Kernel(
        release=release,
        modules=tuple(modules),
        esp=esp,
        vxlan=vxlan,
        matches=matches,
        errors=tuple(errors),
        cipher=_cipher(said.get("ciphers", [])),
        limits_memory=_limits_memory(said.get("cgroups", [])),
        memory_options=tuple(_memory_options(configured)),
    )


def _states(lines: list[str]) -> dict[str, str]:
    """What ``modprobe --show-depends`` would load, finds built in, and does not find."""
    found: dict[str, str] = {}
    for line in lines:
        if match := re.match(r"builtin (\S+)", line):
            found[_name(match[1])] = "builtin"
        elif match := re.match(r"insmod \S*/([^/\s]+?)\.ko", line):
            found[_name(match[1])] = "loadable"
        elif match := re.search(r"Module (\S+) not found", line):
            found[_name(match[1])] = "missing"
    return found


def _blocks(lines: list[str]) -> dict[str, str]:
    """The module names that the configuration forbids to load, each with where and how."""
    found: dict[str, str] = {}
    for line in lines:
        if line.startswith("cmdline "):
            for option in line.split()[1:]:
                key, _, value = option.partition("=")
                if key in ("module_blacklist", "modprobe.blacklist"):
                    for name in value.split(","):
                        found.setdefault(_name(name), f"the kernel's command line: {option}")
            continue
        match = re.match(r"([^:]+):(\d+):\s*(install|blacklist)\s+(\S+)\s*(.*)", line)
        if not match:
            continue
        path, number, directive, name, command = match.groups()
        words = command.split()
        # An `install` line may also do the real work by another way; only a no-op blocks.
        no_op = words[:1] and words[0].rsplit("/", 1)[-1] in ("true", "false", ":", "nologin")
        if directive == "blacklist" or no_op:
            text = f"{path}:{number}: {directive} {name} {command}".strip()
            found.setdefault(_name(name), text)
    return found


def _tried(lines: list[str]) -> tuple[bool | None, bool | None, list[str]]:
    """Whether ESP and VXLAN worked in the namespace, and what was said."""
    *messages, status = lines
    if status == "exit 0":
        return True, True, []
    failed = set(re.findall(r"Command failed -:(\d+)", "\n".join(messages)))
    errors = [line for line in messages if line.strip() and "Command failed" not in line]
    if status == "exit 2":
        failed.add("2")
    if not failed:
        return None, None, errors
    return "2" not in failed, "1" not in failed, errors


_ESP = ("gcm(aes)", "rfc4106(gcm(aes))")


def _cipher(lines: list[str]) -> str:
    """The driver of AES-GCM with the highest priority, in ``/proc/crypto``.

    The kernel makes ``rfc4106(…)`` of the best driver of ``gcm(aes)`` when it is asked for it.
    """
    best, found, name, driver = -1, "", "", ""
    for line in lines:
        key, _, value = (part.strip() for part in line.partition(":"))
        if key == "name":
            name, driver = value, ""
        elif key == "driver":
            driver = value
        elif key == "priority" and name in _ESP and value.isdigit() and int(value) > best:
            best, found = int(value), driver
    return found


def _limits_memory(lines: list[str]) -> bool | None:
    """Whether the memory controller is there, in cgroups of either version."""
    rows = [words for line in lines if (words := line.split())]
    if not rows:
        return None
    return any((row[0] == "v2" and "memory" in row[1:]) or row == _MEMORY_IS_ON for row in rows)


_MEMORY_IS_ON = ["v1", "memory", "1"]


def _memory_options(lines: list[str]) -> Iterator[str]:
    """What the command line says of the memory controller; the last one counts."""
    for line in lines:
        if line.startswith("cmdline "):
            for option in line.split()[1:]:
                key, _, value = option.partition("=")
                if key in ("cgroup_disable", "cgroup_enable") and "memory" in value.split(","):
                    yield option


def _name(module: str) -> str:
    return module.replace("-", "_")


class Capabilities(SubjectFact[Kernel]):
    """What the kernel can do for an encrypted swarm.

    .. code:: python

        {
            "release": "6.12.48+deb13-arm64",
            "modules": [{"name": "esp4", "state": "loadable", "blocked_by": ""}, …],
            "esp": true,
            "vxlan": true,
            "matches": null,
            "errors": [],
            "cipher": "",
            "limits_memory": false,
            "memory_options": ["cgroup_disable=memory"]
        }

    Asking may make the kernel load the modules that it asks about, as Docker would.
    """

    def script(self) -> str:
        return PATH + PROGRAM + "exit 0"

    def parse(self, said: Sections) -> Kernel:
        return parse(said)
