"""How an update has ended, and what was done about it, in words for the owner."""

from __future__ import annotations

from dataclasses import dataclass, field

from pyinfra_swarm.run.printable import quoted
from pyinfra_swarm.services.service import Service
from pyinfra_swarm.services.verdict import Completed, Failed


@dataclass(frozen=True)
class NotBegun:
    """The manager has not taken it, and nothing has changed.

    overtaken: somebody else has changed the service since it was read: look again, plan again.
    problem: the engine's words.
    """

    problem: str
    overtaken: bool = False

    def sentence(self) -> str:
        """What has happened, in one line without its end."""
        if self.overtaken:
            return (
                "nothing was changed: somebody else has changed the service since it was read. "
                "Run the same command again: it looks again"
            )
        return f"the manager did not take the update, and nothing has changed: {self.problem}"


@dataclass(frozen=True)
class Unseen:
    """How it has ended could not be seen; the managers may bring it to its end all the same."""

    problem: str

    def sentence(self) -> str:
        """What has happened, in one line without its end."""
        return (
            f"could not see how the update has ended: {self.problem}. The managers go on with it "
            "by themselves. Run the same command again: it looks, and continues from there"
        )


Outcome = Completed | Failed | NotBegun | Unseen


@dataclass(frozen=True)
class Ended:
    """How an update has ended.

    name: the service's. outcome: :class:`verdict.Completed` alone is a success. back: how putting
    the service back has ended, whether we have asked for it or the managers have begun it;
    ``None`` where nobody has, or where the managers go on with it for too long.
    seen: the service as it was seen last, for who plans on.
    """

    name: str
    outcome: Outcome
    back: Outcome | None = None
    seen: Service | None = field(default=None, repr=False)

    @property
    def done(self) -> bool:
        """Whether what was asked for runs."""
        return isinstance(self.outcome, Completed)

    @property
    def overtaken(self) -> bool:
        """Whether somebody else has changed the service: look again, plan again."""
        match self.outcome:
            case NotBegun(overtaken=overtaken):
                return overtaken
            case Failed(by="superseded"):
                return True
        return False

    def sentence(self) -> str:
        """What has happened, why, and what the service has now; one line without its end."""
        match self.outcome:
            case Completed(running=running):
                tasks = "1 task runs" if running == 1 else f"{running} tasks run"
                return f"service {self.name}: done, {tasks}"
            case outcome:
                return f"service {self.name}: {outcome.sentence()}{self._back()}"

    def _back(self) -> str:
        look = f"`docker service ps --no-trunc {quoted(self.name)}`"
        match self.outcome, self.back:
            case Failed(by="rolled back"), Completed():
                return ". It has what it had before"
            case _, Completed():
                return ". It was put back to what it was before"
            case Failed(by="rolled back"), Failed() | Unseen() as back:
                return f". The managers' rollback has failed as well: {_how(back)}. Look at {look}"
            case _, Failed() | Unseen() as back:
                return f". Putting it back was asked for, but {_how(back)}: look at {look}"
            case _, NotBegun() as back:
                return f". It could not be put back: {back.problem or back.sentence()}"
            case Failed(by="rolled back"), None:
                return f". The managers' rollback goes on: look at {look}"
            case Failed(by="paused" | "timeout"), None:
                return f". It was left as it is: look at {look}"
        return ""


def _how(back: Failed | Unseen) -> str:
    match back:
        case Failed(by="timeout" | "paused") as failed:
            return f"its tasks do not run ({failed.cause.sentence()})"
        case Failed() as failed:
            return failed.sentence()
    return f"it could not be seen whether it has ended ({back.problem})"
