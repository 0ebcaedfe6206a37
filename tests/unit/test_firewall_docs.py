"""docs/firewall.md shows the rules that the code makes. To write them anew after a change:

python -m tests.unit.test_firewall_docs
"""

from __future__ import annotations

import tomllib

from cluster.firewall.chains import WEB, chains, web_rules
from cluster.firewall.policy import BRIDGES, FAMILIES, docker_bridges, policy
from cluster.firewall.web_ranges import SHIPPED
from cluster.settings import Settings
from cluster.settings_sources import ROOT

DOCUMENT = ROOT / "docs/firewall.md"
MARK = "<!-- rules:"


def rules() -> str:
    settings = Settings(**tomllib.loads((ROOT / "cluster.example.toml").read_text()))
    declared = policy(
        settings,
        "rk1",
        ssh_ports=[22],
        bridges=docker_bridges(BRIDGES),
        cut_clear_vxlan=True,
    )
    text = ""
    for family in FAMILIES:
        text += f"\n### {'IPv4' if family == 'ipv4' else 'IPv6'}\n"
        for name, found in chains(declared, family).items():
            shown = web_rules(SHIPPED[family]) if name == WEB else found
            text += f"\n`{name}`\n\n" + "".join(f"    {rule}\n" for rule in shown)
    return text


def test_the_document_shows_the_rules_as_they_are() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.partition(MARK)[2].partition("\n")[2] == rules()


if __name__ == "__main__":
    head, mark, rest = DOCUMENT.read_text(encoding="utf-8").partition(MARK)
    DOCUMENT.write_text(head + mark + rest.partition("\n")[0] + "\n" + rules(), encoding="utf-8")
