"""Authenticated origin pulls: whether the proxy turns away whoever shows no certificate.

Cloudflare shows a client certificate with each request, and the proxy is to serve nobody else. That
is the proxy's own configuration. Here it is only checked, from a node, which the firewall lets in.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from pyinfra_swarm.exposure.seen import Handshake, PullCertificate
from pyinfra_swarm.run.findings import Finding, Notice
from pyinfra_swarm.run.wording import duration, moment

SOON = 30 * 86400
"""Seconds before the end of a certificate from which it is told."""

_FOR_WANT_OF_ONE = (
    *("certificate required", "bad certificate", "handshake failure"),
    *("certificate unknown", "unknown ca", "no suitable certificate"),
)
"""Alerts of TLS by which a server says that it wants another client certificate, or one at all."""

_TLS_FAILED = (35, 56)
"""Exit codes of curl: in the handshake, and while it received (TLS 1.3 says it only then)."""


def handshake(
    host: str, *, certificate: bool, status: int, code: str, nginx: bool, words: str
) -> Handshake:
    """What a request has come to. status: curl's exit code; code: HTTP's; nginx: it has answered
    with its page that a certificate is missing or wrong."""
    if nginx:
        return Handshake(host, certificate, "refused")
    if code not in ("", "000"):  # also where the server has then gone without a word
        return Handshake(host, certificate, "served")
    said = words.lower().replace("_", " ")
    if status in _TLS_FAILED and any(alert in said for alert in _FOR_WANT_OF_ONE):
        return Handshake(host, certificate, "refused")
    return Handshake(host, certificate, "unclear", words or f"curl ended with {status}")


def read_certificates(certificate: bytes | None, ca: bytes | None) -> PullCertificate:
    """What two files say, each ``None`` where it is not declared."""
    try:
        own = x509.load_pem_x509_certificate(certificate) if certificate is not None else None
        signer = x509.load_pem_x509_certificate(ca) if ca is not None else None
    except ValueError:
        return PullCertificate(problem="is no certificate in PEM")
    return PullCertificate(
        ends=own.not_valid_after_utc.timestamp() if own else None,
        ca_ends=signer.not_valid_after_utc.timestamp() if signer else None,
        signed=_signed(own, signer) if own and signer else None,
    )


def _signed(own: x509.Certificate, signer: x509.Certificate) -> bool:
    try:
        own.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def plan_origin_pulls(
    handshakes: Sequence[Handshake], certificate: PullCertificate, now: float
) -> list[Finding]:
    """What is told of the proxy's answers, and of the certificates. now: in seconds since 1970."""
    return [
        *(one for each in handshakes for one in _handshake(each)),
        *_certificates(certificate, now),
    ]


def _handshake(one: Handshake) -> list[Finding]:
    what = f"origin pulls of {one.host}"
    if one.outcome == "unclear":
        shown = "with the declared certificate" if one.certificate else "without a certificate"
        return [
            Notice(
                what,
                f"could not be checked: a request {shown} came to nothing that says either",
                found=one.words,
                remedy="Look whether the proxy answers on the nodes at that port",
            )
        ]
    if one.certificate and one.outcome == "refused":
        return [
            Notice(
                what,
                "the proxy refuses the declared client certificate: if it is the one that "
                "Cloudflare shows, nobody is served",
                expected="served",
                found="refused",
                remedy="Give the proxy the CA that has signed it",
            )
        ]
    if not one.certificate and one.outcome == "served":
        return [
            Notice(
                what,
                "the proxy serves whoever shows no client certificate, so every customer of "
                "Cloudflare's who knows your address can have it pass for a visitor",
                expected="refused",
                found="served",
                remedy="Have the proxy demand a certificate of the CA: docs/exposure.md shows it "
                "for Traefik, Caddy and nginx",
            )
        ]
    return []


def _certificates(certificate: PullCertificate, now: float) -> list[Finding]:
    if certificate.problem:
        return [
            Notice(
                "certificate of origin pulls",
                f"cannot be read: {certificate.problem}",
                remedy="Look at exposure.origin_pulls.certificate and .ca",
            )
        ]
    found: list[Finding] = []
    for what, ends in (("certificate", certificate.ends), ("CA", certificate.ca_ends)):
        if ends is not None and ends - now < SOON:
            over = ends <= now
            found.append(
                Notice(
                    f"{what} of origin pulls",
                    "has ended: the proxy turns Cloudflare away"
                    if over
                    else f"ends in {duration(ends - now)}: the proxy turns Cloudflare away then",
                    found=moment(ends),
                    remedy="Make a new one, give its CA to the proxy first, then upload it to "
                    "Cloudflare",
                )
            )
    if certificate.signed is False:
        found.append(
            Notice(
                "certificate of origin pulls",
                "is not signed by the declared CA, so a proxy that trusts that CA refuses it",
                remedy="Name the CA that has signed it, or a certificate of this one",
            )
        )
    return found
