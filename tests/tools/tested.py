"""Which scenarios have passed on which machines: ``RECORD_TESTED=1`` has a run write it down.

A scenario is a file of tests; its longer tests count as another. What the hosts are is asked of
the hosts, after the last test of the file, and before others may take their place. The table is in
the package, ``preflight/tested.json``; ``python -m tests.tools.tested`` writes docs/tested.md and
the short form in README.md from it.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pyinfra_swarm.preflight.tested import Machine, Passed, parse, renewed, series, written

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "pyinfra_swarm/preflight/tested.json"
PAGE = ROOT / "docs/tested.md"
README = ROOT / "README.md"

ASK = r"""
. /etc/os-release
echo "distribution=$ID"
echo "version=$VERSION_ID"
echo "architecture=$(dpkg --print-architecture)"
echo "kernel=$(uname -r)"
echo "iptables=$(iptables -V)"
echo "engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null)"
if [ -e /etc/stands-for ]; then
  echo "stands_for=$(cat /etc/stands-for)"
  echo "debian=$(cut -d . -f 1 /etc/debian_version)"
fi
"""
"""Shell, run as root: what a host is. One of the lab's that stands for another system says so, and
counts as what it is made of."""

PREAMBLE = (
    "The suites write this page from what has passed (`RECORD_TESTED=1 make lifecycle`, then "
    "`python -m tests.tools.tested`); nobody edits it. A scenario is a file in `tests/scenarios`, "
    "on whole machines (*lab*), or in `tests/engines`, on real engines in namespaces of one "
    "machine (*engines*); *long* marks what only `make lifecycle` runs. The recording began on 28 "
    "November 2026: what is not in a table has not run there since. "
    "`pyinfra inventory.py deploys/preflight.py` says for each of your hosts what comes nearest to "
    "it."
)

BEGIN, END = "<!-- tested: begin -->", "<!-- tested: end -->"


def is_recording() -> bool:
    return os.environ.get("RECORD_TESTED") == "1"


def machine(said: str) -> Machine | None:
    """What :data:`ASK` printed; ``None`` where no engine answers: nothing was tried there."""
    values = dict(line.split("=", 1) for line in said.splitlines() if "=" in line)
    if not values.get("engine"):
        return None
    distribution, version = values["distribution"], values["version"]
    if stands_for := values.get("stands_for"):
        distribution, version = "debian", f"{values['debian']} as {stands_for}"
    return Machine(
        distribution=distribution,
        version=version,
        architecture=values["architecture"],
        kernel=series(values["kernel"]),
        back_end="nft" if "nf_tables" in values["iptables"] else "legacy",
        engine=values["engine"].partition("+")[0],  # what the distribution adds
    )


class Recorder:
    """A plugin of pytest's that writes down which files of tests have passed.

    machines: what the hosts are at this moment. folder: of the tests that count.
    """

    def __init__(
        self, where: str, machines: Callable[[], Iterable[Machine | None]], folder: Path
    ) -> None:
        self._where, self._machines, self._folder = where, machines, folder
        self._passed: dict[str, int] = defaultdict(int)
        self._spoilt: set[str] = set()
        self._seen: dict[str, set[Machine]] = defaultdict(set)

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """A scenario of which only some tests were chosen has not passed."""
        self._spoilt |= {scenario(item) for item in items}

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The same where tests are named, as ``FILE::TEST``: nobody knows what was left out."""
        named = {word.partition("::")[0] for word in session.config.args if "::" in word}
        files = {(session.config.invocation_params.dir / word).resolve() for word in named}
        self._spoilt |= {scenario(item) for item in session.items if item.path.resolve() in files}

    @pytest.hookimpl(tryfirst=True)  # while the hosts are still there
    def pytest_runtest_teardown(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        mine = scenario(item)
        if self._folder not in item.path.parents:
            return
        last = nextitem is None or scenario(nextitem) != mine
        if last or _parameters(nextitem) != _parameters(item):  # the next may be on others
            found = {one for one in self._machines() if one is not None}
            self._seen[mine] |= found

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        mine = scenario(item)
        if self._folder not in item.path.parents:
            return report
        if report.outcome != "passed":
            self._spoilt.add(mine)
        elif report.when == "call":
            self._passed[mine] += 1
        return report

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return  # it was interrupted: what has passed of a scenario may be a part of it
        date = datetime.now(UTC).date().isoformat()
        now = [
            Passed(one, self._where, mine, count, date, _commit())
            for mine, count in self._passed.items()
            if mine not in self._spoilt
            for one in self._seen[mine]
        ]
        if now:
            TABLE.write_text(written(renewed(parse(TABLE.read_text()), now)))


def scenario(item: pytest.Item) -> str:
    """The name of the scenario that a test is part of."""
    name = item.path.stem.removeprefix("test_").replace("_", " ")
    return f"{name}, long" if item.get_closest_marker("lifecycle") else name


def _parameters(item: pytest.Item | None) -> dict[str, object]:
    """What its fixtures are made with, and others share: those of the test alone name no host."""
    called = getattr(item, "callspec", None)
    if called is None:
        return {}
    scopes = getattr(called, "_arg2scope", {})  # pytest's own; without it, all of them
    return {
        name: value
        for name, value in called.params.items()
        if name not in scopes or scopes[name].value != "function"
    }


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True
    )
    return done.stdout.strip()


def page(passed: Sequence[Passed]) -> str:
    """docs/tested.md."""
    lines = [
        "# What has run where",
        "",
        PREAMBLE,
        "",
    ]
    machines = sorted({one.machine for one in passed})
    if not machines:
        lines += ["Nothing has been recorded yet.", ""]
    for one in machines:
        lines += [f"## {one}", "", "| Scenario | Where | Tests | Last passed | Commit |"]
        lines += ["|---|---|---|---|---|"]
        lines += [
            f"| {each.scenario} | {each.where} | {each.tests} | {each.date} | `{each.commit}` |"
            for each in passed
            if each.machine == one
        ]
        lines.append("")
    return "\n".join(lines)


def short(passed: Sequence[Passed]) -> str:
    """The short form, for the README."""
    if not passed:
        return "The table of single combinations has no entry yet."
    lines = ["| System | Kernel, iptables | Docker | Scenarios passed | Last |"]
    lines += ["|---|---|---|---|---|"]
    for one in sorted({replace(each.machine, engine="") for each in passed}):
        its = [each for each in passed if replace(each.machine, engine="") == one]
        engines = sorted({each.machine.engine for each in its})
        names = {(each.where, each.scenario) for each in its}
        lines.append(
            f"| {one.distribution.capitalize()} {one.version}, {one.architecture} "
            f"| Linux {one.kernel}, {one.back_end} | {', '.join(engines)} "
            f"| {len(names)} | {max(each.date for each in its)} |"
        )
    return "\n".join(lines)


def with_short_form(readme: str, passed: Sequence[Passed]) -> str:
    """A README with the short form between its marks."""
    pattern = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    return pattern.sub(lambda _: f"{BEGIN}\n{short(passed)}\n{END}", readme)


def main() -> int:
    """Write the page and the short form."""
    passed = parse(TABLE.read_text())
    PAGE.write_text(page(passed))
    README.write_text(with_short_form(README.read_text(), passed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
