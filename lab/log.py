"""The lab's own log: the supervisor's standard error, a file among the lab's state."""

import sys
from datetime import datetime


def note(text: str) -> None:
    """Write a line with the time of day."""
    print(datetime.now().strftime("%H:%M:%S"), text, file=sys.stderr, flush=True)
