"""SSH hardening: what a host's *effective* configuration lacks.

The managed drop-in sorts first, so that its values win, also over cloud-init's (which turns
passwords on); :mod:`ssh.overriding_lines` names lines that win all the same. Whether the values
hold is asked of sshd itself (``sshd -T``), for root and for every user who has to get in, since
``Match`` blocks apply to some only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from pyinfra_swarm.rollback.plan import roll_back_first_finding
from pyinfra_swarm.run.findings import Change, Finding, Notice, Refusal
from pyinfra_swarm.run.printable import setting
from pyinfra_swarm.ssh.overriding_lines import is_named, matches_login, overriding, same
from pyinfra_swarm.ssh.sshd import (
    CONFIG,
    DROP_IN,
    FORWARDING,
    INCLUDE,
    KEYWORDS,
    LISTS,
    Sshd,
    Wanted,
)


def plan(wanted: Wanted, seen: Sshd) -> list[Finding]:
    """What differs from what is declared; a change means: write the drop-in, and have it read."""
    if not seen.installed:
        return [
            Refusal(
                "sshd",
                "OpenSSH's server is not installed, so another program accepts this login, and "
                "hardening sshd would protect nothing",
                remedy="apt install openssh-server",
            )
        ]
    refused = _refusals(wanted, seen)
    if seen.problem:  # so what it would do is not known
        return refused
    told = {refusal.what for refusal in refused}
    return [
        *refused,
        *([roll_back_first_finding()] if seen.unconfirmed else []),
        *(finding for finding in _differences(wanted, seen) if finding.what not in told),
        *_shut_out_by_others(wanted, seen),
        *_unread(seen),
        *_keys_elsewhere(seen),
        *_exceptions(wanted, seen),
    ]


def _refusals(wanted: Wanted, seen: Sshd) -> list[Finding]:
    """Why nothing can be changed, whatever differs."""
    found: list[Finding] = []
    if seen.login_user == "root":
        found.append(
            Refusal(
                "sshd PermitRootLogin",
                "this run is logged in as root, whose login would be switched off",
                expected="no",
                found="yes",
                remedy="Give the host another user with sudo, and name it in ssh.user",
            )
        )
    if wanted.only and seen.login_user not in wanted.users:
        found.append(
            Refusal(
                "sshd AllowUsers",
                'access.others = "deny" would lock out the user of this run, who is not declared',
                expected=", ".join(wanted.users),
                found=seen.login_user,
                remedy=f"Declare {setting(seen.login_user)} in access.admins, or set ssh.user to a "
                "declared admin who can log in already",
            )
        )
    if seen.problem:
        found.append(
            Refusal(
                "sshd configuration",
                f"sshd does not accept its own files: {seen.problem}",
                remedy="Correct the file it names; until then sshd could not even be restarted",
            )
        )
    return found


def _differences(wanted: Wanted, seen: Sshd) -> list[Finding]:
    findings: list[Finding] = []
    as_written = seen.drop_in == wanted.drop_in() and seen.includes_drop_ins
    in_place = as_written and not seen.unconfirmed
    if not seen.includes_drop_ins:
        findings.append(
            Change(
                "sshd drop-ins",
                f"{CONFIG} does not read them",
                expected=INCLUDE,
                found="no such line",
            )
        )
    for keyword, expected in wanted.values().items():
        spelling, why = KEYWORDS[keyword]
        wrong: dict[str, list[str]] = {}
        for user, values in sorted(seen.effective.items()):
            found = values.get(keyword, "")
            if not same(keyword, found, expected):
                wrong.setdefault(found or "not set", []).append(user)
        lines = overriding(wanted, seen, keyword, expected, certain=not in_place)
        for found, users in wrong.items():
            whose = "" if len(users) == len(seen.effective) else f" (for {', '.join(users)})"
            if in_place or lines:
                where = "; ".join(line.place for line in lines) or "one that could not be found"
                findings.append(
                    Refusal(
                        f"sshd {spelling}",
                        f"another setting overrides the managed one{whose}: {where}",
                        **_values(keyword, expected, found),
                        remedy="Remove it there: sshd takes the first value that it reads, and a "
                        "Match block before all others",
                    )
                )
            else:
                findings.append(
                    Change(f"sshd {spelling}", f"{why}{whose}", **_values(keyword, expected, found))
                )
    if not findings and not in_place and not seen.unconfirmed:
        state = "missing" if seen.drop_in is None else "another version"
        findings.append(
            Change(
                f"sshd {DROP_IN}",
                "the configuration is right, but only by other files, which may change",
                expected="as declared",
                found=state,
            )
        )
    return findings


class _Values(TypedDict):
    expected: str
    found: str


def _values(keyword: str, expected: str, found: str) -> _Values:
    """What was expected and found, in words; of lists of algorithms only how they differ."""
    if keyword not in LISTS:
        return {"expected": expected, "found": found}
    wanted, there = expected.split(","), found.split(",")
    surplus = [name for name in there if name not in wanted]
    missing = [name for name in wanted if name not in there]
    how = [f"also {', '.join(surplus)}"] * bool(surplus) + [f"not {', '.join(missing)}"] * bool(
        missing
    )
    return {"expected": 'as ssh.crypto = "strict"', "found": "; ".join(how) or "in another order"}


def _shut_out_by_others(wanted: Wanted, seen: Sshd) -> list[Finding]:
    """Rules in other files that keep out a user who has to get in, once sshd reads them."""
    findings: list[Finding] = []
    for user in wanted.users:
        values = seen.effective.get(user, {})
        own = user == seen.login_user
        address, groups = (seen.login_from, seen.login_groups) if own else ("", ())
        refused = _refused_by(values, user, address, groups)
        if refused is None:
            continue
        rule, certain = refused
        kind = Refusal if own and certain else Notice
        spelling = {"allowusers": "AllowUsers", "denyusers": "DenyUsers"}.get(rule, "AllowGroups")
        if rule == "denygroups":
            spelling = "DenyGroups"
        reason = f"it keeps {user} out"
        remedy = _let_in(rule, user)
        if not certain:
            reason = f"it may keep {user} out: that depends on where {user} comes from"
            remedy = f"Make sure that it lets {user} in from every address that {user} uses"
        elif own:
            reason += ", the user of this run, as soon as sshd reads its files"
        places = "; ".join(line.place for line in seen.lines if line.keyword == rule)
        if places:
            remedy += f": it is set in {places}"
        findings.append(kind(f"sshd {spelling}", reason, found=values[rule], remedy=remedy))
    return findings


def _let_in(rule: str, user: str) -> str:
    """What to do about a rule that keeps a user out. rule: its keyword."""
    if rule == "allowusers":
        return f"Add {setting(user)} to it, or remove it"
    if rule == "allowgroups":
        return f"Add one of {user}'s groups to it, or remove it"
    what = user if rule == "denyusers" else f"{user}'s groups"
    return f"Remove what matches {what} (a `!` before a name excepts nobody here)"


def _refused_by(
    values: Mapping[str, str], user: str, address: str, groups: Sequence[str]
) -> tuple[str, bool] | None:
    """The rule that keeps a user out, and whether it is sure to.

    address: where the login comes from; groups: empty where the user's are not known.
    """
    denied = matches_login(user, address, values.get("denyusers", "").split())
    if denied:
        return "denyusers", True
    names = values.get("allowusers", "").split()
    allowed = matches_login(user, address, names) if names else True
    if allowed is False:
        return "allowusers", True
    if groups:
        patterns = values.get("denygroups", "").split()
        if any(is_named(group, patterns) for group in groups):
            return "denygroups", True
        patterns = values.get("allowgroups", "").split()
        if patterns and not any(is_named(group, patterns) for group in groups):
            return "allowgroups", True
    if denied is None:
        return "denyusers", False
    return ("allowusers", False) if allowed is None else None


def _unread(seen: Sshd) -> list[Finding]:
    if not seen.stale:
        return []
    return [
        Change(
            "sshd",
            "the running server has not read its files since they were written",
            expected="reloaded",
        )
    ]


def _keys_elsewhere(seen: Sshd) -> list[Finding]:
    found = seen.effective.get(seen.login_user, {}).get("authorizedkeysfile", "")
    usual = {".ssh/authorized_keys", ".ssh/authorized_keys2", "%h/.ssh/authorized_keys"}
    if not found or set(found.split()) <= usual:
        return []
    return [
        Notice(
            "sshd AuthorizedKeysFile",
            "sshd looks for keys in other files than these deploys do",
            found=found,
            remedy="Keys declared in access.admins have no effect unless it names "
            ".ssh/authorized_keys as well",
        )
    ]


def _exceptions(wanted: Wanted, seen: Sshd) -> list[Finding]:
    """Match blocks that override a setting for connections that sshd was not asked about."""
    return [
        Notice(
            f"sshd {KEYWORDS[keyword][0]}",
            f"a Match block sets it for some connections: {line.place}",
            expected=expected,
            found=line.value,
            remedy="Remove it there, unless it is meant as an exception",
        )
        for keyword, expected in wanted.values().items()
        for line in overriding(wanted, seen, keyword, expected, in_match=True, certain=False)
        if not (keyword in FORWARDING and line.value.lower() == "no")
    ]
