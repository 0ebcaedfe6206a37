"""Real nginx with the configurations under examples/: whom it serves, and whose word it believes.

It is the distribution's, unpacked and not installed: the machine gets no web server from it.
Folders, certificates and the name server are the test's.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from lab.apt import download
from lab.cache import cached, recipe_key
from lab.commands import run
from lab.release import machine_release
from tests.netns.conftest import Namespace, namespace
from tests.scenarios.conftest import ROOT

pytestmark = pytest.mark.lifecycle  # the first time, it is downloaded

SITE = "www.example.org"
HERE = "192.0.2.1"
STRANGER = "198.51.100.9"
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


@pytest.fixture(scope="module")
def nginx() -> Path:
    """The program."""
    release = machine_release()

    def unpack(folder: Path) -> None:
        for package in download(release.sources, ["nginx"], folder / "apt"):
            run(["dpkg-deb", "-x", package, folder])
        shutil.rmtree(folder / "apt")

    return cached("nginx", recipe_key([], repr(release)), unpack) / "usr/sbin/nginx"


@dataclass(frozen=True)
class Proxy:
    """nginx in one of the three ways, and Cloudflare's certificate beside it."""

    host: Namespace
    way: str
    folder: Path

    def asked(self, source: str, *words: str) -> tuple[int, dict[str, str]]:
        """The status that somebody gets who comes from an address, and what the app was told."""
        done = self.host.run(
            *("curl", "-sk", "--interface", source, "--resolve", f"{SITE}:443:{HERE}"),
            *("-H", "CF-Connecting-IP: 203.0.113.7", "-H", "X-Forwarded-For: 203.0.113.8"),
            *("-w", "\n%{http_code}", *words, f"https://{SITE}/"),
        )
        body, _, status = done.stdout.rpartition("\n")
        return int(status), json.loads(body) if status == "200" else {}

    @property
    def cloudflare(self) -> tuple[str, ...]:
        """The certificate that Cloudflare shows, where one is wanted."""
        if self.way == "tunnel":
            return ()
        return "--cert", str(self.folder / "pull.pem")


@pytest.fixture(scope="module", params=[*TRUSTED])
def proxy(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, nginx: Path
) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    origin, pulls = trustme.CA(), trustme.CA()
    own = origin.issue_cert(SITE)
    own.cert_chain_pems[0].write_to_path(folder / "origin_cert")
    own.private_key_pem.write_to_path(folder / "origin_key")
    pulls.cert_pem.write_to_path(folder / "cloudflare-ca.pem")
    for name, authority in (("pull", pulls), ("other", trustme.CA())):
        shown = authority.issue_cert("cloudflare.example")
        shown.private_key_and_cert_chain_pem.write_to_path(folder / f"{name}.pem")
    text = (ROOT / f"examples/nginx/nginx-{request.param}.conf").read_text()
    for theirs, ours in (("/run/secrets/", f"{folder}/"), ("/etc/cloud", f"{folder}/cloud")):
        text = text.replace(theirs, ours)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    text = text.replace("http {", f"http {{ access_log off; {places}", 1)
    (folder / "nginx.conf").write_text(text)
    keeper = namespace()
    host = Namespace(keeper.pid)
    started = []
    try:
        host.run("ip link set lo up")
        for address in (HERE, STRANGER, *TRUSTED.values()):
            host.run(f"ip address add {address}/32 dev lo")
        started.append(host.start(sys.executable, "-c", APP))
        assert started[0].stdout is not None
        assert started[0].stdout.readline() == "ready\n"
        words = [str(nginx), "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", "stderr"]
        more = f"pid {folder}/pid; user root;"
        host.run(*words, "-t", "-g", more)
        started.append(host.start(*words, "-g", f"{more} daemon off;"))
        end = time.monotonic() + 10
        health = ["curl", "-s", "-w", "%{http_code}", "http://127.0.0.1:8081/"]
        while host.run(*health, check=False).stdout != "204":
            assert time.monotonic() < end
            time.sleep(0.1)
        yield Proxy(host, request.param, folder)
    finally:
        for process in started:
            process.terminate()
            process.wait(timeout=10)
        keeper.kill()
        keeper.wait()


def test_whoever_shows_no_certificate_of_cloudflares_is_turned_away(proxy: Proxy) -> None:
    source = TRUSTED[proxy.way]
    assert proxy.asked(source, *proxy.cloudflare)[0] == 200
    expected = 200 if proxy.way == "tunnel" else 400
    assert proxy.asked(source)[0] == expected
    assert proxy.asked(source, "--cert", str(proxy.folder / "other.pem"))[0] == expected


def test_the_visitor_is_believed_from_where_that_is_sound(proxy: Proxy) -> None:
    _, told = proxy.asked(TRUSTED[proxy.way], *proxy.cloudflare)
    assert (told["X-Real-IP"], told["X-Forwarded-For"]) == ("203.0.113.7", "203.0.113.7")
    assert (told["Host"], told["X-Forwarded-Proto"]) == (SITE, "https")


def test_from_anywhere_else_the_address_counts_that_it_comes_from(proxy: Proxy) -> None:
    others = [STRANGER, *(address for way, address in TRUSTED.items() if way != proxy.way)]
    for source in others:
        _, told = proxy.asked(source, *proxy.cloudflare)
        assert (told["X-Real-IP"], told["X-Forwarded-For"]) == (source, source)
