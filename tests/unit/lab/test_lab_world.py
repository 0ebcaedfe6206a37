"""What the outside world serves from a server behind it: asked and answered unchanged, and only
for reading."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import world

HOST = "registry.test"
LARGE = os.urandom(1 << 20)


class Behind(http.server.BaseHTTPRequestHandler):
    """Tells what it was asked."""

    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "a socket"

    def do_GET(self) -> None:
        if self.path == "/closed":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="x"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = LARGE if self.path == "/large" else json.dumps(self.headers.items()).encode()
        self.send_response(200)
        if self.path == "/unmeasured":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(b"in pieces"), b"in pieces"))
            return
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def do_PUT(self) -> None:
        raise AssertionError("something was written")


class OnASocket(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@pytest.fixture
def ask(tmp_path: Path) -> Iterator[http.client.HTTPConnection]:
    behind = OnASocket(str(tmp_path / "socket"), Behind)
    front = world._Server(
        ("127.0.0.1", 0),
        socket.AF_INET,
        {HOST: tmp_path / "socket"},
        tmp_path / "faults.json",
        None,
    )
    for server in (behind, front):
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    connection = http.client.HTTPConnection(*front.server_address[:2], timeout=10)  # type: ignore[arg-type]
    yield connection
    connection.close()
    for server in (front, behind):
        server.shutdown()
        server.server_close()


def get(
    connection: http.client.HTTPConnection, path: str, method: str = "GET"
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request(method, path, headers={"Host": HOST})
    answer = connection.getresponse()
    return answer, answer.read()


def test_every_header_is_handed_on_also_those_that_are_there_several_times(
    ask: http.client.HTTPConnection,
) -> None:
    ask.putrequest("GET", "/v2/", skip_host=True)
    for name, value in [("Host", HOST), ("Accept", "a"), ("Accept", "b"), ("Authorization", "c")]:
        ask.putheader(name, value)
    ask.endheaders()
    seen = json.loads(ask.getresponse().read())
    assert [value for name, value in seen if name == "Accept"] == ["a", "b"]
    assert ["Host", HOST] in seen
    assert ["Authorization", "c"] in seen


def test_what_is_large_or_comes_in_pieces_or_is_refused_is_answered_as_it_is(
    ask: http.client.HTTPConnection,
) -> None:
    assert get(ask, "/large")[1] == LARGE
    assert get(ask, "/unmeasured")[1] == b"in pieces"
    closed, _ = get(ask, "/closed")
    assert (closed.status, closed.headers["WWW-Authenticate"]) == (401, 'Basic realm="x"')


def test_a_question_for_the_head_alone_has_the_length_and_no_content(
    ask: http.client.HTTPConnection,
) -> None:
    answer, body = get(ask, "/large", "HEAD")
    assert (answer.headers["Content-Length"], body) == (str(len(LARGE)), b"")
    assert get(ask, "/large")[1] == LARGE  # over the same connection


@pytest.mark.parametrize("method", ["PUT", "POST", "PATCH", "DELETE"])
def test_nothing_is_written_through_it(ask: http.client.HTTPConnection, method: str) -> None:
    answer, _ = get(ask, "/v2/", method)
    assert answer.status == 501


def test_what_it_shall_do_wrong_it_does_also_here(
    ask: http.client.HTTPConnection, tmp_path: Path
) -> None:
    (tmp_path / "faults.json").write_text(
        json.dumps({f"{HOST}/v2/*": {"kind": "status", "status": 429}})
    )
    assert get(ask, "/v2/lab/web/manifests/1")[0].status == 429
    assert get(ask, "/large")[0].status == 200
