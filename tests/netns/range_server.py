"""An HTTPS server that answers as a list of ranges does, or as it should not.

Each path is an answer; ``/good-v4`` and ``/good-v6`` are the lists as they are published.
"""

from __future__ import annotations

import http.server
import ssl
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Answer:
    """What is sent: body, status, headers; short: bytes that are announced and never come.

    silent: nothing is sent, for so many seconds.
    """

    body: bytes = b""
    status: int = 200
    location: str = ""
    short: int = 0
    silent: float = 0


class RangeServer:
    """Serves answers by path until it is closed, in the namespace of the thread that made it."""

    def __init__(self, answers: Mapping[str, Answer], folder: Path, *names: str) -> None:
        authority, stranger = trustme.CA(), trustme.CA()
        self.bundle = folder / "ca.pem"
        self.strangers_bundle = folder / "stranger.pem"
        authority.cert_pem.write_to_path(str(self.bundle))
        stranger.cert_pem.write_to_path(str(self.strangers_bundle))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = answers[self.path]
                time.sleep(answer.silent)
                self.send_response(answer.status)
                if answer.location:
                    self.send_header("Location", answer.location)
                self.send_header("Content-Length", str(len(answer.body) + answer.short))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:
                """The tests look at the host, not at the server."""

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that goes away is what half of the tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, path: str, name: str = "localhost", scheme: str = "https") -> str:
        return f"{scheme}://{name}:{self.port}/{path}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
