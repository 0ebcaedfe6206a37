"""Durations and schedules."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from pyinfra_swarm.settings.values.refused import wrong

DURATION_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """The seconds in a duration such as `"90d"`, `"2160h"` or `"1d12h"`.

    Raises ValueError for anything else.
    """
    if not re.fullmatch(r"([0-9]+[dhms])+", duration):
        raise ValueError(f"not a duration: {duration!r}")
    return sum(
        int(number) * DURATION_UNITS[unit]
        for number, unit in re.findall(r"([0-9]+)([dhms])", duration)
    )


_LONGEST = 36500 * DURATION_UNITS["d"]
"""The Engine counts nanoseconds in 64 bits, which end after 292 years."""


def _duration(text: str) -> str:
    try:
        length = seconds(text)
    except ValueError:
        raise wrong(
            "is not a duration: numbers, each with d, h, m or s", 'such as "90d" or "2160h"'
        ) from None
    if length < 3600:
        raise wrong("is shorter than an hour, the least that is accepted", '"1h" or more, as "90d"')
    if length > _LONGEST:
        raise wrong("is longer than a hundred years", '"36500d" or less, as "90d"')
    return text


_NAMED_TIMES = (
    "minutely|hourly|daily|weekly|monthly|quarterly|yearly|annually|(semi-?|bi-?)annually"
)

_DAYS = "mon(day)?|tue(sday)?|wed(nesday)?|thu(rsday)?|fri(day)?|sat(urday)?|sun(day)?"


def _schedule(text: str) -> str:
    # Only systemd knows for certain, on the host; a plain word is wrong more easily than a time.
    plain = not re.search(r"[0-9*]", text)
    words = rf"({_NAMED_TIMES}|({_DAYS})((,|\.\.)({_DAYS}))*)"
    if not re.fullmatch(r"[A-Za-z0-9*:,./~ -]+", text) or (
        plain and not re.fullmatch(words, text.strip(), re.IGNORECASE)
    ):
        raise wrong(
            "is not a time as systemd's OnCalendar takes it",
            '"daily", "hourly", or such as "Mon *-*-* 04:00" (see `man systemd.time`)',
        )
    return " ".join(text.split())


Duration = Annotated[str, AfterValidator(_duration), Field(examples=["90d"])]

OptionalDuration = Annotated[str, AfterValidator(lambda text: _duration(text) if text else text)]

Schedule = Annotated[str, AfterValidator(_schedule), Field(examples=["daily"])]
