"""Damaged and crafted files of every kind through whatever reads them: `python tests/fuzz/run.py --mutants 10000`.

Prints figures by kind, and each fault once; a mutant that shows it is kept with --keep. Exit code 1 with any fault.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).parent))

from outcomes import Outcomes
from subjects import Kind, kinds, try_out

SHARES = {
    "report": 0.2,
    "report, all commands": 0.03,
    "manifest": 0.15,
    "configuration": 0.15,
    "recipes": 0.09,
    "npz": 0.09,
    "npy": 0.05,
    "history": 0.03,
    "onnx": 0.09,
    "tflite": 0.09,
    "keras": 0.03,
}
"""Of the mutants, by kind."""


def fuzz(kind: Kind, count: int, number: int, outcomes: Outcomes) -> None:
    """Reads so many mutants of one kind."""

    @seed(number)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(content=kind.strategy)
    def every(content: bytes) -> None:
        try_out(kind, content, outcomes)

    every()


def main() -> int:
    """Reads the arguments, and prints what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutants", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", choices=list(SHARES), help="only this kind; may be repeated")
    parser.add_argument("--keep", type=Path, help="a folder for mutants that show a fault")
    asked = parser.parse_args()
    if asked.keep:
        asked.keep.mkdir(parents=True, exist_ok=True)
    outcomes = Outcomes(folder=asked.keep)
    shares = {name: share for name, share in SHARES.items() if not asked.only or name in asked.only}
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as cache:
        os.environ |= {"CROSSRT_CACHE_DIR": cache, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"}
        with contextlib.suppress(KeyboardInterrupt):  # what was found so far is printed
            for kind in kinds():
                if kind.name in shares:
                    count = max(1, round(asked.mutants * shares[kind.name] / sum(shares.values())))
                    fuzz(kind, count, asked.seed, outcomes)
                    print(f"{kind.name}: {dict(outcomes.counts[kind.name])}", file=sys.stderr, flush=True)
    print(outcomes.table())
    print(f"\n{time.monotonic() - start:,.0f} s")
    for place, said in outcomes.faults.items():
        print(f"\n{place}\n{said}")
    return 0 if outcomes.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
