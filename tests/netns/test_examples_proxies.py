"""Real proxies with the configurations under examples/: whom they serve, whose word they believe.

Folders, certificates and the name server are the test's.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.netns.conftest import Namespace, namespace
from tests.netns.proxy_programs import PROGRAMS

pytestmark = pytest.mark.lifecycle  # the first time, it is downloaded

SITE = "www.example.org"
HERE = "192.0.2.1"
STRANGER = "198.51.100.9"
VISITOR, ELSEWHERE = "203.0.113.7", "203.0.113.8"
"""Cloudflare's word for who asks, and what that one claims to have been sent on for."""

TRUSTED = {"ingress": "10.201.0.7", "host": "173.245.48.7", "tunnel": "10.210.0.7"}
"""An address that is believed, in each of the three ways."""

APP = """
import http.server, json, socket, struct, threading

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(self.headers)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass

def name_server():
    asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    asked.bind(("127.0.0.11", 53))
    while True:
        query, who = asked.recvfrom(512)
        end = query.index(b"\\0", 12) + 5
        is_app = query[12:end - 4] == b"\\3app\\0" and query[end - 4:end - 2] == b"\\0\\1"
        here = struct.pack(">IH4s", 5, 4, bytes((127, 0, 0, 1)))
        answer = b"\\xc0\\x0c\\0\\1\\0\\1" + here
        count = b"\\0\\1" if is_app else b"\\0\\0"
        head = query[:2] + b"\\x81\\x80\\0\\1" + count + b"\\0\\0\\0\\0"
        asked.sendto(head + query[12:end] + (answer if is_app else b""), who)

threading.Thread(target=name_server, daemon=True).start()
print("ready", flush=True)
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Answer).serve_forever()
"""


@dataclass(frozen=True)
class Proxy:
    """One of them in one of the three ways, and Cloudflare's certificate beside it."""

    host: Namespace
    name: str
    way: str
    folder: Path

    def asked(self, source: str, *words: str) -> tuple[int, dict[str, str]]:
        """The status that somebody gets who comes from an address, and what the app was told.

        The status is 0 where the connection was ended.
        """
        done = self.host.run(
            *("curl", "-sk", "--interface", source, "--resolve", f"{SITE}:443:{HERE}"),
            *("-H", f"CF-Connecting-IP: {VISITOR}", "-H", f"X-Forwarded-For: {ELSEWHERE}"),
            *("-w", "\n%{http_code}", *words, f"https://{SITE}/"),
            check=False,
        )
        body, _, status = done.stdout.rpartition("\n")
        told = json.loads(body) if status == "200" else {}
        return int(status), {name.title(): value for name, value in told.items()}

    @property
    def cloudflare(self) -> tuple[str, ...]:
        """The certificate that Cloudflare shows, where one is wanted."""
        if self.way == "tunnel":
            return ()
        return "--cert", str(self.folder / "pull.pem")


@pytest.fixture(scope="module", params=[f"{name}-{way}" for name in PROGRAMS for way in TRUSTED])
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    name, _, way = request.param.partition("-")
    program = PROGRAMS[name]
    folder = tmp_path_factory.mktemp(name)
    folder.chmod(0o755)
    origin, pulls = trustme.CA(), trustme.CA()
    own = origin.issue_cert(SITE)
    own.cert_chain_pems[0].write_to_path(folder / "origin_cert")
    own.private_key_pem.write_to_path(folder / "origin_key")
    pulls.cert_pem.write_to_path(folder / "cloudflare-ca.pem")
    for shower, authority in (("pull", pulls), ("other", trustme.CA())):
        shown = authority.issue_cert("cloudflare.example")
        shown.private_key_and_cert_chain_pem.write_to_path(folder / f"{shower}.pem")
    program.write(way, folder)
    (folder / "hosts").write_text("127.0.0.1 localhost app\n")
    keeper = namespace()
    host = Namespace(keeper.pid)
    started = []
    try:
        host.run("ip link set lo up")
        host.run(f"mount --bind {folder}/hosts /etc/hosts")
        for address in (HERE, STRANGER, *TRUSTED.values()):
            host.run(f"ip address add {address}/32 dev lo")
        started.append(host.start(sys.executable, "-c", APP))
        assert started[0].stdout is not None
        assert started[0].stdout.readline() == "ready\n"
        words = program.words(program.find(), folder)
        started.append(host.start(*words, HOME=str(folder)))
        end = time.monotonic() + 20
        health = ["curl", "-sf", "-o", "/dev/null", program.health]
        while host.run(*health, check=False).returncode:
            assert started[1].poll() is None, started[1].communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.1)
        made = Proxy(host, name, way, folder)
        while made.asked(TRUSTED[way], *made.cloudflare)[0] == 404:  # it has no route yet
            assert time.monotonic() < end
            time.sleep(0.1)
        yield made
    finally:
        for process in started:
            process.terminate()
            process.communicate(timeout=10)
        keeper.kill()
        keeper.wait()


def test_whoever_shows_no_certificate_of_cloudflares_is_turned_away(proxy: Proxy) -> None:
    source = TRUSTED[proxy.way]
    assert proxy.asked(source, *proxy.cloudflare)[0] == 200
    expected = 200 if proxy.way == "tunnel" else PROGRAMS[proxy.name].refusal
    assert proxy.asked(source)[0] == expected
    assert proxy.asked(source, "--cert", str(proxy.folder / "other.pem"))[0] == expected


def test_the_visitor_is_believed_from_where_that_is_sound(proxy: Proxy) -> None:
    source = TRUSTED[proxy.way]
    _, told = proxy.asked(source, *proxy.cloudflare)
    assert told[PROGRAMS[proxy.name].visitor] == VISITOR
    kept = {"nginx": VISITOR}.get(proxy.name, f"{ELSEWHERE}, {source}")
    assert told["X-Forwarded-For"] == kept
    assert (told["Host"], told["X-Forwarded-Proto"]) == (SITE, "https")


def test_from_anywhere_else_the_address_counts_that_it_comes_from(proxy: Proxy) -> None:
    others = [STRANGER, *(address for way, address in TRUSTED.items() if way != proxy.way)]
    for source in others:
        _, told = proxy.asked(source, *proxy.cloudflare)
        assert (told["X-Real-Ip"], told["X-Forwarded-For"]) == (source, source)


def test_all_pass_on_what_anybody_says_who_gets_as_far_as_to_them(proxy: Proxy) -> None:
    """As docs/exposure.md says; it is the certificate that keeps others away."""
    _, told = proxy.asked(STRANGER, *proxy.cloudflare)
    assert told["Cf-Connecting-Ip"] == VISITOR
    believed = PROGRAMS[proxy.name].visitor == "Cf-Connecting-Ip"
    assert believed is (proxy.name == "traefik")
