"""The wheel, in an environment of its own, and the projects that it lays and runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pyinfra_swarm.settings.paths import ROOT
from tests.unit.project.test_inventory import BOARDS

pytestmark = pytest.mark.xdist_group("package")  # it is built and installed once

FAKES = 'boards = ["@fake/rk1", "@fake/rk2", "@fake/rk3"]\n'
"""Hosts that answer nothing: enough to see which operations a deploy calls, and in which order."""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "PYINFRA_PROGRESS": "off", "HOME": str(cwd)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def done(*command: str | Path, cwd: Path) -> str:
    ran = run(*command, cwd=cwd)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@dataclass(frozen=True)
class Installed:
    """The wheel in a virtual environment. built: the folder of the wheel and the sdist."""

    built: Path
    python: Path

    @property
    def command(self) -> Path:
        return self.python.with_name("pyinfra-swarm")

    def pyinfra(self, *arguments: str, project: Path) -> str:
        return done(self.python, "-P", "-m", "pyinfra", *arguments, cwd=project)

    def operations(self, deploy: str, *, project: Path) -> Sequence[Any]:
        """The operations of a deploy, in the order in which they would run."""
        (project / "fakes.py").write_text(FAKES)
        words = ("-y", "--debug-operations", "--json", "fakes.py", deploy)
        found: Sequence[Any] = json.loads(self.pyinfra(*words, project=project))["op_order"]
        return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    done(sys.executable, "-m", "build", "--no-isolation", "-o", folder, ".", cwd=ROOT)
    [wheel] = folder.glob("*.whl")
    environment = folder / "environment"
    done(sys.executable, "-m", "venv", "--without-pip", environment, cwd=folder)
    python = environment / "bin/python"
    install = ("install", "--no-index", "--no-deps", "--disable-pip-version-check", wheel)
    done(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder)
    # The dependencies are those of these tests. What makes the repository importable is a .pth
    # file there, which nobody reads in a folder that another .pth file names.
    [packages] = [path for path in sys.path if path.endswith("site-packages")]
    [own] = (environment / "lib").glob("*/site-packages")
    (own / "dependencies.pth").write_text(f"{packages}\n")
    where = done(python, "-P", "-c", "import pyinfra_swarm as p; print(p.__file__)", cwd=folder)
    assert where.startswith(str(own))
    return Installed(folder, python)


@pytest.fixture
def project(installed: Installed, tmp_path: Path) -> Path:
    done(installed.command, "init", tmp_path / "home", cwd=tmp_path)
    (tmp_path / "home/cluster.toml").write_text(BOARDS)
    return tmp_path / "home"


def test_the_packages_pass_the_checks_of_those_who_distribute_packages(
    installed: Installed,
) -> None:
    wheel, sdist = *installed.built.glob("*.whl"), *installed.built.glob("*.tar.gz")
    done(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, cwd=installed.built)
    done(sys.executable, "-m", "check_wheel_contents", wheel, cwd=ROOT)


def test_the_wheel_has_one_name_of_its_own_and_all_that_is_no_python(installed: Installed) -> None:
    [wheel] = installed.built.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"pyinfra_swarm"}
    package = ROOT / "pyinfra_swarm"
    for path in package.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert str(path.relative_to(ROOT)) in names


def test_the_wheel_lays_the_pages_that_messages_name(installed: Installed, project: Path) -> None:
    for name in ("docs/drift.md", "docs/exposure-flowchart.svg", "examples/caddy/host.yml"):
        assert (project / name).read_text() == (ROOT / name).read_text()


def test_the_sdist_is_the_repository(installed: Installed) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no clone")
    [sdist] = installed.built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    tracked = set(done("git", "ls-files", cwd=ROOT).splitlines())
    assert {name for name in tracked if (ROOT / name).is_file()} <= names


def test_a_project_that_was_laid_is_one_for_pyinfra(installed: Installed, project: Path) -> None:
    out = installed.pyinfra("inventory.py", "debug-inventory", "--json", project=project)
    hosts = {host["name"]: host for host in json.loads(out)}
    assert [*hosts] == ["rk1", "rk2", "rk3"]
    assert hosts["rk3"]["data"]["_timeout"] == 60
    help_text = done(installed.python, "-P", "-m", "pyinfra", "--help", cwd=project)
    assert "INVENTORY" in help_text


def test_slips_are_refused_there_as_in_a_clone(installed: Installed, project: Path) -> None:
    slip = ("inventory.py", "deploys/remove.py")
    ran = run(installed.python, "-P", "-m", "pyinfra", *slip, cwd=project)
    assert ran.returncode == 1
    assert "deploys/remove.py needs --data host=NAME" in ran.stderr


def test_a_fact_is_found_by_the_name_that_is_documented(
    installed: Installed, project: Path
) -> None:
    ran = run(
        *(installed.python, "-P", "-m", "pyinfra", "inventory.py", "fact", "facts.swarm.Node"),
        cwd=project,
    )
    assert ran.returncode == 1
    assert "facts.swarm.Nodes" in ran.stderr or "No such attribute" in ran.stderr


def test_operations_come_in_the_order_of_the_list_also_where_pyinfra_is_a_neighbour(
    installed: Installed, project: Path
) -> None:
    """pyinfra leaves out what is called from its own folder, and takes ours for a part of it."""
    order = installed.operations("deploys/site.py", project=project)
    titles = [operation["names"][0].partition(" | ")[0] for operation in order]
    source = (ROOT / "pyinfra_swarm/deploys/states.py").read_text()
    assert [*dict.fromkeys(titles)] == re.findall(r'@deploy\("(.+)"\)', source)
    written = re.findall(r'name="([^"]+)"', source)
    assert [operation["names"][0].partition(" | ")[2] for operation in order] == written
    assert all(len(operation["names"]) == 1 for operation in order)
    assert all(len(operation["hosts"]) == 3 for operation in order)


def blocks() -> dict[str, str]:
    """The files that the documentation shows, by their paths."""
    text = (ROOT / "docs/compose.md").read_text()
    return dict(re.findall(r"```python\n# (\S+)\n(.*?)```", text, re.DOTALL))


def test_the_documented_deploys_of_ones_own_run(installed: Installed, project: Path) -> None:
    shown = blocks()
    assert [*shown] == ["deploys/mine.py", "board.py", "inventory.py", "deploys/docker_only.py"]
    (project / "cluster.toml").unlink()
    for name, text in shown.items():
        (project / name).write_text(text)
    out = installed.pyinfra("inventory.py", "debug-inventory", "--json", project=project)
    assert [host["name"] for host in json.loads(out)] == ["rk1", "rk2"]
    own = installed.operations("deploys/docker_only.py", project=project)
    titles = [operation["names"][0].partition(" | ")[0] for operation in own]
    assert [*dict.fromkeys(titles)] == ["Preflight", "Docker"]


def test_the_documented_deploy_around_the_site_runs(installed: Installed, project: Path) -> None:
    (project / "deploys/mine.py").write_text(blocks()["deploys/mine.py"])
    names = [one["names"][0] for one in installed.operations("deploys/mine.py", project=project)]
    assert names[0] == "Tools that we like"
    assert names[1] == "Preflight | every host can be part of the swarm"
    assert names[-1].startswith("Proof | ")


def test_the_lab_is_said_to_be_elsewhere(installed: Installed, tmp_path: Path) -> None:
    ran = run(installed.command, "lab", "up", cwd=tmp_path)
    assert ran.returncode == 1
    assert "clone the repository" in ran.stderr


def test_it_says_its_version(installed: Installed, tmp_path: Path) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", done(installed.command, "--version", cwd=tmp_path))


def test_the_wheel_is_built_without_what_the_lab_needs() -> None:
    planned = done("make", "--dry-run", "package", cwd=ROOT)
    assert "build --no-isolation" in planned
    assert "user-mode-linux" not in planned
    assert "user-mode-linux" in done("make", "--dry-run", "demo", cwd=ROOT)


def test_the_help_is_one_screen(installed: Installed, tmp_path: Path) -> None:
    lines = done(installed.command, "--help", cwd=tmp_path).splitlines()
    assert len(lines) <= 24
    assert all(len(line) <= 80 for line in lines)


def test_a_check_is_of_the_project_that_it_is_run_in(installed: Installed, project: Path) -> None:
    ran = run(installed.command, "drift", "--deploy", "deploys/reset.py", cwd=project)
    assert ran.returncode == 1
    assert "is a job (reset)" in ran.stderr
    shutil.rmtree(project / "deploys")
    ran = run(installed.command, "drift", cwd=project)
    assert ran.returncode == 1
    assert "there is no such file" in ran.stderr
