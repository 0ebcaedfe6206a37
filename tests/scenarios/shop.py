"""A stack of the lab: a web server with a secret, one task on each node, behind port 80."""

from __future__ import annotations

from pathlib import Path

from tests.scenarios.conftest import settings_with

_STACK = """
services:
  web:
    image: {image}
    networks: [front]
    ports: ["80:80"]
    secrets: [db_password]
    healthcheck:
      test: ["CMD", "wget", "-q", "-O", "/dev/null", "http://127.0.0.1/"]
      interval: 10s
      timeout: 10s
      start_period: 30s
      start_interval: 1s
      retries: 2
    deploy:
      mode: global
      update_config: {{order: start-first, failure_action: rollback, monitor: 5s}}
      rollback_config: {{order: start-first}}
      resources: {{limits: {{memory: 64M}}}}
networks:
  front:
    driver: overlay
    driver_opts: {{encrypted: "true"}}
secrets:
  db_password:
    external: true
"""

_SETTINGS = """
[[secrets]]
name = "db_password"
env = "LAB_DB_PASSWORD"

[[stacks]]
name = "shop"
files = ["shop.yml"]
"""


def settings_with_the_shop(folder: Path, image: str, more: str = "") -> Path:
    """The lab's settings in a folder, with the stack and its secret beside other tables."""
    (folder / "shop.yml").write_text(_STACK.format(image=image))
    return settings_with(folder / "cluster.toml", f"{more}{_SETTINGS}")
