"""The settings of a cluster: `load()` reads them, `Settings` is what they are.

`model` holds the settings themselves, a section for each subject, `values` what a single value must
look like, `consistency` what must hold between values. `loading` and `sources` read them from the
settings file, `.env`, the environment or the lab.
"""

from pyinfra_swarm.settings.applications import Age, Config, Secret, Sops, Stack
from pyinfra_swarm.settings.errors import Problem, SettingsError, UnknownHost
from pyinfra_swarm.settings.loading import forget, load, source
from pyinfra_swarm.settings.model import Host, Settings
from pyinfra_swarm.settings.sources import Source

__all__ = [
    "Age",
    "Config",
    "Host",
    "Problem",
    "Secret",
    "Settings",
    "SettingsError",
    "Sops",
    "Source",
    "Stack",
    "UnknownHost",
    "forget",
    "load",
    "source",
]
