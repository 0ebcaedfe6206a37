"""User Mode Linux on processors with more registers than it knows of: see ``xstate.c``."""

from pathlib import Path

from lab.cache import cached, recipe_key
from lab.commands import run

COMPILER = "gcc"

_SOURCE = Path(__file__).with_suffix(".c")


def is_needed() -> bool:
    """Whether this machine's processor has AMX, and its kernel knows."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, flags = line.partition(":")
        if name.strip() == "flags":
            return "amx_tile" in flags.split()
    return False


def preloaded() -> dict[str, str]:
    """The environment in which User Mode Linux runs here.

    Raises LabError when what it needs cannot be compiled.
    """
    if not is_needed():
        return {}
    folder = cached("xstate", recipe_key(["xstate"], _SOURCE.read_text()), _compile)
    return {"LD_PRELOAD": str(folder / "xstate.so")}


def _compile(folder: Path) -> None:
    options = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-nostdlib", "-o"]
    run([COMPILER, *options, folder / "xstate.so", _SOURCE])
