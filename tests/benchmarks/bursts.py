"""A bursty load on every core: `python tests/benchmarks/bursts.py` until it is killed.

One process per core alternates between computing and sleeping, each for a random time around a tenth of a second, so
that it is busy about half of the time, as a neighbour on a shared machine is.
"""

from __future__ import annotations

import os
import time
from multiprocessing import Process
from random import Random

MEAN_S = 0.1


def burst(cpu: int) -> None:
    """Loads one core for ever."""
    os.sched_setaffinity(0, {cpu})
    random = Random(cpu)
    while True:
        end = time.perf_counter() + random.expovariate(1 / MEAN_S)
        while time.perf_counter() < end:
            sum(range(1000))
        time.sleep(random.expovariate(1 / MEAN_S))


def main() -> None:
    """Loads all cores until it is killed."""
    processes = [Process(target=burst, args=(cpu,), daemon=True) for cpu in sorted(os.sched_getaffinity(0))]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


if __name__ == "__main__":
    main()
