"""A project is laid once, and kept current without touching what its owner has changed."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from pyinfra_swarm import cli
from pyinfra_swarm.boards import new_project
from pyinfra_swarm.boards.new_project import RECORD, Unusable, lay, template
from pyinfra_swarm.settings.paths import ROOT


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lay(tmp_path / "home")
    return tmp_path / "home"


def upgrade(monkeypatch: pytest.MonkeyPatch, **texts: str) -> None:
    """The next version, in which files have other texts; "" where it has none any more."""
    new = template() | {
        name.replace("__", "/").replace("_py", ".py"): t for name, t in texts.items()
    }
    made = {name: text for name, text in new.items() if text}
    monkeypatch.setattr(new_project, "template", lambda: made)


def test_a_project_has_the_files_of_the_repository(folder: Path) -> None:
    for name in ("inventory.py", "config.py", "deploys/site.py", "facts/swarm.py"):
        assert (folder / name).read_text() == (ROOT / name).read_text()
    settings = (folder / "cluster.toml").read_text().partition("\n")
    assert settings[0] == "# Laid by pyinfra-swarm init. Write your hosts into it, and run"
    assert settings[2] == (ROOT / "cluster.example.toml").read_text().partition("\n")[2]
    here = {path.name for path in (ROOT / "deploys").glob("*.py")}
    assert {path.name for path in (folder / "deploys").glob("*.py")} == here


def test_every_page_that_a_message_names_is_in_the_project(folder: Path) -> None:
    sources = "".join(path.read_text() for path in (ROOT / "pyinfra_swarm").rglob("*.py"))
    named = set(re.findall(r"(?:docs|examples)/[\w-]+(?:\.[a-z]+)+", sources))
    assert "docs/drift.md" in named
    assert [name for name in sorted(named) if not (folder / name).is_file()] == []


def test_links_of_its_pages_lead_to_what_is_in_the_project(folder: Path) -> None:
    dead = []
    for page in folder.rglob("*.md"):
        for name, heading in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", page.read_text()):
            target = page.parent / name if name else page
            if not target.exists() or (heading and heading not in headings(target)):
                dead.append(f"{page.relative_to(folder)}: {name}#{heading}")
    assert dead == []


def headings(page: Path) -> set[str]:
    """The headings of a page, as links name them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in found}


def test_links_of_the_readme_lead_to_headings_that_are_there() -> None:
    text = (ROOT / "README.md").read_text()
    linked = re.findall(r"\]\(((?:docs|examples)?[^)#:]*)#([^)]*)\)", text)
    pages = [(ROOT / (name or "README.md"), heading) for name, heading in linked]
    assert [one for one in pages if one[1] not in headings(one[0])] == []


def test_every_setting_and_every_deploy_is_described_in_the_project(folder: Path) -> None:
    assert "| `hosts[].address` |" in (folder / "docs/settings.md").read_text()
    assert "| `deploys/reset.py` |" in (folder / "docs/deploys.md").read_text()


def test_the_next_step_is_the_one_of_the_readme(tmp_path: Path) -> None:
    last = lay(tmp_path).splitlines()[-1].strip()
    assert last == "pyinfra inventory.py deploys/site.py --dry"
    assert f"    {last} " in (ROOT / "README.md").read_text()


def test_its_gitignore_keeps_keys_out(folder: Path) -> None:
    ignored = (folder / ".gitignore").read_text().splitlines()
    assert {".env", "*.key", "*.unlock-key", "id_*", "*.tar.age"} <= {*ignored}
    assert "cluster.toml" not in ignored


WRITTEN_BY_COMMANDS_OF_THE_PAGES = {"laptop.conf", "unlock-key", "swarm.tar.gz"}


def test_each_secret_that_a_page_has_written_into_the_project_is_one_that_git_ignores(
    folder: Path,
) -> None:
    pages = "".join(page.read_text() for page in (ROOT / "docs").glob("*.md"))
    assert [one for one in WRITTEN_BY_COMMANDS_OF_THE_PAGES if one not in pages] == []
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    names = sorted(WRITTEN_BY_COMMANDS_OF_THE_PAGES)
    command = ["git", "check-ignore", *names, "examples/nginx/nginx-host.conf", "configs/app.conf"]
    said = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    assert said.stdout.splitlines() == names


def test_git_takes_all_that_a_second_computer_needs_and_nothing_that_is_secret(
    folder: Path,
) -> None:
    laid = json.loads((folder / RECORD).read_text())["files"]
    needed = {*laid, RECORD, "cluster.toml", "secrets/db.age", "certs/ca.pem", "certs/pull.crt"}
    needed |= {"cloudflare-ca.pem", "id_ed25519.pub"}
    secret = {".env", "db.key", "certs/privkey.pem", "home.unlock-key", "unlock_key", "id_ed25519"}
    secret |= {"keys.txt", "home-rk2-20261124T031500Z.tar.age"}
    secret |= WRITTEN_BY_COMMANDS_OF_THE_PAGES
    for name in needed | secret:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=folder, check=True)
    listed = subprocess.run(
        ["git", "ls-files"], cwd=folder, check=True, capture_output=True, text=True
    )
    assert {*listed.stdout.splitlines()} == needed


def test_again_it_changes_nothing(folder: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.py")}
    assert lay(folder) == "Everything is current."
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.py")} == before


def test_an_upgrade_renews_what_is_unchanged_and_names_what_is_not(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "deploys/site.py").write_text("# mine\n")
    (folder / "deploys/reset.py").unlink()
    (folder / "cluster.toml").write_text("# my hosts\n")
    upgrade(
        monkeypatch,
        deploys__site_py="# new site\n",
        deploys__reset_py="# new reset\n",
        deploys__ssh_py="# new ssh\n",
        deploys__tunnel_py="# new\n",
        deploys__unlock_py="",
    )
    said = lay(folder).splitlines()
    assert "New: deploys/tunnel.py" in said
    assert "Updated: deploys/ssh.py" in said
    assert "Changed by you, and left as they are: deploys/site.py" in said
    assert "Deleted by you, and not laid again: deploys/reset.py" in said
    assert "No longer needed; delete them, unless you use them: deploys/unlock.py" in said
    assert (folder / "deploys/site.py").read_text() == "# mine\n"
    assert (folder / "deploys/ssh.py").read_text() == "# new ssh\n"
    assert not (folder / "deploys/reset.py").exists()
    assert (folder / "cluster.toml").read_text() == "# my hosts\n"


def test_a_changed_file_stays_its_owners_through_several_upgrades(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "config.py").write_text("# mine\n")
    for text in ("# 2\n", "# 3\n"):
        upgrade(monkeypatch, config_py=text)
        assert "left as they are: config.py" in lay(folder)
    (folder / "config.py").write_text("# 3\n")
    assert lay(folder) == "Everything is current."
    upgrade(monkeypatch, config_py="# 4\n")
    assert lay(folder) == "Updated: config.py"


def test_what_was_there_before_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text("boards = ['a']\n")
    (tmp_path / "cluster.toml").write_text("# mine\n")
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text("# theirs\n")
    (tmp_path / "config.py").symlink_to(elsewhere)
    said = lay(tmp_path)
    assert "left as they are: inventory.py, config.py" in said
    assert (tmp_path / "inventory.py").read_text() == "boards = ['a']\n"
    assert (tmp_path / "cluster.toml").read_text() == "# mine\n"
    assert elsewhere.read_text() == "# theirs\n"
    assert "left as they are: inventory.py, config.py" in lay(tmp_path)


def test_an_interrupted_one_is_completed_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(monkeypatch, deploys__ssh_py="# new ssh\n", facts__swarm_py="# new facts\n")
    (folder / "deploys/ssh.py").write_text("# new ssh\n")  # the record is written last
    assert lay(folder) == "Updated: facts/swarm.py"


def test_the_repository_is_refused() -> None:
    with pytest.raises(Unusable, match="is a clone of the repository, which is a project already"):
        lay(ROOT)


def test_a_record_that_is_none_is_refused_with_a_way_out(folder: Path) -> None:
    (folder / RECORD).write_text("[]")
    with pytest.raises(Unusable, match="cannot be read as the record"):
        lay(folder)


def test_a_project_inside_a_project_is_refused_with_what_was_meant(folder: Path) -> None:
    for inside in (folder / "home", folder / "deploys/home"):
        with pytest.raises(Unusable, match=f"pyinfra-swarm init {folder}, to update that one"):
            lay(inside)
        assert not inside.exists()


def test_an_inner_project_that_is_there_is_kept_current(folder: Path, tmp_path: Path) -> None:
    (tmp_path / RECORD).write_text('{"files": {}}')
    assert lay(folder) == "Everything is current."


def test_a_gitignore_of_ones_own_is_told_what_it_lets_in(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.key\n.env\nmine\n")
    said = lay(tmp_path).splitlines()
    [line] = [line for line in said if line.startswith("Your .gitignore lacks lines")]
    assert "*.unlock-key, " in line
    assert "*.key" not in line
    assert not any("Changed by you" in line for line in said)
    complete = "".join(f"{name}\n" for name in line.partition(": ")[2].split(", "))
    with (tmp_path / ".gitignore").open("a") as file:
        file.write(complete)
    assert lay(tmp_path) == "Everything is current."


class TestWithoutAFolder:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def test_an_empty_one_becomes_a_project_and_is_renewed(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / ".venv").mkdir()
        assert cli.main(["init"]) == 0
        assert (here / "inventory.py").is_file()
        capsys.readouterr()
        assert cli.main(["init"]) == 0
        assert capsys.readouterr().out == "Everything is current.\n"

    def test_one_with_other_files_has_to_be_named(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (here / "letter.txt").write_text("Dear …")
        assert cli.main(["init"]) == 1
        assert "pyinfra-swarm init . to make it one" in capsys.readouterr().err
        assert [path.name for path in here.iterdir()] == ["letter.txt"]
        assert cli.main(["init", "."]) == 0

    def test_a_folder_of_a_project_is_told_which_one(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        lay(here)
        monkeypatch.chdir(here / "deploys")
        assert cli.main(["init"]) == 1
        assert f"pyinfra-swarm init {here}, to update that one" in capsys.readouterr().err


def test_the_record_names_its_version(folder: Path) -> None:
    record = json.loads((folder / RECORD).read_text())
    assert {*record} == {"version", "files"}
    assert record["files"].keys() == template().keys()


def test_a_folder_that_cannot_be_one_is_refused_in_one_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="a folder that you may write to"):
        lay(tmp_path / "file")
