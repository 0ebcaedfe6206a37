"""Files as one stack: what is kept of each, and what is said where one cannot be read."""

from __future__ import annotations

from pyinfra_swarm.stacks.compose import Ignored, Source, at, dotted, named_files, read
from pyinfra_swarm.stacks.document import Place, Scalar, Table
from pyinfra_swarm.stacks.longform import SECTIONS
from pyinfra_swarm.stacks.variables import Variables


def source(text: str, name: str = "a.yml") -> Source:
    return Source(name, text.encode())


def test_a_source_shows_its_name_alone() -> None:
    assert repr(source("hunter2")) == "Source(name='a.yml')"


def test_the_environment_files_of_all_that_can_be_read() -> None:
    texts = (
        "a: [",
        "services: [a]",
        "x-a: 1",
        "services: {a: x, b: {env_file: one}, c: {env_file: [two, one, 5, {path: x}]}, d: {}}",
        "services: {a: {env_file: 5}, b: {env_file: three}}",
    )
    assert named_files(map(source, texts)) == ("one", "two", "three")
    assert named_files([]) == ()


def test_where_no_file_can_be_read_the_stack_is_empty_and_says_why() -> None:
    stack = read([source("a: ["), source("b: [", "b.yml")])
    assert [(one.place.file, one.path) for one in stack.problems] == [("a.yml", ""), ("b.yml", "")]
    assert all(one.reason.startswith("is not YAML") and one.remedy for one in stack.problems)
    assert stack.files == ("a.yml", "b.yml")
    assert stack.root.place == Place("a.yml", 1)
    assert {name: stack.section(name).entries for name in SECTIONS} == {
        name: {} for name in SECTIONS
    }
    assert stack.section("services").place == Place("a.yml", 1)


def test_no_file_at_all_is_an_empty_stack() -> None:
    stack = read([])
    assert (stack.files, stack.problems, stack.root.place) == ((), (), Place("", 1))


def test_one_that_cannot_be_read_hides_no_other() -> None:
    stack = read([source("a: ["), source("services: {a: {image: x}}", "b.yml")])
    assert [*stack.section("services").entries] == ["a"]
    assert len(stack.problems) == 1


def test_comments_and_tags_of_every_file_are_kept_with_their_place() -> None:
    stack = read(
        [
            source("# pyinfra-swarm: one\nx-a: !odd b\n"),
            source("# pyinfra-swarm: two\nx-b: !other b\n", "b.yml"),
        ]
    )
    assert [(one.text, one.place.file) for one in stack.comments] == [
        ("one", "a.yml"),
        ("two", "b.yml"),
    ]
    assert stack.ignored == (
        Ignored(Place("a.yml", 2, 6), "!odd"),
        Ignored(Place("b.yml", 2, 6), "!other"),
    )


def test_what_docker_refuses_is_told_once_with_its_place_and_remedy() -> None:
    text = "services:\n  web:\n    image: a\n    ports: [http]\n    volumes: ['data::ro']\n"
    problems = read([source(text)]).problems
    assert [(one.path, one.place.line) for one in problems] == [
        ("services.web.ports[0]", 4),
        ("services.web.volumes[0]", 5),
    ]
    assert problems[0].remedy.startswith("write PUBLISHED:TARGET")
    assert problems[1].remedy == "write it as docker's reference says"


def test_a_version_that_says_nothing_is_the_newest() -> None:
    for nothing in ("''", ""):
        both = read([source(f"version: {nothing}\n"), source("version: '3.13'\n", "b.yml")])
        assert not [one for one in both.problems if one.place.file == "b.yml"]


def test_another_version_is_told_where_it_stands() -> None:
    [problem] = read(
        [source("version: '3.1'\n"), source("x-a: 1\nversion: '3.4'\n", "b.yml")]
    ).problems
    assert problem.place == Place("b.yml", 2, 1)
    assert problem.reason == "is 3.4 here and 3.1 in the file before"
    [absent] = read([source("version: '3.1'\n"), source("x-a: 1\n", "b.yml")]).problems
    assert (absent.place, absent.reason[:7]) == (Place("b.yml", 1), "is 3.13")


def test_a_way_as_docker_writes_it() -> None:
    assert dotted(("services", "web", "ports", 0, "target")) == "services.web.ports[0].target"
    assert dotted(()) == ""


def test_a_way_that_leads_nowhere() -> None:
    place = Place("a.yml", 1)
    root = Table({"a": Table({"b": Scalar(1, place)}, place)}, place)
    assert at(root, "a", "b") == Scalar(1, place)
    assert at(root) is root
    assert at(root, "a", "b", "c") is None
    assert at(root, "x", "y") is None
    assert at(None, "a") is None


def test_an_environment_file_brings_what_it_holds_where_it_is_given() -> None:
    files = [source("services: {web: {image: a, env_file: e}}")]
    given, without = (read(files, Variables(), texts) for texts in ({"e": "A=1"}, None))
    found = at(given.root, "services", "web", "environment", "A")
    assert isinstance(found, Scalar)
    assert found.value == "1"
    assert at(without.root, "services", "web", "environment") is None


def test_variables_without_a_value_and_those_that_must_have_one_are_told() -> None:
    text = "x-a: $A\nx-b: ${B:?needed}\n"
    stack = read([source(text), source(text, "b.yml")], Variables({}, complete=True))
    assert [(one.name, one.place.file) for one in stack.missing] == [("A", "a.yml"), ("A", "b.yml")]
    assert [(one.path, one.place.file) for one in stack.problems] == [
        ("x-b", "a.yml"),
        ("x-b", "b.yml"),
    ]
