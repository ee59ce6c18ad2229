"""Which runtimes there are: ours and those that other packages register under `crossrt.runtimes`.

An entry point names an object with the attributes of `Runtime`, or a function without arguments that gives one.
Nothing is imported before it is asked for: `find` looks only at installed metadata.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crossrt.core.artifact import ModelFormat
from crossrt.runtimes.errors import RuntimeBrokenError, RuntimeNotInstalledError, UnknownRuntimeError
from crossrt.runtimes.protocol import Runtime

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "crossrt.runtimes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What is known of a shipped adapter before its runtime is installed."""

    package: str
    formats: tuple[ModelFormat, ...]


SHIPPED: dict[str, Shipped] = {
    "ort-cpu": Shipped(package="onnxruntime", formats=("onnx",)),
    "tflite": Shipped(package="ai-edge-litert", formats=("tflite",)),
}


def runtime_names() -> tuple[str, ...]:
    """Names of all registered runtimes, shipped ones first."""
    registered = {point.name for point in _registered()}
    return (*SHIPPED, *sorted(registered - SHIPPED.keys()))


def get_runtime(name: str) -> Runtime:
    """Imports and returns a runtime.

    Raises:
        UnknownRuntimeError: No runtime of this name is registered.
        RuntimeNotInstalledError: Its package is missing.
        RuntimeBrokenError: Its package is there, and importing it fails.
    """
    try:
        loaded = _load(name)
        return cast(Runtime, loaded() if callable(loaded) else loaded)
    except ModuleNotFoundError as error:
        raise _import_failure(name, error) from error
    except UnknownRuntimeError:
        raise
    except Exception as error:
        raise RuntimeBrokenError(
            f"{name} is installed and cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _load(name: str) -> object:
    if name == "ort-cpu":
        from crossrt.runtimes.ort import OrtCpu

        return OrtCpu
    if name == "tflite":
        from crossrt.runtimes.tflite import TfLite

        return TfLite
    return _from_entry_point(name)


def _from_entry_point(name: str) -> object:
    for point in _registered().select(name=name):
        return point.load()
    raise UnknownRuntimeError(f"there is no runtime {name!r}: the registered ones are {', '.join(runtime_names())}")


def _registered() -> EntryPoints:
    from importlib.metadata import entry_points  # as costly as numpy: not for a worker that needs a shipped runtime

    return entry_points(group=GROUP)


def _import_failure(name: str, error: ModuleNotFoundError) -> Exception:
    """Tells a runtime that is missing from one that is there and lacks a part."""
    package = SHIPPED[name].package if name in SHIPPED else None
    if package is not None and error.name == package.replace("-", "_"):
        return RuntimeNotInstalledError(f"{package} is not installed: {install_command(package)}")
    return RuntimeBrokenError(f"{name} needs the module {error.name}, which is not installed")


def install_command(*packages: str) -> str:
    """The exact command that installs packages into the running environment, which may have no pip of its own."""
    wanted = shlex.join(packages)
    if importlib.util.find_spec("pip") is not None:
        return f"{shlex.quote(sys.executable)} -m pip install {wanted}"
    return f"python3 -m pip --python {shlex.quote(sys.executable)} install {wanted}"
