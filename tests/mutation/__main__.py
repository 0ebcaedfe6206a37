"""Change what decides, module by module, and see whether the tests notice.

Names each change that no test noticed and ``tests/mutation.md`` does not explain. Fails where a
module's score is lower than recorded there.
"""

from __future__ import annotations

import argparse
import os
import sys

from tests.mutation.record import PAGE, Score, recorded, told, with_scores
from tests.mutation.running import Broken, run
from tests.mutation.scope import SCOPE, tests_of


def main(words: list[str]) -> int:
    """Run the named modules, or all; 0 where none has a lower score than recorded."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument(
        "modules", nargs="*", metavar="module", help="such as pyinfra_swarm/ssh/plan.py"
    )
    parser.add_argument("--workers", type=int, default=2, help="how many at a time (2)")
    parser.add_argument("--record", action="store_true", help="write the scores down")
    options = parser.parse_args(words)
    if unknown := [module for module in options.modules if module not in SCOPE]:
        parser.error(f"not in tests/mutation/scope.py: {', '.join(unknown)}")
    worse = 0
    for module in options.modules or SCOPE:
        try:
            outcome = run(module, tests_of(module), options.workers)
        except Broken as error:
            print(f"{module}: {error}", flush=True)
            worse += 1
            continue
        print(told(module, outcome, PAGE.read_text()), flush=True)
        score = Score.of(outcome)
        scores = recorded(PAGE.read_text())  # another run may have written meanwhile
        if options.record:
            PAGE.write_text(with_scores(PAGE.read_text(), scores | {module: score}))
        elif module in scores and score.percent < scores[module].percent - 0.05:
            print(f"  fewer than recorded: {scores[module].percent:.1f} %", flush=True)
            worse += 1
    return 1 if worse else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # else the order of sets, and a score, is luck
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.mutation", *sys.argv[1:]])
    sys.exit(main(sys.argv[1:]))
