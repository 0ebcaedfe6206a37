"""What every table of the settings is: known keys only, and unchangeable."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from pyinfra_swarm.settings.errors import TAKE_IT_OUT


class Section(BaseModel):
    """A table of the settings.

    + value_keys: keys that the table does not have, because a value itself would stand there
    + instead_of_secrets: what to do with a secret that somebody has written into the table
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value_keys: ClassVar[frozenset[str]] = frozenset()
    instead_of_secrets: ClassVar[str] = TAKE_IT_OUT
