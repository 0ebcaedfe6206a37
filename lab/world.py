"""The world outside, on the gateway's address: downloads, images, range lists, the time.

Runs inside the lab's namespace; called by the supervisor as
``python -m lab.world CERTIFICATE FAULTS NAME=PLACE …``, where each place is served under that
host name, over HTTP and HTTPS. It is a folder, or the socket of a server that is asked the same;
nothing can be written to it from here.

What goes wrong is read from the faults file at each request: a JSON object from a pattern for
`<host>/<path>` (shell wildcards) to a fault: ``{"kind": "status", "status": 500}``, or a kind
without a parameter: see `FAULTS`.
"""

import contextlib
import fnmatch
import http.server
import json
import posixpath
import shutil
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Iterable
from email.utils import formatdate, parsedate_to_datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from lab import addresses
from lab.registry import SocketConnection

FAULTS = ("status", "empty", "html", "hang", "redirect", "truncated", "garbage", "content", "down")
"""Kinds of faults: an error status, no content, a web page, no answer at all, a redirect to
nowhere, half of the content under the full length, text that is no CIDR, other content, a
closed door."""

_BETWEEN_TWO = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "trailer"}
"""Headers about a connection, not about what is asked or answered (RFC 9110, 7.6.1)."""

HANG = 600
"""How long "hang" keeps a connection, in seconds."""

# Cloudflare's published ranges, and those the lab's client "cloudflare" is in.
IPV4_RANGES = (
    "173.245.48.0/20",
    "103.21.244.0/22",
    "103.22.200.0/22",
    "103.31.4.0/22",
    "141.101.64.0/18",
    "108.162.192.0/18",
    "190.93.240.0/20",
    "188.114.96.0/20",
    "197.234.240.0/22",
    "198.41.128.0/17",
    "162.158.0.0/15",
    "104.16.0.0/13",
    "104.24.0.0/14",
    "172.64.0.0/13",
    "131.0.72.0/22",
    "192.0.2.0/24",
)
IPV6_RANGES = (
    "2400:cb00::/32",
    "2606:4700::/32",
    "2803:f800::/32",
    "2405:b500::/32",
    "2405:8100::/32",
    "2a06:98c0::/29",
    "2c0f:f248::/32",
    "2001:db8:cf::/48",
)

_HTML = b"<!DOCTYPE html>\n<html><body>Please sign in to this network.</body></html>\n"


def write_cloudflare(folder: Path) -> None:
    """Write Cloudflare's range lists as a site."""
    www, api = folder / "www", folder / "api/client/v4"
    www.mkdir(parents=True)
    api.mkdir(parents=True)
    (www / "ips-v4").write_text("\n".join(IPV4_RANGES))  # Theirs have no final newline either.
    (www / "ips-v6").write_text("\n".join(IPV6_RANGES))
    (api / "ips").write_text(
        json.dumps(
            {
                "result": {
                    "ipv4_cidrs": IPV4_RANGES,
                    "ipv6_cidrs": IPV6_RANGES,
                    "etag": "38f79d050aa027e3be3865e495dcc9bc",
                },
                "success": True,
                "errors": [],
                "messages": [],
            }
        )
    )


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        family: socket.AddressFamily,
        sites: dict[str, Path],
        faults: Path,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.address_family = family
        self.sites = sites
        self.faults = faults
        self.tls = tls
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without looking up the machine's name."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), 0

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the request's own thread: a slow client must not stop the others."""
        if self.tls is not None:
            request.settimeout(30)
            with self.tls.wrap_socket(request, server_side=True) as private:
                private.settimeout(None)
                super().finish_request(private, client_address)
            return
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error."""

    def fault(self, name: str) -> dict[str, Any] | None:
        """The fault that `<host>/<path>` shall suffer, if any."""
        try:
            wanted = json.loads(self.faults.read_text())
        except (OSError, ValueError):
            return None
        for pattern, fault in wanted.items():
            if fnmatch.fnmatchcase(name, pattern):
                return {"kind": fault} if isinstance(fault, str) else dict(fault)
        return None


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    wbufsize = 65536

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:
        host = self.headers.get("Host", "-") if hasattr(self, "headers") else "-"
        print(time.strftime("%H:%M:%S"), self.client_address[0], host, format % args, flush=True)

    def _answer(self, *, with_body: bool) -> None:
        host = self.headers.get("Host", "").partition(":")[0]
        path = unquote(self.path.partition("?")[0]).lstrip("/")
        fault = self.server.fault(f"{host}/{path}")
        if fault is not None:
            self._misbehave(fault, host, path)
            return
        place = self.server.sites.get(host)
        if place is not None and place.is_socket():
            self._pass_on(place)
            return
        file = self._file(host, path)
        if file is None:
            self._send(404, b"not found\n", "text/plain")
            return
        with file.open("rb") as content:
            self._send_file(content, file.stat().st_size, file.stat().st_mtime, with_body)

    def _pass_on(self, to: Path) -> None:
        """Have the server at a socket answer."""
        connection = SocketConnection(to)
        try:
            connection.putrequest(
                self.command, self.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in _end_to_end(self.headers.items()):  # some are there several times
                connection.putheader(name, value)
            connection.endheaders()
            answer = connection.getresponse()
            headers = _end_to_end(answer.getheaders())
            body: bytes | None = None
            if answer.getheader("Content-Length") is None:
                body = answer.read()
                headers.append(("Content-Length", str(len(body))))
            self.log_request(answer.status)
            self.send_response_only(answer.status, answer.reason)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            if body is not None:
                self.wfile.write(body)
            else:
                shutil.copyfileobj(answer, self.wfile, 1 << 18)
        finally:
            connection.close()

    def _file(self, host: str, path: str) -> Path | None:
        site = self.server.sites.get(host)
        if site is None:
            return None
        file = site / posixpath.normpath(f"/{path}").lstrip("/")
        return file if file.is_file() else None

    def _send_file(self, content: BinaryIO, size: int, changed: float, with_body: bool) -> None:
        since = self.headers.get("If-Modified-Since")
        if since is not None:
            with contextlib.suppress(ValueError):
                if int(changed) <= parsedate_to_datetime(since).timestamp():
                    self.send_response(304)
                    self.end_headers()
                    return
        start = 0
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes=") and asked.endswith("-") and asked[6:-1].isdigit():
            start = int(asked[6:-1])
        if start >= size > 0:
            self._send(416, b"", "text/plain")
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            content.seek(start)
        self.send_header("Content-Type", "text/plain" if size < 4096 else "binary/octet-stream")
        self.send_header("Content-Length", str(size - start))
        self.send_header("Last-Modified", formatdate(changed, usegmt=True))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if with_body:
            shutil.copyfileobj(content, self.wfile, 1 << 18)

    def _send(self, status: int, body: bytes, kind: str, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _misbehave(self, fault: dict[str, Any], host: str, path: str) -> None:
        kind = fault.get("kind")
        if kind == "empty":
            self._send(200, b"", "text/plain")
        elif kind == "html":
            self._send(200, _HTML, "text/html")
        elif kind == "garbage":
            self._send(200, b"0.0.0.0/0\nnot-an-address\n", "text/plain")
        elif kind == "content":
            self._send(200, str(fault.get("content", "")).encode(), "text/plain")
        elif kind == "redirect":
            self.send_response(302)
            self.send_header("Location", str(fault.get("to", f"https://{host}/nowhere")))
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif kind == "truncated":
            file = self._file(host, path)
            body = file.read_bytes() if file is not None else b""
            self._send(200, body[: len(body) // 2], "text/plain", length=len(body))
            self.close_connection = True
        elif kind == "hang":
            time.sleep(float(fault.get("seconds", HANG)))
            self.close_connection = True
        elif kind == "down":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        else:
            self._send(int(fault.get("status", 500)), b"the lab was told to fail\n", "text/plain")


def _end_to_end(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without those about a connection, which are not to be handed on."""
    return [(name, value) for name, value in headers if name.lower() not in _BETWEEN_TWO]


def _serve_time(address: str, family: socket.AddressFamily) -> None:
    """Answer SNTP (RFC 4330) with this machine's clock."""
    epoch = 2208988800
    server = socket.socket(family, socket.SOCK_DGRAM)
    server.bind((address, 123))
    while True:
        question, asker = server.recvfrom(512)
        if len(question) < 48:
            continue
        now = time.time() + epoch
        stamp = struct.pack("!II", int(now), int((now % 1) * 2**32))
        version = question[0] & 0x38
        head = struct.pack("!BBbbII4s", version | 4, 2, 6, -20, 0, 65536, b"LAB\0")
        server.sendto(head + stamp + question[40:48] + stamp + stamp, asker)


def _main(arguments: list[str]) -> None:
    certificate, faults = arguments[:2]
    sites = {name: Path(folder) for name, _, folder in (a.partition("=") for a in arguments[2:])}
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    servers = []
    for address, family in (
        (addresses.GATEWAY, socket.AF_INET),
        (addresses.GATEWAY6, socket.AF_INET6),
    ):
        for port, context in ((80, None), (443, tls)):
            servers.append(_Server((address, port), family, sites, Path(faults), context))
        threading.Thread(target=_serve_time, args=(address, family), daemon=True).start()
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    print("serving", " ".join(sites), flush=True)


if __name__ == "__main__":
    _main(sys.argv[1:])
