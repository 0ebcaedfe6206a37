"""Origin pulls: real handshakes with real servers, and what is made of them."""

from __future__ import annotations

import http.server
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme

from pyinfra_swarm.exposure import operations
from pyinfra_swarm.exposure.origin_pulls import handshake
from pyinfra_swarm.exposure.seen import Handshake
from pyinfra_swarm.run.onhost import program
from tests.tools.answers import sections

HOST = "www.example.org"
CLOUDFLARE, OTHERS, SERVERS = trustme.CA(), trustme.CA(), trustme.CA()


class _Page(http.server.BaseHTTPRequestHandler):
    status, text = 200, b"hello"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.text)

    def log_message(self, *_: object) -> None:
        pass


class _Nginx(_Page):
    """As nginx answers with ``ssl_verify_client on``: the handshake is good, the request is not."""

    def do_GET(self) -> None:
        if not self.connection.getpeercert():
            self.status = 400
            self.text = b"<center>No required SSL certificate was sent</center>"
        super().do_GET()


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        pass  # a handshake that fails is what is wanted


@contextmanager
def serving(
    demands: bool, page: type[_Page] = _Page, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
) -> Iterator[int]:
    """The port of a proxy that demands, or does not, a certificate of Cloudflare's CA."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    SERVERS.issue_cert(HOST).configure_cert(context)
    CLOUDFLARE.configure_trust(context)
    if demands:
        context.verify_mode = ssl.CERT_OPTIONAL if page is _Nginx else ssl.CERT_REQUIRED
    server = _Server(("127.0.0.1", 0), page)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def ask(folder: Path, port: int, signer: trustme.CA | None = None) -> Handshake:
    """What the program for hosts makes of a proxy, with a certificate of this CA's or with none."""
    certificate = key = ""
    if signer:
        made = signer.issue_cert("cloudflare.example")
        certificate = made.cert_chain_pems[0].bytes().decode()
        key = made.private_key_pem.bytes().decode()
    text = program(
        operations.__file__,
        "handshake.sh",
        name=HOST,
        port=str(port),
        addresses="127.0.0.1",
        certificate=certificate,
    ).replace("/run/", f"{folder}/")
    done = subprocess.run(
        ["sh", "-c", "section() { printf '\\n#> %s\\n' \"$1\"; }\nset -eu\n" + text],
        input=key,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    assert [*folder.iterdir()] == []
    if key:
        assert key.splitlines()[1] not in done.stdout + done.stderr
    said = sections(done.stdout)
    return handshake(
        HOST,
        certificate=bool(certificate),
        status=int(said["exit"][0]),
        code="".join(said["code"]).strip(),
        nginx="yes" in said["nginx"],
        words=" ".join(said["words"]),
    )


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS, ids=["TLS 1.2", "TLS 1.3"])
def test_a_proxy_that_demands_a_certificate_refuses_whoever_shows_none_or_another_s(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    with serving(True, version=version) as port:
        assert ask(tmp_path, port).outcome == "refused"
        assert ask(tmp_path, port, CLOUDFLARE).outcome == "served"
        assert ask(tmp_path, port, OTHERS).outcome == "refused"


def test_a_refusal_whose_word_is_lost_with_the_request_is_heard_all_the_same(
    tmp_path: Path,
) -> None:
    """A server that has closed before the request is sent: curl can send no more."""
    with serving(True) as port:
        assert {ask(tmp_path, port, OTHERS).outcome for _ in range(20)} == {"refused"}


def test_nginx_refuses_by_a_page(tmp_path: Path) -> None:
    with serving(True, _Nginx) as port:
        assert ask(tmp_path, port).outcome == "refused"
        assert ask(tmp_path, port, CLOUDFLARE).outcome == "served"


def test_a_proxy_that_demands_none_serves_everybody(tmp_path: Path) -> None:
    with serving(False) as port:
        assert ask(tmp_path, port).outcome == "served"


def test_where_nobody_answers_nothing_is_known(tmp_path: Path) -> None:
    with serving(False) as port:
        pass
    found = ask(tmp_path, port)
    assert found.outcome == "unclear"
    assert found.words
