"""Comments silence notices, with a reason, and nothing else."""

from __future__ import annotations

import pytest

from tests.unit.stacks.stack_examples import GOOD, changed, issues, rules

LIMITS = "      resources: { limits: { memory: 64M } }\n"
IMAGE = "    image: nginx:1.29.1\n"


def commented(comment: str) -> list[tuple[str, str]]:
    """What is said of an image without a tag, with a comment beside it."""
    return rules(issues(changed((IMAGE, f"    image: nginx # pyinfra-swarm: {comment}\n"))))


@pytest.mark.parametrize(
    "comment", ["ignore S6 because it is mine", "ignore  S6  because x", "ignore S6 because S6"]
)
def test_a_notice_is_silenced_beside_its_line(comment: str) -> None:
    assert commented(comment) == []


def test_a_notice_is_silenced_by_the_line_above() -> None:
    comment = "    # pyinfra-swarm: ignore S6 because it is mine\n"
    assert issues(changed((IMAGE, f"{comment}    image: nginx\n"))) == ()
    below = changed((IMAGE, f"    image: nginx\n{comment}"))
    assert rules(issues(below)) == [("S6", "notice"), ("S16", "notice")]


def test_one_comment_silences_several_rules() -> None:
    text = changed((LIMITS, ""), ("  web:\n", "  web: # pyinfra-swarm: ignore S5, S3 because x\n"))
    found = issues(text)
    assert rules(found) == [("S16", "notice"), ("S16", "notice"), ("S5", "notice")]
    text = changed(
        (LIMITS, ""), ("    deploy:\n", "    deploy: # pyinfra-swarm: ignore S5 because x\n")
    )
    assert issues(text) == ()


@pytest.mark.parametrize(
    ("comment", "says"),
    [
        *(("ignore S6", "gives no reason"), ("ignore S6 because", "can be asked for")),
        *(("ignore S99 because x", "no rule S99"), ("ignore", "can be asked for")),
        *(("ignore all because x", "can be asked for"), ("ignore s6 because x", "asked for")),
        *(("ignore S5 because x", "silences nothing"), ("disable S6 because x", "asked for")),
        *(("ignore S6, S5 because x", "silences nothing"),),
    ],
)
def test_a_comment_that_does_not_do_what_it_says_is_told(comment: str, says: str) -> None:
    found = issues(changed((IMAGE, f"    image: nginx # pyinfra-swarm: {comment}\n")))
    (about,) = [issue for issue in found if issue.rule == "S16"]
    assert about.severity == "notice"
    assert says in about.reason
    assert len(found) == 1 + ("S6, S5" not in comment)


def test_no_comment_silences_a_refusal() -> None:
    text = GOOD.replace(
        'front: { driver_opts: { encrypted: "true" } }',
        "front: {} # pyinfra-swarm: ignore S1 because x",
    )
    found = issues(text)
    assert rules(found) == [("S1", "refusal"), ("S16", "notice")]
    assert "no comment silences a refusal" in found[1].reason


def test_a_comment_holds_for_its_own_file_alone() -> None:
    first = changed((IMAGE, "    image: nginx # pyinfra-swarm: ignore S6 because x\n"))
    second = "services:\n  web:\n    image: nginx:latest\n"
    found = issues(first, second)
    assert [(one.rule, one.file, one.line) for one in found] == [
        ("S16", "a.yml", 3),
        ("S6", "b.yml", 3),
    ]


def test_a_text_that_looks_like_a_comment_silences_nothing() -> None:
    text = changed(
        (IMAGE, "    image: nginx\n"),
        more="labels:\n  a: |\n    # pyinfra-swarm: ignore S6 because x",
    )
    assert rules(issues(text)) == [("S6", "notice")]
