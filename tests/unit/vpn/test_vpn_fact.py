"""What a host says of VPNs, as `wg`, `ip` and `tailscale` print it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm.vpn.facts import State, parse
from pyinfra_swarm.vpn.state import Config, Key, Running, Tailscale, Vpns
from pyinfra_swarm.vpn.wireguard import MARK
from tests.tools.answers import sections
from tests.unit.vpn.vpn_examples import key

SUM = "5f" * 32
SAID = f"""
#> tools
tools
kernel
#> configs
ours {SUM} yes 600 root wg0
foreign home
#> keys
600 root {key(7)} wg0
#> starts
wg0
#> running
wg0 key {key(7)}
wg0 port 51820
wg0 peer {key(1)} 10.202.0.100/32
wg0 peer {key(2)} (none)
home key (none)
home port 1234
#> addresses
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
2: eth0@if9    inet 192.168.1.11/24 brd 192.168.1.255 scope global eth0
2: eth0@if9    inet6 fe80::1/64 scope link
7: wg0    inet 10.202.0.1/24 scope global wg0
#> login
10.202.0.100 40222 10.202.0.1 22
#> login_by
10.202.0.100 dev wg0 src 10.202.0.1 uid 0 \\    cache
#> tailscale
"""


def test_all_of_it() -> None:
    assert parse(sections(SAID)) == Vpns(
        tools=True,
        kernel=True,
        userspace=False,
        configs={"wg0": Config(SUM, "600 root", own_key=True)},
        foreign=("home",),
        keys={"wg0": Key("600 root", key(7))},
        starts=("wg0",),
        running={
            "wg0": Running(key(7), 51820, {key(1): "10.202.0.100/32", key(2): "(none)"}),
            "home": Running("(none)", 1234),
        },
        addresses={
            "lo": ("127.0.0.1/8",),
            "eth0": ("192.168.1.11/24", "fe80::1/64"),
            "wg0": ("10.202.0.1/24",),
        },
        login_from="10.202.0.100",
        login_by="wg0",
    )


def test_a_host_with_nothing_of_it() -> None:
    names = [
        "tools",
        "configs",
        "keys",
        "starts",
        "running",
        "addresses",
        "login",
        "login_by",
        "tailscale",
    ]
    assert parse(sections("".join(f"\n#> {name}\n" for name in names))) == Vpns()


def test_a_key_without_a_public_half_is_none() -> None:
    said = SAID.replace(f"600 root {key(7)} wg0\n", "644 ubuntu - wg0\n")
    assert parse(sections(said)).keys == {"wg0": Key("644 ubuntu", "")}


@pytest.mark.parametrize("name", ["old phone", "wg 0", "", "-f", "a" * 16, "x;y", "wg0 "])
def test_a_key_that_no_interface_could_have_is_not_told_under_another_name(name: str) -> None:
    said = SAID.replace("#> starts", f"600 root {key(8)} {name}\n#> starts")
    assert parse(sections(said)).keys == {"wg0": Key("600 root", key(7))}


NO_INTERFACES = ["wg0 old", "wg0 ", " wg0", "wg 0", "", "wg0;y", "w" * 16]


@pytest.mark.parametrize("name", NO_INTERFACES)
@pytest.mark.parametrize("line", ["foreign", f"ours {SUM} yes 600 root"])
def test_a_configuration_that_no_interface_could_have_is_not_told_under_another_name(
    line: str, name: str
) -> None:
    whole = parse(sections(SAID))
    assert parse(sections(SAID.replace("#> keys", f"{line} {name}\n#> keys"))) == whole


def test_a_foreign_configuration_may_have_every_name_that_wg_quick_takes() -> None:
    said = SAID.replace("foreign home", "foreign _a=b+c")
    assert parse(sections(said)).foreign == ("_a=b+c",)


def looked_at(folder: Path, section: str) -> list[str]:
    """What a host says of the configurations or keys in a folder."""
    script = re.search(rf"^section {section}\n.*?^done$", State().script(), re.M | re.S)
    access = re.search(r"^access\(\) .*$", State().script(), re.M)
    assert script
    assert access
    text = f"section() {{ :; }}\nfolder={folder} mark='{MARK}'\n{access[0]}\n{script[0]}"
    done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_keys_file_may_have_any_name(tmp_path: Path) -> None:
    for name in ("wg0", "old phone", "a\nb"):
        (tmp_path / f"{name}.key").write_text("no key")
    lines = looked_at(tmp_path, "keys")
    assert [line.split(" ", 3)[3] for line in lines] == ["old phone", "wg0"]
    said = SAID.replace(f"600 root {key(7)} wg0", "\n".join(lines))
    assert set(parse(sections(said)).keys) == {"wg0"}


def test_who_may_read_what_a_link_leads_to_is_what_counts(tmp_path: Path) -> None:
    """A link itself has the mode 777: that is no private key that others may read."""
    (tmp_path / "mounted").mkdir()
    for name, mode in (("wg0", 0o600), ("wg1", 0o644)):
        for kind, text in (("key", "k\n"), ("conf", f"{MARK}\n[Interface]\n")):
            file = tmp_path / "mounted" / f"{name}.{kind}"
            file.write_text(text)
            file.chmod(mode)
            (tmp_path / f"{name}.{kind}").symlink_to(file)
    (tmp_path / "wg2.key").symlink_to(tmp_path / "elsewhere/wg2.key")
    lines = "\n".join([*looked_at(tmp_path, "configs"), "#> keys", *looked_at(tmp_path, "keys")])
    before = SAID[SAID.index("ours ") : SAID.index("#> starts")]
    said = parse(sections(SAID.replace(before, f"{lines}\n")))
    root = (tmp_path / "mounted").owner()
    modes = {"wg0": f"600 {root}", "wg1": f"644 {root}"}
    assert {name: one.access for name, one in said.configs.items()} == modes
    assert {name: one.access for name, one in said.keys.items()} == {**modes, "wg2": ""}


def test_a_configurations_file_may_have_any_name(tmp_path: Path) -> None:
    """A copy that is kept beside somebody else's interface is no interface of ours."""
    files = {"wg0": MARK, "wg7": "", "wg0 old": "", "wg7 copy": MARK, "a\nb": MARK}
    for name, first in files.items():
        (tmp_path / f"{name}.conf").write_text(f"{first}\n[Interface]\nPrivateKey = x\n")
    lines = "\n".join(looked_at(tmp_path, "configs"))
    assert "wg7 copy" in lines
    assert "a\nb" not in lines
    said = parse(sections(SAID.replace(f"ours {SUM} yes 600 root wg0\nforeign home", lines)))
    assert (set(said.configs), said.foreign) == ({"wg0"}, ("wg7",))


@pytest.mark.parametrize(
    ("prefs", "meant"),
    [
        ('{"NetfilterMode": 2, "RunSSH": true}', Tailscale("on", True)),
        ('{\n\t"RunSSH": false,\n\t"NetfilterMode": 1\n}', Tailscale("nodivert", False)),
        ('{"NetfilterMode": 0}', Tailscale("off", None)),
        ('{"NetfilterMode": 9, "RunSSH": "yes"}', Tailscale(None, None)),
        ("failed to connect to local tailscaled", Tailscale(None, None)),
        ("[]", Tailscale(None, None)),
        ("", Tailscale(None, None)),
    ],
)
def test_what_tailscale_says_of_itself(prefs: str, meant: Tailscale) -> None:
    assert parse(sections(f"{SAID}runs\n{prefs}\n")).tailscale == meant


def test_the_script_never_asks_for_what_holds_the_private_key() -> None:
    """`wg show … dump`, `wg showconf`, and a configuration printed whole."""
    script = State().script()
    assert not re.search(r"^[^#]*dump", script, re.MULTILINE)
    assert "showconf" not in script
    assert "private-key" not in script
    assert 'cat "$file"' not in script
