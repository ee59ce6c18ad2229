"""Threads that drive child processes: they wait, and never compute for long."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Final, ParamSpec, Self, TypeVar

from crossrt.harness.errors import HarnessError
from crossrt.harness.process.child import kill_all_children

_LOOK_EVERY_S: Final = 0.05

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class DrivingPool:
    """A pool that ends at once where its block ends by an error: nobody waits for children that are not needed."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._futures: list[Future[object]] = []

    def submit(
        self, work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
    ) -> Future[Result]:
        """Starts some work.

        Raises:
            HarnessError: No thread can be started.
        """
        try:
            future = self._pool.submit(work, *arguments, **named)
        except RuntimeError as error:
            raise HarnessError(
                f"{error}: see the limits of processes and threads, ulimit -u and the container's pids limit"
            ) from error
        self._futures.append(future)  # type: ignore[arg-type] # a future of anything
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._give_up()
        self._pool.shutdown()

    def _give_up(self) -> None:
        """Kills again and again: a thread that was just about to start a child does so after the first time."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        while any(future.running() for future in self._futures):
            kill_all_children()
            time.sleep(_LOOK_EVERY_S)
