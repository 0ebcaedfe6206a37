"""Origin pulls: what an answer of the proxy comes to, and what is told of it and of certificates.

The answers themselves are real servers': ``test_origin_handshakes.py``.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import trustme

from pyinfra_swarm.exposure.origin_pulls import (
    SOON,
    handshake,
    plan_origin_pulls,
    read_certificates,
)
from pyinfra_swarm.exposure.seen import Handshake, PullCertificate
from pyinfra_swarm.run.findings import Notice

HOST = "www.example.org"
CLOUDFLARE, OTHERS = trustme.CA(), trustme.CA()
NOW = datetime(2026, 11, 27, tzinfo=UTC)


def test_an_answer_of_the_site_s_own_is_served_whatever_its_code() -> None:
    for status, code in ((0, "200"), (0, "301"), (0, "400"), (0, "403"), (0, "500"), (56, "200")):
        found = handshake("x", certificate=False, status=status, code=code, nginx=False, words="")
        assert found.outcome == "served"


@pytest.mark.parametrize(
    ("status", "words"),
    [(7, "Connection refused"), (28, "timed out"), (35, "wrong version number"), (56, "reset")],
)
def test_what_is_no_alert_about_a_certificate_is_no_refusal(status: int, words: str) -> None:
    found = answer(status, words)
    assert (found.outcome, found.words) == ("unclear", words)


def answer(status: int, words: str, *, code: str = "000", nginx: bool = False) -> Handshake:
    return handshake("x", certificate=True, status=status, code=code, nginx=nginx, words=words)


ALERTS = (
    *("certificate required", "bad certificate", "handshake failure"),
    *("certificate unknown", "unknown ca", "no suitable certificate"),
)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_about_a_certificate_is_a_refusal_however_a_library_writes_it(alert: str) -> None:
    for status in (35, 56):
        for said in (
            f"error: tlsv13 alert {alert}",
            f"SSL_ALERT_{alert.upper().replace(' ', '_')}",
        ):
            for code in ("000", ""):
                assert answer(status, said, code=code) == Handshake("x", True, "refused")
    assert answer(7, f"alert {alert}").outcome == "unclear"


def test_a_page_that_says_so_is_a_refusal_whatever_its_code() -> None:
    assert answer(0, "", code="400", nginx=True) == Handshake("x", True, "refused")


def test_an_answer_is_one_although_the_server_has_gone_with_an_alert() -> None:
    assert answer(56, "alert bad certificate", code="200") == Handshake("x", True, "served")


def test_where_curl_says_nothing_its_end_is_told() -> None:
    assert answer(28, "") == Handshake("x", True, "unclear", "curl ended with 28")


# What is told
# ------------

SERVED, REFUSED = Handshake(HOST, False, "served"), Handshake(HOST, False, "refused")


def told(*handshakes: Handshake, certificate: PullCertificate | None = None) -> list[str]:
    found = plan_origin_pulls(handshakes, certificate or PullCertificate(), NOW.timestamp())
    assert all(isinstance(one, Notice) for one in found)
    return [one.sentence() for one in found]


def test_a_proxy_as_it_should_be_is_nothing_to_tell() -> None:
    assert told(REFUSED, Handshake(HOST, True, "served")) == []


def test_a_proxy_that_serves_everybody_is_told_with_who_that_is() -> None:
    [one] = told(SERVED)
    assert "every customer of Cloudflare's who knows your address" in one
    assert "(served → refused)" in one


def test_a_proxy_that_refuses_the_declared_certificate_is_told() -> None:
    [one] = told(Handshake(HOST, True, "refused"))
    assert "refuses the declared client certificate" in one


@pytest.mark.parametrize(
    ("certificate", "shown"),
    [(True, "with the declared certificate"), (False, "without a certificate")],
)
def test_what_could_not_be_checked_is_told_as_that(certificate: bool, shown: str) -> None:
    [one] = told(Handshake(HOST, certificate, "unclear", "Connection refused"))
    assert f"could not be checked: a request {shown}" in one
    assert "Connection refused" in one


def issued(days: float, signer: trustme.CA = CLOUDFLARE) -> bytes:
    end = NOW + timedelta(days=days)
    made = signer.issue_cert("x.example", not_after=end)
    return made.cert_chain_pems[0].bytes()


@pytest.mark.parametrize(("days", "words"), [(-1, "has ended"), (29, "ends in 29 days")])
def test_the_end_of_a_certificate_is_told_a_month_ahead(days: float, words: str) -> None:
    [one] = told(certificate=read_certificates(issued(days), None))
    assert f"certificate of origin pulls: {words}" in one
    assert "turns Cloudflare away" in one


def test_before_that_there_is_nothing_to_tell() -> None:
    found = read_certificates(issued(31), CLOUDFLARE.cert_pem.bytes())
    assert found.signed is True
    assert found.ends == (NOW + timedelta(days=31)).timestamp()
    assert told(certificate=found) == []
    assert SOON == 30 * 86400


def test_the_month_is_one_of_thirty_days_and_the_end_is_the_moment_itself() -> None:
    def of(seconds: int) -> list[str]:
        return told(certificate=PullCertificate(ends=NOW.timestamp() + seconds))

    assert of(SOON) == []
    assert "ends in 30 days" in of(SOON - 1)[0]
    assert "ends in" in of(1)[0]
    assert "has ended" in of(0)[0]


def test_only_two_can_tell_who_has_signed_which() -> None:
    ca = CLOUDFLARE.cert_pem.bytes()
    own, signer = read_certificates(issued(300), None), read_certificates(None, ca)
    assert (own.signed, signer.signed) == (None, None)
    assert (own.ca_ends, signer.ends) == (None, None)
    assert signer.ca_ends is not None
    assert told(certificate=own) == []


def test_the_end_of_the_ca_is_told_as_well() -> None:
    [one] = told(certificate=PullCertificate(ca_ends=NOW.timestamp() + 3600))
    assert one.startswith("CA of origin pulls: ends in 60 minutes")


def test_a_certificate_of_another_ca_is_told() -> None:
    [one] = told(certificate=read_certificates(issued(300, OTHERS), CLOUDFLARE.cert_pem.bytes()))
    assert "is not signed by the declared CA" in one


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nx\n", b"\xff"])
def test_what_is_no_certificate_is_told(content: bytes) -> None:
    [one] = told(certificate=read_certificates(content, None))
    assert "is no certificate in PEM" in one
    assert read_certificates(None, None) == PullCertificate()
