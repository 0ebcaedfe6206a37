"""A check takes deploys that describe a state, and no job, whatever way it is named."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pyinfra_swarm.drift.cli import _sensible, main
from pyinfra_swarm.drift.report import Host, report
from pyinfra_swarm.drift.run import Operation, Request, Run, run
from pyinfra_swarm.drift.states import _jobs, jobs_in, jobs_reported
from pyinfra_swarm.drift.target import Unusable, deploy, deploys
from pyinfra_swarm.nodes import steps
from pyinfra_swarm.run.findings import Change
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.deploys.test_deploys import functions
from tests.unit.drift.drift_examples import AT
from tests.unit.project.test_architecture import operations

DEPLOYS = sorted((ROOT / "deploys").glob("*.py"))
JOBS = [path for path in DEPLOYS if jobs_in(path)]


def test_the_jobs_that_are_read_are_those_that_there_are() -> None:
    assert [path.stem for path in JOBS] == sorted(functions("jobs"))
    made = {
        f"{module}.{function}"
        for module in {name.rpartition(".")[0] for name, _ in operations()}
        for function in _jobs(module)
    }
    written = {
        name
        for name, _ in operations()
        if re.search(
            rf"@job\(.*\)\ndef {name.rpartition('.')[2]}\(|^unfinished, .*= stages\(JOB\)",
            source_of(name),
            re.MULTILINE,
        )
        and not re.search(rf"@converges\(.*\)\ndef {name.rpartition('.')[2]}\(", source_of(name))
    }
    assert made == written


def source_of(operation: str) -> str:
    module = operation.rpartition(".")[0].replace(".", "/")
    return (ROOT / f"pyinfra_swarm/{module}.py").read_text()


def test_the_list_of_what_there_is_offers_states_only() -> None:
    assert "deploys/site.py" in deploys()
    assert deploys() == tuple(f"deploys/{name}.py" for name in sorted(functions("states")))


def refused(given: str) -> str:
    with pytest.raises(Unusable) as error:
        deploy(given)
    return str(error.value)


def test_a_job_is_refused_in_one_sentence_with_what_there_is_instead() -> None:
    assert refused("deploys/prove.py") == (
        "--deploy deploys/prove.py: is a job (prove), not a state that hosts "
        f"could differ from\n    instead: one of {', '.join(deploys())}"
    )


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_a_job_is_refused_whatever_way_it_is_named(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ssh.py").symlink_to(path)
    (tmp_path / "folder").symlink_to(path.parent)
    name = f"deploys/{path.name}"
    for given in (
        name,
        f"./{name}",
        f"deploys/../{name}",
        f"../{ROOT.name}/{name}",
        str(path),
        str(tmp_path / "ssh.py"),
        str(tmp_path / "folder" / path.name),
    ):
        assert "is a job" in refused(given)
        with pytest.raises(Unusable, match="is a job"):
            _sensible(["--deploy", given])  # as `pyinfra-swarm schedule install --` does
    monkeypatch.chdir(path.parent)
    assert "is a job" in refused(path.name)


WRITTEN = {
    "a copy": (ROOT / "deploys/reset.py").read_text(),
    "included": "from pyinfra import local\nlocal.include('deploys/reset.py')\n",
    "included by one that is included": (
        "from pyinfra import local as files\nfiles.include(filename='other.py')\n"
    ),
    "called": "from pyinfra_swarm.deploys import reset\nreset()\n",
    "called by another name": "from pyinfra_swarm.deploys import reset as tidy\ntidy()\n",
    "called from the package": "from pyinfra_swarm import deploys\ndeploys.reset()\n",
    "called from the module": "from pyinfra_swarm.deploys import jobs\njobs.reset()\n",
    "all deploys": "from pyinfra_swarm.deploys import *\nreset()\n",
    "called beside a state": "from pyinfra_swarm.deploys import reset, site\nsite()\nreset()\n",
    "its operations": (
        "from pyinfra_swarm.reset.operations import planned as looks\nlooks(name='x')\n"
    ),
    "all of them": "from pyinfra_swarm.reset.operations import *\nplanned(name='x')\n",
    "in full": (
        "import pyinfra_swarm.reset.operations\npyinfra_swarm.reset.operations.planned(name='x')\n"
    ),
    "by another name": "import pyinfra_swarm.reset.operations as tidy\ntidy.planned(name='x')\n",
    "without a call": (
        "from pyinfra_swarm.reset import operations as reset\nfor do in [reset.planned]:\n do()\n"
    ),
    "beside a state": (
        "from pyinfra_swarm.reset import operations as reset\n"
        "from pyinfra_swarm.ssh import operations as ssh\n"
        "ssh.hardened(name='a')\nreset.planned(name='b')\n"
    ),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_a_deploy_of_ones_own_with_a_job_in_it_is_one(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    (tmp_path / "other.py").write_text("local.include('deploys/reset.py')\n")
    assert "is a job" in refused(str(tmp_path / "mine.py"))


@pytest.mark.parametrize(
    "text",
    [
        "from pyinfra.operations import files\nfiles.file(name='a', path='/etc/a')\n",
        "from pyinfra import local\nlocal.include('deploys/ssh.py')\nlocal.include('none.py')\n",
        "from pyinfra_swarm.ssh import operations as ssh\nssh.hardened(None)\n",
        "from pyinfra_swarm.deploys import site as everything\neverything()\n",
        "from pyinfra_swarm import deploys\ndeploys.ssh()\n",
        "this is no Python\n",
        "local.include('mine.py')\n",
        "",
    ],
)
def test_a_deploy_of_ones_own_is_taken(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    assert deploy(str(tmp_path / "mine.py")) == str(tmp_path / "mine.py")


HIDDEN = """
import importlib
from pyinfra_swarm.run.converge import job, report
from pyinfra_swarm.run.findings import Change

@job("swarm")
def all_gone():
    report("swarm", [Change("the swarm", "ends")])
    yield "never"

all_gone(name="The end")
"""


def test_a_job_that_no_source_shows_is_found_out_when_it_is_planned(tmp_path: Path) -> None:
    (tmp_path / "inventory.py").write_text(
        "from pyinfra_swarm.run import start as _start\n_start.install()\nboards = ['@fake/rk1']\n"
    )
    (tmp_path / "mine.py").write_text(HIDDEN)
    ran = run(Request(inventory=f"{tmp_path}/inventory.py", deploy=f"{tmp_path}/mine.py"))
    assert jobs_reported(ran.records) == ("The end",)


def test_what_a_plan_has_come_across_is_refused_and_nothing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cluster.toml").write_text(
        '[cluster]\nname = "home"\n[[hosts]]\nname = "rk1"\naddress = "192.168.1.11"\n'
        'role = "manager"\n'
    )
    (tmp_path / "mine.py").write_text("")
    monkeypatch.setenv("SWARM_SETTINGS", str(tmp_path / "cluster.toml"))
    told = {"host": "rk1", "part": "swarm", "kind": "job", "what": "The end"}
    change = {**told, "kind": "change", "reason": "ends", "expected": "", "found": "", "remedy": ""}
    monkeypatch.setattr("pyinfra_swarm.drift.cli.run", lambda _: Run(0, (), (told, change)))
    state = tmp_path / "state.json"
    assert main(["--deploy", str(tmp_path / "mine.py"), "--since", str(state)]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "is a job (The end)" in output.err
    assert not state.exists()


def test_a_check_takes_no_data(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that could make another thing of a deploy."""
    with pytest.raises(SystemExit) as ended:
        main(["--deploy", "deploys/ssh.py", "--data", "deploy=deploys/reset.py"])
    assert ended.value.code == 1
    assert "unrecognized arguments: --data" in capsys.readouterr().err


# What fixes what
# ---------------

CHANGES = {
    name
    for name, kind in vars(steps).items()
    if isinstance(kind, type) and issubclass(kind, Change)
} | {"Change"}


def test_no_job_is_said_to_mend_a_change() -> None:
    """What is marked ~ is fixed by the deploy named with it, which describes a state."""
    named = re.compile("|".join(rf"deploys/{path.stem}\.py" for path in JOBS))
    wrong = []
    for path in (ROOT / "pyinfra_swarm").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CHANGES:
                wrong += [f"{path}:{node.lineno}"] * bool(named.search(ast.unparse(node)))
    assert not wrong


def test_a_change_is_mended_by_a_state_also_where_a_job_has_the_name_of_its_part() -> None:
    looked = {"host": "rk1", "part": "reset", "kind": "looked", "what": "op"}
    change = {**looked, "kind": "change", "what": "x", "reason": "y"}
    made = report(
        Run(0, (Operation("op", ("rk1",)),), (looked, change)),
        [Host("rk1")],
        at=AT,
        deploy="deploys/site.py",
        deploys=deploys(),
    )
    assert [one.mended_by for one in made.differences] == ["deploys/site.py"]
