"""The examples are what the lint calls good, believe whom they should, and leave nothing out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinfra_swarm.firewall.web_ranges import SHIPPED
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.loading import forget
from pyinfra_swarm.settings.paths import ROOT
from pyinfra_swarm.stacks.lint import cli
from pyinfra_swarm.stacks.reading import read_stacks

EXAMPLES = ROOT / "examples"
PROXIES, MODES = ("traefik", "caddy", "nginx"), ("ingress", "host", "tunnel")
CONFIGURED = {
    "traefik": "traefik-{}.toml",
    "caddy": "caddy-{}.caddyfile",
    "nginx": "nginx-{}.conf",
}


def settings(name: str) -> Settings:
    text = (EXAMPLES / f"{name}.toml").read_text()
    return Settings(**tomllib.loads(text)).read_from(EXAMPLES, ())


@pytest.fixture
def read_anew() -> Iterator[None]:
    """Settings are read once in a process, and other tests have read some."""
    forget()
    yield
    forget()


@pytest.mark.usefixtures("read_anew")
@pytest.mark.parametrize("name", ["ports", "tunnel"])
def test_the_lint_finds_nothing_wrong(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SWARM_SETTINGS", str(EXAMPLES / f"{name}.toml"))
    code = cli.main([])
    said = capsys.readouterr()
    assert code == 0, said.out + said.err
    assert [one.inputs.problem for one in read_stacks(settings(name))] == [""] * (
        6 if name == "ports" else 3
    )


def test_every_stack_file_is_declared_in_one_of_them_and_in_the_table() -> None:
    declared = {
        file for name in ("ports", "tunnel") for one in settings(name).stacks for file in one.files
    }
    assert declared == {f"{proxy}/{mode}.yml" for proxy in PROXIES for mode in MODES}
    table = (EXAMPLES / "README.md").read_text()
    assert {*re.findall(r"\]\((\w+/\w+\.yml)\)", table)} == declared


@pytest.mark.parametrize("name", ["ports", "tunnel"])
def test_its_page_says_which_tables_to_take_from_each(name: str) -> None:
    page = (EXAMPLES / "README.md").read_text()
    [row] = re.findall(rf"^\| `{name}\.toml` \|(.*)$", page, re.MULTILINE)
    tables = re.findall(r"^(\[.*\])$", (EXAMPLES / f"{name}.toml").read_text(), re.MULTILINE)
    assert {*re.findall(r"`(\[.*?\]+)`", row)} == {*tables} - {"[[hosts]]"}


def believed(proxy: str, mode: str) -> set[str]:
    """The networks whose word a proxy's configuration believes."""
    text = (EXAMPLES / proxy / CONFIGURED[proxy].format(mode)).read_text()
    if proxy == "traefik":
        headers = tomllib.loads(text)["entryPoints"]["websecure"]["forwardedHeaders"]
        return {*headers["trustedIPs"]}
    if proxy == "caddy":
        [line] = re.findall(r"trusted_proxies static (.+)", text)
        return {*line.split()}
    return {*re.findall(r"set_real_ip_from (\S+);", text)}


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_proxy_believes_whoever_can_reach_it_in_its_mode_and_nobody_else(proxy: str) -> None:
    assert believed(proxy, "ingress") == {settings("ports").networks.ingress_subnet}
    assert believed(proxy, "host") == {*SHIPPED["ipv4"], *SHIPPED["ipv6"]}
    [edge] = settings("tunnel").overlays
    assert believed(proxy, "tunnel") == {edge.subnet}


DEMANDS = {
    "traefik": "RequireAndVerifyClientCert",
    "caddy": "require_and_verify",
    "nginx": "ssl_verify_client on;",
}


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("mode", MODES)
def test_a_client_certificate_is_demanded_where_cloudflare_connects_itself(
    proxy: str, mode: str
) -> None:
    """A tunnel's connector has none to show."""
    [stack] = [
        one
        for name in ("ports", "tunnel")
        for one in read_stacks(settings(name))
        if one.inputs.stack == f"{proxy}-{mode}"
    ]
    configured = b"".join(
        text for name, text in stack.inputs.files.items() if Path(name).suffix != ".yml"
    ).decode()
    assert (DEMANDS[proxy] in configured) is (mode != "tunnel")
