"""What the lint found, as code hosts read it: SARIF 2.1.0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from pyinfra_swarm.stacks.lint import Issue
from pyinfra_swarm.stacks.lint.rules import RULES

SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LEVELS = {"refusal": "error", "notice": "warning"}


def sarif(issues: Sequence[Issue], version: str) -> dict[str, Any]:
    """One run with all issues."""
    numbers = {name: number for number, name in enumerate(RULES)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pyinfra-swarm lint",
                        "version": version,
                        "rules": [
                            {
                                "id": rule.id,
                                "shortDescription": {"text": rule.title},
                                **({"helpUri": rule.source} if "://" in rule.source else {}),
                            }
                            for rule in RULES.values()
                        ],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [_result(issue, numbers[issue.rule]) for issue in issues],
            }
        ],
    }


def _result(issue: Issue, number: int) -> dict[str, Any]:
    return {
        "ruleId": issue.rule,
        "ruleIndex": number,
        "level": _LEVELS[issue.severity],
        "message": {"text": f"{issue.path or issue.file}: {issue.reason}. {issue.remedy}."},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(issue.file, safe="/")},
                    "region": {"startLine": issue.line, "startColumn": issue.column},
                },
                **(
                    {"logicalLocations": [{"fullyQualifiedName": issue.path}]} if issue.path else {}
                ),
            }
        ],
    }
