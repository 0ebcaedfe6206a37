"""Deploys that carry out a job because somebody asks for it, and describe no state.

A drift check takes none of these: it would call a healthy cluster drifted.
"""

from __future__ import annotations

from pyinfra_swarm.backup import recover_operations, restore_operations, save_operations
from pyinfra_swarm.deploys.deploy import deploy
from pyinfra_swarm.firewall import operations as firewall_operations
from pyinfra_swarm.floating_address import operations as floating_address_operations
from pyinfra_swarm.keys import (
    attach_operations,
    join_tokens_operations,
    root_ca_operations,
    unlock_key_operations,
    unlock_operations,
)
from pyinfra_swarm.proof import operations as proof_operations
from pyinfra_swarm.removal import operations as removal_operations
from pyinfra_swarm.reset import operations as reset_operations
from pyinfra_swarm.rolling import reboot_operations, restart_operations, upgrade_operations
from pyinfra_swarm.settings import Settings
from pyinfra_swarm.vpn import operations as vpn_operations

__all__ = [
    "backup",
    "firewall_removed",
    "prove",
    "reboot",
    "recover",
    "remove",
    "replace",
    "reset",
    "restart",
    "restore",
    "rotate_ca",
    "rotate_tokens",
    "rotate_unlock_key",
    "unlock",
    "upgrade",
]

# Checks and proofs
# -----------------


@deploy("Proof")
def prove(settings: Settings) -> None:
    """Proves, without leaving a trace, that every pair of nodes exchanges encrypted packets."""
    proof_operations.proven(
        settings=settings, name="every pair of nodes exchanges encrypted packets"
    )


# One node at a time
# ------------------


@deploy("Upgrade")
def upgrade(settings: Settings) -> None:
    """Brings Docker to the declared version, one node at a time."""
    upgrade_operations.fetched(
        settings=settings, name="fetched and judged on all, before any is changed"
    )
    upgrade_operations.unfinished(settings=settings, name="what an earlier run has left")
    upgrade_operations.managers(settings=settings, name="managers but the leader")
    upgrade_operations.leader(settings=settings, name="the leader")
    upgrade_operations.workers(settings=settings, name="workers")


@deploy("Reboot")
def reboot(settings: Settings) -> None:
    """Reboots the hosts that wait for a reboot, one at a time."""
    reboot_operations.unfinished(settings=settings, name="what an earlier run has left")
    reboot_operations.managers(settings=settings, name="managers but the leader")
    reboot_operations.leader(settings=settings, name="the leader")
    reboot_operations.workers(settings=settings, name="workers")


@deploy("Restart")
def restart(settings: Settings) -> None:
    """Restarts the engines, one node at a time."""
    restart_operations.unfinished(settings=settings, name="what an earlier run has left")
    restart_operations.managers(settings=settings, name="managers but the leader")
    restart_operations.leader(settings=settings, name="the leader")
    restart_operations.workers(settings=settings, name="workers")


# Nodes leave
# -----------


@deploy("Remove")
def remove(settings: Settings) -> None:
    """Takes a node out of the swarm for good: ``--data host=NAME``."""
    removal_operations.planned(settings=settings, name="what it takes, and your confirmation")
    _taken_out(settings)


@deploy("Replace")
def replace(settings: Settings) -> None:
    """Takes the old node of a declared host out of the swarm, so that a new one can join."""
    removal_operations.planned_replacement(
        settings=settings, name="what it takes, and your confirmation"
    )
    _taken_out(settings)


def _taken_out(settings: Settings) -> None:
    """A node, planned before, leaves the swarm."""
    removal_operations.drained(settings=settings, name="no more tasks on it")
    removal_operations.emptied(settings=settings, name="its tasks ended", _timeout=400)
    removal_operations.demoted(settings=settings, name="no manager", _timeout=400)
    removal_operations.left(settings=settings, name="out of the swarm", _timeout=300)
    removal_operations.cleared(settings=settings, name="its entry gone", _timeout=300)


@deploy("Reset")
def reset(settings: Settings) -> None:
    """Takes the whole cluster apart: the swarm ends, and what was set on the hosts goes."""
    reset_operations.planned(settings=settings, name="what it ends, and your confirmation")
    floating_address_operations.removed(settings=settings, name="the floating address removed")
    reset_operations.workers_left(settings=settings, name="the workers leave", _timeout=120)
    reset_operations.managers_left(
        settings=settings, name="the managers leave", _serial=True, _timeout=120
    )
    reset_operations.leader_left(
        settings=settings, name="the leader leaves, last", _serial=True, _timeout=120
    )
    firewall_operations.removed(settings=settings, name="the firewall removed")
    vpn_operations.removed(settings=settings, name="the VPN removed", _timeout=300)
    reset_operations.settings_removed(
        settings=settings, name="the settings of Docker and apt removed", _timeout=900
    )
    reset_operations.ssh_released(
        settings=settings, name="the settings of sshd removed", _timeout=300
    )
    reset_operations.sudo_released(settings=settings, name="the rule of sudo removed", _timeout=300)
    reset_operations.rollback_removed(settings=settings, name="the rollback removed")


@deploy("Firewall")
def firewall_removed(settings: Settings) -> None:
    """Removes the firewall: the hosts' tables are left as if it had never been there."""
    firewall_operations.removed(settings=settings, name="removed")


# The swarm's state
# -----------------


@deploy("Backup")
def backup(settings: Settings) -> None:
    """Backs up the swarm: the state of one manager, encrypted, in a file on this computer."""
    save_operations.saved(settings=settings, name="the swarm's state of one manager", _timeout=1200)


@deploy("Restore")
def restore(settings: Settings) -> None:
    """Restores the swarm from a backup on a fresh host that has the old address."""
    restore_operations.restored(
        settings=settings, name="the swarm's state from a backup", _timeout=900
    )


@deploy("Recover")
def recover(settings: Settings) -> None:
    """Recovers a swarm that has lost its quorum for good, with one manager that is left."""
    recover_operations.recovered(
        settings=settings, name="the swarm continues with one manager", _timeout=900
    )


# The swarm's keys
# ----------------


@deploy("Swarm")
def rotate_ca(settings: Settings) -> None:
    """A new root CA for the swarm, and certificates of it for every node."""
    root_ca_operations.rotated(settings=settings, name="a new root CA")


@deploy("Swarm")
def rotate_tokens(settings: Settings) -> None:
    """New join tokens, for workers and managers: the old ones are no longer valid."""
    join_tokens_operations.rotated(settings=settings, name="new join tokens")


@deploy("Swarm")
def rotate_unlock_key(settings: Settings) -> None:
    """A new unlock key for the swarm; the old one is kept for managers that still need it."""
    unlock_key_operations.rotated(settings=settings, name="a new unlock key")


@deploy("Swarm")
def unlock(settings: Settings) -> None:
    """Unlocks managers that are locked since a restart, and waits until they are back."""
    unlock_operations.unlocked(settings=settings, name="locked managers unlocked")
    attach_operations.attached(
        settings=settings, name="unlocked managers attached to their networks", _serial=True
    )
