"""What facts return: typed values that pyinfra's command line can print."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Observation:
    """What a host said about one subject. Its fields are plain data, or observations themselves."""

    def to_json(self) -> dict[str, Any]:
        """The value as plain data (pyinfra's JSON encoder asks for this)."""
        return asdict(self)
