"""SSH hardening: keys only, judged by the configuration that sshd really has."""

from __future__ import annotations

import gevent
from paramiko import BadAuthenticationType, SSHException
from pyinfra.api import Host, State

from pyinfra_swarm.access.facts import Accounts
from pyinfra_swarm.access.operations import used_key
from pyinfra_swarm.access.plan import Accounts as Everyone
from pyinfra_swarm.access.plan import key_type, shut_out, significant, unlock
from pyinfra_swarm.rollback.operations import rolled_back_first, with_rollback
from pyinfra_swarm.rollback.plan import unlock as unlocks
from pyinfra_swarm.run import reporting
from pyinfra_swarm.run.converge import (
    Commands,
    call,
    converges,
    current_host,
    fail,
    observe,
    progress,
    report,
    this_host,
)
from pyinfra_swarm.run.findings import Finding, Notice, changes, refusals
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.run.pyinfra_internals import connection_without_keys, is_ssh, transport
from pyinfra_swarm.run.writing import write_file
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.ssh.algorithms import (
    Client,
    LearnHostKeys,
    kept_keys,
    plan_algorithms,
    strict,
)
from pyinfra_swarm.ssh.facts import Effective
from pyinfra_swarm.ssh.known_hosts_operations import known_types, learn
from pyinfra_swarm.ssh.plan import plan
from pyinfra_swarm.ssh.sshd import CONFIG, DROP_IN, DROP_INS, INCLUDE, Sshd, Wanted

RELOAD = (
    "if systemctl --quiet is-active ssh.socket; then systemctl try-restart ssh.service; "
    "else systemctl try-reload-or-restart ssh.service; fi"
)
"""Has a running sshd read its files; where none runs, the socket starts one when it is needed.

A reload ends an sshd that got its socket from systemd: it starts itself again without that socket
and says "Cannot bind any address" (seen with OpenSSH 10.0p1 of Debian 13). A restart keeps the
sessions (``KillMode=process``), and systemd holds the connections that arrive until then.
"""


@converges("ssh")
def hardened(settings: Settings) -> Commands:
    """sshd accepts keys only, and not root; only the admins, if so declared.

    Done by a drop-in that sorts first, judged by what ``sshd -T`` prints for root and for every
    admin. A server that has not read its files since they were written is reloaded. Every change
    is rolled back unless, after it, a new login works and sshd offers nothing but keys.

    **Example:**

    .. code:: python

        ssh.hardened(load(), name="SSH: keys only, judged by the effective configuration")
    """
    names = [admin.name for admin in settings.admins(this_host(settings))]
    seen, wanted, findings, locked = _look(settings, names)
    if not report("ssh", findings):
        return
    if seen.unconfirmed:
        yield from rolled_back_first()
        seen, wanted, findings, locked = _look(settings, names)
        if not report("ssh", findings):
            return
    learning = [step for step in findings if isinstance(step, LearnHostKeys)]
    if learning:
        yield call(_learn, learning[0].keys)
        if all(isinstance(step, LearnHostKeys) for step in changes(findings)):
            return
    progress("ssh: a new login has to work before the change is kept")
    yield from with_rollback(
        "ssh",
        files=(DROP_IN, CONFIG),
        passwords=locked,
        apply=_apply(wanted, seen, locked),
        after_restore=RELOAD,
        seconds=settings.ssh.rollback_after,
        verify=lambda state, host: _only_keys(state, host, findings),
    )
    left = plan(wanted, observe(Effective, users=",".join(names)))
    wrong = [*refusals(left), *changes(left)]
    if wrong:
        yield fail("; ".join(finding.sentence() for finding in wrong))


def _look(settings: Settings, names: list[str]) -> tuple[Sshd, Wanted, list[Finding], list[str]]:
    """What is there, what is to be, what differs, and whose password is to be unlocked."""
    seen = observe(Effective, users=",".join(names))
    deny = settings.access.others == "deny"
    users = {*names} if deny else {*names, seen.login_user}
    wanted = Wanted(
        users=tuple(sorted(users)),
        use_pam=settings.ssh.use_pam,
        only=deny,
        algorithms=strict(seen) if settings.ssh.crypto == "strict" else {},
        penalties=seen.penalizes,
        forwarding=settings.ssh.forwarding,
        max_auth_tries=settings.ssh.max_auth_tries,
        login_grace_time=settings.ssh.login_grace_time,
    )
    findings = plan(wanted, seen)
    if not refusals(findings):
        declared = {
            admin.name: [key_type(key) for key in admin.keys]
            for admin in settings.admins(this_host(settings))
        }
        findings += plan_algorithms(wanted.algorithms, seen, _client(), declared)
    locked: list[str] = []
    if changes(findings) and not refusals(findings):
        accounts = observe(Accounts, users=",".join(names))
        needed = {*users, seen.login_user}
        if wanted.algorithms:
            findings += kept_keys(wanted.algorithms, _kept(settings, accounts))
        if not wanted.use_pam:
            unlocking = unlock(accounts, needed)
            locked = [step.user for step in unlocking]
            findings = [*unlocking, *findings, *shut_out(accounts, needed)]
    return seen, wanted, findings, locked


def _client() -> Client | None:
    """The SSH client of this run, as it has connected to this host."""
    host = current_host()
    connection = transport(host)
    if connection is None:
        return None
    can = connection.get_security_options()
    login = used_key(host)
    return Client(
        offers={
            "kexalgorithms": tuple(can.kex),
            "ciphers": tuple(can.ciphers),
            "macs": tuple(can.digests),
            "hostkeyalgorithms": tuple(can.key_types),
        },
        known=tuple(known_types(host)),
        login_key=login.split(" ", 1)[0] if login else "",
    )


def _kept(settings: Settings, accounts: Everyone) -> dict[str, list[str]]:
    """The types of the keys that a host has for admins who declare none."""
    return {
        admin.name: [key_type(line) for line in significant((*account.keys, *account.more_keys))]
        for admin in settings.admins(this_host(settings))
        if not admin.keys and (account := accounts.account(admin.name)) is not None
    }


def _learn(state: State, host: Host, keys: tuple[str, ...]) -> bool:
    """Have this computer know the host by these keys as well, before it needs to."""
    try:
        learn(host, keys)
    except OSError as error:
        reporting.failed(
            host,
            f"ssh: this computer's list of known hosts cannot be written ({error}), so the run "
            "would not know the host any more. Make it writable, or add the host's Ed25519 key "
            'to it; or declare ssh.crypto = "system". Nothing was changed',
        )
        return False
    return True


def _only_keys(state: State, host: Host, findings: list[Finding]) -> str | None:
    problem = only_keys_are_offered(state, host)
    notices = [finding.reason for finding in findings if isinstance(finding, Notice)]
    return "; ".join([problem, *notices]) if problem else None


def _apply(wanted: Wanted, seen: Sshd, locked: list[str]) -> list[str]:
    commands = [unlocks(name) for name in locked]
    commands += [f"mkdir -p -m 755 {DROP_INS}", write_file(DROP_IN, wanted.drop_in())]
    if not seen.includes_drop_ins:
        include = program(__file__, "include_drop_ins.sh", include=INCLUDE, config=CONFIG)
        commands.append(include)
    # A reload is only a signal: sshd starts itself again a moment after systemctl has returned.
    return [*commands, "/usr/sbin/sshd -t", RELOAD, "sleep 0.5"]


def only_keys_are_offered(state: State, host: Host) -> str | None:
    """Ask sshd, without logging in, what it would accept; None where it is keys and nothing else.

    The way to the host is the run's own (port, jump hosts, known hosts).
    """
    if not is_ssh(host):
        return None
    try:
        with connection_without_keys(host) as (transport, user, problem):
            if problem and (transport is None or not transport.is_active()):
                return f"sshd could not be asked what it offers: {problem}"
            if transport is None or transport.is_authenticated():
                return "sshd accepts a login without a key"
            transport.auth_none(user)
    except BadAuthenticationType as refusal:
        offered = sorted(refusal.allowed_types)
        if offered == ["publickey"]:
            return None
        return f"sshd offers {', '.join(offered)}, where only publickey was expected"
    except (SSHException, OSError, EOFError, gevent.Timeout) as error:
        return f"sshd could not be asked what it offers: {error}"
    return "sshd accepts a login without a key"
