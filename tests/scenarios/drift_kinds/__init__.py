"""The kinds of drift that a check has to find, a file for each part of the job.

To add one, add a :class:`kind.Kind` to ``KINDS`` in its part's file; a new file is found by itself.
Each is brought about on a random host; checked; mended by the deploys that the report names; and
checked again.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import get_args

from tests.scenarios.drift_kinds.kind import Group, Kind

PARTS = tuple(module.name for module in pkgutil.iter_modules(__path__) if module.name != "kind")

_ALL: tuple[Kind, ...] = tuple(
    kind for part in PARTS for kind in importlib.import_module(f"{__name__}.{part}").KINDS
)

GROUPS: dict[str, tuple[Kind, ...]] = {
    group: tuple(kind for kind in _ALL if kind.group == group) for group in get_args(Group)
}
