"""Which backend of Keras trains: what the user says, else what is installed."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Final, get_args

from crossrt.core.install import BACKENDS, TENSORFLOW, Backend, install_command
from crossrt.harness.errors import HarnessError

VARIABLE: Final = "KERAS_BACKEND"
_MOST_BYTES: Final = 2**16


def training_backend() -> Backend:
    """That of KERAS_BACKEND, else that of keras.json, else the first one that is installed, TensorFlow before others.

    Keras writes `tensorflow` into a keras.json by itself: where it is not installed, nobody asked for it.

    Raises:
        HarnessError: One is named that trains nothing or is not installed, or there is none.
    """
    if named := os.environ.get(VARIABLE):
        return _checked(named, VARIABLE)
    path = _settings()
    named = _named_in(path)
    installed = [each for each in BACKENDS if importlib.util.find_spec(each) is not None]
    if named and not (named == "tensorflow" and installed):
        return _checked(named, str(path))
    if "tensorflow" in installed or not installed:
        return _checked("tensorflow", None)
    return installed[0]


def _checked(name: str, source: str | None) -> Backend:
    found = next((each for each in get_args(Backend) if each == name), None)
    if found is None:
        raise HarnessError(
            f"{source} names the backend {name!r} of Keras, on which nothing can be trained: set {VARIABLE} to one of"
            f" {', '.join(get_args(Backend))}"
        )
    backend: Backend = found
    if importlib.util.find_spec(backend) is None:
        command = install_command(BACKENDS[backend])
        if source is None:
            raise HarnessError(f"training needs {TENSORFLOW}, jax or torch, none of which is installed here: {command}")
        raise HarnessError(f"{source} names the backend {backend} of Keras, which is not installed here: {command}")
    return backend


def _settings() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "keras.json"


def _named_in(path: Path) -> str | None:
    """What a keras.json names, or None where it is not there or not readable, which Keras passes over as well."""
    try:
        found = json.loads(path.read_bytes()[:_MOST_BYTES]).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
    return found if isinstance(found, str) and found else None
