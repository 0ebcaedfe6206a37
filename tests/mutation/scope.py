"""Which modules decide, and which tests say how.

Each ``plan.py`` is one of them, with all tests of its room but the simulations of whole runs,
unless it is listed with others. Of other modules, those that are listed.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# The simulations of whole runs are left out: what they alone would notice takes minutes to see.
_SWARM = (
    *("swarm_plan", "swarm_init", "swarm_join", "swarm_roles", "swarm_labels", "swarm_quorum"),
    *("networks_plan", "swarm_limits", "stages", "unlock", "removal_plan", "identity"),
)
_ROLLING = (
    *("rolling_turns", "rolling_jobs", "rolling_upgrade", "rolling_refusals", "rolling_health"),
    "identity",
)
_FIREWALL = ("firewall_plan", "firewall_parts", "firewall_members", "firewall_policy", "identity")
_DRIFT = ("drift_report", "drift_history", "drift_terminal")
_SECRETS = ("secrets_plan", "secrets_objects", "objects_fact")

_LINT = ("stack_corpus", "stack_silence")

_SCOPE: dict[str, tuple[str, ...]] = {
    "pyinfra_swarm/stacks/plan": ("stack_plan",),
    "pyinfra_swarm/stacks/fields": ("stack_fields",),
    "pyinfra_swarm/stacks/record": ("stack_record",),
    "pyinfra_swarm/stacks/rendering": ("stack_rendering",),
    "pyinfra_swarm/stacks/accepted": ("stack_accepted",),
    "pyinfra_swarm/stacks/compose": ("stack_compose", "stack_merging"),
    "pyinfra_swarm/stacks/shape": ("stack_shape", "stack_accepted"),
    "pyinfra_swarm/stacks/document": ("stack_document", "stack_corpus"),
    "pyinfra_swarm/stacks/judging": ("stack_judging",),
    "pyinfra_swarm/stacks/longform": ("stack_longform", "stack_merging"),
    "pyinfra_swarm/stacks/merging": ("stack_merging",),
    "pyinfra_swarm/stacks/mounts": ("stack_longform", "stack_placement"),
    "pyinfra_swarm/stacks/ports": ("stack_longform", "stack_ports"),
    "pyinfra_swarm/stacks/variables": ("stack_variables",),
    "pyinfra_swarm/stacks/lint/exposed": ("stack_exposed", *_LINT),
    "pyinfra_swarm/stacks/lint/ignored": ("stack_ignored",),
    "pyinfra_swarm/stacks/lint/networks": ("stack_networks", *_LINT),
    "pyinfra_swarm/stacks/lint/placement": ("stack_placement", "stack_exposed", *_LINT),
    "pyinfra_swarm/stacks/lint/ports": ("stack_ports", *_LINT),
    "pyinfra_swarm/stacks/lint/references": ("stack_references", "stack_running", *_LINT),
    "pyinfra_swarm/stacks/lint/running": ("stack_running", *_LINT),
    "pyinfra_swarm/stacks/lint/silence": _LINT,
    "pyinfra_swarm/boards/board": ("boards",),
    "pyinfra_swarm/settings/host_variables": ("settings_host_variables",),
    "pyinfra_swarm/settings/places": ("settings_places",),
    "pyinfra_swarm/firewall/reached": ("status",),
    "pyinfra_swarm/status/summary": ("status",),
    "pyinfra_swarm/access/plan": ("access_plan", "access_fact"),
    "pyinfra_swarm/run/answer": ("answer",),
    "pyinfra_swarm/keys/autolock": ("autolock",),
    "pyinfra_swarm/keys/root_ca": ("root_ca",),
    "pyinfra_swarm/keys/unlock": ("unlock",),
    "pyinfra_swarm/keys/unlock_key": ("autolock", "unlock_key_rotation", "save"),
    "pyinfra_swarm/keys/attach": ("attach",),
    "pyinfra_swarm/keys/join_tokens": ("join_tokens",),
    "pyinfra_swarm/keys/unlock_key_rotation": ("unlock_key_rotation",),
    "pyinfra_swarm/backup/save": (
        "save",
        "restore",
        "refused_on_this_side",
        "identity",
    ),
    "pyinfra_swarm/backup/archive": ("archive", "archive_form"),
    "pyinfra_swarm/backup/origin": ("origin",),
    "pyinfra_swarm/backup/record": ("record",),
    "pyinfra_swarm/backup/retention": ("retention",),
    "pyinfra_swarm/keys/certificates": ("certificates",),
    "pyinfra_swarm/docker/daemon": ("docker_daemon", "docker_fact"),
    "pyinfra_swarm/docker/packages": ("docker_packages", "docker_fact"),
    "pyinfra_swarm/docker/apt_key": ("docker_repository", "docker_fact"),
    "pyinfra_swarm/docker/repository": ("docker_repository", "docker_fact"),
    "pyinfra_swarm/firewall/rules": ("firewall_chains", "firewall_vpn"),
    "pyinfra_swarm/firewall/unencrypted_overlays": ("firewall_parts",),
    "pyinfra_swarm/firewall/docker_bridges": ("docker_bridges",),
    "pyinfra_swarm/firewall/placement": ("firewall_plan", "firewall_shown"),
    "pyinfra_swarm/firewall/plan": ("firewall_plan", "firewall_shown", "firewall_vpn"),
    "pyinfra_swarm/firewall/policy": _FIREWALL,
    "pyinfra_swarm/firewall/iptables_rule": ("firewall_parts",),
    "pyinfra_swarm/nodes/identity": _SWARM,
    "pyinfra_swarm/swarm/labels": _SWARM,
    "pyinfra_swarm/nodes/membership": (*_SWARM, "swarm_fact", "measures"),
    "pyinfra_swarm/networks/plan": ("networks_plan", "networks_mtu", "swarm_plan"),
    "pyinfra_swarm/docker/openpgp": ("openpgp", "docker_fact"),
    "pyinfra_swarm/run/printable": ("plain",),
    "pyinfra_swarm/doors/accounts": ("accounts_named", "ways_in_plan"),
    "pyinfra_swarm/doors/listening": ("listening",),
    "pyinfra_swarm/doors/engine_doors": ("engine_doors",),
    "pyinfra_swarm/doors/engine_hosts": ("engine_hosts",),
    "pyinfra_swarm/doors/jobs": ("jobs",),
    "pyinfra_swarm/engine/advice": ("engine_advice",),
    "pyinfra_swarm/exposure/origin_pulls": ("origin_pulls",),
    "pyinfra_swarm/exposure/own_stack": ("exposure_own_stack", "exposure_plan"),
    "pyinfra_swarm/floating_address/keepalived": ("keepalived_configuration",),
    "pyinfra_swarm/vpn/client": ("vpn_client",),
    "pyinfra_swarm/vpn/wireguard": ("vpn_plan", "vpn_client"),
    "pyinfra_swarm/preflight/board": ("preflight_board",),
    "pyinfra_swarm/preflight/tested": ("tested",),
    "pyinfra_swarm/preflight/cluster": ("preflight_cluster",),
    "pyinfra_swarm/preflight/engine": ("preflight_board", "preflight_plan"),
    "pyinfra_swarm/preflight/kernel": ("preflight_kernel",),
    "pyinfra_swarm/preflight/plan": ("preflight_plan",),
    "pyinfra_swarm/proof/crossings": ("proof_plan", "proof_verdict", "attachments_fact"),
    "pyinfra_swarm/proof/names": ("proof_names",),
    "pyinfra_swarm/proof/verdict": ("proof_verdict", "proof_plan"),
    "pyinfra_swarm/backup/force_new_cluster": ("force_new_cluster", "recover", "restore"),
    "pyinfra_swarm/backup/recover": ("recover",),
    "pyinfra_swarm/backup/restore": ("restore",),
    "pyinfra_swarm/removal/plan": ("removal_plan", "identity"),
    "pyinfra_swarm/removal/target": ("removal_plan", "identity"),
    "pyinfra_swarm/rolling/jobs": _ROLLING,
    "pyinfra_swarm/rolling/availability": _ROLLING,
    "pyinfra_swarm/rolling/nodes": _ROLLING,
    "pyinfra_swarm/rolling/plan": _ROLLING,
    "pyinfra_swarm/rolling/turns": _ROLLING,
    "pyinfra_swarm/rolling/upgrade": _ROLLING,
    "pyinfra_swarm/rolling/health": _ROLLING,
    "pyinfra_swarm/rolling/services": (*_ROLLING, "rolling_fact"),
    "pyinfra_swarm/settings/consistency": ("settings_consistency",),
    "pyinfra_swarm/settings/exposure_conflicts": ("settings_exposure",),
    "pyinfra_swarm/settings/opened_ports": ("settings_consistency",),
    "pyinfra_swarm/services/cause": ("services_cause", "services_verdict"),
    "pyinfra_swarm/services/ended": ("services_cause",),
    "pyinfra_swarm/services/service": ("service_described", "services_verdict"),
    "pyinfra_swarm/services/verdict": ("services_verdict",),
    "pyinfra_swarm/secrets/plan": _SECRETS,
    "pyinfra_swarm/secrets/coming": _SECRETS,
    "pyinfra_swarm/secrets/digest": ("digest",),
    "pyinfra_swarm/secrets/names": ("secret_names",),
    "pyinfra_swarm/secrets/old_tasks": ("old_tasks",),
    "pyinfra_swarm/secrets/observing": ("secrets_observing",),
    "pyinfra_swarm/secrets/seal_cache": ("digest",),
    "pyinfra_swarm/secrets/steps_operations": ("secrets_steps",),
    "pyinfra_swarm/secrets/notices": _SECRETS,
    "pyinfra_swarm/secrets/objects": _SECRETS,
    "pyinfra_swarm/ssh/algorithms": ("ssh_algorithms", "ssh_strict"),
    "pyinfra_swarm/ssh/plan": ("sshd_plan",),
    "pyinfra_swarm/ssh/overriding_lines": ("sshd_overriding_lines", "sshd_plan"),
    "pyinfra_swarm/nodes/quorum": ("quorum", *_SWARM),
    "pyinfra_swarm/swarm/init": _SWARM,
    "pyinfra_swarm/swarm/join": _SWARM,
    "pyinfra_swarm/swarm/roles": _SWARM,
    "pyinfra_swarm/swarm/forecast": ("forecast", "stages", "identity"),
    "pyinfra_swarm/swarm/plan": ("forecast", "stages", "identity"),
    "pyinfra_swarm/swarm/stages": ("forecast", "stages", "identity"),
    "pyinfra_swarm/drift/history": ("drift_history", "drift_remembered"),
    "pyinfra_swarm/drift/report": _DRIFT,
}

_NOT_RUN = {"pyinfra_swarm/rollback/plan.py"}
"""A program for hosts: a changed path would be written to (docs/decisions/mutation.md)."""


def _of_its_room(plan: Path) -> tuple[str, ...]:
    tests = sorted((ROOT / "tests/unit" / plan.parent.name).glob("test_*.py"))
    return tuple(test.stem.removeprefix("test_") for test in tests if "simulation" not in test.stem)


_PLANS = {
    str(plan.relative_to(ROOT)): _of_its_room(plan)
    for plan in sorted((ROOT / "pyinfra_swarm").glob("*/plan.py"))
}

SCOPE = {
    module: tests
    for module, tests in {**_PLANS, **{f"{module}.py": _SCOPE[module] for module in _SCOPE}}.items()
    if module not in _NOT_RUN
}
"""The modules that decide, each with the tests that concern it: the end of the file's name."""


def files(test: str) -> list[str]:
    """The files of that name, below the project: one, where nothing was renamed."""
    return [str(path.relative_to(ROOT)) for path in ROOT.glob(f"tests/unit/*/test_{test}.py")]


def tests_of(module: str) -> tuple[str, ...]:
    """The test files that concern a module, as paths below the project."""
    return tuple(file for test in SCOPE[module] for file in files(test))
