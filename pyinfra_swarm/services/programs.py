"""Programs about services, for a manager; the files in ``onhost/`` say what each does."""

from __future__ import annotations

from pyinfra_swarm.engine.api import API, THIS_ENGINE
from pyinfra_swarm.run.onhost import program

LIST_SERVICES = API + program(__file__, "list_services.sh")
"""Shell: ``list_services``, and ``api``."""


def awaiting_news(service: str, known: str, seconds: int) -> str:
    """Shell that prints a service, by id, and its tasks as soon as they differ from ``known``.

    known: the section ``known`` of the last answer, "" for none; seconds: after which it prints
    them all the same.
    """
    return program(
        __file__,
        "await_news.sh",
        using=[API],
        service=service,
        known=known,
        seconds=str(seconds),
    )


def updating(service: str, version: int, *, roll_back: bool = False) -> str:
    """Shell that updates a service, by id, to the specification on its standard input.

    version: the service's, as it was read. roll_back: the managers put back what they had before
    (the specification is only looked at).
    """
    return program(
        __file__,
        "update_service.sh",
        using=[API],
        service=service,
        version=str(version),
        rollback="&rollback=previous" if roll_back else "",
    )


def explaining(task: str, node: str, lines: int) -> str:
    """Shell that prints the name of a task's node, and the last lines that its program wrote."""
    values = {"task": task, "node": node, "lines": str(lines)}
    return program(__file__, "explain_task.sh", using=[THIS_ENGINE], **values)
