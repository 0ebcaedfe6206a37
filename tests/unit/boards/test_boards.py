"""Boards before their first run: what each still needs, and the settings that name them."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import threading
import tomllib
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pyinfra_swarm import cli
from pyinfra_swarm.boards import asking, new_project
from pyinfra_swarm.boards.asked_for import slips
from pyinfra_swarm.boards.board import Board, Login, board, met_again, needs, needs_together
from pyinfra_swarm.boards.board import ready as all_ready
from pyinfra_swarm.boards.settings_text import Entry, entries, settings_text, unfilled
from pyinfra_swarm.commands import init as init_command
from pyinfra_swarm.run.onhost import program
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.settings.paths import ROOT

LOGIN = Login("192.168.1.11", "ubuntu")
SAID = """\
hostname rk1
release ID=ubuntu
release VERSION_ID="24.04"
machine aarch64
sudo yes
address fixed
"""
EXAMPLE = (ROOT / "cluster.example.toml").read_text(encoding="utf-8")


def heard(*pairs: tuple[str, str], status: int = 0, words: str = "") -> Board:
    text = SAID
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return board(LOGIN, status, text if status == 0 else "", words)


def ready(seen: list[Board]) -> bool:
    return all_ready([needs(one) for one in seen])


def test_copies_of_one_image_are_not_ready_together() -> None:
    logins = [Login(f"192.168.1.{n}", "ada", key="/k") for n in (11, 12, 13)]
    same = Board(logins[0], hostname="vm", identity="7c")
    seen = [same, *(Board(login, hostname="vm", identity="7c") for login in logins[1:])]
    seen[2] = Board(logins[2], hostname="rk3", identity="8d")
    first, second, third = (
        [need for need in some if "hostname" in need.what or "machine id" in need.what]
        for some in needs_together(seen, ["node1", "node2", "rk3"])
    )
    renames = "ssh -t -i /k ada@192.168.1.11 'sudo hostnamectl set-hostname node1'"
    assert [need.lines for need in first] == [(renames,)]
    assert [need.must for need in second] == [True, True]
    assert "set-hostname node2" in second[0].lines[0]
    assert "the machine id of 192.168.1.11" in second[1].what
    assert "systemd-machine-id-setup" in second[1].lines[0]
    assert third == []
    silent = [Board(login, problem="No route to host") for login in logins]
    assert [len(some) for some in needs_together(silent, ["a", "b", "c"])] == [1, 1, 1]


@pytest.mark.parametrize(
    ("hosts", "more", "said"),
    [
        ("rk1", {}, "--hosts rk1: is not an IPv4 address\n    instead: its IPv4 address; `getent"),
        ("300.1.1.1", {}, "--hosts 300.1.1.1: is not an IPv4 address"),
        ("192.168.1.11-13", {}, "each address, with commas between: --hosts 192.168.1.11,"),
        ("192.168.1.0/24", {}, "    instead: --find 192.168.1.0/24"),
        ("192.168.1.11:2222", {}, "    instead: --hosts 192.168.1.11 --port 2222"),
        ("127.0.0.1:2222", {}, "--hosts 127.0.0.1:2222: is not an IPv4 address"),
        ("127.0.0.1", {}, "is not an address other hosts can reach"),
        ("192.168.1.11", {"user": "root"}, "--user root: root logins are turned off"),
        ("192.168.1.11", {"key": "/nope"}, "--key /nope: names no file on this machine"),
        ("192.168.1.11", {"key": "/k.pub"}, "--key /k.pub: is the public half of a key"),
        ("192.168.1.11", {"managers": 3}, "--managers 3: there is only 1 board\n"),
    ],
)
def test_what_the_settings_would_refuse_is_refused_before_a_board_is_looked_at(
    hosts: str, more: dict[str, Any], said: str
) -> None:
    given: dict[str, Any] = {"user": "ubuntu", "key": "", "managers": None}
    [slip] = slips([hosts], **{**given, **more})
    assert said in slip
    assert slips(["192.168.1.11"], **given) == []


def test_an_address_that_is_named_twice_is_refused_and_no_second_board() -> None:
    def given(*addresses: str, managers: int | None = None) -> list[str]:
        return slips(addresses, "ubuntu", "", managers)

    [slip] = given("192.168.1.11", "192.168.1.12", "192.168.1.11", "192.168.1.11")
    assert slip.startswith("--hosts 192.168.1.11: is named more than once")
    assert "    instead: the address of each board, once" in slip
    [_, few] = given("192.168.1.11", "192.168.1.11", managers=2)
    assert few.startswith("--managers 2: there is only 1 board\n")
    assert len(given("rk1", "rk1")) == 2
    assert given("192.168.1.11", "192.168.1.12") == []


def test_a_board_is_known_again_at_another_address() -> None:
    def at(number: int, boot: str, identity: str = "7c") -> Board:
        login = Login(f"192.168.1.{number}", "ada")
        return Board(login, hostname="rk", identity=identity, boot=boot)

    first, again, third = at(11, "b1"), at(12, "b1"), at(13, "b1")
    assert met_again([first, again, third]) == [(again, first), (third, first)]
    copies = at(12, "b2"), at(13, "b1", identity="8d")
    assert met_again([first, *copies]) == []
    assert met_again([at(11, ""), at(12, ""), at(13, "b1", ""), at(14, "b1", "")]) == []


def test_a_board_that_is_ready_needs_nothing() -> None:
    one = heard()
    assert (one.hostname, one.distribution, one.version) == ("rk1", "ubuntu", "24.04")
    assert needs(one) == []
    assert ready([one])


def test_a_board_that_says_little_is_not_taken_for_more() -> None:
    silent = board(LOGIN, 0, "", "")
    assert silent == Board(LOGIN, sudo="sudo asks for a password")
    assert [need.what for need in needs(silent)] == [
        "it runs an unknown system",
        "its processor is unknown",
        "sudo asks ubuntu for a password",
    ]
    assert needs(heard(("machine aarch64", "machine x86_64"))) == []


def test_what_a_release_is_called_stands_in_quotes_or_not() -> None:
    one = heard(('"24.04"', "'12'"), ("ID=ubuntu", 'ID="debian"'))
    assert (one.distribution, one.version) == ("debian", "12")
    assert heard(("ID=ubuntu", "ID=a=b")).distribution == "a=b"
    assert [heard().dynamic, heard(("fixed", "dynamic")).dynamic] == [False, True]


@pytest.mark.parametrize(
    ("words", "what", "line"),
    [
        (
            "@  WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @\n",
            *("it has another host key", "ssh-keygen -R 192.168.1.11"),
        ),
        (
            "Received disconnect: Too many authentication failures\n",
            *("it does not take your key for ubuntu", "ssh-copy-id ubuntu@192.168.1.11"),
        ),
        (
            "you must change\nYour Password, it has\nEXPIRED\n",
            *("its password has to be changed", "ssh ubuntu@192.168.1.11 "),
        ),
        (
            "ubuntu@192.168.1.11: Permission denied (publickey,password).",
            "it does not take your key for ubuntu",
            "ssh-copy-id ubuntu@192.168.1.11",
        ),
        (
            "WARNING: Your password has expired.\nPassword change required but no TTY available.",
            "its password has to be changed",
            "ssh ubuntu@192.168.1.11 ",
        ),
        (
            "@@@@@@\n@  WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!  @\n"
            "Host key verification failed.",
            "it has another host key",
            "ssh-keygen -R 192.168.1.11",
        ),
        ("ssh: connect to host x port 22: No route to host", "No route to host", "switched on"),
        ("ssh: Could not resolve hostname rk: Name", "is not found", "IPv4 address"),
        ("", "ssh ended with status 255", "switched on"),
    ],
)
def test_a_board_that_lets_nobody_in(words: str, what: str, line: str) -> None:
    one = heard(status=255, words=words)
    [need] = needs(one)
    assert what in need.what
    assert one.problem == one.problem.strip()
    assert any(line in each for each in need.lines)
    assert not ready([one])


def test_another_port_and_key_are_in_the_lines() -> None:
    login = Login("10.0.0.1", "ada", 2222, "/home/ada/my key")
    changed = board(login, 255, "", "Host key verification failed.")
    assert needs(changed)[0].lines == ("ssh-keygen -R '[10.0.0.1]:2222'",)
    denied = needs(board(login, 255, "", "Permission denied (publickey)."))[0].lines
    assert denied[1].startswith("ssh-copy-id -p 2222 -i '/home/ada/my key.pub' ada@10.0.0.1")


def test_sudo_with_a_password_has_a_line() -> None:
    one = heard(("sudo yes", "sudo no sudo: a password is required"))
    [need] = needs(one)
    assert need.lines == (
        "ssh -t ubuntu@192.168.1.11 \"echo 'ubuntu ALL=(ALL) NOPASSWD: ALL' | sudo tee "
        '/etc/sudoers.d/ubuntu"',
    )
    for page in ("README.md", "docs/prepare.md"):
        assert need.lines[0] in (ROOT / page).read_text(encoding="utf-8")
    assert not ready([one])


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("24.04", "22.04", "it runs ubuntu 22.04"),
        ("ID=ubuntu", "ID=alpine", "it runs alpine 24.04"),
        ("aarch64", "armv7l", "its processor is armv7l"),
    ],
)
def test_a_system_that_is_not_supported(old: str, new: str, what: str) -> None:
    [need] = needs(heard((old, new)))
    assert need.what == what
    assert need.must


def test_a_lent_address_is_only_advice() -> None:
    one = heard(("address fixed", "address dynamic"))
    [need] = needs(one)
    assert not need.must
    assert ready([one])


# The settings
# ------------


def boards(*names: str) -> list[Board]:
    return [
        Board(Login(f"192.168.1.{11 + n}", "ubuntu"), hostname=name) for n, name in enumerate(names)
    ]


@pytest.mark.parametrize(
    ("count", "managers"), [(1, 1), (2, 1), (3, 3), (4, 3), (6, 3), (7, 5), (9, 5)]
)
def test_as_many_managers_as_tolerate_a_loss(count: int, managers: int) -> None:
    made = entries(boards(*(f"rk{n}" for n in range(count))))
    assert [one.role for one in made] == ["manager"] * managers + ["worker"] * (count - managers)


def test_names_are_the_boards_own_where_they_can_be() -> None:
    made = entries(boards("rk1", "ubuntu", "ubuntu", "localhost", "No_Name", "", "Node7"), 2)
    assert [one.name for one in made] == [
        "rk1",
        "node2",
        "node3",
        "node4",
        "node5",
        "node6",
        "node7",
    ]
    assert [one.role for one in made].count("manager") == 2
    taken = entries(boards("node2", "ubuntu", "ubuntu"))
    assert [one.name for one in taken] == ["node2", "board2", "node3"]


@pytest.mark.parametrize(
    ("own", "called"),
    [
        ("x_y node1 board1", "board2 node1 board1"),
        ("x_y x_y node1 board1 node2", "board2 board3 node1 board1 node2"),
        ("x_y node1 board1 board2", "board3 node1 board1 board2"),
    ],
)
def test_a_name_that_another_board_has_is_given_to_none(own: str, called: str) -> None:
    assert [one.name for one in entries(boards(*own.split()))] == called.split()


@pytest.mark.parametrize(
    ("own", "there", "called"),
    [
        ("ubuntu ubuntu", {11: "node2"}, "node2 board2"),
        ("ubuntu ubuntu", {99: "node1"}, "board1 node2"),
        ("ubuntu node1", {11: "node1"}, "node1 node2"),
        ("rk1 rk2", {11: "rk2", 12: "rk1"}, "rk2 rk1"),
        ("rk1 rk2", {99: "rk2"}, "rk1 node2"),
    ],
)
def test_a_name_that_the_settings_have_is_that_hosts_and_no_others(
    own: str, there: dict[int, str], called: str
) -> None:
    declared = {f"192.168.1.{last}": name for last, name in there.items()}
    made = entries(boards(*own.split()), there=declared)
    assert [one.name for one in made] == called.split()


@given(
    st.lists(
        st.sampled_from([f"{name}{n}" for name in ("node", "board", "x_") for n in (1, 2, 3)]),
        max_size=7,
    )
)
def test_no_two_boards_get_one_name(own: list[str]) -> None:
    names = [one.name for one in entries(boards(*own))]
    assert len({*names}) == len(own)
    for name, before in zip(names, own, strict=True):
        assert name == before or own.count(before) > 1 or before.startswith("x_")


def test_the_text_is_the_example_with_these_hosts() -> None:
    made = entries(boards("rk1", "rk2", "rk3", "rk4", "rk5"))
    text = settings_text(EXAMPLE, made, user="ada", port=2222, key='~/a "key"')
    read = tomllib.loads(text)
    assert [Entry(**host) for host in read["hosts"]] == made
    assert read["ssh"] == {"user": "ada", "port": 2222, "key": '~/a "key"'}
    example = tomllib.loads(EXAMPLE)
    assert {name: one for name, one in read.items() if name not in ("hosts", "ssh")} == {
        name: one for name, one in example.items() if name not in ("hosts", "ssh")
    }
    assert "#labels = " in text
    assert len(Settings(**read).hosts) == 5
    plain = tomllib.loads(settings_text(EXAMPLE, made[:1], user="ubuntu"))
    assert plain["ssh"] == {"user": "ubuntu"}


@given(st.text(min_size=1))
@example("/home/ada/\N{KEY}/id_ed25519")
@example("/home/ada/\x7f")
def test_a_text_is_read_back_as_it_was_given(text: str) -> None:
    made = [Entry("rk1", text, "manager")]
    read = tomllib.loads(settings_text(EXAMPLE, made, user=text, key=text))
    assert (read["hosts"][0]["address"], read["ssh"]["user"], read["ssh"]["key"]) == (text,) * 3


# Real programs
# -------------


def looked(tmp_path: Path, sudo: str) -> list[str]:
    (tmp_path / "sudo").write_text(f"#!/bin/sh\n{sudo}\n")
    (tmp_path / "sudo").chmod(0o755)
    done = subprocess.run(
        ["sh"],
        input=program(asking.__file__, "look.sh", reached="127.0.0.1"),
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_the_program_tells_what_this_machine_is(tmp_path: Path) -> None:
    lines = looked(tmp_path, "exit 0")
    assert f"hostname {Path('/proc/sys/kernel/hostname').read_text().strip()}" in lines
    assert f"machine {os.uname().machine}" in lines
    assert "sudo yes" in lines
    if (identity := Path("/etc/machine-id")).exists():
        assert f"id {identity.read_text().strip()}" in lines
    one = board(LOGIN, 0, "\n".join(lines), "")
    assert one.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert one.distribution
    assert one.sudo == ""


def test_the_program_tells_what_sudo_says(tmp_path: Path) -> None:
    lines = looked(tmp_path, "echo 'sudo: a password is required' >&2; exit 1")
    assert board(LOGIN, 0, "\n".join(lines), "").sudo == "sudo: a password is required"


def test_who_answers_ssh_is_found_and_who_answers_something_else_is_not() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as ssh,
        socket.create_server(("127.0.0.1", 0)) as web,
    ):
        for server, greeting in ((ssh, b"SSH-2.0-test\r\n"), (web, b"HTTP/1.1 400\r\n")):
            threading.Thread(target=_greet, args=(server, greeting), daemon=True).start()
        here = IPv4Network("127.0.0.1/32")
        assert asking.answering(here, ssh.getsockname()[1]) == ["127.0.0.1"]
        assert asking.answering(here, web.getsockname()[1]) == []


def _greet(server: socket.socket, greeting: bytes) -> None:
    connection, _ = server.accept()
    with connection:
        connection.sendall(greeting)


# The command
# -----------

Init = Callable[..., int]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    """`init` in an empty folder, where the boards say what the test has them say."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str, said: str = SAID, status: int = 0, error: str = "") -> int:
        def look(logins: Any) -> list[Board]:
            return [
                board(one, status, said.replace("rk1", f"rk{n}"), error)
                for n, one in enumerate(logins, start=1)
            ]

        monkeypatch.setattr(asking, "look", look)
        return cli.main(["init", *words])

    return run


def test_init_writes_the_boards_into_the_settings(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--hosts", "192.168.1.11,192.168.1.12", "--user", "ada", "--managers", "2") == 0
    read = tomllib.loads((tmp_path / "cluster.toml").read_text())
    assert [(one["name"], one["role"]) for one in read["hosts"]] == [
        ("rk1", "manager"),
        ("rk2", "manager"),
    ]
    assert read["ssh"]["user"] == "ada"
    said = capsys.readouterr().out
    assert "192.168.1.11  rk1, ubuntu 24.04, aarch64: ready\n" in said
    assert f"Next: look at {tmp_path / 'cluster.toml'}" in said
    assert (tmp_path / "deploys/site.py").is_file()


def test_init_says_what_a_board_still_needs_and_writes_it_nevertheless(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--hosts", "192.168.1.11", status=255, error="Permission denied (publickey).") == 2
    said = capsys.readouterr().out
    assert "192.168.1.11  no login\n  needs: it does not take your key for ubuntu\n" in said
    assert "\n      ssh-copy-id ubuntu@192.168.1.11" in said
    lines = said.splitlines()
    first = "First: what the boards need, above; then the same command again, which looks again."
    [next_line] = [line for line in lines if line.startswith("Next: look at")]
    named = '192.168.1.11 could not be asked for its name: cluster.toml calls it "node1" for now.'
    assert lines.index(named) < lines.index(first) < lines.index(next_line)
    assert (tmp_path / "cluster.toml").is_file()


def test_init_says_whose_name_cannot_be_used(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--hosts", "192.168.1.11", said=SAID.replace("rk1", "My_rk1.local")) == 0
    said = capsys.readouterr().out
    assert (
        '192.168.1.11 calls itself "My_rk1.local", which no node can be called: cluster.toml calls '
        'it "node1". Rename the host: `sudo hostnamectl set-hostname node1`\n'
    ) in said
    assert 'name = "node1"' in (tmp_path / "cluster.toml").read_text()
    again = init("--hosts", "192.168.1.11")
    assert "which no node" not in capsys.readouterr().out
    assert again == 0


def test_init_looks_at_boards_again_and_never_overwrites_settings(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--hosts", "192.168.1.11", status=255, error="Permission denied.") == 2
    (tmp_path / "cluster.toml").write_text("# mine\n")
    capsys.readouterr()
    assert init("--hosts", "192.168.1.11", status=255, error="Permission denied.") == 2
    assert "needs: it does not take your key" in capsys.readouterr().out
    assert init("--hosts", "192.168.1.11") == 0
    assert capsys.readouterr().out.splitlines() == [
        "192.168.1.11  rk1, ubuntu 24.04, aarch64: ready",
        "Everything is current.",
        f"{tmp_path / 'cluster.toml'} is there already, and was left as it is.",
    ]
    assert (tmp_path / "cluster.toml").read_text() == "# mine\n"


def test_a_board_that_could_not_be_asked_for_its_name_gets_it_when_init_looks_again(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--hosts", "192.168.1.11", status=255, error="Permission denied.") == 2
    settings = tmp_path / "cluster.toml"
    assert 'name = "node1"' in settings.read_text()
    capsys.readouterr()
    assert init("--hosts", "192.168.1.11") == 0
    said = (
        'It calls 192.168.1.11 "node1", and that host calls itself "rk1": write name = "rk1" '
        "there, unless you rename the host."
    )
    assert capsys.readouterr().out.splitlines()[-1] == said
    settings.write_text(settings.read_text().replace('name = "node1"', 'name = "rk1"'))
    assert init("--hosts", "192.168.1.11") == 0
    assert "It calls" not in capsys.readouterr().out


def test_boards_that_share_a_hostname_are_told_to_take_the_names_of_the_settings_alone(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    same = SAID.replace("rk1", "ubuntu")
    assert init("--hosts", "192.168.1.11,192.168.1.12", said=same) == 2
    settings = tmp_path / "cluster.toml"
    settings.write_text(settings.read_text().replace('name = "node2"', 'name = "rk2"'))
    capsys.readouterr()
    assert init("--hosts", "192.168.1.11,192.168.1.12", said=same) == 2
    said = capsys.readouterr().out
    assert "set-hostname node1" in said
    assert "set-hostname rk2" in said
    assert "It calls" not in said


def test_settings_without_boards_say_that_the_hosts_are_to_be_written(
    init: Init, tmp_path: Path
) -> None:
    assert init() == 0
    head = (tmp_path / "cluster.toml").read_text().splitlines()[0]
    assert head == "# Laid by pyinfra-swarm init. Write your hosts into it, and run"


def test_init_makes_no_project_of_what_no_run_could_use(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--hosts", "rk1", "--user", "root") == 1
    said = capsys.readouterr().err
    assert "--hosts rk1: is not an IPv4 address" in said
    assert "--user root: root logins are turned off" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--user pi", "--port 2222", "--key /k", "--managers 2"])
def test_what_is_said_of_boards_that_nobody_names_is_refused_and_not_dropped(
    option: str, init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("home", *option.split()) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"pyinfra-swarm init: {option.split()[0]}: no board is named")
    assert "instead: with --hosts ADDRESSES, or --find NETWORK" in said
    assert list(tmp_path.iterdir()) == []


def test_a_clone_gets_settings_and_nothing_else(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("inventory.py", "deploys/site.py", "pyinfra_swarm/cli.py", ".gitignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    there = {*tmp_path.rglob("*")}
    for words in ((), (".",)):
        assert init(*words) == 1
        assert "is a clone of the repository, which is a project already\n    instead: " in (
            capsys.readouterr().err
        )
    assert {*tmp_path.rglob("*")} == there
    assert init("--hosts", "192.168.1.11", "--user", "pi") == 0
    assert f"Next: look at {tmp_path / 'cluster.toml'}" in capsys.readouterr().out
    assert {*tmp_path.rglob("*")} == there | {tmp_path / "cluster.toml"}
    assert tomllib.loads((tmp_path / "cluster.toml").read_text())["ssh"]["user"] == "pi"
    (tmp_path / "cluster.toml").write_text("# mine\n")
    assert init("--hosts", "192.168.1.11") == 0
    assert capsys.readouterr().out.splitlines() == [
        "192.168.1.11  rk1, ubuntu 24.04, aarch64: ready",
        f"{tmp_path / 'cluster.toml'} is there already, and was left as it is.",
    ]
    assert (tmp_path / "cluster.toml").read_text() == "# mine\n"


def test_copies_of_one_image_are_not_called_ready(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = SAID.replace("hostname rk1", "hostname vm")
    assert init("--hosts", "192.168.1.11,192.168.1.12", said=said) == 2
    told = capsys.readouterr().out
    assert ": ready" not in told
    assert "sudo hostnamectl set-hostname node2" in told


def test_no_two_boards_are_told_to_take_one_name(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = '[[hosts]]\nname = "node2"\naddress = "192.168.1.11"\nrole = "manager"\n'
    said = SAID.replace("hostname rk1", "hostname ubuntu")
    init("--hosts", "192.168.1.11", said=said)
    (tmp_path / "cluster.toml").write_text(host)
    capsys.readouterr()
    init("--hosts", "192.168.1.11,192.168.1.12", said=said)
    told = re.findall(r"(192\S+) 'sudo hostnamectl set-hostname (\w+)'", capsys.readouterr().out)
    assert told == [("192.168.1.11", "node2"), ("192.168.1.12", "board2")]


def test_one_board_with_two_addresses_becomes_one_host(
    init: Init,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(asking, "answering", lambda *_: ["192.168.1.11", "192.168.1.12"])
    assert init("--find", "192.168.1.0/24", said=f"{SAID}id 7c\nboot b1\n") == 0
    [host] = tomllib.loads((tmp_path / "cluster.toml").read_text())["hosts"]
    assert (host["name"], host["address"]) == ("rk1", "192.168.1.11")
    told = capsys.readouterr().out
    assert (
        "192.168.1.12 is the board at 192.168.1.11, which has both addresses: it is left out.\n"
        in told
    )
    assert "machine id" not in told


def test_a_repeated_address_makes_no_project(
    init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--hosts", "192.168.1.11,192.168.1.11") == 1
    assert "--hosts 192.168.1.11: is named more than once" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_init_completes_a_project_that_has_no_settings(init: Init, tmp_path: Path) -> None:
    new_project.lay(tmp_path)
    (tmp_path / "cluster.toml").unlink()
    assert init("--hosts", "192.168.1.11") == 0
    assert len(tomllib.loads((tmp_path / "cluster.toml").read_text())["hosts"]) == 1


def test_init_asks_at_a_terminal(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init_command, "_is_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("192.168.1.11 192.168.1.12\nada\n"))
    assert init() == 0
    read = tomllib.loads((tmp_path / "cluster.toml").read_text())
    assert [one["address"] for one in read["hosts"]] == ["192.168.1.11", "192.168.1.12"]
    assert read["ssh"]["user"] == "ada"
    assert "Who logs in there (ubuntu)" in capsys.readouterr().out


def test_init_takes_enter_for_no_boards_and_asks_no_more_in_a_project(
    init: Init, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(init_command, "_is_terminal", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert init() == 0
    assert (tmp_path / "cluster.toml").read_text() == unfilled(EXAMPLE)
    capsys.readouterr()
    assert init() == 0
    assert capsys.readouterr().out == "Everything is current.\n"


@pytest.mark.parametrize(
    ("find", "said"),
    [
        ("192.168.1", "is not a network"),
        ("10.0.0.0/8", "is too large to be searched"),
        ("192.168.1.0", "without the prefix length\n    instead: --find 192.168.1.0/24"),
    ],
)
def test_a_network_that_cannot_be_searched(
    find: str, said: str, init: Init, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init("--find", find) == 1
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_init_takes_those_that_answer(
    init: Init,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(asking, "answering", lambda *_: ["192.168.1.12", "192.168.1.14"])
    assert init("--find", "192.168.1.0/24") == 0
    read = tomllib.loads((tmp_path / "cluster.toml").read_text())
    assert [one["address"] for one in read["hosts"]] == ["192.168.1.12", "192.168.1.14"]
    (tmp_path / "cluster.toml").unlink()
    assert init("--find", "192.168.1.0/24", "--hosts", "192.168.1.14,192.168.2.5") == 0
    read = tomllib.loads((tmp_path / "cluster.toml").read_text())
    wanted = ["192.168.1.14", "192.168.2.5", "192.168.1.12"]
    assert [one["address"] for one in read["hosts"]] == wanted
    monkeypatch.setattr(asking, "answering", lambda *_: [])
    (tmp_path / "cluster.toml").unlink()
    assert init("--find", "192.168.1.0/24") == 1
    assert "nothing in 192.168.1.0/24 answers SSH at port 22" in capsys.readouterr().err
