"""What a rolling job has to do: on which hosts, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyinfra_swarm.nodes.membership import Membership, Observed, view
from pyinfra_swarm.rolling.nodes import entry
from pyinfra_swarm.run.findings import Refusal
from pyinfra_swarm.run.observation import Observation
from pyinfra_swarm.run.wording import listed
from pyinfra_swarm.settings.labels import LABEL_PREFIX

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

ABANDONED_AFTER = 24 * 3600
"""Seconds after which a job on all nodes that has not finished is abandoned: it begins again."""

WAIT = 300
"""Seconds that a node has to lose its tasks, and to come back, unless ``--data wait=`` says."""


@dataclass(frozen=True)
class Options:
    """What ``--data`` says to a rolling job.

    wait: seconds that each wait may take; interruption: the owner accepts that for a time the swarm
    cannot be controlled, or encrypted traffic does not flow; downgrade: accepts an older engine;
    everything: reboots hosts that do not need it, too.
    """

    wait: int = WAIT
    interruption: bool = False
    downgrade: bool = False
    everything: bool = False


def options(given: Callable[[str], str | None]) -> Options:
    """What the command line says.

    given: the value of a key, ``None`` where there is none; keys and values are known to be valid
    (:data:`run.command_line.OPTIONS`).
    """
    return Options(
        wait=int(given("wait") or WAIT),
        interruption=given("interruption") is not None,
        downgrade=given("downgrade") is not None,
        everything=given("all") is not None,
    )


@dataclass(frozen=True)
class Running(Observation):
    """What runs on a host, and since when.

    boot: the running system's own id, another one after each boot.
    booted, engine_started: when, in seconds since 1970 by the controller's clock; the latter is
    ``None`` where no engine runs.
    kernel: the running one, as in ``uname -r``; kernels: those that could be booted.
    reboot_required: the system asks for a reboot; reboot_packages: the packages that made it.
    """

    boot: str
    booted: float
    engine_started: float | None
    kernel: str
    kernels: tuple[str, ...]
    reboot_required: bool
    reboot_packages: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """What a job has to do on one host, in the words of a finding."""

    what: str
    doing: str
    expected: str = ""
    found: str = ""
    why: str = ""


@dataclass(frozen=True)
class Roll:
    """A rolling job as it stands.

    work: what is still to be done, by host.
    refusals: what forbids beginning at all, besides the swarm's state.
    since_label: the label that keeps when the job began, where its work cannot be seen on hosts;
    begun: that time (seconds since 1970); continued: an earlier run has begun it.
    accepted: the owner accepts an interruption.
    """

    job: str
    work: Mapping[str, Work]
    refusals: tuple[Refusal, ...] = ()
    since_label: str = ""
    begun: float = 0.0
    continued: bool = False
    accepted: bool = False


def restart(
    settings: Settings,
    observed: Observed,
    running: Mapping[str, Running | None],
    given: Options,
    now: float,
) -> Roll:
    """Every engine that has been running since before this job began.

    now: when this run began, or the earlier one that it continues, in seconds since 1970.
    """
    cluster = view(settings, observed)
    started = {
        name: host.engine_started or 0.0
        for name, host in _members(settings, observed, cluster, running).items()
    }
    work = Work("the Docker daemon", "is restarted")
    return _all_since("restart", work, started, cluster, given, now)


def reboot(
    settings: Settings,
    observed: Observed,
    running: Mapping[str, Running | None],
    given: Options,
    now: float,
) -> Roll:
    """Every host that waits for a reboot; with ``--data all=yes`` every host.

    now: as for :func:`restart`.
    """
    cluster = view(settings, observed)
    members = _members(settings, observed, cluster, running)
    if given.everything:
        booted = {name: host.booted for name, host in members.items()}
        work = Work("this host", "is rebooted")
        return _all_since("reboot", work, booted, cluster, given, now)
    waiting = {
        name: Work("this host", "is rebooted", why=why)
        for name, host in members.items()
        if (why := needs_reboot(host))
    }
    return Roll("reboot", waiting, accepted=given.interruption)


def _all_since(
    job: str,
    work: Work,
    started: Mapping[str, float],
    cluster: Membership | None,
    given: Options,
    now: float,
) -> Roll:
    """All that started before the job began; an earlier run may have begun it."""
    label = f"{LABEL_PREFIX}{job}-since"
    values = [node.labels.get(label, "") for node in (cluster.nodes if cluster else None) or ()]
    times = [float(text) for text in values if re.fullmatch(r"\d{1,12}", text)]
    earlier = max((t for t in times if now - t < ABANDONED_AFTER), default=None)
    since = now if earlier is None else earlier
    return Roll(
        job,
        {name: work for name, start in started.items() if start < since},
        since_label=label,
        begun=since,
        continued=earlier is not None,
        accepted=given.interruption,
    )


def _members(
    settings: Settings,
    observed: Observed,
    cluster: Membership | None,
    running: Mapping[str, Running | None],
) -> dict[str, Running]:
    """The hosts that have answered and are nodes of the swarm."""
    return {
        name: host
        for name, host in running.items()
        if host and cluster and entry(settings, observed, cluster, name)
    }


def needs_reboot(host: Running) -> str:
    """Why a host waits for a reboot; empty where it does not."""
    if host.reboot_required:
        packages = list(dict.fromkeys(host.reboot_packages))
        return f"the system asks for it ({listed(packages)})" if packages else "the system asks"
    numbers, flavour = _kernel(host.kernel)
    later = [k for k in host.kernels if _kernel(k)[1] == flavour and _kernel(k)[0] > numbers]
    if later:
        return f"kernel {max(later, key=_kernel)} is installed, {host.kernel} runs"
    return ""


def _kernel(release: str) -> tuple[tuple[int, ...], str]:
    """A kernel's numbers, and its flavour: ``6.12.48+deb13-arm64`` → numbers, ``arm64``."""
    tail = re.search(r"[A-Za-z][A-Za-z-]*\d*$", release)
    flavour = tail[0] if tail else ""
    return tuple(map(int, re.findall(r"\d+", release.removesuffix(flavour)))), flavour
