"""The answers in ``docs/facts.md``: recorded on a real host, made by the facts' own parsers.

python -m tests.tools.facts_page record         ask a manager of the running lab anew, then write
python -m tests.tools.facts_page write          put the answers of what was recorded into the page

``tests/unit/project/test_facts_page.py`` fails where the page says something else than the code.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyinfra.api import FactBase
from pyinfra.api.facts import ShortFactBase

from lab import api
from pyinfra_swarm.settings.paths import ROOT
from tests.scenarios.conftest import description_of_the_lab, load_web_image, on_each
from tests.tools.answers import encoded, recorded

PAGE = ROOT / "docs/facts.md"
RECORDED = ROOT / "tests/unit/fixtures/facts"
OF_A_WORKER = ROOT / "tests/unit/fixtures/facts-worker"
ARGUMENTS = {
    "facts.access.Accounts": {"users": "debian"},
    "facts.doors.WaysIn": {"admins": "debian"},
    "facts.docker.PublishedKey": {"url": "https://download.docker.com/linux/debian/gpg"},
    "facts.ssh.Effective": {"users": "debian"},
    "facts.swarm.Tasks": {"node": "self"},
}
_LONGEST, _MOST, _DEEP_MOST = 64, 24, 9
_SECTION = r"(?ms)^### `{name}`$.*?^( {{4}}[^\n]*\n(?: {{4}}[^\n]*\n|\n(?= {{4}}))*)"


def facts() -> dict[str, Any]:
    """Every fact there is to ask for, by the name that pyinfra takes."""
    found = {}
    for path in sorted((ROOT / "facts").glob("*.py")):
        module = importlib.import_module(f"facts.{path.stem}".removesuffix(".__init__"))
        for name, value in vars(module).items():
            if (
                inspect.isclass(value)
                and issubclass(value, FactBase | ShortFactBase)
                and not value.__dict__.get("abstract", False)
            ):
                found[f"{module.__name__}.{name}"] = value
    return found


def name_of(fact: Any) -> str:
    """The name that pyinfra takes for a fact."""
    [name] = [name for name, one in facts().items() if one is fact]
    return name


def asked(name: str, fact: Any) -> tuple[str, Any]:
    """The fact that a host is asked for: for a short fact the one it is taken from."""
    whole = fact.fact if issubclass(fact, ShortFactBase) else fact
    return name_of(whole), whole


@contextmanager
def something_to_show(manager: str) -> Iterator[None]:
    """A service and a container of its own on an encrypted network, as long as it is recorded."""
    load_web_image(host.name for host in description_of_the_lab().hosts)
    on_each([manager], _SHOWN)
    try:
        yield
    finally:
        on_each([manager], _GONE)


_SHOWN = """\
set -e
docker network create --driver overlay --attachable --opt encrypted notes
label() { printf -- '--label pyinfra-swarm.%s=%s ' name "$1" version "$2" turn "$2"; }
for version in 1 2; do
  printf made-up | docker secret create $(label db_password $version) db_password_v$version -
done
docker service create -q --detach=false --name web --mode global --publish 80:80 --network notes \
  --secret source=db_password_v1,target=db_password lab/web:1
docker service update -q --secret-rm db_password_v1 \
  --secret-add source=db_password_v2,target=db_password web
docker run -d --name alone --network notes lab/web:1
"""
_GONE = """\
docker rm -f alone
docker service rm web
until docker secret rm db_password_v1 db_password_v2; do sleep 1; done
until docker network rm notes; do sleep 1; done
"""
_AUTOLOCK = "docker swarm update --autolock={on} >/dev/null"


def record(host: str, folder: Path) -> None:
    """Ask a host of the lab for everything that it can answer."""
    folder.mkdir(exist_ok=True)
    unanswered = {"facts.swarm.UnlockKey"} if folder == OF_A_WORKER else set()
    for name, whole in {asked(name, fact) for name, fact in facts().items()}:
        if name in unanswered:
            continue
        script = str(whole().command(**ARGUMENTS.get(name, {})))
        if name == "facts.swarm.UnlockKey":
            on, off = (_AUTOLOCK.format(on=on) for on in ("true", "false"))
            script = f"{on} || :\n{script}\n{off} || :"
        said = api.run(host, ["sudo", "sh", "-c", script], check=False).stdout  # as a worker's may
        said = recorded(said.splitlines())
        said = re.sub(r"(?m)^Acquire::.*\n", "", said)  # apt's addresses, which no fact reads
        (folder / f"{name}.txt").write_text(said, encoding="utf-8")


def answer(name: str) -> Any:
    """What a fact makes of what was recorded, as plain data."""
    fact = facts()[name]
    whole_name, whole = asked(name, fact)
    instance = whole()
    instance.command(**ARGUMENTS.get(whole_name, {}))
    value = instance.process(encoded((RECORDED / f"{whole_name}.txt").read_text(encoding="utf-8")))
    if issubclass(fact, ShortFactBase):
        value = fact().process_data(value)
    plain = json.loads(json.dumps(value, default=lambda one: one.to_json()))
    if isinstance(plain, dict) and "clock_ahead" in plain:
        plain["clock_ahead"] = 0.0  # against the clock of whoever asks, when it was asked
    if isinstance(plain, dict) and "booted" in plain:  # likewise
        later = plain["engine_started"] - plain["booted"]
        plain["booted"] = 1764000000.0
        plain["engine_started"] = round(plain["booted"] + later, 1)
    return plain


def shown(name: str) -> str:
    """An answer as the page shows it: indented, long texts and lists shortened."""
    text = json.dumps(_shortened(answer(name)), indent=2, ensure_ascii=False)
    text = text.replace('"…": "…"', "…").replace('"…"', "…")
    return "".join(f"    {line}\n" for line in _joined(text).splitlines())


def _shortened(value: Any, depth: int = 0) -> Any:
    if isinstance(value, dict):
        most = _DEEP_MOST if depth else _MOST
        kept = {key: _shortened(item, depth + 1) for key, item in list(value.items())[:most]}
        return {**kept, "…": "…"} if len(value) > most else kept
    if isinstance(value, list):
        kept_items = [_shortened(item, depth + 1) for item in value[:2]]
        return [*kept_items, "…"] if len(value) > 2 else kept_items
    if isinstance(value, str) and len(value) > _LONGEST:
        return value[: _LONGEST - 1] + "…"
    return value


def _joined(text: str) -> str:
    """Objects and lists without others in them on one line, where they fit."""

    def join(match: re.Match[str]) -> str:
        line = re.sub(r"\n\s*", " ", match[0]).replace("{ ", "{").replace(" }", "}")
        line = line.replace("[ ", "[").replace(" ]", "]")
        return line if len(line) <= 88 else match[0]

    for _ in range(3):
        text = re.sub(r"[\[{][^\[\]{}]*[\]}]", join, text)
    return text


def unprinted() -> str:
    """The facts of whose answers nothing is shown, as the page lists them."""
    names = [name for name, fact in facts().items() if asked(name, fact)[1].unprinted]
    return ", ".join(f"`{name}`" for name in sorted(names))


_UNPRINTED = r"(?<=may hold a password \()[^)]*(?=\))"


def with_answers(page: str) -> str:
    """The page with every answer put in, and the names of those that are printed nowhere.

    Raises ``KeyError`` for a fact without a section, ``ValueError`` where there is no place for
    the names.
    """
    page, places = re.subn(_UNPRINTED, unprinted(), page)
    if places != 1:
        raise ValueError("docs/facts.md does not say once “may hold a password (…)”")
    for name in facts():
        pattern = re.compile(_SECTION.format(name=re.escape(name)))
        match = pattern.search(page)
        if match is None:
            raise KeyError(f"docs/facts.md has no section for {name} with an answer in it")
        page = page[: match.start(1)] + shown(name) + page[match.end(1) :]
    return page


def main(words: list[str]) -> int:
    """The command; its exit code."""
    if words == ["record"]:
        with something_to_show("node1"):
            record("node1", RECORDED)
            record("node4", OF_A_WORKER)  # for tests/bench/scale.py
    elif words != ["write"]:
        print(__doc__, file=sys.stderr)
        return 2
    PAGE.write_text(with_answers(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
