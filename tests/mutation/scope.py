"""Which modules decide, and which tests say how."""

from __future__ import annotations

# The simulations of whole runs are left out: what they alone would notice takes minutes to see.
_SWARM = ("swarm_plan", "swarm_limits", "swarm_topology", "keys_plan", "removal_plan", "identity")
_ROLLING = ("rolling_plan", "identity")
_FIREWALL = ("firewall_plan", "firewall_parts", "firewall_members", "firewall_policy", "identity")
_DRIFT = ("drift_report", "drift_memory", "drift_terminal")

_SCOPE = {
    "cluster/access": ("access_plan", "access_fact"),
    "cluster/answer": ("answer",),
    "cluster/autolock": ("keys_plan",),
    "cluster/backup": ("backup_plan", "recovery_plan", "refused_on_this_side", "identity"),
    "cluster/backup_archive": ("backup_archive", "backup_archive_form"),
    "cluster/backup_record": ("backup_record",),
    "cluster/certificates": ("keys_plan",),
    "cluster/docker": ("docker_plan", "docker_fact"),
    "cluster/firewall/chains": ("firewall_chains",),
    "cluster/firewall/clear_text": ("firewall_parts",),
    "cluster/firewall/interfaces": ("firewall_parts",),
    "cluster/firewall/placement": ("firewall_plan", "firewall_shown"),
    "cluster/firewall/plan": ("firewall_plan", "firewall_shown"),
    "cluster/firewall/policy": _FIREWALL,
    "cluster/firewall/rule": ("firewall_parts",),
    "cluster/identity": _SWARM,
    "cluster/labels": _SWARM,
    "cluster/membership": (*_SWARM, "swarm_fact", "measures"),
    "cluster/openpgp": ("openpgp", "docker_fact"),
    "cluster/overlays": ("swarm_plan",),
    "cluster/plain": ("plain",),
    "cluster/preflight": ("preflight_plan",),
    "cluster/proof/crossings": ("proof_plan", "proof_verdict", "overlays_fact"),
    "cluster/proof/verdict": ("proof_verdict", "proof_plan"),
    "cluster/recovery": ("recovery_plan",),
    "cluster/removal": ("removal_plan", "identity"),
    "cluster/reset": ("reset_plan",),
    "cluster/rolling/jobs": _ROLLING,
    "cluster/rolling/nodes": _ROLLING,
    "cluster/rolling/plan": _ROLLING,
    "cluster/rolling/turns": _ROLLING,
    "cluster/rolling/upgrade": _ROLLING,
    "cluster/rolling/waiting": (*_ROLLING, "rolling_fact"),
    "cluster/settings_consistency": ("settings_consistency",),
    "cluster/sshd": ("sshd_plan",),
    "cluster/swarm": _SWARM,
    "cluster/topology": ("swarm_foreseen", "swarm_topology", "identity"),
    "cluster/updates": ("updates_plan",),
    "drift/memory": ("drift_memory", "drift_remembered"),
    "drift/report": _DRIFT,
}

TESTS = {
    f"{module}.py": tuple(f"tests/unit/test_{test}.py" for test in tests)
    for module, tests in _SCOPE.items()
}
"""The modules that decide, each with the test files that concern it; paths below the project."""
