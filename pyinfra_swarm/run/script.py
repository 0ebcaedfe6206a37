"""A script run on a host in the middle of a function, quietly, and how it has ended.

An operation yields its commands (:func:`run.converge.script`), and pyinfra runs them. A function
that is a command (:func:`run.converge.call`) runs its scripts here instead:

    outcome = quietly(host, program(__file__, "join.sh"), stdin=body, hidden=[token])
    if not outcome.done:
        failed(host, f"could not join the swarm: {outcome.problem}")

Neither side shows what is sent or printed, so that both may be secrets. A script for another host,
such as the acting manager, is the same: ``quietly(state.inventory.get_host(name), …)``. As a
command of an operation, that is :func:`engine.operations.on`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pyinfra.api import Host, StringCommand

from pyinfra_swarm.run.answer import NoAnswer, ScriptFailed, Sections, asked, sections, without
from pyinfra_swarm.run.connection import why
from pyinfra_swarm.run.pyinfra_internals import UNREACHABLE
from pyinfra_swarm.run.writing import arrives_whole


@dataclass(frozen=True)
class Outcome:
    """How a script has ended on a host.

    problem: why it is not done, in words for the owner; empty where it is.
    silent: the host gave no whole answer, so the script may have done its work all the same.
    said: what the script has printed, by section; what comes before its first ``section NAME``
    is in :attr:`text`. Empty where it is not done.
    """

    problem: str = ""
    silent: bool = False
    said: Sections = field(default_factory=Sections, repr=False)

    @property
    def done(self) -> bool:
        """Whether the script has ended with status 0, and all that it printed has arrived."""
        return not self.problem

    @property
    def text(self) -> str:
        """What the script has printed, without blank lines at the start and the end."""
        return "\n".join(self.said.get(_TEXT, []))


_TEXT = "said"


def quietly(
    host: Host,
    text: str,
    *,
    stdin: str | None = None,
    timeout: int = 60,
    sudo: bool = True,
    hidden: Sequence[str] = (),
    shown: bool = False,
) -> Outcome:
    """Run a shell script (POSIX, ``set -eu``) on a host as root, and say how it has ended.

    stdin: given to the script on standard input; unless all of it has arrived, the script does
    nothing. timeout: seconds. sudo: false for the login user. hidden: secrets that the script
    could repeat in an error; each is replaced by ``…`` in the outcome's problem. shown: nothing
    in it is secret, so ``-vv`` and ``-vvv`` show the script as they show other commands.

    Raises nothing where the host is silent: the outcome says so. A greenlet of one's own calls it
    within :func:`run.pyinfra_internals.in_the_name_of`.
    """
    arguments: dict[str, object] = {"_sudo": True} if sudo else {}
    body = f"set -eu\n{text}"
    if stdin is not None:
        whole, arguments["_stdin"] = arrives_whole(text, stdin)
        body = f"set -eu\n{whole}"
    try:
        done, output = host.run_shell_command(
            StringCommand(asked(f"section {_TEXT}\n{body}")),
            print_output=False,
            print_input=shown and host.state.print_input,
            _timeout=timeout,
            **arguments,
        )
    except UNREACHABLE as error:
        return Outcome(f"no answer ({why(error)})", silent=True)
    try:
        if not done:
            # The script says its words in its answer; these are of sudo and the shell. Where there
            # are none, it was killed, or the connection broke, in the middle of it.
            words = output.stderr.strip()
            return Outcome(without(words, hidden) or _CUT_SHORT, silent=not words)
        return Outcome(said=sections(output.stdout_lines, hidden=hidden))
    except ScriptFailed as error:
        return Outcome(error.words or _NO_WORD)
    except NoAnswer as error:
        return Outcome(without(str(error), hidden), silent=True)


_NO_WORD = "the script did not say why"
_CUT_SHORT = "it was cut short: the connection broke, or the script was killed"
