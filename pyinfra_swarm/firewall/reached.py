"""Who reaches a published port, as the firewall is declared."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyinfra_swarm.settings import Settings

EVERYBODY, NOBODY = "everybody", "nobody outside"
_WORDS = {"cluster": "the hosts", "vpn": "the VPN"}
NOT_MANAGED = "everybody (firewall.enabled = false)"


def who_reaches(settings: Settings, port: int, protocol: str) -> tuple[str, ...]:
    """Who gets an answer at a port that containers publish, most open first.

    ``everybody``, ``Cloudflare``, ``the hosts``, networks; ``nobody outside`` where nothing opens
    it.
    """
    firewall = settings.firewall
    if not firewall.enabled:
        return (NOT_MANAGED,)
    found: list[str] = []
    if protocol == "tcp" and port in firewall.web_ports:
        web = {"cloudflare": ["Cloudflare"], "open": [EVERYBODY], "closed": []}
        found += web.get(firewall.web, map(_in_words, firewall.web_sources))
    for opening in firewall.open:
        first, _, last = str(opening.port).partition("-")
        if opening.protocol == protocol and int(first) <= port <= int(last or first):
            found += [_in_words(one) for one in opening.sources] or [EVERYBODY]
    if settings.access.vpn and settings.access.vpn_reaches == "everything":
        found.append(_WORDS["vpn"])
    if EVERYBODY in found:
        return (EVERYBODY,)
    return tuple(dict.fromkeys(found)) or (NOBODY,)


def _in_words(source: str) -> str:
    return _WORDS.get(source, source.removesuffix("/32").removesuffix("/128"))
