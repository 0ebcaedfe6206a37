"""The settings of a cluster: `load()` reads them, `Settings` is what they are.

`model` holds the settings themselves, `values` what a single value must look like, `consistency`
what must hold between values. `loading` and `sources` read them from the settings file, `.env`,
the environment or the lab.
"""

from pyinfra_swarm.settings.applications import Age, Config, Secret, Sops, Stack
from pyinfra_swarm.settings.errors import Problem, SettingsError, UnknownHost
from pyinfra_swarm.settings.loading import forget, load, source
from pyinfra_swarm.settings.model import (
    Access,
    Admin,
    Backup,
    Cluster,
    Docker,
    Firewall,
    Host,
    Networks,
    Opening,
    Overlay,
    Settings,
    Ssh,
    Swarm,
    Updates,
)
from pyinfra_swarm.settings.sources import Source

__all__ = [
    "Access",
    "Admin",
    "Age",
    "Backup",
    "Cluster",
    "Config",
    "Docker",
    "Firewall",
    "Host",
    "Networks",
    "Opening",
    "Overlay",
    "Problem",
    "Secret",
    "Settings",
    "SettingsError",
    "Sops",
    "Source",
    "Ssh",
    "Stack",
    "Swarm",
    "UnknownHost",
    "Updates",
    "forget",
    "load",
    "source",
]
