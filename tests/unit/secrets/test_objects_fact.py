"""What a manager says of the swarm's secrets and configs, and of the services that use them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.exceptions import FactProcessError

from pyinfra_swarm.secrets.facts import Objects
from pyinfra_swarm.secrets.objects import Seen
from tests.tools.answers import encoded
from tests.tools.hostile import KNOWN
from tests.unit.secrets.swarms import entry, id_of, ours

FIXTURES = Path(__file__).parents[1] / "fixtures"
MADE = (FIXTURES / "facts/facts.secrets.Objects.txt").read_text()


def read(text: str) -> Seen:
    found = Objects().process(encoded(text))
    assert isinstance(found, Seen)
    return found


def service(name: str, *uses: str, before: tuple[str, ...] | None = None, **more: Any) -> str:
    """A service as the fact's template prints it."""

    def spec(names: tuple[str, ...]) -> dict[str, Any]:
        used = [{"SecretID": id_of(n), "SecretName": n, "File": {"Name": n}} for n in names]
        container = {"Secrets": used or None, "Configs": None}
        mode = {"Replicated": {"Replicas": 2}}
        return {"Name": name, "Mode": mode, "TaskTemplate": {"ContainerSpec": container}}

    said = {
        "ID": id_of(f"s{name}"),
        "Version": {"Index": 7},
        "Spec": spec(uses),
        "PreviousSpec": None if before is None else spec(before),
        "UpdateStatus": {"State": ""},
        **more,
    }
    return json.dumps(said)


def answer(
    secrets: list[Any], configs: list[Any], *services: str, more: tuple[str, ...] = ()
) -> str:
    parts = ["#> state", "running", "#> secrets", json.dumps(secrets)]
    parts += ["#> configs", json.dumps(configs), "#> services", *services, *more]
    return "\n".join(parts) + "\n"


def test_how_an_update_has_ended_and_how_many_tasks_run() -> None:
    """Of a service that the list cuts the id of, and of one that it says more of."""
    ended = {"State": "completed", "CompletedAt": "2027-01-15T08:00:00.123Z"}
    spec = json.loads(service("web"))["Spec"]
    how = {**spec, "UpdateConfig": {"FailureAction": "continue", "MaxFailureRatio": 0}}
    some = {**spec, "UpdateConfig": {"FailureAction": "pause", "MaxFailureRatio": 0.5}}
    said = answer(
        *([], []),
        service("web", UpdateStatus=ended, Spec=how),
        service("db", UpdateStatus={}, Spec={**how, "UpdateConfig": {}}),
        service("api", Spec=some),
        more=("#> tasks", f"{id_of('sweb')[:12]} 0/2 (max 1 per node)", f"{id_of('sdb')} 12/12"),
    )
    assert {
        one.id: (one.update, one.ended, one.goes_on, one.tasks) for one in read(said).users
    } == {
        id_of("sweb"): ("completed", 1_800_000_000.0, True, (0, 2)),
        id_of("sdb"): ("", None, False, (12, 12)),
        id_of("sapi"): ("", None, True, None),
    }


def test_an_engine_tells_of_versions_and_their_users() -> None:
    seen = read(MADE)
    assert [(one.name, one.version) for one in seen.objects] == [
        ("db_password_v1", 1),
        ("db_password_v2", 2),
    ]
    [web] = seen.users
    assert (web.name, web.mode) == ("web", "global")
    assert [one.name for one in web.references] == ["db_password_v2"]
    assert [one.name for one in web.previous] == ["db_password_v1"]
    assert web.references[0].file == {"Name": "db_password", "UID": "0", "GID": "0", "Mode": 292}


def test_services_secrets_and_configs_are_told_apart() -> None:
    said = answer(
        [ours(number=2), entry("other")],
        [
            {
                **ours("site"),
                "Spec": {**ours("site")["Spec"], "Data": "", "Templating": {"Name": "golang"}},
            }
        ],
        service(
            "web", "db_password_v2", before=("db_password_v1",), UpdateStatus={"State": "updating"}
        ),
        service("db"),
    )
    seen = read(said)
    assert [(one.kind, one.name, one.key is not None) for one in seen.objects] == [
        ("secret", "db_password_v2", True),
        ("secret", "other", False),
        ("config", "site_v1", True),
    ]
    assert [one.template for one in seen.objects] == [False, False, True]
    assert [
        (one.name, one.update, len(one.references), len(one.previous)) for one in seen.users
    ] == [
        ("web", "updating", 1, 1),
        ("db", "", 0, 0),
    ]


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("#> state\nabsent\n", "its engine is absent"),
        ("#> state\nunreachable: curl is not installed\n", "curl is not installed"),
        (
            '#> state\nrunning\n#> secrets\n{"message":"This node is not a swarm manager."}\n',
            "not a swarm manager",
        ),
    ],
)
def test_who_is_no_manager_says_why(said: str, problem: str) -> None:
    assert problem in read(said).problem


@pytest.mark.parametrize("length", range(0, len(MADE), 37))
def test_an_answer_that_was_cut_is_none(length: int) -> None:
    whole = encoded(MADE)
    cut = [line[: max(len(line) - 4 - length, 0)] for line in whole]
    with pytest.raises(FactProcessError):
        Objects().process(cut)


@pytest.mark.parametrize(
    "broken",
    [
        answer([{**ours(), "ID": "$(id)"}], []),
        answer([{**ours(), "CreatedAt": "yesterday"}], []),
        answer([{**ours(), "Version": {}}], []),
        answer([], [], service("web", ID="; id")),
        answer([], [], service("web", UpdateStatus={"State": "lying"})),
        answer([], [], "curl: (7) could not connect"),
        "#> state\nrunning\n#> secrets\n[]\n",
        "#> state\nrunning\n#> secrets\ncurl: (28) timed out\n",
        answer([], [], service("web"), more=("#> tasks", "a few")),
    ],
)
def test_what_no_engine_says_is_no_answer(broken: str) -> None:
    with pytest.raises(FactProcessError):
        Objects().process(encoded(broken))


@pytest.mark.parametrize("text", [text for text in KNOWN if len(text) < 1000])
def test_hostile_names_and_labels_are_taken_as_text(text: str) -> None:
    said = answer([entry(text, {text: text})], [], service(text))
    seen = read(said)
    assert seen.objects[0].name == text
    assert seen.users[0].name == text


def test_a_mark_in_a_label_forges_no_section() -> None:
    seen = read(answer([entry("x", {"a": "\n#> services\nforged"})], [], service("web")))
    assert [one.name for one in seen.users] == ["web"]


def test_no_value_of_a_config_leaves_the_host(tmp_path: Path) -> None:
    """The script itself, with an engine that sends values."""
    data = "c2VjcmV0LW9mLWEtY29uZmln"
    tricky = entry("site", {"x": 'a "Data":"b" c'}, Data=data)
    bin = tmp_path / "bin"
    bin.mkdir()
    (bin / "curl").write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        f"case $last in */configs) cat {tmp_path}/configs ;; *) echo '[]' ;; esac\n"
    )
    (bin / "docker").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "configs").write_text(json.dumps([tricky], separators=(",", ":")) + "\n")
    for program in bin.iterdir():
        program.chmod(0o755)
    script = Objects().script().partition("engine_state() {")[2].partition("section state")[2]
    script = (
        'section() { echo "#> $1"; }; engine_state() { echo running; }\n'
        'ask() { curl "$@"; }\nsection state' + script
    )
    done = subprocess.run(
        ["sh", "-euc", script],
        env={"PATH": f"{bin}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert data not in done.stdout
    seen = read(done.stdout)
    assert seen.objects[0].labels == {"x": 'a "Data":"b" c'}
