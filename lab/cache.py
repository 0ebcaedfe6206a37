"""Things that take long to build, kept under the hash of their recipe."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from lab import places


def recipe_key(modules: Iterable[str], *ingredients: str) -> str:
    """A short hash of the source files `modules` (of this package) and the other ingredients."""
    digest = hashlib.sha256()
    for module in modules:
        digest.update((Path(__file__).parent / f"{module}.py").read_bytes())
    for ingredient in ingredients:
        digest.update(b"\0" + ingredient.encode())
    return digest.hexdigest()[:16]


def cached(kind: str, key: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build` fills, built only if this recipe's is not there yet.

    It appears whole or not at all: a build that is interrupted, even by a power cut, leaves
    nothing that a later run would take for finished. Folders of older recipes are removed.
    """
    root = places.cache()
    root.mkdir(parents=True, exist_ok=True)
    target = root / f"{kind}-{key}"
    with (root / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for other in root.glob(f"{kind}-*"):
            if other != target:
                shutil.rmtree(other, ignore_errors=True)
        if target.is_dir():
            return target
        unfinished = Path(tempfile.mkdtemp(prefix=f"{kind}-{key}.unfinished-", dir=root))
        try:
            unfinished.chmod(0o755)
            build(unfinished)
            os.sync()
            unfinished.rename(target)
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
    return target


def is_cached(kind: str, key: str) -> bool:
    """Whether `cached` would return at once."""
    return (places.cache() / f"{kind}-{key}").is_dir()
