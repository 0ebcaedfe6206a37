"""Slips on pyinfra's command line: refused before any host is asked, with what to type instead."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import gevent
import pytest

from pyinfra_swarm.run import command_line
from pyinfra_swarm.run.command_line import (
    OPTIONS,
    data_slips,
    deploys,
    fact_slips,
    inventory_slips,
    is_run_of,
    order_slips,
    refuse_slips,
)
from pyinfra_swarm.settings.paths import ROOT
from tests.unit.project.test_inventory import BOARDS, pyinfra

HOSTS = ["rk1", "rk2", "rk3", "rk4"]
DEPLOYS = {path.stem for path in (ROOT / "deploys").glob("*.py")}
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(BOARDS)
    return path


# The table, the code and the documentation
# -----------------------------------------


def test_the_table_has_what_the_code_reads_and_nothing_else() -> None:
    code = "".join(path.read_text() for path in (ROOT / "pyinfra_swarm").rglob("*.py"))
    read = {*re.findall(r'\bgiven\("(\w+)"\)', code), "confirm"}
    assert "given(KEY)" in code
    assert {option.key for option in OPTIONS} == read


def test_what_takes_an_option_is_a_deploy_and_takes_one_of_a_name() -> None:
    taken = [(name, option.key) for option in OPTIONS for name in option.deploys]
    assert {name for name, _ in taken} <= DEPLOYS
    assert len(taken) == len({*taken})


def test_data_is_read_from_the_command_line_alone() -> None:
    for path in (ROOT / "pyinfra_swarm").rglob("*.py"):
        reads = re.search(r"(?<!`)\bhost\.data\b|current_host\(\)\.data", path.read_text())
        assert not reads, path


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_what_the_documentation_types_is_taken(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for line in re.findall(r"^ +(pyinfra .*)|`(pyinfra [^`]*)`", text, re.MULTILINE):
        words = shlex.split("".join(line), comments=True)
        data = [word for flag, word in pairwise(words) if flag == "--data"]
        own = deploys([word for word in words if word.startswith("deploys/")])
        assert data_slips(data, own, [*HOSTS, "NAME"]) == [], line
    known = {option.key for option in OPTIONS}
    assert {*re.findall(r"--data (\w+)=", text)} <= known


def test_every_option_is_documented() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for option in OPTIONS:
        assert re.search(rf"--data {option.key}=|`{option.key}=", text), option


# The order of a run
# ------------------


@pytest.mark.parametrize("option", ["no-wait", "serial"])
def test_hosts_that_do_not_wait_for_each_other_are_refused(option: str) -> None:
    given = {option.replace("-", "_"): True, "operations": ("deploys/site.py",)}
    [slip] = order_slips(given)
    assert slip.startswith(f"--{option} lets one host run ahead of the others")
    assert order_slips(given | {option.replace("-", "_"): False}) == []
    assert order_slips(given | {"operations": ("server.shell", "uptime")}) == []


# Data
# ----


@pytest.mark.parametrize(
    ("data", "job", "words"),
    [
        (
            "confrim=home",
            "reset",
            "deploys/reset.py does not take --data confrim=\n\n    instead: --data confirm=WORD",
        ),
        ("confirm", "reset", "--data confirm is not understood\n\n    instead: --data confirm="),
        ("purge=all", "reset", "--data purge=all is not understood\n\n    instead: --data purge="),
        ("drain=perhaps", "backup", "instead: --data drain=yes or no"),
        ("host=rk9", "backup", "instead: --data host=HOST, one of rk1, rk2, rk3, rk4"),
        ("gone=rk1,rk9", "restore", "instead: --data gone=HOSTS, of rk1, rk2, rk3, rk4, with comm"),
        ("wait=5m", "upgrade", "instead: --data wait=300, a whole number of seconds"),
        ("wait=0", "upgrade", "--data wait=0 is not understood"),
        ("interruption=yes", "restart", "instead: --data interruption=accepted"),
        ("all=rk4", "reboot", "instead: --data all=yes"),
        ("all=yes", "upgrade", "deploys/upgrade.py does not take --data all="),
        ("host=rk4", "site", "or --limit HOST for some hosts only"),
        ("host=rk4", "ssh", "deploys/ssh.py does not take --data host="),
        ("limit=rk4", "ssh", "instead: --limit HOST for some hosts only"),
        (
            "address=10.0.0.1",
            "ssh",
            "exposure.address in cluster.toml is a setting of that name",
        ),
        ("ssh_prot=22", "site", "instead: --data ssh_port="),
        ("rk4", "remove", "--data rk4 lacks its key\n\n    instead: --data host=rk4"),
        ("rk4", "backup", "instead: --data host=rk4"),
        (
            *("verison=3", "site"),
            "instead: docker.version in cluster.toml is a setting of that name; or "
            "--data key_file=PATH (a file with the unlock key); or --data refresh=now (",
        ),
    ],
)
def test_data_that_cannot_be_meant(data: str, job: str, words: str) -> None:
    given = [data] if job != "restore" else [data, "file=a", "identity=b"]
    [slip] = data_slips(given, [job], HOSTS)
    assert words in slip


@pytest.mark.parametrize(
    ("data", "job"),
    [
        ("host=node-that-left", "remove"),
        ("gone=rk1,rk2", "restore"),
        ("refresh=now", "site"),
        ("ssh_port=2222", "site"),
        ("_sudo_user=ada", "site"),
    ],
)
def test_data_that_can(data: str, job: str) -> None:
    given = [data] if job != "restore" else [data, "file=a", "identity=b"]
    assert data_slips(given, [job], HOSTS) == []


def test_a_value_under_an_unknown_key_may_be_a_secret() -> None:
    [slip] = data_slips(["_sudo_pasword=hunter2"], ["site"])
    assert "hunter2" not in slip


def test_a_key_is_given_once() -> None:
    [slip] = data_slips(["host=rk1", "host=rk2"], ["remove"])
    assert slip == "--data host= is given more than once\n\n    instead: --data host=NAME"


@pytest.mark.parametrize(
    ("job", "missing"),
    [("remove", ["host=NAME"]), ("restore", ["file=PATH", "identity=PATH"]), ("backup", [])],
)
def test_what_a_job_cannot_do_without_is_asked_for(job: str, missing: list[str]) -> None:
    told = [f"deploys/{job}.py needs --data {option}" for option in missing]
    assert data_slips([], [job]) == told


def test_of_other_peoples_deploys_any_option_may_be_one() -> None:
    theirs = deploys(["tests/unit/run/test_command_line.py"])
    assert data_slips(["host=rk1", "wait=5", "colour=red"], theirs) == []


# Inventory and facts
# -------------------


@pytest.mark.parametrize("inventory", ["inventry.py", "rk1", "rk1,rk2", "cluster.toml"])
def test_an_inventory_that_is_not_there(inventory: str) -> None:
    [slip] = inventory_slips(inventory, ["inventory.py", "deploys/site.py"])
    assert [slip] == inventory_slips(inventory, ["deploys/site.py"])
    assert slip.startswith(f"{inventory} is not an inventory file\n\n")
    assert "instead: pyinfra inventory.py deploys/site.py" in slip


def test_a_deploy_in_place_of_the_inventory() -> None:
    [slip] = inventory_slips("deploys/site.py", ["inventory.py"])
    assert "instead: pyinfra inventory.py deploys/site.py, with your options (" in slip


@pytest.mark.parametrize(
    ("inventory", "words"),
    [
        ("inventory.py", ["deploys/site.py"]),
        ("tests/bench/scale_inventory.py", ["deploys/site.py"]),
        ("192.0.2.1", ["exec", "--", "uptime"]),
    ],
)
def test_an_inventory_that_can_be_meant(inventory: str, words: list[str]) -> None:
    assert inventory_slips(inventory, words) == []


def test_a_fact_without_the_word_for_it() -> None:
    [slip] = fact_slips(("facts.swarm.Nodes",))
    assert "instead: pyinfra inventory.py fact facts.swarm.Nodes" in slip


def test_the_word_for_facts_without_one() -> None:
    [slip] = fact_slips(("fact",))
    assert "instead: pyinfra inventory.py fact facts.swarm.Nodes" in slip


def test_a_name_that_is_no_facts() -> None:
    [slip] = fact_slips(("fact", "facts.swarm.Nodes", "facts.swarm.Node"))
    assert slip.startswith("facts.swarm.Node is not a fact\n\n    instead: facts.swarm.Nodes (")
    assert fact_slips(("fact", "facts.swarm.Tasks", "node=abc", "server.Users")) == []


# As they are typed
# -----------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "confrim=home", "inventory.py", "deploys/reset.py"], "confirm=WORD"),
        (["--data", "confirm", "inventory.py", "deploys/reset.py"], "confirm is not understood"),
        (["--data", "host=rk9", "inventory.py", "deploys/backup.py"], "one of rk1, rk2, rk3"),
        (["inventry.py", "deploys/site.py"], "inventry.py is not an inventory file"),
        (["inventory.py", "facts.swarm.Nodes"], "inventory.py fact facts.swarm.Nodes"),
    ],
)
def test_a_slip_is_said_once_and_no_host_is_asked(
    boards: Path, arguments: list[str], words: str
) -> None:
    ran = pyinfra("-y", *arguments, settings=boards)
    assert ran.returncode == 1
    assert ran.stderr.count(words) == 1, ran.stderr
    assert "Connecting" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_from_another_folder_it_says_where_to_go(boards: Path, tmp_path: Path) -> None:
    there = [str(ROOT / "inventory.py"), str(ROOT / "deploys/ssh.py")]
    ran = pyinfra("--dry", *there, settings=boards, cwd=tmp_path)
    assert ran.returncode == 1
    assert re.search(
        rf"instead: cd {re.escape(shlex.quote(str(ROOT)))}\n"
        r" +pyinfra --dry inventory\.py deploys/ssh\.py\n",
        ran.stderr,
    )
    assert "Connecting" not in ran.stderr


@pytest.mark.parametrize(
    ("words", "of"),
    [
        (["deploys/secrets.py"], "secrets"),
        (["deploys/stacks.py"], "stacks"),
        (["deploys/secrets.py", "deploys/stacks.py"], None),
        (["exec", "--", "true"], None),
    ],
)
def test_a_run_is_of_one_deploy_also_where_hosts_run(
    words: list[str], of: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(command_line, "given_options", lambda: {"operations": words})
    refuse_slips()
    monkeypatch.setattr(command_line, "given_options", dict)
    for name in ("secrets", "stacks"):
        assert gevent.spawn(is_run_of, name).get() is (name == of)
