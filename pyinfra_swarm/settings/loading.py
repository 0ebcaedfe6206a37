"""The settings in force for this process: found, read and validated once."""

from __future__ import annotations

import functools

from pyinfra_swarm.settings.errors import SettingsError
from pyinfra_swarm.settings.model import Settings
from pyinfra_swarm.settings.sources import Source, locate


def load() -> Settings:
    """The settings in force, read once per process. Raises `SettingsError`.

    The strongest source comes first: environment variables `SWARM_<SECTION>__<KEY>`, the file
    `.env` beside the settings file, and the settings file itself: the one that `SWARM_SETTINGS`
    names, else `cluster.toml` at the root of the project (`paths.project`), else the running lab.
    """
    return _loaded()[0]


def source() -> Source:
    """Where the settings in force come from. Raises `SettingsError`."""
    return _loaded()[1]


def forget() -> None:
    """Makes the next `load()` read again."""
    _loaded.cache_clear()


@functools.cache
def _loaded() -> tuple[Settings, Source]:
    found = locate(Settings)
    problems = list(found.problems)
    settings = None
    try:
        settings = Settings(**found.values)
    except SettingsError as error:
        problems += error.problems
    problems = [found.placed(problem) for problem in problems]
    # As they stand in the file; what stands in none of its lines comes last.
    problems.sort(key=lambda one: (one.line is None, one.line or 0))
    if problems or settings is None:
        raise SettingsError(problems, where=str(found.source))
    return settings.read_from(found.source.folder, found.notices), found.source
