"""Where settings come from, which source wins, and what is said about one that cannot be read."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyinfra_swarm import settings
from pyinfra_swarm.settings import lab as lab_source
from pyinfra_swarm.settings import sources as settings_sources
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.settings.conftest import BOARDS, Write, refused

running = lab_source.running  # no other test looks for a lab


class TestTheFile:
    def test_is_the_one_named_by_the_environment(self, write: Write) -> None:
        path = write()
        assert settings.load().host("rk1").address == "192.168.1.11"
        assert str(settings.source()) == f"mine.toml ({path.parent})"
        assert not settings.source().is_lab

    def test_is_read_once(self, write: Write) -> None:
        path = write()
        first = settings.load()
        path.unlink()
        assert settings.load() is first

    def test_that_is_named_but_missing_is_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SWARM_SETTINGS", "/nowhere/cluster.toml")
        text = refused()
        assert 'SWARM_SETTINGS = "/nowhere/cluster.toml"\n    names no file' in text

    @pytest.mark.parametrize("path", ["~nobodyhere/cluster.toml", f"/{'x' * 5000}"])
    def test_that_cannot_be_one_is_an_error_as_well(
        self, monkeypatch: pytest.MonkeyPatch, path: str
    ) -> None:
        monkeypatch.setenv("SWARM_SETTINGS", path)
        assert "names no file" in refused()

    def test_is_cluster_toml_at_the_root_of_the_project(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(settings_sources, "project", lambda: tmp_path)
        (tmp_path / "cluster.toml").write_text(BOARDS)
        settings.load()
        assert str(settings.source()) == f"cluster.toml ({tmp_path})"

    def test_that_is_no_toml_is_an_error_with_its_line(self, write: Write) -> None:
        path = write(BOARDS + '\n[docker]\nversion "28.5.2"\n')
        text = refused()
        assert f"{path}, line 8, column" in text
        assert "is not TOML" in text

    def test_that_ends_too_early_is_an_error(self, write: Write) -> None:
        path = write("[[hosts]")
        assert str(path) in refused()

    def test_that_repeats_a_key_is_told_so(self, write: Write) -> None:
        write(BOARDS + 'name = "rk2"\n')
        text = refused()
        assert "line 6" in text
        assert "name is there already, in line 3: one of the two lines, not both" in text
        assert "or [[hosts]] above it, to begin another one" in text
        write(BOARDS + "[ssh]\nport = 22\n[updates]\n[ssh]\nuser = 'ada'\n")
        assert "is not TOML: Cannot declare [ssh] twice" in refused()
        assert "instead: put it under the [ssh] that is there, in line 6" in refused()
        write(BOARDS + "[ssh]\nport = 22\nport = 2222")
        assert "instead: port is there already, in line 7: one of the two lines" in refused()
        write(BOARDS + "[docker.daemon]\nx = 1\n[docker.daemon]\n")
        assert "is not TOML: Cannot declare [docker.daemon] twice" in refused()

    @pytest.mark.parametrize(
        ("name", "line"), [("hosts", 'name = "rk1"'), ("access.admins", 'name = "ada"')]
    )
    def test_in_which_a_table_that_repeats_has_single_brackets_is_told_which_line(
        self, write: Write, name: str, line: str
    ) -> None:
        write(f"[{name}]\n{line}\n\n[[{name}]]\n{line}\n")
        assert refused().endswith(f"instead: [[{name}]], in double brackets, in line 1")
        write(f"[[{name}]]\n{line}\n[{name}]\n{line}\n")
        assert refused().endswith("in double brackets, in line 3")
        write(f"[{name}]\n{line}\n[{name}]\n{line}\n")
        assert refused().endswith("in double brackets, in lines 1 and 3")

    @pytest.mark.parametrize(
        ("line", "where", "quote"),
        [
            ('name = "home', "line 2", '"'),
            ('name = "home', "at its end", '"'),
            ("name = 'home", "line 2", "'"),
            ('name = """home', "line 2", '"""'),
            ("name = '''home", "line 2", "'''"),
        ],
    )
    def test_in_which_a_text_is_not_closed_is_told_so(
        self, write: Write, line: str, where: str, quote: str
    ) -> None:
        path = write(f"[cluster]\n{line}" + ("" if where == "at its end" else "\n[ssh]\n"))
        said = refused()
        assert f"{path}, {where}" in said
        assert "is not TOML: a text is not closed\n" in said
        assert f"instead: the other quote, {quote}, where the text ends" in said

    @pytest.mark.parametrize(
        "line", ["name = home", "name = “home”", "name = 10.201.0.0/24", "name = 192.168.1.1"]
    )
    def test_in_which_a_text_has_no_quotes_is_told_so(self, write: Write, line: str) -> None:
        write(f"[cluster]\n{line}\n")
        assert 'instead: a text stands in straight quotes, as in name = "rk1"' in refused()

    @pytest.mark.parametrize(
        ("line", "instead"),
        [
            ("time_sync = yes", "true, in small letters and without quotes"),
            ("time_sync = Off", "false, in small letters and without quotes"),
            ("open = [ { port = 80,\n sources = [] } ]", "a table in braces on one line"),
            ("open = [ { port = 80 # web\n } ]", "a table in braces on one line"),
            ("open = [ { port = 80, } ]", "no comma in front of }"),
            (
                "web_ports = [80, 443",
                "a comma between two items of a list, each text in two quotes, and ] at",
            ),
            ('open = [ { port = 80 protocol = "udp" } ]', "a comma between two keys"),
            ("time_sync: true", '= between a key and its value, as in name = "rk1"'),
            (r'key = "C:\Users\ada"', "two backslashes for one, or the text in single quotes"),
            (r'key = "keys\id"', "two backslashes for one, or the text in single quotes"),
        ],
    )
    def test_is_told_what_toml_has_in_its_place(
        self, write: Write, line: str, instead: str
    ) -> None:
        write(f"{BOARDS}[updates]\n{line}\n")
        assert f"instead: {instead}" in refused()

    def test_that_is_not_text_is_an_error(self, write: Write) -> None:
        write().write_bytes(b"\xff[")
        text = refused()
        assert "is not UTF-8 text\n" in text
        assert "1 problem" in text

    def test_may_begin_with_the_mark_that_editors_on_windows_write(self, write: Write) -> None:
        write(env="SWARM_SSH__PORT=2222\n")
        path = write("\ufeff" + BOARDS, env="\ufeffSWARM_SSH__PORT=2222\r\n")
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        assert settings.load().ssh.port == 2222

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
    def test_in_another_encoding_is_told_which(self, write: Write, encoding: str) -> None:
        path = write()
        path.write_bytes(BOARDS.encode(encoding))
        assert "is not UTF-8 text but UTF-16\n    instead: save the file as UTF-8" in refused()
        path.write_text(BOARDS)
        (path.parent / ".env").write_bytes("A=1\n".encode(encoding))
        assert "is not UTF-8 text but UTF-16\n    instead: save the file as UTF-8" in refused()

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            (f"x = {'9' * 5000}\n", "holds a number with more than 4300 digits"),
            (f"x = {'[' * 3000}{']' * 3000}\n", "has brackets in brackets"),
        ],
    )
    def test_that_python_gives_up_on_is_an_error(
        self, write: Write, text: str, reason: str
    ) -> None:
        path = write(text + BOARDS)
        assert f"{path}\n    {reason}" in refused()

    def test_is_named_above_its_problems(self, write: Write) -> None:
        path = write(BOARDS + "colour = 1\n")
        assert f"1 problem in mine.toml ({path.parent})" in refused()


class TestWithoutAFile:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "deploys").mkdir()
        for name in ("inventory.py", "deploys/site.py"):
            (tmp_path / name).write_text("")
        monkeypatch.setattr(settings_sources, "project", lambda: tmp_path)
        return tmp_path

    @pytest.mark.usefixtures("folder")
    def test_there_are_two_ways_on(self) -> None:
        text = refused()
        assert "copy cluster.example.toml to cluster.toml" in text
        assert "make lab-up" in text

    @pytest.mark.usefixtures("folder")
    def test_the_lab_is_no_way_on_where_there_is_none(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("pyinfra_swarm.settings.lab.available", lambda: False)
        text = refused()
        assert "copy cluster.example.toml to cluster.toml" in text
        assert "lab is running" not in text
        assert "make lab-up" not in text

    def test_a_folder_that_is_no_project_is_called_so(self, folder: Path) -> None:
        (folder / "inventory.py").unlink()
        text = refused()
        assert f"{folder} is not a project" in text
        assert "pyinfra-swarm init FOLDER" in text
        assert "cluster.example.toml" not in text


class TestVariables:
    def test_win_over_dotenv_which_wins_over_the_file(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(
            BOARDS + '[docker]\nversion = "1.1.1"\nlog_max_size = "1m"\nlog_max_files = 1\n',
            env="SWARM_DOCKER__VERSION=2.2.2\nSWARM_DOCKER__LOG_MAX_SIZE=2m\nOTHER=x\n",
        )
        monkeypatch.setenv("SWARM_DOCKER__VERSION", "3.3.3")
        docker = settings.load().docker
        assert (docker.version, docker.log_max_size, docker.log_max_files) == ("3.3.3", "2m", 1)

    def test_hold_lists_and_tables_as_json(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write()
        monkeypatch.setenv("SWARM_SWARM__ADDRESS_POOL", '["10.9.0.0/16"]')
        monkeypatch.setenv("SWARM_DOCKER__DAEMON", '{"dns": ["192.168.1.1"]}')
        monkeypatch.setenv(
            "SWARM_HOSTS", '[{"name": "a", "address": "10.1.1.1", "role": "manager"}]'
        )
        loaded = settings.load()
        assert loaded.swarm.address_pool == ("10.9.0.0/16",)
        assert loaded.docker.daemon == {"dns": ["192.168.1.1"]}
        assert [host.name for host in loaded.hosts] == ["a"]

    def test_are_named_where_their_value_is_wrong(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = write(env="SWARM_SSH__PORT=many\n")
        monkeypatch.setenv("SWARM_DOCKER__USERS", "pi")
        monkeypatch.setenv("SWARM_HOSTS", '[{"name": "a", "address": "10.1", "role": "manager"}]')
        text = refused()
        assert 'docker.users (from SWARM_DOCKER__USERS in the environment) = "pi"' in text
        assert f"ssh.port (from SWARM_SSH__PORT in .env ({path.parent}))" in text
        assert 'hosts[0] "a".address (from SWARM_HOSTS in the environment) = "10.1"' in text

    @pytest.mark.parametrize(
        ("name", "value", "said"),
        [
            ("SWARM_SSH__KEY", "/nowhere/id", "ssh.key (from SWARM_SSH__KEY in the environment)"),
            ("swarm_ssh__port", "x", "ssh.port (from swarm_ssh__port in the environment)"),
            ("SWARM_SSH", '{"port": 0}', "ssh.port (from SWARM_SSH in the environment)"),
            ("SWARM_SSH", '{"prot": 0}', "ssh.prot (from SWARM_SSH in the environment)"),
            (
                "SWARM_DOCKER__DAEMON__HOSTS",
                "x",
                "docker.daemon.hosts (from SWARM_DOCKER__DAEMON__HOSTS in the environment)",
            ),
            (
                "SWARM_NETWORKS__INGRESS_SUBNET",
                "10.200.0.0/24",
                "subnet (from SWARM_NETWORKS__INGRESS_SUBNET in the environment) = ",
            ),
            (
                "SWARM_SWARM__ADDRESS_POOL",
                '["10.201.0.0/16"]',
                "address_pool[0] (from SWARM_SWARM__ADDRESS_POOL in the environment) = 10.201",
            ),
            (
                "SWARM_FIREWALL__WEB",
                "listed",
                'while firewall.web (from SWARM_FIREWALL__WEB in the environment) = "listed"',
            ),
            ("SWARM_DOCKER__USERS", "['pi']", "instead: JSON, in which texts are in double quotes"),
            ("SWARM_SSH", "port=22", "instead: JSON, in which texts are in double quotes"),
        ],
    )
    def test_are_named_whatever_is_wrong_with_their_value(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
    ) -> None:
        write()
        monkeypatch.setenv(name, value)
        text = refused()
        assert said in text
        assert "1 problem" in text

    @pytest.mark.parametrize(
        ("name", "meant"),
        [
            ("SWARM_SSH__PROT", "SWARM_SSH__PORT"),
            ("SWARM_SSH_PORT", "SWARM_SSH__PORT"),
            ("SWARM_SETTING", "SWARM_SETTINGS"),
            ("SWARM_HOST", "SWARM_HOSTS"),
        ],
    )
    def test_that_are_unknown_suggest_the_nearest(
        self, write: Write, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
    ) -> None:
        write()
        monkeypatch.setenv(name, "1")
        text = refused()
        assert f"{name} in the environment\n    is not a setting\n    instead: {meant}" in text
        assert "1 problem" in text

    def test_that_look_secret_are_refused_without_their_value(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(env="SWARM_JOIN_TOKEN=hunter1\n")
        monkeypatch.setenv("SWARM_REGISTRY_PASSWORD", "hunter2")
        text = refused()
        assert "SWARM_REGISTRY_PASSWORD in the environment" in text
        assert "settings hold no secrets" in text
        assert "hunter" not in text

    def test_of_other_parts_are_left_alone(
        self, write: Write, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write()
        monkeypatch.setenv("SWARM_REASONS", "/dev/null")
        settings.load()

    def test_of_other_parts_do_nothing_in_dotenv_and_are_refused_there(self, write: Write) -> None:
        write(env="SWARM_REASONS=/dev/null\n")
        assert "is read from the environment only" in refused()

    def test_in_a_broken_line_of_dotenv_are_reported(self, write: Write) -> None:
        path = write(env="A=1\n'broken\n")
        assert f"{path.parent / '.env'}, line 2" in refused()


class TestKeyFiles:
    KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA ada"

    def admin(self, path: Path) -> str:
        return f'{BOARDS}[access]\nadmins = [{{ name = "ubuntu", keys_file = "{path}" }}]\n'

    def test_are_read_into_the_keys(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "ada.pub").write_text(f" # mine\r\n\t{self.KEY} \r\n \r\n")
        write(self.admin(tmp_path / "ada.pub"))
        assert settings.load().access.admins[0].keys == (self.KEY,)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "holds no key"),
            ("hello\n", "line 1 is not an SSH public key"),
            (f"#\n{KEY.replace(' ', chr(0xA0))}\n", "line 2 has a blank that SSH does not know"),
            (f"{KEY}\v\n", "line 1 has a blank that SSH does not know (U+000B)"),
            (f"{KEY}\f{KEY}\n", "line 1 has a blank that SSH does not know (U+000C)"),
            ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blbn\n", "holds a private key"),
        ],
    )
    def test_that_hold_no_public_key_are_refused(
        self, write: Write, tmp_path: Path, content: str, reason: str
    ) -> None:
        (tmp_path / "ada").write_text(content)
        write(self.admin(tmp_path / "ada"))
        text = refused()
        assert f'access.admins[0] "ubuntu".keys_file = "{str(tmp_path)[:20]}' in text
        assert reason in text
        assert "b3Blbn" not in text

    def test_that_are_missing_are_named(self, write: Write, tmp_path: Path) -> None:
        write(self.admin(tmp_path / "gone.pub"))
        assert "cannot be read: No such file" in refused()

    @pytest.mark.parametrize("path", ["~nobodyhere/ada.pub", "/a\\u0000b", f"/{'x' * 5000}"])
    def test_that_cannot_be_looked_for_are_named_once(self, write: Write, path: str) -> None:
        write(f'{self.admin(Path(path))}[ssh]\nkey = "{path}"\n')
        text = refused()
        assert "2 problems" in text
        assert 'access.admins[0] "ubuntu".keys_file = "' in text
        assert 'ssh.key = "' in text

    def test_to_log_in_with_must_exist(self, write: Write) -> None:
        write(BOARDS + '[ssh]\nkey = "/nowhere/id"\n')
        text = refused()
        assert 'ssh.key = "/nowhere/id"\n    names no file on this machine' in text


class TestTheLab:
    @pytest.fixture
    def lab(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        key = tmp_path / "key"
        key.write_text("")
        described = SimpleNamespace(
            hosts=[
                SimpleNamespace(
                    name=f"h{number}",
                    address=f"10.77.0.{number}",
                    address6=f"fd77::{number}",
                    role="worker" if number == 4 else "manager",
                    ssh_host="127.0.0.1",
                    ssh_port=22000 + number,
                    user="debian",
                )
                for number in (1, 2, 3, 4)
            ],
            ssh_key=key,
            known_hosts=tmp_path / "known_hosts",
            docker_key_fingerprint="0123456789ABCDEF0123456789ABCDEF01234567",
        )
        monkeypatch.setattr(settings_sources, "project", lambda: tmp_path)
        monkeypatch.setattr(lab_source, "running", lambda: lab_source.as_settings(described))
        return described

    def test_is_the_cluster_where_there_is_no_file(self, lab: Any) -> None:
        loaded = settings.load()
        assert str(settings.source()) == "the lab"
        assert settings.source().is_lab
        assert loaded.docker.key_fingerprint == lab.docker_key_fingerprint
        assert loaded.host("h4").role == "worker"
        assert loaded.host("h2").ssh_port == 22002
        assert loaded.host("h2").ssh_user == loaded.ssh.user == "debian"
        assert loaded.host("h2").ssh_key == str(lab.ssh_key)
        assert loaded.ssh.strict_host_keys == "yes"

    @pytest.mark.parametrize(("folder", "found"), [(ROOT, True), (Path("/elsewhere"), False)])
    def test_is_the_one_of_the_clone_by_whatever_path(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lab: Any, folder: Path, found: bool
    ) -> None:
        (tmp_path / "clone").symlink_to(folder)
        spec = SimpleNamespace(origin=str(tmp_path / "clone/lab/__init__.py"))
        monkeypatch.setattr("importlib.util.find_spec", lambda name: spec)
        described = SimpleNamespace(read=lambda: lab)
        monkeypatch.setattr("importlib.import_module", lambda name: described)
        assert (running() == lab_source.as_settings(lab)) == found

    def test_is_overridden_by_variables(self, lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SWARM_DOCKER__VERSION", "26.1.5")
        assert settings.load().docker.version == "26.1.5"

    def test_is_not_used_where_a_file_is_named(self, lab: Any, write: Write) -> None:
        write()
        assert not settings.source().is_lab


class TestTheUnlockKey:
    def declared(self, place: Path) -> str:
        return f'{BOARDS}\n[swarm]\nautolock = true\nunlock_key_file = "{place}"\n'

    def test_may_be_kept_anywhere_else(self, write: Write, tmp_path: Path) -> None:
        write(self.declared(tmp_path / "unlock-key"))
        assert settings.load().swarm.unlock_key_path == tmp_path / "unlock-key"

    def test_is_not_kept_in_a_repository(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "mine/.git").mkdir(parents=True)
        write(self.declared(tmp_path / "mine/keys/unlock-key"))
        assert f"is inside a git repository, {tmp_path}/mine" in refused()

    def test_is_not_kept_where_a_link_leads_into_the_project(
        self, write: Write, tmp_path: Path
    ) -> None:
        (tmp_path / "keys").symlink_to(ROOT)
        write(self.declared(tmp_path / "keys/unlock-key"))
        assert "leads into the project's folder" in refused()

    @pytest.mark.parametrize("path", ["~nobodyhere/key", "/a\\u0000b"])
    def test_is_not_kept_where_nothing_can_be(self, write: Write, path: str) -> None:
        write(self.declared(Path(path)))
        assert "1 problem" in refused()

    def test_is_looked_for_past_a_link_to_itself(self, write: Write, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to(tmp_path / "loop")
        write(self.declared(tmp_path / "loop/key"))
        settings.load()

    def test_can_be_named_by_a_variable(
        self, write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write()
        monkeypatch.setenv("SWARM_SWARM__UNLOCK_KEY_FILE", "~/unlock-key")
        assert settings.load().swarm.unlock_key_path == Path.home() / "unlock-key"
