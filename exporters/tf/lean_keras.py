"""A quick import of Keras and TensorFlow: without packages that Keras merely offers something for, in half the time."""

from __future__ import annotations

import gc
import sys
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

    Nor is garbage looked for meanwhile: there is little among the hundreds of thousands of objects that are made.
    """

    @classmethod
    def install(cls) -> None:
        """From now on, where Keras is not imported yet."""
        if "keras" not in sys.modules and not any(isinstance(each, cls) for each in sys.meta_path):
            sys.meta_path.insert(0, cls())

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec with another loader; None for every other module."""
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


@contextmanager
def _hidden() -> Iterator[None]:
    hidden = [name for name in UNNEEDED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type] # None: the import system calls it missing
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


@contextmanager
def _without_collection() -> Iterator[None]:
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
