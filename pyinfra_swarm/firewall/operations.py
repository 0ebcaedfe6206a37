"""The firewall: default deny, the swarm's ports for the swarm, the web ports for Cloudflare."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from pyinfra_swarm.docker.facts import StandaloneContainers
from pyinfra_swarm.engine.api import RESET_FAILED
from pyinfra_swarm.firewall import unencrypted_overlays as clear_text
from pyinfra_swarm.firewall.facts import State, WebRanges
from pyinfra_swarm.firewall.host_files import (
    DOCKER_DROP_IN,
    FILES,
    INTERFACES,
    LISTS,
    LOCKS,
    REFRESH,
    SCRIPT,
    TIMER,
    UNIT,
    WANTS,
    WATCH,
    WATCH_FILE,
    unload,
)
from pyinfra_swarm.firewall.iptables_rule import parse
from pyinfra_swarm.firewall.plan import TITLES, Host, Wanted, declared, plan, plan_ranges
from pyinfra_swarm.firewall.policy import FAMILIES, Policy, members, policy, votes
from pyinfra_swarm.firewall.rules import INPUT, MANAGEMENT_PORT, PEERS
from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.nodes import facts as swarm_facts
from pyinfra_swarm.nodes import measures
from pyinfra_swarm.nodes.membership import acting_manager, view
from pyinfra_swarm.nodes.observing import memberships
from pyinfra_swarm.rollback.operations import rolled_back_first, with_rollback
from pyinfra_swarm.rollback.plan import forget
from pyinfra_swarm.run import records
from pyinfra_swarm.run.converge import (
    Commands,
    converges,
    current_host,
    fail,
    given,
    is_executing,
    job,
    observe,
    observe_all,
    observe_on,
    progress,
    report,
    script,
    this_host,
)
from pyinfra_swarm.run.findings import Change, Finding, Notice, changes, refusals
from pyinfra_swarm.run.shell import write_files

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings


@converges("firewall")
def applied(settings: Settings) -> Commands:
    """The host's own chains equal to the declared policy, in both address families, and lasting.

    + settings: the cluster's settings; of them ``firewall``, the hosts and the data path's port

    Only our chains are replaced, whole and at once, and our jumps moved to the front; nobody
    else's rules are touched. The change undoes itself unless a new login works after it.

    **Example:**

    .. code:: python

        firewall.applied(load(), name="Firewall: default deny, Cloudflare to the web ports")
    """
    host = observe(State)
    records.measure("firewall", "exposure", measures.exposure(settings))
    if not settings.firewall.enabled:
        report("firewall", _left_over(host))
        return
    wanted, findings = _differences(settings, host)
    if not report("firewall", findings):
        return
    if host.unconfirmed:
        yield from rolled_back_first()
        host = observe(State)
        wanted, findings = _differences(settings, host)
        if not report("firewall", findings):
            return
    yield from _changed(settings, wanted, host)


def _differences(settings: Settings, host: Host) -> tuple[Wanted, list[Finding]]:
    wanted, used = _wanted(settings, host)
    planned = plan(wanted, host, planning=not is_executing())
    return wanted, [*planned, *clear_text.notices(used, settings)]


@converges("swarm")
def shut_behind(settings: Settings) -> Commands:
    """The managers' port shut on a host that has been demoted in this run.

    + settings: the cluster's settings

    The firewall comes before the swarm, and leaves the port of a manager open that is declared a
    worker: shut out, it would keep its vote.

    **Example:**

    .. code:: python

        firewall.shut_behind(load(), name="Firewall: the managers' port shut behind them")
    """
    if not _open_behind(settings):
        report("swarm", [])
        return
    reason = "is open to the cluster, and not needed by a worker"
    report("swarm", [Change(f"{MANAGEMENT_PORT}/tcp", reason, expected="shut once it is one")])
    host = observe(State)
    if host.unconfirmed:
        yield from rolled_back_first()
        if not _open_behind(settings):
            return
        host = observe(State)
    wanted, _ = _wanted(settings, host, votes=False)
    yield from _changed(settings, wanted, host)


def _open_behind(settings: Settings) -> bool:
    """Whether the port of a worker is open, or, in a plan, that of a manager to be demoted."""
    if not settings.firewall.enabled or this_host(settings).is_manager:
        return False
    if not is_executing():
        return _votes(settings) and _opened(observe(State))
    # The managers' list may lag behind, or nobody lead for a moment: the host itself knows.
    return not observe(swarm_facts.State).manager and _opened(observe(State))


def _changed(settings: Settings, wanted: Wanted, host: Host) -> Commands:
    progress("firewall: a new login has to work before the change is kept")
    yield from with_rollback(
        "firewall",
        files=(*FILES, *WANTS.values()),
        apply=_apply(wanted, host, settings.firewall.refresh),
        after_restore=_AFTER_RESTORE,
        seconds=settings.ssh.rollback_after,
    )
    if UNIT not in host.active and "docker.service" not in host.active:
        progress("starting Docker, which had waited for the firewall")
        yield script(
            "! systemctl --quiet is-enabled docker.service || systemctl start docker.service",
            timeout=300,
        )
    left = plan(wanted, observe(State))
    if wrong := [*refusals(left), *changes(left)]:
        yield fail("; ".join(finding.sentence() for finding in wrong))


@converges("firewall")
def web_ranges(settings: Settings) -> Commands:
    """The host's list of Cloudflare's ranges no older than declared: refreshed by its own unit.

    + settings: the cluster's settings; of them ``firewall.max_age``

    ``--data refresh=now`` asks for it whatever the age. A refresh that fails changes nothing, and
    is no reason to stop: it is reported, and the list stays a difference.

    **Example:**

    .. code:: python

        firewall.web_ranges(load(), name="Firewall: the web ranges no older than declared")
    """
    if not settings.firewall.enabled or settings.firewall.web != "cloudflare":
        report("firewall", [])
        return
    asked = given("refresh") is not None
    web = observe(State).web
    if web.age is not None:
        fetched = round(time.time()) - web.age
        records.measure("firewall", "range list fetched", fetched, host=current_host().name)
    findings = plan_ranges(web, settings.firewall.max_age_seconds)
    if asked and not changes(findings):
        findings = [*findings, Change("web ranges", "a refresh was asked for")]
    if not report("firewall", findings):
        return
    progress("asking Cloudflare for its ranges")
    yield script(f"systemctl start {REFRESH} || :", timeout=300)
    web = observe(WebRanges)
    if web.last_result == "ok":
        return
    notice = Notice(
        "web ranges",
        "could not be refreshed; what was in force stays in force: "
        f"{web.last_result or 'the host could not even write down why'}",
        remedy=f"`journalctl -u {REFRESH}` on the host says more",
    )
    report("firewall", [notice])
    if asked:
        yield fail(notice.sentence(), told=True)


@job("firewall")
def removed(settings: Settings) -> Commands:
    """The hosts' tables and files as if our firewall had never been there.

    + settings: the cluster's settings; of them the hosts

    **Example:**

    .. code:: python

        firewall.removed(load(), name="Firewall: taken off")
    """
    host = observe(State)
    findings = _there(host)
    if not report("firewall", findings):
        return
    progress("firewall: taking it off; the host answers everybody from now on")
    yield script(_REMOVE, timeout=120)


def _there(host: Host) -> list[Finding]:
    found: list[Finding] = [
        Change(f"firewall ({TITLES[family]})", "is in the tables")
        for family in FAMILIES
        if host.tables[family].ours
    ]
    found += [Change(path, "is on the host") for path in host.sums]
    found += [Change(unit, "is started at boot") for unit in host.links]
    if host.web.known:
        found.append(Change(LISTS, "is on the host"))
    return found


def _left_over(host: Host) -> list[Finding]:
    if not any(tables.ours for tables in host.tables.values()) and not host.sums:
        return []
    return [
        Notice(
            "firewall",
            "is on the host, although firewall.enabled = false",
            remedy="Take it off: `pyinfra inventory.py deploys/firewall_removed.py`",
        )
    ]


# What is declared
# ----------------


def _wanted(
    settings: Settings, host: Host, *, votes: bool | None = None
) -> tuple[Wanted, dict[str, tuple[str, ...]]]:
    """What is to be on the host; and overlays in clear text with who uses them.

    votes: whether the host is a manager, where that is known better than by the managers' list.
    """
    used, known = _clear_text_in_use(settings)
    cut = settings.firewall.drop_cleartext_vxlan or not used
    if not known and not settings.firewall.drop_cleartext_vxlan:
        cut = _cuts_already(host)  # nobody could say what would be cut: leave it as it is
    wanted = _policy(settings, host, cut=cut, votes=votes)
    return declared(wanted, settings.firewall.refresh), used


def _policy(settings: Settings, host: Host, *, cut: bool, votes: bool | None = None) -> Policy:
    still, voting = _in_the_swarm(settings, host)
    return policy(
        settings,
        current_host().name,
        ssh_ports=host.ssh_ports or (22,),
        drop_cleartext_vxlan=cut,
        members=still,
        votes=voting if votes is None else votes,
    )


def _in_the_swarm(settings: Settings, host: Host) -> tuple[tuple[str, ...], bool]:
    """Who is in the swarm, and whether this host votes in it.

    Where nobody can say: whoever the rules let in already, at whatever port.
    """
    observed = memberships()
    swarm = view(settings, observed)
    if swarm is not None:
        return members(swarm.nodes or ()), _votes(settings)
    if not any(found is None or found.in_swarm for found in observed.values()):
        return (), False
    rules = map(parse, host.tables["ipv4"].chains.get(PEERS, ()))
    sources = (rule.condition("-s") for rule in rules if rule.target == "ACCEPT")
    return tuple(source.removesuffix("/32") for source in sources if source), _opened(host)


def _votes(settings: Settings) -> bool:
    """Whether this host is among the swarm's managers, as far as anybody can say."""
    observed = memberships()
    swarm = view(settings, observed)
    return swarm is not None and votes(settings, observed, swarm, this_host(settings).name)


def _opened(host: Host) -> bool:
    """Whether the cluster is let in at the managers' port."""
    rules = map(parse, host.tables["ipv4"].chains.get(INPUT, ()))
    return any(
        rule.condition("--dport") == str(MANAGEMENT_PORT) and rule.target == PEERS for rule in rules
    )


def _clear_text_in_use(settings: Settings) -> tuple[dict[str, tuple[str, ...]], bool]:
    """Overlays in clear text and who uses them; and whether that could be found out."""
    observed = memberships()
    acting = acting_manager(settings, observed)
    if acting is None:
        return {}, not any(found is None or found.in_swarm for found in observed.values())
    swarm = view(settings, observed)
    if all(overlay.encrypted for overlay in (swarm.overlays if swarm else None) or ()):
        return {}, True
    services = observe_on(acting, swarm_facts.Services)
    attached: dict[str, tuple[str, ...]] = {}
    for found in observe_all(StandaloneContainers).values():
        if found is None:
            return {}, False  # what it runs may well be what would be cut
        for network, names in found.items():
            attached[network] = (*attached.get(network, ()), *names)
    return clear_text.in_use(swarm, services, attached), True


def _cuts_already(host: Host) -> bool:
    """Whether clear-text VXLAN is dropped now; it is, to begin with."""
    tables = host.tables["ipv4"]
    if not tables.ours:
        return True
    rules = map(parse, tables.chains.get(INPUT, ()))
    return any(rule.condition("--pol") == "none" and rule.target == "DROP" for rule in rules)


# Carrying out
# ------------


def _apply(wanted: Wanted, host: Host, schedule: str) -> list[str]:
    commands, contents = [], dict(wanted.files)
    if wanted.refreshed:
        commands.append(f"systemd-analyze calendar {shlex.quote(schedule)} >/dev/null")
        lists = {
            f"{LISTS}/{family}": "\n".join(SHIPPED[family])
            for family in FAMILIES
            if not host.web.ranges.get(family)
        }
        contents |= lists
    commands.append(write_files(contents))
    if wanted.refreshed and lists:
        # The age of a list that was never refreshed: since 1970.
        commands.append(f"touch -d @0 {' '.join(lists)}")
    needless = [unit for unit in WANTS if unit not in wanted.units]
    if needless:
        commands.append(f"systemctl --quiet disable --now {' '.join(needless)} 2>/dev/null || :")
        commands.append(f"rm -f {' '.join(path for path in FILES if path not in wanted.files)}")
    links = [WANTS[unit] for unit in wanted.units]
    commands.append(f"mkdir -p {' '.join(link.rpartition('/')[0] for link in links)}")
    commands += [f"ln -sfn ../{link.rpartition('/')[2]} {link}" for link in links]
    commands += [
        "systemctl daemon-reload",
        # Whoever asked for Docker while the rules could not be loaded has used up the starts that
        # systemd grants a unit.
        f"systemctl reset-failed {UNIT} 2>/dev/null || :",
        RESET_FAILED,
        # An earlier version let every user open them, and whoever can open a lock can hold it.
        f"chmod -f 600 {' '.join(LOCKS)} || :",
        # Before the rules are: containers are not cut off from their own host for a moment.
        f"sh {SCRIPT} look",
        # The unit's start loads the rules, too, but only its first one.
        f"if systemctl --quiet is-active {UNIT}; then sh {SCRIPT} load\n"
        f"elif ! systemctl start {UNIT}; then\n"
        f"  journalctl -q -o cat -n 5 -u {UNIT} >&2; exit 1\nfi",
    ]
    commands.append(f"systemctl restart {WATCH}")
    if wanted.refreshed:
        commands.append(f"systemctl start {TIMER}")
    return commands


_AFTER_RESTORE = f"""\
systemctl daemon-reload
if [ -e {SCRIPT} ]; then
    sh {SCRIPT} load
    # Not waited for: at boot, all of ours come after what undoes a change.
    if [ -e {WATCH_FILE} ]; then systemctl --no-block restart {WATCH}
    else systemctl stop {WATCH} 2>/dev/null; fi
else
    systemctl stop {UNIT} {WATCH} {TIMER} 2>/dev/null
    {unload().rstrip()}
fi
"""
"""Shell: what the restored files say, loaded; or, where there are none, our rules taken out."""

_REMOVE = f"""\
# A change that nobody has confirmed would be undone later: the firewall would come back.
{forget("firewall")}
systemctl --quiet disable --now {TIMER} {WATCH} 2>/dev/null || :
# Ended, not waited for: it holds the lock while Cloudflare does not answer.
systemctl stop {REFRESH} 2>/dev/null || :
systemctl --quiet disable {UNIT} 2>/dev/null || :
rm -f {" ".join(FILES)} {" ".join(WANTS.values())}
rmdir {DOCKER_DROP_IN.rpartition("/")[0]} 2>/dev/null || :
# Docker would be stopped with our unit, as long as it requires it.
systemctl daemon-reload
systemctl stop {UNIT} 2>/dev/null || :
{unload()}
rm -rf {LISTS} {INTERFACES}
rm -f {" ".join(LOCKS)}
"""
