"""The worker of a callable: the same requests, answered by calling a function in place of running a model.

`python -m crossrt.harness.process.callables` imports `module:function`; a forked process is given the function itself.
Imported by workers: needs the standard library and numpy only.
"""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from time import perf_counter_ns
from typing import Any

import numpy as np

from crossrt.core.parent import die_with_parent
from crossrt.harness.process.messages import Feed, ImportRuntime, InputFile, Load, Request
from crossrt.harness.process.worker import Answer, Worker, peak_memory_bytes, serve
from crossrt.runtimes.errors import ModelRefusedError, RunFailedError, RuntimeAdapterError

RUNTIME = "python"
_OURS = ("crossrt.harness.", "__main__")


@dataclass(frozen=True, slots=True)
class Call:
    """A function and what it is called with; called with feeds it leaves them aside, like a session without inputs."""

    function: Callable[..., object]
    arguments: tuple[object, ...] = ()
    keywords: tuple[tuple[str, object], ...] = ()

    def bound(self) -> Callable[[Any], object]:
        """The call as a worker times it, with as little around it as there can be."""
        function, arguments, keywords = self.function, self.arguments, dict(self.keywords)
        if keywords:
            return lambda _: function(*arguments, **keywords)
        if arguments:
            return lambda _: function(*arguments)
        return lambda _: function()


class CallableWorker(Worker):
    """Times a callable. Whatever the callable raises is an answer, even what asks the process to end."""

    def __init__(self, call: Call | None = None) -> None:
        """Without `call` the name of the runtime to import is `module:function`."""
        super().__init__()
        self._call = call

    def answer(self, request: Request) -> Answer:
        """Does what a request asks."""
        try:
            return super().answer(request)
        except (RuntimeAdapterError, MemoryError):
            raise
        except BaseException as error:  # SystemExit and what test frameworks raise, too
            _print_own_frames(error)
            raise RunFailedError(f"{type(error).__name__}: {error}") from error

    def _take_runtime(self, request: ImportRuntime) -> Answer:
        """Imports are part of loading: the process is ready."""
        self._target = request.name
        version, peak_bytes = platform.python_version(), peak_memory_bytes()
        return {"name": self._target, "version": version, "formats": [], "peak_bytes": peak_bytes}

    def _load(self, _: Load) -> Answer:
        start = perf_counter_ns()
        if self._call is None:
            self._call = Call(found_function(self._target))
            self._runs.append(self._call.function)  # takes feeds, if there are any; see _feed
        else:
            self._runs.append(self._call.bound())
        return {"load_ns": perf_counter_ns() - start}

    def _feed(self, request: Feed) -> Answer:
        """Feeds of an imported function are read from files; without any it is called without arguments."""
        if not request.inputs and self._call is not None and self._runs[0] is self._call.function:
            self._runs[0] = self._call.bound()
        return super()._feed(request)

    def _as_feeds(self, inputs: Sequence[InputFile], arrays: dict[str, Any], _: Any) -> dict[str, Any]:
        return {each.name: np.array(arrays[each.name]) for each in inputs}


def _print_own_frames(error: BaseException) -> None:
    """Prints the traceback from where the callable begins."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_globals.get("__name__", "").startswith(_OURS):
        trace = trace.tb_next
    if trace is not None:
        sys.stderr.write("".join(traceback.format_tb(trace)))


def found_function(target: str) -> Callable[..., object]:
    """The function that `module:function` names.

    Raises:
        ModelRefusedError: It cannot be imported, or is not callable.
    """
    module, _, path = target.partition(":")
    try:
        found: Any = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except Exception as error:
        raise ModelRefusedError(f"{target} cannot be imported: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise ModelRefusedError(f"{target} is a {type(found).__name__}, which cannot be called")
    function: Callable[..., object] = found
    return function


def main() -> int:
    """Answers requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what is printed must not look like an answer
    die_with_parent()
    serve(CallableWorker(), sys.stdin, answers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
