"""``pyinfra-swarm lint``: what it prints, and the codes that it ends with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pyinfra_swarm.cli import main
from pyinfra_swarm.settings import forget
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.stacks.stack_examples import GOOD, changed

CLUSTER = """\
hosts = [ { name = "rk1", address = "192.168.1.11", role = "manager" } ]
[firewall]
web_ports = [8080]
"""


@pytest.fixture(autouse=True)
def _a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deploys").mkdir()
    (tmp_path / "inventory.py").touch()
    (tmp_path / "deploys/site.py").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SWARM_SETTINGS", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    forget()


def lint(*words: str) -> int:
    try:
        return main(["lint", *words])
    except SystemExit as ended:
        return int(ended.code or 0)


def test_a_clean_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text(GOOD)
    assert lint("web.yml") == 0
    assert capsys.readouterr().out.startswith("web.yml: clean\n")


def test_a_file_with_something_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text(
        changed(
            ('front: { driver_opts: { encrypted: "true" } }', "front: {}"),
            ("nginx:1.29.1", "nginx"),
        )
    )
    assert lint("web.yml") == 2
    out = capsys.readouterr().out
    assert "! web.yml:3:5 S6 services.web.image\n" in out
    assert "✗ web.yml:14:3 S1 networks.front\n" in out
    assert "\n      → write driver_opts" in out
    assert "web.yml: 1 refusal and 1 notice; a refusal keeps the stack from being deployed." in out
    assert max(map(len, out.splitlines())) <= 100
    assert lint("web.yml", "--only-refusals") == 2
    assert "S6" not in capsys.readouterr().out


def test_only_notices_end_well_where_only_refusals_are_asked_for() -> None:
    Path("web.yml").write_text(changed(("nginx:1.29.1", "nginx")))
    assert lint("web.yml") == 2
    assert lint("web.yml", "--only-refusals") == 0


@pytest.mark.parametrize("name", ["none.yml", "deploys", "/dev/null/x"])
def test_a_file_that_cannot_be_read(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert lint(name) == 1
    said = capsys.readouterr()
    assert name in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_a_folder_is_answered_with_its_files(capsys: pytest.CaptureFixture[str]) -> None:
    Path("stacks").mkdir()
    assert lint("stacks") == 1
    assert capsys.readouterr().err == (
        "lint: stacks is a folder\n"
        "    instead: its files: pyinfra-swarm lint stacks/*.yml; or no word, for all declared "
        "stacks\n"
    )


def test_one_file_of_two_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text(GOOD)
    assert lint("web.yml", "none.yml") == 1
    Path("web.yml").write_text(changed(("nginx:1.29.1", "nginx")))
    assert lint("none.yml", "web.yml") == 2
    assert "S6" in capsys.readouterr().out


def test_what_is_no_yaml_is_something_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text("a: [\n")
    assert lint("web.yml") == 2
    assert "S0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--nonsense"], ["a.yml", "--env", "A"], ["a.yml", "--env", "=1"]]
)
def test_a_command_line_that_cannot_be_meant(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert lint(*words) == 1
    assert "instead: pyinfra-swarm lint" in capsys.readouterr().err


def test_files_are_stacks_of_their_own_or_one() -> None:
    Path("a.yml").write_text(GOOD)
    Path("b.yml").write_text("networks: { front: {} }\n")
    assert lint("a.yml", "b.yml") == 0
    assert lint("a.yml", "b.yml", "--merge") == 2
    assert lint("b.yml", "a.yml", "--merge") == 0


def test_variables_come_from_the_environment_and_the_command_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("web.yml").write_text(changed(("nginx:1.29.1", "nginx:${TAG_OF_TEST}")))
    assert lint("web.yml") == 0
    assert lint("web.yml", "--env", "TAG_OF_TEST=latest") == 2
    monkeypatch.setenv("TAG_OF_TEST", "latest")
    assert lint("web.yml") == 2
    assert lint("web.yml", "--env", "TAG_OF_TEST=1") == 0


def test_an_environment_file_is_found_beside_the_stack() -> None:
    Path("stacks").mkdir()
    Path("stacks/web.yml").write_text(changed(more="env_file: web.env"))
    Path("stacks/web.env").write_text("PASSWORD=hunter2\n")
    assert lint("stacks/web.yml") == 2
    Path("stacks/web.env").write_text("LEVEL=info\n")
    assert lint("stacks/web.yml") == 0


def test_with_settings_it_knows_the_firewall(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text(changed(more="ports: ['80:80']"))
    assert lint("web.yml") == 0
    Path("cluster.toml").write_text(CLUSTER)
    assert lint("web.yml") == 2
    assert "80/tcp is not open" in capsys.readouterr().out
    forget()
    assert lint("web.yml", "--no-cluster") == 0
    Path("web.yml").write_text(changed(more="ports: ['8080:80']"))
    assert lint("web.yml") == 0


STACKS = """\
[[stacks]]
name = "web"
files = ["stacks/web.yml", "stacks/more.yml"]
env = { TAG_OF_TEST = "latest" }
[[stacks]]
name = "api"
files = ["stacks/api.yml"]
"""


def test_a_declared_stack_is_looked_at_as_it_is_declared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("stacks").mkdir()
    Path("stacks/web.yml").write_text(changed(("nginx:1.29.1", "nginx:${TAG_OF_TEST}")))
    Path("stacks/more.yml").write_text("networks: { front: {} }\n")
    Path("stacks/api.yml").write_text(changed(("nginx:1.29.1", "nginx:${TAG_OF_TEST}")))
    Path("cluster.toml").write_text(CLUSTER + STACKS)
    monkeypatch.setenv("TAG_OF_TEST", "1.29.1")
    assert lint("stacks/web.yml") == 2
    alone = capsys.readouterr().out
    assert "stacks/web.yml:3:5 S6" in alone
    assert "stacks/more.yml:1:13 S1" in alone
    assert lint("stacks/more.yml", "stacks/web.yml") == 2
    assert capsys.readouterr().out == alone
    assert lint("stacks/web.yml", "--no-cluster") == 0
    capsys.readouterr()
    assert lint() == 2
    every = capsys.readouterr().out
    assert "S1" in every
    assert "stacks/api.yml:3:12 S15" in every


def test_a_declared_stack_that_cannot_be_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("cluster.toml").write_text(CLUSTER + STACKS)
    assert lint() == 1
    assert "stack web: " in capsys.readouterr().err


@pytest.mark.parametrize("settings", ["", CLUSTER])
def test_nothing_to_look_at(settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    if settings:
        Path("cluster.toml").write_text(settings)
    assert lint() == 1
    assert "no stack is declared" in capsys.readouterr().err


def test_settings_that_cannot_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text(GOOD)
    Path("cluster.toml").write_text("nonsense = 1\n")
    assert lint("web.yml") == 1
    assert "nonsense" in capsys.readouterr().err


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text(changed(("nginx:1.29.1", "nginx")))
    assert lint("web.yml", "--json") == 2
    found = json.loads(capsys.readouterr().out)
    assert (found["files"], found["refusals"], found["notices"]) == (["web.yml"], 0, 1)
    (issue,) = found["issues"]
    assert issue["rule"] == "S6"
    assert issue["source"].startswith("https://")
    assert {*issue} == {
        *("rule", "severity", "file", "line", "column", "path", "reason", "remedy"),
        *("title", "source"),
    }
    Path("web.yml").write_text(GOOD)
    assert lint("web.yml", "--json") == 0
    assert json.loads(capsys.readouterr().out)["issues"] == []


def test_sarif_is_written_also_where_nothing_is_wrong() -> None:
    Path("web.yml").write_text(GOOD)
    assert lint("web.yml", "--sarif", "lint.sarif") == 0
    assert json.loads(Path("lint.sarif").read_text())["runs"][0]["results"] == []


def test_sarif_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path("web.yml").write_text(GOOD)
    assert lint("web.yml", "--sarif", "none/lint.sarif") == 1
    assert "none/lint.sarif" in capsys.readouterr().err


def test_the_hook_for_pre_commit_runs_this_command() -> None:
    import yaml

    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert hook["language"] == "python"
    words = hook["entry"].split()
    assert words == ["pyinfra-swarm", "lint"]
    program = shutil.which("pyinfra-swarm", path=str(Path(sys.executable).parent))
    assert program
    Path("compose.yml").write_text(changed(("nginx:1.29.1", "nginx")))
    done = subprocess.run(
        [program, *words[1:], *hook.get("args", []), "compose.yml"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "compose.yml:3:5 S6" in done.stdout


def test_sarif_has_what_its_standard_demands() -> None:
    """Validated against OASIS' own schema when it was written; what that asks of us is here."""
    Path("a b.yml").write_text(changed(("nginx:1.29.1", "nginx")))
    assert lint("a b.yml", "--sarif", "lint.sarif") == 2
    log = json.loads(Path("lint.sarif").read_text())
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(ids) == len(set(ids))
    assert all(
        rule["helpUri"].startswith("https://") for rule in driver["rules"] if "helpUri" in rule
    )
    (result,) = run["results"]
    assert ids[result["ruleIndex"]] == result["ruleId"] == "S6"
    assert result["level"] in ("none", "note", "warning", "error")
    assert result["message"]["text"]
    (location,) = result["locations"]
    physical = location["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "a%20b.yml"
    assert physical["region"] == {"startLine": 3, "startColumn": 5}
    assert location["logicalLocations"] == [{"fullyQualifiedName": "services.web.image"}]


def test_what_could_not_be_looked_at_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "web.yml").write_text("services: { web: { image: 'web:1', ports: ['8080:80'] } }")
    main(["lint", "--no-cluster", "web.yml"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Not checked:" in said
    assert "whether the firewall opens a port (S2, needs a cluster.toml)" in said
    assert "networks, labels, secrets and configs are there (S1, S12, S14, need one" in said
    assert "paths on the nodes (S9)" in said


NAMES = """\
[[hosts]]
name = "rk1"
address = "192.168.7.11"
role = "manager"
labels = { disk = "nvme" }
[networks]
overlays = [ { name = "edge" } ]
[[secrets]]
name = "db_password"
env = "DB"
[[configs]]
name = "site"
env = "SITE"
[[stacks]]
name = "proxy"
files = ["proxy.yml"]
"""
"""Whatever a stack may refer to, once."""

REFERS = changed(
    ("  front: {", "  other: { external: true, name: edge }\n  front: {"),
    ("[front]", "[front, other]"),
    (
        "    deploy:\n",
        "    deploy:\n      placement: { constraints: [node.labels.disk == nvme] }\n",
    ),
    more="secrets: [db]\nconfigs: [page]",
) + (
    "secrets: { db: { external: true, name: db_password } }\n"
    "configs: { page: { external: true, name: site } }\n"
)


def referring(*changes: tuple[str, str]) -> str:
    text = REFERS
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize(
    ("change", "rule", "remedy"),
    [
        (("name: db_password", "name: db_pasword"), "S14", "did you mean db_password?"),
        (("name: site", "name: sites"), "S14", "did you mean site?"),
        (("name: site", "name: other"), "S14", "declare it in [[configs]] of cluster.toml"),
        (("name: edge", "name: edgy"), "S1", "did you mean edge?"),
        (("name: edge", "name: public"), "S1", 'add { name = "public" } to networks.overlays'),
        (("disk == nvme", "dsik == nvme"), "S12", "did you mean disk?"),
        (("disk == nvme", "gpu == yes"), "S12", "correct it, or give a host the label"),
        (("labels.disk == nvme", "hostname == rk11"), "S12", "did you mean rk1?"),
    ],
)
def test_what_is_declared_nowhere_is_told_with_what_may_be_meant(
    change: tuple[str, str], rule: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cluster.toml").write_text(NAMES)
    Path("proxy.yml").write_text(GOOD)
    Path("web.yml").write_text(referring(change))
    assert lint("web.yml") == 2
    said = " ".join(capsys.readouterr().out.split())
    assert f" {rule} " in said
    assert f"→ {remedy}" in said
    assert "web.yml: 1 notice." in said
    assert "Not checked: what was made or set in the swarm by hand (S1, S12, S14)" in said


@pytest.mark.parametrize(
    "change",
    [
        ("name: edge", "name: edge"),
        ("name: edge", "name: proxy_front"),
        ("labels.disk == nvme", "hostname == RK1"),
        ("disk == nvme", "disk != ssd"),
    ],
)
def test_what_is_declared_or_made_by_a_declared_stack_is_in_order(
    change: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("cluster.toml").write_text(NAMES)
    Path("proxy.yml").write_text(GOOD)
    Path("web.yml").write_text(referring(change))
    assert lint("web.yml") == 0
    assert "web.yml: clean" in capsys.readouterr().out
