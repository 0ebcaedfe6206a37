"""The steps that take a swarm from what it is to what is declared.

A step is a :class:`~run.findings.Change` that also says what to do: a person reads the change,
an operation carries out the step. Each plan defines its own (:mod:`swarm.init`, :mod:`swarm.join`,
:mod:`swarm.roles`, :mod:`swarm.labels`, :mod:`networks.plan`, :mod:`removal.plan`);
:mod:`swarm.stages` puts them in their order.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyinfra_swarm.run.findings import Change, Finding


@dataclass(frozen=True)
class Step(Change):
    """Something that one operation does for one host."""


def steps(findings: list[Finding]) -> list[Step]:
    """Only what is to be carried out."""
    return [finding for finding in findings if isinstance(finding, Step)]
