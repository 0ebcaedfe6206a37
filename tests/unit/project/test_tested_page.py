"""docs/tested.md and the README's short form are what the table makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyinfra_swarm.preflight.tested import Machine, Passed
from pyinfra_swarm.preflight.tested_table import shipped
from tests.tools import tested

pytest_plugins = ["pytester"]


def test_the_page_and_the_readme_are_made_from_the_table() -> None:
    passed = shipped()
    assert tested.PAGE.read_text() == tested.page(passed)
    readme = tested.README.read_text()
    assert tested.BEGIN in readme
    assert tested.with_short_form(readme, passed) == readme


def test_a_host_is_read_from_its_own_words() -> None:
    said = (
        "distribution=debian\nversion=13\narchitecture=amd64\nkernel=6.12.1-um\n"
        "iptables=iptables v1.8.11 (nf_tables)\nengine=28.5.2\n"
    )
    assert tested.machine(said) == MACHINE
    legacy = tested.machine(said.replace("nf_tables", "legacy"))
    assert legacy is not None
    assert legacy.back_end == "legacy"
    assert tested.machine(said.replace("28.5.2", "28.5.2+dfsg4")) == MACHINE
    assert tested.machine(said.replace("28.5.2", "")) is None


def test_a_host_that_stands_for_another_system_counts_as_what_it_is_made_of() -> None:
    said = (
        "distribution=ubuntu\nversion=26.04\narchitecture=amd64\nkernel=6.12.1-um\n"
        "iptables=iptables v1.8.11 (nf_tables)\nengine=28.5.2\nstands_for=Ubuntu 26.04\ndebian=13\n"
    )
    machine = tested.machine(said)
    assert machine == Machine("debian", "13 as Ubuntu 26.04", "amd64", "6.12", "nft", "28.5.2")
    assert machine.system == "Debian 13 as Ubuntu 26.04"
    real = Machine("ubuntu", "26.04", "amd64", "6.12", "nft", "28.5.2")
    assert real.differs_from(machine) == ["the system"]


FILE = """
    import pytest

    def test_short(): pass

    @pytest.mark.lifecycle
    def test_long(): assert {long}

    @pytest.mark.parametrize("one", [1, 2])
    def test_two(one): pass
"""


MACHINE = Machine("debian", "13", "amd64", "6.12", "nft", "28.5.2")


@pytest.fixture
def table(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The table that recorders write to: an empty one."""
    path = pytester.path / "table.json"
    path.write_text("[]")
    monkeypatch.setattr(tested, "TABLE", path)
    return path


@pytest.mark.parametrize(
    ("long", "expected"), [(True, {"it": 3, "it, long": 1}), (False, {"it": 3})]
)
def test_a_file_counts_where_all_of_it_has_passed(
    pytester: pytest.Pytester, table: Path, long: bool, expected: dict[str, int]
) -> None:
    pytester.makeini("[pytest]\nmarkers = lifecycle\naddopts = -p no:cacheprovider")
    pytester.makepyfile(test_it=FILE.format(long=long))
    recorder = tested.Recorder("lab", lambda: [MACHINE, None], pytester.path)
    elsewhere = tested.Recorder("engines", lambda: [MACHINE], pytester.path / "engines")
    pytester.inline_run("-p", "no:xdist", plugins=[recorder, elsewhere])
    found = {one.scenario: one.tests for one in map(Passed.parse, _rows(table.read_text()))}
    assert found == expected


def test_a_file_of_which_some_tests_were_chosen_does_not_count(
    pytester: pytest.Pytester, table: Path
) -> None:
    pytester.makepyfile(test_it="def test_one(): pass\n\ndef test_two(): pass")
    for chosen, expected in (
        (("-k", "one"), 0),
        (("test_it.py::test_one",), 0),
        (("-k", "one or two"), 1),
    ):
        recorder = tested.Recorder("lab", lambda: [MACHINE], pytester.path)
        words = ("-p", "no:xdist", "-p", "no:cacheprovider", *chosen)
        pytester.inline_run(*words, plugins=[recorder])
        assert len(_rows(table.read_text())) == expected


def test_a_run_that_was_interrupted_does_not_count(pytester: pytest.Pytester, table: Path) -> None:
    part = 'import pytest\n\n@pytest.mark.parametrize("on", [1, 2], scope="module")\n'
    part += "def test_it(on):\n    if on == 2:\n        raise KeyboardInterrupt\n"
    pytester.makepyfile(test_it=part)
    recorder = tested.Recorder("lab", lambda: [MACHINE], pytester.path)
    words = ("-p", "no:xdist", "-p", "no:cacheprovider")
    pytester.inline_run(*words, plugins=[recorder], no_reraise_ctrlc=True)
    assert _rows(table.read_text()) == []


BOTH = """
    import pathlib, pytest

    @pytest.fixture(scope="module", params=["26.1.5", "28.5.2"])
    def hosts(request):
        (there := pathlib.Path("there")).write_text(request.param)
        yield
        there.unlink()

    def test_one(hosts): pass

    @pytest.mark.parametrize("cell", range(50))
    def test_two(hosts, cell): pass
"""


def test_a_file_that_has_its_hosts_in_turn_counts_for_each(
    pytester: pytest.Pytester, table: Path
) -> None:
    pytester.makepyfile(test_it=BOTH)
    there = pytester.path / "there"
    asked: list[str] = []

    def machines() -> list[Machine]:
        asked.append(there.read_text())
        return [Machine("debian", "13", "amd64", "6.12", "nft", there.read_text())]

    recorder = tested.Recorder("engines", machines, pytester.path)
    pytester.inline_run("-p", "no:xdist", "-p", "no:cacheprovider", plugins=[recorder])
    found = [Passed.parse(row) for row in _rows(table.read_text())]
    assert sorted(one.machine.engine for one in found) == ["26.1.5", "28.5.2"]
    assert len(asked) < 6, "hosts are not asked after each test"


def _rows(text: str) -> list[dict[str, object]]:
    import json

    rows: list[dict[str, object]] = json.loads(text)
    return rows
