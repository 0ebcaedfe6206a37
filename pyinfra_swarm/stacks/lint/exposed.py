"""S7 and S8: secrets that anybody can read, and containers that are as good as root."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from pyinfra_swarm.settings.errors import names_a_secret
from pyinfra_swarm.stacks.compose import Merged
from pyinfra_swarm.stacks.document import Place, Scalar, Table
from pyinfra_swarm.stacks.lint.context import Context
from pyinfra_swarm.stacks.lint.issue import Issue, notice, refusal
from pyinfra_swarm.stacks.lint.placement import could_be_on_a_manager
from pyinfra_swarm.stacks.lint.rules import SECRET, SOCKET
from pyinfra_swarm.stacks.lint.services import Mount, Service, services


def exposed(stack: Merged, context: Context) -> Iterator[Issue]:
    """Secrets in clear text, and Docker's socket in containers."""
    for service in services(stack):
        yield from _environment(service)
        yield from _words(service)
        yield from _labels(service)
        for mount in service.mounts:
            if mount.kind == "bind" and _is_socket(mount):
                yield _socket(service, mount, context)


_REMEDY = (
    "declare it in [[secrets]] of cluster.toml, and give the service the secret: most images read "
    "the file that {name}_FILE names"
)


def _environment(service: Service) -> Iterator[Issue]:
    table = service.node("environment")
    if not isinstance(table, Table):
        return
    for name, node in table.entries.items():
        if isinstance(node, Scalar) and isinstance(node.value, str) and node.value:
            path = service.path("environment", name)
            place = table.keys.get(name, node.place)
            if what := unmistakable(node.value):
                yield _in_clear(place, path, what, _REMEDY.format(name=name))
            elif is_secret_like(name, node.value) or _in_address(node.value):
                yield notice(
                    SECRET,
                    place,
                    path,
                    "looks like a secret, and an environment is none: `docker service inspect` "
                    "shows it to everybody in the group docker, and so do crash reports",
                    _REMEDY.format(name=name),
                )


def _in_clear(place: Place, path: str, what: str, remedy: str) -> Issue:
    return refusal(
        SECRET,
        place,
        path,
        f"holds {what}, in clear text: whoever has the file has it, and so does everybody who may "
        "ask a manager",
        f"replace it, since it is known now; {remedy}",
    )


def _words(service: Service) -> Iterator[Issue]:
    for key in ("command", "entrypoint"):
        words = service.words(key)
        for before, word in zip([None, *words], words, strict=False):
            if not isinstance(word.value, str):
                continue
            if what := unmistakable(word.value):
                yield _in_clear(
                    word.place, service.path(key), what, "have the program read it from a file"
                )
            elif _is_given(before, word.value) or _in_address(word.value):
                yield notice(
                    SECRET,
                    word.place,
                    service.path(key),
                    "has what looks like a secret among its words: `docker service inspect` and "
                    "every list of processes on the node show it",
                    "have the program read it from a file: a secret is one, /run/secrets/NAME",
                )


def _labels(service: Service) -> Iterator[Issue]:
    """Labels are as open as the environment; only what is surely a secret counts here."""
    for path in (("labels",), ("deploy", "labels")):
        table = service.node(*path)
        if isinstance(table, Table):
            for name, node in table.entries.items():
                if isinstance(node, Scalar) and (what := unmistakable(str(node.value))):
                    place = table.keys.get(name, node.place)
                    remedy = "have the program read it from a file"
                    yield _in_clear(place, service.path(*path, name), what, remedy)


_UNMISTAKABLE = (
    (r"-----BEGIN [A-Z ]*PRIVATE KEY", "a private key"),
    (r"AGE-SECRET-KEY-1[A-Z0-9]{10}", "age's secret key"),
    (r"SWMKEY-1-\S{20}", "a swarm's unlock key"),
    (r"SWMTKN-1-\S{20}", "a swarm's join token"),
    (r"\bgh[pousr]_[A-Za-z0-9]{20}|\bgithub_pat_[A-Za-z0-9_]{20}", "a token of GitHub's"),
    (r"\bglpat-[A-Za-z0-9_-]{20}", "a token of GitLab's"),
    (r"\bxox[abprs]-[A-Za-z0-9-]{20}", "a token of Slack's"),
    (r"\bAKIA[A-Z0-9]{16}\b", "a key of Amazon's"),
    (r"\bsk_live_[A-Za-z0-9]{16}", "a key of Stripe's"),
)


def unmistakable(text: str) -> str:
    """What kind of secret a text surely is; "" where that is not sure."""
    return next((what for pattern, what in _UNMISTAKABLE if re.search(pattern, text)), "")


_NO_SECRET_NAME = re.compile(
    r"(?i)(_|^)(file|path|dir|url|uri|host|user|username|name|id|ttl|age|expiry|expires|expiration"
    r"|timeout|lifetime|duration|length|size|min|max|policy|type|algorithm|issuer|header|field"
    r"|enabled|disabled|required|allow\w*|store|provider|version|prefix|rounds|cost)$"
)
_NO_SECRET_VALUE = re.compile(
    r"(?i)true|false|yes|no|on|off|none|null|[0-9.]{1,8}[a-z%]{0,2}|/\S*|changeme\.invalid"
)


def is_secret_like(name: str, value: str) -> bool:
    """Whether a variable of this name and value holds a secret, by all that one can tell."""
    return (
        names_a_secret(name)
        and not _NO_SECRET_NAME.search(name)
        and not _NO_SECRET_VALUE.fullmatch(value)
    )


def _in_address(text: str) -> bool:
    """Whether an address in the text has a password in it (``postgres://me:secret@db``)."""
    return bool(re.search(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", text, re.I))


_OPTION = r"--?[a-z-]*(?:password|passwd|passphrase|secret|token|requirepass|api-?key)"
_GIVEN = re.compile(rf"(?:^|\s){_OPTION}(?:=|\s+)(?!/|\$(?!\{{)|-)\S", re.I)


def _is_given(before: Scalar | None, word: str) -> bool:
    """Whether a word of a command has a secret in it, or is the value of the option before it."""
    if before is not None and re.fullmatch(_OPTION, str(before.value), re.I):
        word = f"{before.value} {word}"
    return bool(_GIVEN.search(word))


_SOCKETS = {"/var/run/docker.sock", "/run/docker.sock"}
_ABOVE = {"/", "/var", "/var/run", "/run"}


def _is_socket(mount: Mount) -> bool:
    return posixpath.normpath(mount.source) in _SOCKETS | _ABOVE


def _socket(service: Service, mount: Mount, context: Context) -> Issue:
    where = (
        "of the whole swarm, with all its secrets, wherever it runs on a manager"
        if could_be_on_a_manager(service, context)
        else "of that node"
    )
    read_only = "; read_only changes nothing about that" if mount.read_only else ""
    holds = "" if mount.source.endswith(".sock") else f" ({mount.shown} holds it)"
    return notice(
        SOCKET,
        mount.place,
        mount.path,
        f"has Docker's socket{holds}: whoever takes over the program is root {where}{read_only}",
        "put a proxy between that lets through only the requests the program needs (such as "
        "tecnativa/docker-socket-proxy), in an encrypted network of the two; or say in a comment "
        "why it is to be",
    )
