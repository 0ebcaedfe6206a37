"""What the lab says when it cannot go on."""


class LabError(Exception):
    """Something the person at the keyboard must know: what was seen, and what to do next."""
