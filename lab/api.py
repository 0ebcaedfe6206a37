"""The lab, for programs: start, break, mend and look into it.

Everything raises `lab.errors.LabError` with a message for people.
"""

import itertools
import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from lab import (
    addresses,
    authority,
    board,
    commands,
    description,
    docker_older,
    docker_packages,
    image,
    image_arm64,
    kernel,
    ledger,
    lock,
    login,
    network,
    orders,
    own_packages,
    places,
    release,
    requirements,
    supervisor,
    world,
)
from lab import userland as userlands
from lab.authority import Authority
from lab.description import Description
from lab.docker_packages import DockerPackages
from lab.errors import LabError
from lab.kernel import Kernel
from lab.own_packages import OwnPackages
from lab.release import Release
from lab.userland import Userland

LEAST_MEMORY = 384
"""Megabytes; with less a host does not get as far as SSH, or dies once Docker runs."""


def _quiet(_: str) -> None:
    pass


def up(
    managers: int = 3,
    workers: int = 1,
    memory: int = 1536,
    say: Callable[[str], None] = _quiet,
    *,
    iptables: str = "",
    docker: str = "",
    userland: str = "",
    arm64: int = 0,
) -> Description:
    """Start a lab of fresh hosts and return when all of them answer SSH.

    memory: megabytes per host
    say: is told each step, in words
    iptables: the hosts' back end: `nft`, `legacy`, or `mixed` for both in turn; without it, what
        `LAB_IPTABLES` says, or what is usual for the kernel
    docker: folder with Docker's own packages, offered besides; without it, what
        `LAB_DOCKER_PACKAGES` names
    userland: of `lab.userland`, by name, or several with commas in between, which the hosts get
        in turn; without it, what `LAB_USERLAND` says, or the machine's own
    arm64: how many hosts there are besides that are emulated boards with arm64, slower by far
    Raises LabError when the machine lacks something, a lab is up, or a host does not come up;
        nothing is left behind then.
    """
    _check_size(managers, workers, arm64)
    quick = managers + workers
    roles = (managers, workers + arm64) if managers else (1, arm64 - 1)
    if memory < LEAST_MEMORY:
        raise LabError(f"a host needs at least {LEAST_MEMORY} MB of memory, not {memory}")
    its_kernel = kernel.chosen(release.machine_release(), say)
    back_ends = _back_ends(iptables, its_kernel, quick) + (image_arm64.BACK_END,) * arm64
    wanted = userland or os.environ.get(userlands.VARIABLE, "") or userlands.OWN
    in_turn = itertools.cycle(userlands.chosen(wanted))
    its_userlands = tuple(itertools.islice(in_turn, quick))
    requirements.check(quick, memory, arm64)
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin:/sbin"
    descriptor = lock.acquire()
    try:
        if ledger.remove_leftovers():
            say("removed what an earlier lab left behind")
        size = supervisor.Size(*roles, memory)
        plan = _build(size, its_kernel, back_ends, docker, its_userlands, say)
        if arm64:
            plan = _with_boards(plan, arm64, say)
        begin = time.monotonic()
        supervisor.start(plan, descriptor, say)
        say(f"{quick + arm64} hosts answer SSH, {time.monotonic() - begin:.0f} s from nothing")
    except BaseException:
        ledger.remove_leftovers()
        lock.release(descriptor)
        raise
    os.close(descriptor)
    found = description.read()
    if found is None:
        raise LabError("the lab went away as soon as it was up")
    return found


def _check_size(managers: int, workers: int, arm64: int) -> None:
    """Refuse a lab that there cannot be."""
    alone = managers == workers == 0 < arm64
    most = addresses.MOST_HOSTS
    if min(workers, arm64) < 0 or managers + workers + arm64 > most or (managers < 1 and not alone):
        boards = f" and {arm64} hosts with arm64" if arm64 else ""
        raise LabError(
            f"a lab has at least one manager and at most {most} hosts,"
            f" not {managers} managers and {workers} workers{boards}"
        )


def _back_ends(wanted: str, its_kernel: Kernel, hosts: int) -> tuple[str, ...]:
    """One for each host."""
    wanted = wanted or os.environ.get("LAB_IPTABLES", "") or its_kernel.back_ends[0]
    choices = {"nft": ("nft",), "legacy": ("legacy",), "mixed": ("nft", "legacy")}
    if wanted not in choices:
        raise LabError(f'"{wanted}" is no back end of iptables: nft, legacy or mixed')
    if not set(choices[wanted]) <= set(its_kernel.back_ends):
        raise LabError(
            "the distribution's kernel has no nftables for IP: `pyinfra-swarm lab kernel` builds"
            " one that has, once"
        )
    return tuple(itertools.islice(itertools.cycle(choices[wanted]), hosts))


def build_kernel(say: Callable[[str], None] = _quiet) -> Kernel:
    """Build the kernel that knows nftables and WireGuard, if need be.

    say: is told each step, in words
    Raises LabError when the machine lacks something.
    """
    return kernel.build(release.machine_release(), say)


def _build(
    size: supervisor.Size,
    its_kernel: Kernel,
    back_ends: tuple[str, ...],
    docker_folder: str,
    its_userlands: tuple[Userland, ...],
    say: Callable[[str], None],
) -> supervisor.Plan:
    """See that image and packages are there.

    its_userlands: one for each host
    """
    begin = time.monotonic()
    keys = authority.authority()
    machine_release = release.machine_release()
    own = own_packages.own_packages(docker_folder, machine_release.architecture)
    # A lab of boards alone takes its registries' program, and busybox, from this machine's release.
    wanted = its_userlands or (userlands.USERLANDS[userlands.OWN],)
    kinds = {userland.name: userland for userland in wanted}
    missing = []
    for userland in kinds.values():
        as_it = "" if userland.name == userlands.OWN else f" as {userland.name}"
        if not image.is_built(userland.archives(machine_release), keys, its_kernel, userland):
            missing.append(f"the hosts' image{as_it}")
        if not docker_packages.is_built(machine_release, keys, own, userland):
            missing.append(f"Docker's packages{as_it}")
    if missing:
        say(f"building {' and '.join(missing)}, once: one to two minutes")
    with ThreadPoolExecutor(2) as pool:
        bases = {
            name: pool.submit(
                image.image, userland.archives(machine_release), keys, its_kernel, userland, say
            )
            for name, userland in kinds.items()
        }
        dockers = {
            name: pool.submit(_docker, machine_release, keys, say, own, userland)
            for name, userland in kinds.items()
        }
        try:
            folders = {name: base.result() for name, base in bases.items()}
            packages = {name: docker.result() for name, docker in dockers.items()}
        except LabError as error:
            commands.end_all()
            raise LabError(
                f"could not build what hosts are made of: {error}\n"
                "  Packages come from this machine's own apt sources: does `apt-get update` work?"
            ) from error
        except BaseException:
            commands.end_all()
            raise
    if missing:
        say(f"built in {time.monotonic() - begin:.0f} s")
    systems = {
        name: supervisor.System(
            userland=name,
            distribution=userland.release(machine_release).distribution,
            netplan=userland.netplan,
            base_image=str(folders[name] / "base.img"),
            docker_site=str(packages[name].site),
            archive=str(folders[name] / "archive"),
        )
        for name, userland in kinds.items()
    }
    first = wanted[0].name
    return supervisor.Plan(
        size=size,
        systems=tuple(systems[userland.name] for userland in its_userlands),
        iptables=back_ends,
        kernel=str(its_kernel.program),
        docker_versions=packages[first].versions,
        busybox=str(packages[first].busybox),
        registry=str(folders[first] / image.REGISTRY),
    )


def _docker(
    machine_release: Release,
    keys: Authority,
    say: Callable[[str], None],
    own: OwnPackages,
    userland: Userland,
) -> DockerPackages:
    """Docker's repository for hosts of a userland: every one has the same versions."""
    packages = docker_packages.docker_packages(machine_release, keys, say, own, userland)
    archives = userland.archives(machine_release)
    if archives == machine_release:
        return packages
    return docker_older.for_older(packages, archives, keys, say)


def _with_boards(plan: supervisor.Plan, count: int, say: Callable[[str], None]) -> supervisor.Plan:
    """The same with so many boards more, whose image and packages are built if need be."""
    keys = authority.authority()
    boards = release.machine_release().of(release.ARM64)
    none = own_packages.OwnPackages()
    userland = userlands.USERLANDS[userlands.OWN]
    if not image_arm64.is_built(boards, keys):
        say("building the arm64 hosts' image, once: ten minutes or more, as some of it is emulated")
    try:
        packages = docker_packages.docker_packages(boards, keys, say, none, userland)
        lacking = sorted(set(plan.docker_versions) - set(packages.versions))
        if lacking:
            raise LabError(
                f"Docker {', '.join(lacking)} is there for amd64 only: leave Docker's own packages"
                " out, or the arm64 hosts"
            )
        made = image_arm64.image_arm64(boards, keys, say)
    except LabError as error:
        raise LabError(f"could not build what arm64 hosts are made of: {error}") from error
    system = supervisor.System(
        userland=userland.name,
        distribution=boards.distribution,
        netplan=userland.netplan,
        base_image=str(made.disk),
        docker_site=str(packages.site),
        archive=str(made.archive),
        architecture=boards.architecture,
        kernel=str(made.kernel),
    )
    return replace(
        plan, systems=plan.systems + (system,) * count, busybox_arm64=str(packages.busybox)
    )


def down() -> bool:
    """End the lab and remove all of it; return whether there was one.

    A lab that crashed is removed as well.
    """
    if lock.is_held():
        try:
            orders.give_order("down", timeout=10)
        except LabError:
            if lock.is_held() and description.read() is not None:
                raise
        deadline = time.monotonic() + 60
        while lock.is_held():
            if time.monotonic() > deadline:
                holder = lock.holder()
                raise LabError(
                    f"a lab is being started or ended by process {holder[0] if holder else '?'}"
                    " and did not finish within a minute; end that process, then run"
                    " `pyinfra-swarm lab down` again"
                )
            time.sleep(0.1)
        return True
    descriptor = lock.acquire()
    try:
        return ledger.remove_leftovers()
    finally:
        lock.release(descriptor)


def _lab() -> Description:
    found = description.read()
    if found is None:
        raise LabError("no lab is up on this machine: `pyinfra-swarm lab up` starts one")
    return found


def status() -> dict[str, dict[str, Any]]:
    """Per host: `on`, `answers` (SSH), `problem`, `pid`."""
    return orders.give_order("status", timeout=120)


def reset(hosts: Iterable[str] = ()) -> None:
    """Give these hosts (all, if none is named) a freshly flashed disk; wait for their SSH.

    Addresses and host keys stay the same, machine ids do not. Without names, the outside world's
    faults are taken back as well, and tags that were moved.
    """
    orders.give_order("reset", hosts=list(hosts))


def power_cut(host: str, off_for: float | None = 0.0, wait: bool = True) -> None:
    """Pull a host's plug.

    off_for: seconds until it gets power again; None leaves it off
    wait: whether to return only when it answers SSH again
    """
    orders.give_order("power-cut", hosts=[host])
    if off_for is not None:
        time.sleep(off_for)
        power_on(host, wait=wait)


def power_on(host: str, wait: bool = True) -> None:
    """Give a host power; `wait` for its SSH."""
    orders.give_order("power-on", hosts=[host], wait=wait)


def reboot(host: str, timeout: float = 0) -> None:
    """Reboot a host from inside; return when it answers SSH after that.

    timeout: seconds; without it, what is enough for such a host
    """
    timeout = timeout or supervisor.BOOT_TIMEOUT * _slowness(host)
    before = _boot_id(host)
    run(host, "sudo systemctl reboot", check=False, timeout=60 * _slowness(host))
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        time.sleep(1)
        try:
            now = _boot_id(host)
        except LabError:
            continue
        if now != before:
            return
    raise LabError(
        f"{host} did not come back within {timeout:.0f} s of its reboot;"
        f" its console is {places.console(host)}"
    )


def _slowness(host: str) -> int:
    emulated = _lab().host(host).architecture == release.ARM64
    return board.Board.slowness if emulated else 1


def _boot_id(host: str) -> str:
    done = run(host, "cat /proc/sys/kernel/random/boot_id", check=False, timeout=30)
    if done.returncode != 0:
        raise LabError(f"{host} does not answer: {done.stderr.strip()}")
    return done.stdout.strip()


def ssh_command(host: str, *options: str) -> list[str]:
    """The ssh command line to a host, to which a remote command may be added."""
    lab = _lab()
    try:
        one = lab.host(host)
    except KeyError as error:
        raise LabError(str(error.args[0])) from error
    return [
        *("ssh", *login.ssh_options(), "-i", lab.ssh_key, "-p", str(one.ssh_port)),
        *("-o", f"UserKnownHostsFile={lab.known_hosts}", *options),
        f"{one.user}@{one.ssh_host}",
    ]


def run(
    host: str,
    command: str | Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 300,
    check: bool = True,
) -> subprocess.CompletedProcess[str]:
    """Run a command on a host over SSH, as its login user.

    command: a line for the user's shell, or words that it must not touch
    Raises LabError when it fails (unless not `check`) or takes longer than `timeout` seconds.
    """
    line = command if isinstance(command, str) else shlex.join(command)
    done = _run([*ssh_command(host), line], f"{host}: {line}", stdin, timeout)
    if check and done.returncode != 0:
        raise LabError(
            f"{host}: `{line}` ended with {done.returncode}:\n{done.stdout}{done.stderr}".rstrip()
        )
    return done


def in_namespace(
    namespace: str,
    command: Sequence[str],
    *,
    stdin: str | None = None,
    timeout: float = 60,
) -> subprocess.CompletedProcess[str]:
    """Run a program of this machine in a namespace of the lab.

    namespace: a client's name ("cloudflare"), "lab" for the bridge and the gateway, or
        a namespace's own name
    """
    lab = _lab()
    if namespace == "lab":
        name = lab.namespace
    else:
        name = lab.clients[namespace].namespace if namespace in lab.clients else namespace
    words = network.inside(name, command)
    return _run(words, " ".join(words), stdin, timeout)


def _run(
    words: Sequence[str], title: str, stdin: str | None, timeout: float
) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            list(words),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired as error:
        raise LabError(f"`{title}` did not end within {timeout:.0f} s") from error


def move_tag(repository: str, tag: str, to: str) -> None:
    """Have a tag of the open registry name the image that its tag `to` names.

    Raises LabError when there is no tag `to`.
    """
    orders.give_order("move-tag", repository=repository, tag=tag, to=to, timeout=60)


def set_faults(faults: Mapping[str, str | Mapping[str, Any]]) -> None:
    """Make the outside world misbehave; an empty mapping mends it.

    faults: from a pattern for ``<host>/<path>``, such as ``www.cloudflare.com/ips-v*``
        or ``download.docker.com/*``, to a kind of `lab.world.FAULTS`, or to a mapping with the
        kind and its parameter
    Raises LabError: for a kind that there is not
    """
    for pattern, fault in faults.items():
        kind = fault if isinstance(fault, str) else fault.get("kind")
        if kind not in world.FAULTS:
            known = ", ".join(world.FAULTS)
            raise LabError(f"there is no fault {kind!r} for {pattern}: there are {known}")
    _lab()
    path = places.faults()
    if not faults:
        path.unlink(missing_ok=True)
        return
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps(faults))
    unfinished.rename(path)


__all__ = [
    "down",
    "in_namespace",
    "move_tag",
    "power_cut",
    "power_on",
    "reboot",
    "reset",
    "run",
    "set_faults",
    "ssh_command",
    "status",
    "up",
]
