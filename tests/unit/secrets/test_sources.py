"""Where values come from: each source read as it is, each failure told without the value."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyrage
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinfra_swarm.run import age_encryption
from pyinfra_swarm.secrets.sources import LARGEST, Unreadable, Value, read, read_all
from tests.canary import encrypt, sops
from tests.unit.secrets.conftest import Program, config, git, secret

VALUE = b"hunter2-\xc3\xa4\x00\xff-hunter2"


def unreadable(declared: Any, base: Path) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        read(declared, base)
    said = f"{caught.value.problem} {caught.value.remedy}"
    assert "hunter2" not in said
    assert said.isprintable()
    assert caught.value.remedy
    return caught.value


class TestAFile:
    def test_is_taken_as_it_is(self, tmp_path: Path) -> None:
        for value in (VALUE, b"x\n", b"\n\n", b" "):
            (tmp_path / "db").write_bytes(value)
            assert read(secret(file="db"), tmp_path).data == value

    def test_loses_one_line_end_where_that_is_declared(self, tmp_path: Path) -> None:
        for value, left in ((b"x\n", b"x"), (b"x\r\n", b"x"), (b"x\n\n", b"x\n"), (b"x", b"x")):
            (tmp_path / "db").write_bytes(value)
            assert read(secret(file="db", newline="strip"), tmp_path).data == left

    def test_is_found_from_the_settings_the_root_and_the_home(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "secrets").mkdir()
        (tmp_path / "secrets/db").write_bytes(VALUE)
        monkeypatch.setenv("HOME", str(tmp_path))
        for path in ("secrets/db", "./secrets/db", str(tmp_path / "secrets/db"), "~/secrets/db"):
            assert read(secret(file=path), tmp_path).data == VALUE

    def test_may_be_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "kept").write_bytes(VALUE)
        (tmp_path / "db").symlink_to("kept")
        assert read(secret(file="db"), tmp_path).data == VALUE

    def test_that_is_not_there_is_told_by_its_path(self, tmp_path: Path) -> None:
        error = unreadable(secret(file="db"), tmp_path)
        assert error.problem == f'file = "db": there is no {tmp_path}/db'

    def test_that_is_none_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "db").mkdir()
        assert "cannot be read" in unreadable(secret(file="db"), tmp_path).problem
        subprocess.run(["mkfifo", str(tmp_path / "pipe")], check=True)
        assert "not a plain file" in unreadable(secret(file="pipe"), tmp_path).problem


class TestALength:
    @pytest.mark.parametrize(("make", "most"), [(secret, 511_999), (config, 1_023_999)])
    def test_is_what_the_engine_takes(self, make: Any, most: int, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"a" * most)
        assert len(read(make(file="x"), tmp_path).data) == most == LARGEST[make(file="x").kind]
        for more in (1, 3, 100):
            (tmp_path / "x").write_bytes(b"a" * (most + more))
            said = unreadable(make(file="x"), tmp_path).problem
            assert str(most + more) in said or "longer than" in said
        (tmp_path / "x").write_bytes(b"a" * most + b"\r\n")
        assert len(read(make(file="x", newline="strip"), tmp_path).data) == most

    @pytest.mark.parametrize("value", [b"", b"\n", b"\r\n"])
    def test_of_nothing_is_refused(self, value: bytes, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(value)
        error = unreadable(secret(file="x", newline="strip"), tmp_path)
        assert error.problem == 'file = "x": the value is empty'


class TestAVariable:
    def test_is_that_of_the_environment(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DB", "hunter2 ü\n")
        (tmp_path / ".env").write_text("DB=other\n")
        assert read(secret(env="DB"), tmp_path).data == "hunter2 ü".encode()
        assert read(secret(env="DB", newline="keep"), tmp_path).data == "hunter2 ü\n".encode()

    def test_is_that_of_dotenv_beside_the_settings_as_it_is_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", "/nowhere")
        (tmp_path / ".env").write_text("A=plain\nB='hunter2 ${HOME} $HOME'\nC=\"two\\nlines\"\n")
        assert read(secret(env="A"), tmp_path).data == b"plain"
        assert read(secret(env="B"), tmp_path).data == b"hunter2 ${HOME} $HOME"
        assert read(secret(env="C"), tmp_path).data == b"two\nlines"

    def test_that_is_not_set_is_told_where_it_could_be(self, tmp_path: Path) -> None:
        error = unreadable(secret(env="NOT_SET_AT_ALL"), tmp_path)
        assert "neither in the environment nor in" in error.problem
        assert str(tmp_path / ".env") in error.problem

    def test_that_is_set_to_nothing_is_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DB", "")
        assert "is empty" in unreadable(secret(env="DB"), tmp_path).problem

    def test_of_a_dotenv_that_cannot_be_read_is_told_so(self, tmp_path: Path) -> None:
        (tmp_path / ".env").write_text("hunter2 hunter2\nDB='hunter2\n")
        assert "is not a variable" in unreadable(secret(env="DB"), tmp_path).problem


class TestACommand:
    def test_runs_without_a_shell_beside_the_settings(self, tmp_path: Path) -> None:
        words = [sys.executable, "-c", "import os,sys; print(os.getcwd(), sys.argv[1:])", "$HOME *"]
        said = read(secret(command=words), tmp_path).data.decode()
        assert said == f"{tmp_path} ['$HOME *']"

    def test_may_be_a_program_of_the_project(self, tmp_path: Path) -> None:
        (tmp_path / "get").write_text("#!/bin/sh\nprintf '%s' \"$1\"\n")
        (tmp_path / "get").chmod(0o755)
        assert read(secret(command=["./get", "a b"]), tmp_path).data == b"a b"

    def test_loses_its_line_end_unless_that_is_kept(self, program: Program, tmp_path: Path) -> None:
        program("get", "echo hunter2; echo")
        assert read(secret(command=["get"]), tmp_path).data == b"hunter2\n"
        assert read(secret(command=["get"], newline="keep"), tmp_path).data == b"hunter2\n\n"

    def test_that_fails_is_told_with_what_it_says_and_not_with_what_it_prints(
        self, program: Program, tmp_path: Path
    ) -> None:
        program(
            "get", "echo hunter2; printf '\\033[31mno such item: hunter2\\033[0m\\n' >&2; exit 3"
        )
        error = unreadable(secret(command=["get", "lab/db"]), tmp_path)
        assert error.problem == "`get lab/db` ended with status 3: no such item: (not shown)"

    def test_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        error = unreadable(secret(command=["no-such-program"]), tmp_path)
        assert error.problem == "there is no program no-such-program on this computer"
        error = unreadable(secret(command=["~/get"]), tmp_path)
        assert "no shell puts a home in the place of ~" in error.problem


class TestAge:
    @pytest.fixture
    def key(self, tmp_path: Path) -> str:
        identity = pyrage.x25519.Identity.generate()
        (tmp_path / "key").write_text(f"# made by age-keygen\n{identity}\n")
        return str(identity.to_public())

    def test_opens_a_file_with_its_identity(self, key: str, tmp_path: Path) -> None:
        (tmp_path / "db.age").write_bytes(age_encryption.encrypt(VALUE + b"\n", [key]))
        age = {"file": "db.age", "identity": "key"}
        assert read(secret(age=age), tmp_path).data == VALUE + b"\n"
        assert read(secret(age=age, newline="strip"), tmp_path).data == VALUE

    def test_opens_one_in_armour(self, key: str, tmp_path: Path) -> None:
        to = pyrage.x25519.Recipient.from_str(key)
        armoured = pyrage.encrypt(VALUE, [to], armored=True)
        assert armoured.startswith(b"-----BEGIN AGE ENCRYPTED FILE-----")
        (tmp_path / "db.age").write_bytes(armoured)
        assert read(secret(age={"file": "db.age", "identity": "key"}), tmp_path).data == VALUE

    def test_opens_one_with_an_ssh_key(self, tmp_path: Path) -> None:
        path = tmp_path / "id"
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        public = (tmp_path / "id.pub").read_text().strip()
        (tmp_path / "db.age").write_bytes(age_encryption.encrypt(VALUE, [public]))
        assert read(secret(age={"file": "db.age", "identity": "id"}), tmp_path).data == VALUE

    def test_is_told_apart_from_a_file_for_another_and_from_none(
        self, key: str, tmp_path: Path
    ) -> None:
        other = str(pyrage.x25519.Identity.generate().to_public())
        declared = secret(age={"file": "db.age", "identity": "key"})
        (tmp_path / "db.age").write_bytes(age_encryption.encrypt(VALUE, [other]))
        assert "not encrypted to this identity" in unreadable(declared, tmp_path).problem
        (tmp_path / "db.age").write_bytes(b"hunter2")
        assert "not encrypted by age" in unreadable(declared, tmp_path).problem
        (tmp_path / "db.age").unlink()
        assert "there is no" in unreadable(declared, tmp_path).problem
        (tmp_path / "key").unlink()
        (tmp_path / "db.age").write_bytes(age_encryption.encrypt(VALUE, [key]))
        error = unreadable(declared, tmp_path)
        assert error.problem == f'age.identity = "key": there is no {tmp_path}/key'

    def test_asks_nobody_for_a_passphrase(self, tmp_path: Path) -> None:
        path = tmp_path / "id"
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "hunter2", "-f", str(path)]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        public = (tmp_path / "id.pub").read_text().strip()
        (tmp_path / "db.age").write_bytes(age_encryption.encrypt(VALUE, [public]))
        error = unreadable(secret(age={"file": "db.age", "identity": "id"}), tmp_path)
        assert "has a passphrase" in error.problem

    def test_needs_a_library_that_is_an_extra(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(age_encryption, "available", lambda: False)
        error = unreadable(secret(age={"file": "db.age", "identity": "key"}), tmp_path)
        assert "pyrage, which decrypts it, is not installed" in error.problem
        assert "pip install 'pyinfra-swarm[secrets]'" in error.remedy


class TestSops:
    """With the program itself, 3.11; `--decrypt --extract` is as old as `--extract` is."""

    @pytest.fixture
    def encrypted(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        text = (
            "db:\n  password: 'hunter2'\n  the.key: x y\n  port: 5432\n  on: true\n"
            "  text: |\n    hunter2\n    hunter2\n"
            "users:\n- name: ada\n"
        )
        monkeypatch.setenv("PATH", f"{sops().parent}:{os.environ['PATH']}")
        monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "sops.identity"))
        encrypt(tmp_path, "secrets.yaml", text.encode())
        return tmp_path

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("db.password", b"hunter2"),
            ('["db"]["the.key"]', b"x y"),
            ("['db']['the.key']", b"x y"),
            ("db.text", b"hunter2\nhunter2\n"),
            ("db.port", b"5432"),
            ("db.on", b"true"),
            ("users.0.name", b"ada"),
        ],
    )
    def test_gives_one_value_of_a_file(self, key: str, value: bytes, encrypted: Path) -> None:
        assert read(secret(sops={"file": "secrets.yaml", "key": key}), encrypted).data == value

    def test_gives_all_of_a_file(self, encrypted: Path) -> None:
        encrypt(encrypted, "tls.key", VALUE)
        assert read(secret(sops={"file": "tls.key"}), encrypted).data == VALUE

    def test_may_be_in_a_repository(self, encrypted: Path) -> None:
        git(encrypted, "init", "-q")
        git(encrypted, "add", "secrets.yaml")
        declared = secret(sops={"file": "secrets.yaml", "key": "db.password"})
        assert read(declared, encrypted).data == b"hunter2"

    def test_is_told_what_it_says_where_it_fails(
        self, encrypted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def said(**sops: str) -> str:
            return unreadable(secret(sops=sops), encrypted).problem

        place = f"{encrypted}/secrets.yaml"
        told = said(file="secrets.yaml", key="db.user")
        assert told.startswith("`sops --decrypt --extract '[")
        assert f"{place}` ended with status 1: error truncating tree: component" in told
        assert "goroutine" not in said(file="secrets.yaml", key="users.name")
        (encrypted / "clear.yaml").write_text("password: hunter2\n")
        assert "sops metadata not found" in said(file="clear.yaml", key="password")
        assert said(file="gone.yaml") == (
            f'sops.file = "gone.yaml": there is no file {encrypted}/gone.yaml'
        )
        monkeypatch.setenv("SOPS_AGE_KEY_FILE", "/dev/null")
        assert "Failed to get the data key" in said(file="secrets.yaml", key="db.password")

    def test_that_is_not_here_is_named(
        self, encrypted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        error = unreadable(secret(sops={"file": "secrets.yaml", "key": "x"}), encrypted)
        assert "there is no program sops on this computer" in error.problem
        assert "getsops/sops/releases" in error.remedy


class TestGit:
    """What is in clear text does not go into a repository; what is encrypted may."""

    @pytest.fixture
    def repository(self, tmp_path: Path) -> Path:
        folder = tmp_path / "repository"
        (folder / "secrets").mkdir(parents=True)
        git(folder, "init", "-q")
        (folder / "secrets/db").write_bytes(VALUE)
        return folder

    def test_a_file_that_it_could_keep_is_refused(self, repository: Path) -> None:
        error = unreadable(secret(file="secrets/db"), repository)
        assert error.problem.endswith(f"a git repository, {repository}, which does not ignore it")
        assert error.remedy.startswith("Add /secrets/db to its .gitignore, or keep it elsewhere")

    def test_a_file_that_it_ignores_is_taken(self, repository: Path) -> None:
        (repository / ".gitignore").write_text("/secrets/\n")
        assert read(secret(file="secrets/db"), repository).data == VALUE

    def test_a_file_that_it_keeps_is_refused_although_it_is_ignored(self, repository: Path) -> None:
        git(repository, "add", "secrets/db")
        (repository / ".gitignore").write_text("/secrets/\n")
        error = unreadable(secret(file="secrets/db"), repository)
        assert error.problem.endswith("which keeps it")
        assert "git rm --cached" in error.remedy
        assert "replace the value" in error.remedy

    def test_a_link_into_it_is_no_way_around(self, repository: Path, tmp_path: Path) -> None:
        (tmp_path / "db").symlink_to(repository / "secrets/db")
        assert "git repository" in unreadable(secret(file="db"), tmp_path).problem

    def test_a_link_out_of_it_keeps_no_value(self, repository: Path, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").write_bytes(VALUE)
        (repository / "db").symlink_to(tmp_path / "elsewhere")
        assert read(secret(file="db"), repository).data == VALUE

    def test_another_repository_is_not_asked(
        self, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        git(other, "init", "-q")
        (other / ".git/info/exclude").write_text("*\n")
        monkeypatch.setenv("GIT_DIR", str(other / ".git"))
        monkeypatch.setenv("GIT_WORK_TREE", str(repository))
        assert "does not ignore" in unreadable(secret(file="secrets/db"), repository).problem

    def test_without_git_nobody_knows(
        self, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (repository / ".gitignore").write_text("/secrets/\n")
        monkeypatch.setenv("PATH", str(tmp_path))
        error = unreadable(secret(file="secrets/db"), repository)
        assert "there is no git here" in error.problem

    def test_dotenv_and_identities_are_clear_text_as_well(self, repository: Path) -> None:
        (repository / ".env").write_text("DB=hunter2\n")
        assert "git repository" in unreadable(secret(env="DB"), repository).problem
        identity = pyrage.x25519.Identity.generate()
        (repository / "key").write_text(str(identity))
        encrypted = age_encryption.encrypt(VALUE, [str(identity.to_public())])
        (repository / "db.age").write_bytes(encrypted)
        declared = secret(age={"file": "db.age", "identity": "key"})
        assert unreadable(declared, repository).problem.startswith('age.identity = "key": is clear')
        (repository / ".gitignore").write_text("/key\n.env\n")
        assert read(declared, repository).data == VALUE
        assert read(secret(env="DB"), repository).data == b"hunter2"

    def test_a_config_is_no_secret(self, repository: Path) -> None:
        (repository / "traefik.toml").write_text("[log]\n")
        assert read(config(file="traefik.toml"), repository).data == b"[log]\n"


class TestAConfig:
    @pytest.mark.parametrize(
        "text",
        [
            "x\n-----BEGIN RSA PRIVATE KEY-----\nhunter2\n",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nhunter2",
            "token: SWMTKN-1-hunter2",
            "AGE-SECRET-KEY-1HUNTER2",
            "url: postgres://app:hunter2@db/app",
            "github: ghp_hunter2hunter2hunter2",
        ],
    )
    def test_that_looks_like_a_secret_is_refused(self, text: str, tmp_path: Path) -> None:
        text = text.replace("ghp_hunter2hunter2hunter2", "ghp_" + "hunter2" * 4)
        (tmp_path / "x").write_text(text)
        error = unreadable(config(file="x"), tmp_path)
        assert "whoever may ask the engine can read a config" in error.problem
        assert "[[secrets]]" in error.remedy
        assert read(secret(file="x"), tmp_path).data == text.encode()

    @pytest.mark.parametrize(
        "text",
        [
            "# the PRIVATE KEY is mounted at /run/secrets/key",
            "-----BEGIN CERTIFICATE-----\nMII\n",
            'url: postgres://app:{{ secret "db_password" }}@db/app',
            "url: postgres://app:${PASSWORD}@db/app",
            "admin:$apr1$x$y\n",
            "mail: me@example.org",
        ],
    )
    def test_that_only_speaks_of_one_is_taken(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "x").write_text(text)
        assert read(config(file="x"), tmp_path).data == text.encode()


class TestAll:
    def test_are_read_side_by_side_in_their_order(self, program: Program, tmp_path: Path) -> None:
        # Each ends when four of them run: one after the other they would never.
        others = 'while [ "$(ls running-* | wc -l)" -lt 4 ]; do sleep 0.02; done'
        program("get", f'touch "running-$1"; {others}; echo "$1"')
        declared = [secret(command=["get", str(number)]) for number in range(4)]
        found = read_all(declared, tmp_path)
        assert found == [Value(b"0"), Value(b"1"), Value(b"2"), Value(b"3")]

    def test_fail_each_for_itself(self, tmp_path: Path) -> None:
        (tmp_path / "there").write_bytes(VALUE)
        found = read_all([secret(file="missing"), secret(file="there")], tmp_path)
        assert isinstance(found[0], Unreadable)
        assert found[1] == Value(VALUE)
        assert read_all([], tmp_path) == []


@given(st.binary(min_size=1, max_size=300))
def test_any_bytes_come_through_every_source_that_can_hold_them(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "x").write_bytes(data)
        assert read(secret(file="x"), base).data == data
        assert read(secret(command=["cat", "x"], newline="keep"), base).data == data
        identity = pyrage.x25519.Identity.generate()
        (base / "key").write_text(str(identity))
        (base / "x.age").write_bytes(age_encryption.encrypt(data, [str(identity.to_public())]))
        assert read(secret(age={"file": "x.age", "identity": "key"}), base).data == data
