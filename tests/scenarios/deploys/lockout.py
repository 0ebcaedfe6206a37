# A change that locks its owner out, made with the rollback: what a mistake in a plan would do.
from pyinfra_swarm.rollback.operations import with_rollback as _with_rollback
from pyinfra_swarm.run.converge import converges as _converges
from pyinfra_swarm.run.writing import write_file as _write
from pyinfra_swarm.ssh.operations import RELOAD as _RELOAD

_RULE = "/etc/ssh/sshd_config.d/00-lockout.conf"


@_converges("lockout")
def _lock_everybody_out():
    yield from _with_rollback(
        "ssh",
        files=(_RULE,),
        apply=(
            _write(_RULE, "AllowUsers nobody"),
            _RELOAD,
            "sleep 1",
        ),
        after_restore=_RELOAD,
        seconds=20,
    )


_lock_everybody_out(name="A change that locks everybody out")
