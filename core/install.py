"""What is installed under which name, and the command that installs what is missing."""

from __future__ import annotations

import importlib.util
import platform
import shlex
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final, Literal

_SMALL_TENSORFLOW = sys.platform == "linux" and platform.machine() == "x86_64"

TENSORFLOW: Final = "tensorflow-cpu" if _SMALL_TENSORFLOW else "tensorflow"
"""The smallest package that brings TensorFlow here."""

Backend = Literal["tensorflow", "jax", "torch"]
"""What Keras trains on, by the name of the module, which is also Keras's word for it."""

BACKENDS: Final[Mapping[Backend, str]] = {"tensorflow": TENSORFLOW, "jax": "jax", "torch": "torch"}
"""The package that brings each backend, the preferred one first."""

BACKEND_NAMES: Final[Mapping[Backend, str]] = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
"""For people."""


def install_command(*packages: str) -> str:
    """The exact command that installs packages into the running environment.

    An environment without a pip borrows the one of the Python that it was made from: `python3` may be the environment's
    own, as it is where that has been activated.
    """
    python, wanted = shlex.quote(sys.executable), shlex.join(packages)
    if importlib.util.find_spec("pip") is not None:
        return f"{python} -m pip install {wanted}"
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    borrowed = shlex.quote(str(base)) if base.exists() else "python3"
    return f"{borrowed} -m pip --python {python} install {wanted}"


@cache
def installed_builds(package: str) -> Mapping[str, str]:
    """Distributions that install an importable package, with their versions.

    Several may: `onnxruntime` also comes as `onnxruntime-gpu`, and where both are installed they share one folder.
    """
    from importlib.metadata import distributions

    file, found = f"{package}/__init__.py", {}
    for name in _distributions_like(package.replace("_", "-"), "ort-nightly"):
        for each in distributions(name=name):
            if any(str(part) == file for part in each.files or ()):
                found[name] = str(each.version)
    return dict(sorted(found.items()))


def _distributions_like(*prefixes: str) -> set[str]:
    """Names that begin so, from those of folders: reading the metadata of all that is installed takes far longer."""
    entries = [name for each in dict.fromkeys(sys.path) for name in _entries(each or ".")]
    names = {
        each.partition("-")[0].lower().replace("_", "-")
        for each in entries
        if each.endswith((".dist-info", ".egg-info"))
    }
    return {each for each in names if each.startswith(prefixes)}


def _entries(folder: str) -> list[str]:
    """Names in a folder; none for an archive, and for what may not be read."""
    try:
        return [each.name for each in Path(folder).iterdir()]
    except OSError:
        return []
