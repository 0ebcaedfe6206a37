"""Where an engine will listen, by its arguments and by what systemd would start."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.doors.engine_hosts import (
    FOLDERS,
    of_arguments,
    of_daemon_json,
    of_files,
    of_units,
    over_the_network,
)

SHIPPED = [
    "[Service]",
    "ExecStart=/usr/bin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock",
    "[Socket]",
    "ListenStream=/run/docker.sock",
]


@pytest.mark.parametrize(
    "words",
    [
        ["dockerd", "-H", "tcp://0.0.0.0:2375"],
        ["dockerd", "-H=tcp://0.0.0.0:2375"],
        ["dockerd", "-Htcp://0.0.0.0:2375"],
        ["dockerd", "--host", "tcp://0.0.0.0:2375"],
        ["dockerd", "--host=tcp://0.0.0.0:2375", "-H", "fd://"],
        ["dockerd", "-DH", "tcp://0.0.0.0:2375"],
        ["dockerd", "-DHtcp://0.0.0.0:2375", "--tls=false"],
        ["dockerd", "-H", "fd://", "-H", "tcp://0.0.0.0:2375"],
        ["dockerd", "-H", "tcp://0.0.0.0:2375", "--host"],
        ["dockerd", "-H", "tcp://0.0.0.0:2375", "-H"],
    ],
)
def test_every_way_to_name_a_host(words: list[str]) -> None:
    assert over_the_network(of_arguments(words)) == ("tcp://0.0.0.0:2375",)


@pytest.mark.parametrize(
    "words",
    [
        ["dockerd", "tcp://0.0.0.0:2375"],
        ["dockerd", "--hosts", "tcp://0.0.0.0:2375"],
        ["dockerd", "-G", "tcp://0.0.0.0:2375", "x-H", "tcp://0.0.0.0:2375"],
        ["dockerd", "-host", "tcp://0.0.0.0:2375"],
        ["dockerd", "-H", "fd://", "--containerd=tcp://0.0.0.0:2375"],
        ["dockerd", "-H", "-H", "tcp://0.0.0.0:2375"],
        ["dockerd", "--host", "--host", "tcp://0.0.0.0:2375"],
    ],
)
def test_other_words_name_no_host(words: list[str]) -> None:
    assert "tcp://0.0.0.0:2375" not in of_arguments(words)


def test_the_packages_units_have_no_door() -> None:
    assert over_the_network(of_units(SHIPPED, [])) == ()


def test_a_drop_in_takes_the_units_own_command_away_and_gives_another() -> None:
    drop_in = ["ExecStart=", "ExecStart=/usr/bin/dockerd -H fd:// \\", "  -H tcp://0.0.0.0:2375"]
    assert over_the_network(of_units([*SHIPPED, *drop_in], [])) == ("tcp://0.0.0.0:2375",)
    taken_back = [*SHIPPED, *drop_in, "ExecStart=", "ExecStart=/usr/bin/dockerd -H fd://"]
    assert over_the_network(of_units(taken_back, [])) == ()


def test_options_in_a_file_count_only_where_the_unit_uses_them() -> None:
    defaults = ['DOCKER_OPTS="-H tcp://0.0.0.0:2375"']
    assert over_the_network(of_units(SHIPPED, defaults)) == ()
    for variable in ("$DOCKER_OPTS", "${DOCKER_OPTS}"):
        using = [f"ExecStart=/usr/bin/dockerd {variable}"]
        assert over_the_network(of_units(using, defaults)) == ("tcp://0.0.0.0:2375",)


def test_each_command_of_a_unit_counts_and_so_does_what_follows_an_equals_sign() -> None:
    one = "ExecStart=dockerd -H tcp://a:1 --containerd=/run/containerd/containerd.sock"
    other = "ExecStart = dockerd -H tcp://b:2 "
    more = ["ExecStartPre=dockerd -H tcp://c:3", "ExecStartPost=", "ExecReload=", "[Install]"]
    assert of_units([one, other, *more], []) == ["tcp://a:1", "tcp://b:2"]


@pytest.mark.parametrize("end", ["\\", "\\ ", "\\\t"])
def test_a_line_that_ends_in_a_backslash_goes_on(end: str) -> None:
    assert of_units([f"ExecStart=dockerd -H{end}", "tcp://a:1"], []) == ["tcp://a:1"]
    assert of_units([f"ExecStart=dockerd -H tcp://a:1{end}", "--debug"], []) == ["tcp://a:1"]


def test_a_socket_of_systemds_is_a_door() -> None:
    lines = ["ListenStream=2375", "ListenStream = /run/docker.sock", "ListenStream=@docker"]
    assert of_units(lines, []) == ["tcp://2375"]
    assert of_units([*lines, "ListenStream=", "ListenStream=[::1]:2376"], []) == [
        "tcp://[::1]:2376"
    ]
    assert of_units(["ListenDatagram=2375", "FileDescriptorName=docker"], []) == []


TCP = ["[Service]", "ExecStart=", "ExecStart=dockerd -H tcp://[::]:2375"]
BACK = ["[Service]", "ExecStart=", "ExecStart=dockerd -H fd://"]


@pytest.mark.parametrize(
    ("files", "open_"),
    [
        ({(6, "docker.service"): SHIPPED}, False),
        ({(6, "docker.service"): SHIPPED, (3, "docker.service.d/a.conf"): TCP}, True),
        # The unit of a folder that comes before hides the other.
        ({(6, "docker.service"): TCP, (3, "docker.service"): SHIPPED}, False),
        ({(6, "docker.service"): TCP, (3, "docker.service"): []}, False),
        # Drop-ins are read by their names, whatever folder they are in.
        ({(3, "docker.service.d/a.conf"): TCP, (6, "docker.service.d/b.conf"): BACK}, False),
        ({(3, "docker.service.d/b.conf"): TCP, (6, "docker.service.d/a.conf"): BACK}, True),
        ({(3, "docker.service.d/a.conf"): BACK, (6, "docker.service.d/a.conf"): TCP}, False),
        ({(3, "docker.service.d/a.conf"): TCP, (6, "docker.service.d/a.conf"): BACK}, True),
        # Those of all services count for this one, but not against its own of the same name.
        ({(6, "docker.service"): SHIPPED, (3, "service.d/z.conf"): TCP}, True),
        ({(3, "service.d/a.conf"): TCP, (6, "docker.service.d/a.conf"): BACK}, False),
        ({(3, "docker.socket"): ["[Socket]", "ListenStream=2375"]}, True),
        ({(3, "socket.d/a.conf"): ["[Socket]", "ListenStream=2375"]}, True),
        ({(3, "other.service"): TCP, (3, "docker.service.d"): TCP}, False),
    ],
)
def test_files_count_as_systemd_will_read_them(
    files: dict[tuple[int, str], list[str]], open_: bool
) -> None:
    assert bool(over_the_network(of_files(files, []))) == open_


def test_what_names_no_address_is_no_door() -> None:
    assert over_the_network(["", "fd://", "unix:///run/docker.sock", "npipe:////x"]) == ()
    assert over_the_network(["tcp://a", "0.0.0.0:1", "tcp://a"]) == ("tcp://a", "0.0.0.0:1")


def test_a_comment_is_no_command_and_ends_no_line() -> None:
    lines = [
        "# ExecStart=dockerd -H tcp://[::]:1 \\",
        "ExecStart=dockerd \\",
        "; why",
        "-H tcp://x",
    ]
    assert of_units(lines, []) == ["tcp://x"]


def test_options_of_a_file_count_where_a_unit_uses_them_that_is_not_read_yet() -> None:
    files = {(3, "docker.service"): ["ExecStart=/usr/bin/dockerd $DOCKER_OPTS"]}
    assert of_files(files, ['DOCKER_OPTS="-H tcp://0.0.0.0:2375"']) == ["tcp://0.0.0.0:2375"]


def test_options_may_hold_equals_signs() -> None:
    using = ["ExecStart=/usr/bin/dockerd $DOCKER_OPTS"]
    assert of_units(using, ["DOCKER_OPTS=--host=tcp://a:1"]) == ["tcp://a:1"]


def test_hosts_in_daemon_json() -> None:
    text = '{"hosts": ["unix:///run/docker.sock", "0.0.0.0:2375"]}'
    assert over_the_network(of_daemon_json(text)) == ("0.0.0.0:2375",)
    assert of_daemon_json('{"hosts": "tcp://0.0.0.0:2375"}') == ["tcp://0.0.0.0:2375"]
    for broken in ("", "[]", "{", "null", '{"hosts": null}'):
        assert of_daemon_json(broken) == []


@given(st.lists(st.text(max_size=40), max_size=6), st.lists(st.text(max_size=40), max_size=2))
def test_any_text_is_taken(lines: list[str], defaults: list[str]) -> None:
    assert all(isinstance(one, str) for one in of_units(lines, defaults))
    assert isinstance(of_daemon_json("\n".join(lines)), list)


def test_folders_are_those_of_systemd_the_first_before_the_others() -> None:
    """systemd.unit(5), “System Unit Search Path”, without what is made anew at each reload."""
    assert FOLDERS == (
        "/etc/systemd/system.control",
        "/run/systemd/system.control",
        "/run/systemd/transient",
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
    )
