"""The reference cluster, keys that nobody knows, and many mistakes at once."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from pydantic import ValidationError

from pyinfra_swarm.settings import Host, Settings, SettingsError, UnknownHost
from tests.unit.settings.settings_examples import four_boards, problems, put, the_problem


class TestTheReferenceCluster:
    def test_needs_nothing_but_hosts(self) -> None:
        settings = Settings(hosts=four_boards()["hosts"])
        assert [host.name for host in settings.managers] == ["rk1", "rk2", "rk3"]
        assert [host.name for host in settings.workers] == ["rk4"]
        assert settings.warnings == []

    def test_cannot_be_changed(self) -> None:
        settings = Settings(**four_boards())
        with pytest.raises(ValidationError, match="frozen"):
            settings.hosts[0].address = "10.0.0.1"

    def test_is_reached_at_its_addresses_as_the_common_user(self) -> None:
        host = Settings(**put("ssh", {"user": "pi", "port": 2222, "key": "~/k"})).host("rk2")
        assert (host.ssh_host, host.ssh_port) == ("192.168.1.12", 2222)
        assert (host.ssh_user, host.ssh_key) == ("pi", "~/k")

    def test_is_reached_as_a_host_says_where_it_says_so(self) -> None:
        data = put("hosts.1.ssh_host", "fd00::12")
        data = put("hosts.1.ssh_port", 22022, data)
        data = put("hosts.1.ssh_user", "debian", data)
        host = Settings(**data).host("rk2")
        assert (host.ssh_host, host.ssh_port, host.ssh_user) == ("fd00::12", 22022, "debian")

    def test_keeps_the_keys_of_the_user_who_logs_in_where_no_admin_is_declared(self) -> None:
        settings = Settings(**four_boards())
        (admin,) = settings.admins(settings.hosts[0])
        assert (admin.name, admin.keys) == ("ubuntu", ())

    def test_names_the_host_one_probably_meant(self) -> None:
        with pytest.raises(UnknownHost, match='no host is named "rk11": did you mean "rk1"'):
            Settings(**four_boards()).host("rk11")

    def test_may_be_one_board(self) -> None:
        settings = Settings(hosts=four_boards()["hosts"][:1])
        assert settings.warnings == []

    def test_does_not_depend_on_the_environment_when_given_as_values(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SWARM_CLUSTER__NAME", "other")
        assert Settings(**four_boards()).cluster.name == "home"

    def test_survives_being_read_from_itself(self) -> None:
        settings = Settings(**four_boards())
        assert Settings(**settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("managers", "warning"),
    [
        (2, "2 managers, an even number, tolerate the failure of none: 1 manager would tolerate"),
        (4, "4 managers, an even number, tolerate the failure of 1: 3 managers tolerate as many"),
        (6, "5 managers tolerate as many, 7 tolerate 3"),
        (9, "every change waits for 5 of them"),
    ],
)
def test_a_doubtful_number_of_managers_is_a_warning(managers: int, warning: str) -> None:
    hosts = tuple(
        Host(name=f"m{i}", address=f"10.0.0.{i + 1}", role="manager") for i in range(managers)
    )
    (found,) = Settings(hosts=hosts).warnings
    assert warning in found


class TestUnknownKeys:
    @pytest.mark.parametrize(
        ("path", "instead"),
        [
            ("hosts.0.adress", '"address"'),
            ("hosts.0.label", '"labels"'),
            ("netwrks", "[networks]"),
            ("docker.versoin", '"version"'),
            ("swarm.ingress_subnet", "it belongs in [networks]"),
            ("swarm.availability", "it belongs in [[hosts]]"),
            ("firewall.ssh_source", '"ssh_sources"'),
            ("user", "it belongs in [ssh]"),
            ("hosts.0.user", '"ssh_user"'),
            ("updates.zzz", "one of unattended, time_sync"),
        ],
    )
    def test_suggest_the_nearest_known_one(self, path: str, instead: str) -> None:
        problem = the_problem(put(path, "x"))
        assert problem.field.endswith(path.split(".")[-1])
        assert instead in problem.instead

    @pytest.mark.parametrize(
        "path", ["ssh.password", "swarm.join_token", "docker.daemon.my-secret", "api_key"]
    )
    def test_that_look_like_secrets_are_refused_without_showing_them(self, path: str) -> None:
        problem = the_problem(put(path, "hunter2"))
        assert "secrets are never settings" in problem.reason
        assert "environment variable" in problem.instead
        assert "hunter2" not in str(problem)


class TestManyProblems:
    def test_are_all_reported_at_once(self) -> None:
        data = put("hosts.0.address", "nowhere")
        data = put("hosts.1.name", "rk4", data)
        data = put("docker.version", "new", data)
        data = put("swarm.address_pool", ["192.168.0.0/16"], data)
        data = put("ssh.password", "hunter2", data)
        data = put("colour", "red", data)
        with pytest.raises(SettingsError) as caught:
            Settings(**data)
        assert {problem.field for problem in caught.value.problems} == {
            'hosts[0] "rk1".address',
            'hosts[3] "rk4".name',
            "docker.version",
            "swarm.address_pool[0]",
            "ssh.password",
            "colour",
        }
        text = str(caught.value)
        assert text.startswith("The settings cannot be used: 6 problems")
        assert (
            'hosts[0] "rk1".address = "nowhere"\n    is not an IPv4 address\n    instead:' in text
        )

    @pytest.mark.parametrize("odd", [["x"], [["x"]], {"x": ["x"]}, None, True, -1, "²", 0.5])
    def test_of_kind_do_not_hide_behind_a_traceback(self, odd: Any) -> None:
        paths = [
            f"{section}.{key}"
            for section in ("hosts.0", "access.admins.0", "networks.overlays.0", "firewall.open.0")
            for key in ("name", "address", "role", "labels", "ssh_user", "ssh_port", "port", "keys")
        ]
        paths += [
            f"{section}.0.{key}"
            for section in ("secrets", "configs", "stacks")
            for key in (
                "name",
                "command",
                "env",
                "file",
                "age",
                "sops",
                "newline",
                "files",
                "env.x",
            )
        ]
        for section, field in Settings.model_fields.items():
            keys = getattr(field.annotation, "model_fields", {})
            paths += [section, *(f"{section}.{key}" for key in keys)]
        base = put("access", {"others": "deny", "admins": [{"name": "ada"}]})
        base = put("networks.overlays", [{"name": "backend"}], base)
        base = put("firewall", {"ssh_sources": ["10.0.0.0/8"], "open": [{"port": 1}]}, base)
        for section in ("secrets", "configs", "stacks"):
            base = put(section, [{"name": "x", "file": "x", "env": {}}], base)
        for path in paths:
            with contextlib.suppress(SettingsError):
                Settings(**put(path, odd, base))

    @pytest.mark.parametrize("hosts", ["x", 3, {"a": 1}, [1, "x"], None])
    def test_of_shape_do_not_hide_behind_a_traceback(self, hosts: Any) -> None:
        assert problems({"hosts": hosts, "swarm": 3, "access": {"admins": 1}, "ssh": []})
