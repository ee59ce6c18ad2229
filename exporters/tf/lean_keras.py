"""A quick import of Keras and TensorFlow: without packages that Keras merely offers something for, in half the time."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final

UNNEEDED: Final = ("matplotlib", "pandas", "sklearn")
"""Packages that Keras imports where they are installed, and does without elsewhere."""


class LeanKeras(MetaPathFinder):
    """Finds both, and hides those packages while one is imported; afterwards they can be imported as ever.

    They are hidden from the thread that imports Keras alone, and `sys.modules` is left as it is. Keras remembers that
    it has no pandas: in such a process it takes arrays, no tables. Nor is garbage looked for meanwhile: there is little
    among the hundreds of thousands of objects that are made.
    """

    @classmethod
    def install(cls) -> None:
        """From now on, where Keras is not imported yet."""
        if "keras" not in sys.modules and not any(isinstance(each, cls) for each in sys.meta_path):
            sys.meta_path.insert(0, cls())

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec with another loader; None for every other module.

        Raises:
            ModuleNotFoundError: It is hidden.
        """
        if fullname in UNNEEDED and _importing.depth:
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)
        if fullname not in ("keras", "tensorflow"):
            return None
        found = PathFinder.find_spec(fullname, path, target)
        if found is not None and found.loader is not None:
            found.loader = _HidingLoader(found.loader)  # again where it failed: TensorFlow tries it too early
        return found


class _HidingLoader(Loader):
    def __init__(self, own: Loader) -> None:
        self._own = own

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        spec = module.__spec__
        assert spec is not None
        module.__loader__ = spec.loader = self._own
        with _hidden(), _without_collection():
            self._own.exec_module(module)


class _Importing(threading.local):
    """How many of both this thread is importing: TensorFlow imports Keras."""

    depth = 0


_importing: Final = _Importing()


@contextmanager
def _hidden() -> Iterator[None]:
    _importing.depth += 1
    try:
        yield
    finally:
        _importing.depth -= 1


@contextmanager
def _without_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
