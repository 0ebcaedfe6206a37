"""The linter of stack files: what is wrong with a stack before it is deployed.

    stack = read([Source("web.yml", content)], Variables({"TAG": "1.27"}, complete=True))
    issues = lint(stack, Context(stack="web", nodes=…))

Pure: what only the cluster can know comes in the :class:`Context`.
"""

from __future__ import annotations

from pyinfra_swarm.stacks.compose import Merged
from pyinfra_swarm.stacks.lint.context import (
    Context,
    Firewall,
    Image,
    Network,
    Node,
    Opening,
    Platform,
    declared,
)
from pyinfra_swarm.stacks.lint.exposed import exposed
from pyinfra_swarm.stacks.lint.ignored import ignored
from pyinfra_swarm.stacks.lint.issue import Issue, Severity, refusal
from pyinfra_swarm.stacks.lint.networks import networks
from pyinfra_swarm.stacks.lint.placement import bind_paths, image_names, placement
from pyinfra_swarm.stacks.lint.ports import ports
from pyinfra_swarm.stacks.lint.references import references
from pyinfra_swarm.stacks.lint.rules import READABLE, RULES, Rule
from pyinfra_swarm.stacks.lint.running import running
from pyinfra_swarm.stacks.lint.silence import silence

__all__ = [
    "RULES",
    "Context",
    "Firewall",
    "Image",
    "Issue",
    "Network",
    "Node",
    "Opening",
    "Platform",
    "Rule",
    "Severity",
    "bind_paths",
    "declared",
    "image_names",
    "lint",
]

_SUBJECTS = (networks, ports, running, exposed, ignored, placement, references)


def lint(stack: Merged, context: Context) -> tuple[Issue, ...]:
    """What is wrong with a stack, in the order of its files and lines.

    Where docker refuses a file, what else is said may be less than there is to say.
    """
    found = [
        refusal(READABLE, one.place, one.path, one.reason, one.remedy) for one in stack.problems
    ]
    for subject in _SUBJECTS:
        found += subject(stack, context)
    files = {name: number for number, name in enumerate(stack.files)}
    said = dict.fromkeys(silence(found, stack.comments))
    return tuple(
        sorted(
            said,
            key=lambda one: (
                files.get(one.file, len(files)),
                one.file,
                one.line,
                one.column,
                int(one.rule[1:]),
            ),
        )
    )
