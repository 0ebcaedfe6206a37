# A change that locks its owner out, made through the guard: what a mistake in a plan would do.
from cluster.rollback import write as _write
from operations.converge import converges as _converges
from operations.guard import guarded as _guarded

_RULE = "/etc/ssh/sshd_config.d/00-lockout.conf"


@_converges("lockout")
def _lock_everybody_out():
    yield from _guarded(
        "ssh",
        files=(_RULE,),
        apply=(
            _write(_RULE, "AllowUsers nobody"),
            "systemctl reload ssh.service",
            "sleep 1",
        ),
        after_restore="systemctl try-reload-or-restart ssh.service",
        seconds=20,
    )


_lock_everybody_out(name="A change that locks everybody out")
