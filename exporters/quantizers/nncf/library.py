"""Imports NNCF without its telemetry.

Its package `openvino-telemetry` makes an identifier in the home folder and sends events as soon as it is imported and
nobody has opted out. NNCF does without where the import fails.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any, Final

from crossrt.core.install import install_command
from crossrt.exporters.errors import UnfitRecipeError

_TELEMETRY: Final = "openvino_telemetry"


def import_nncf() -> Any:
    """The package `nncf`.

    Raises:
        UnfitRecipeError: It is not installed, or its telemetry was imported before.
    """
    if importlib.util.find_spec("nncf") is None:
        raise UnfitRecipeError(f"onnx-nncf recipes need NNCF, which is not installed: {install_command('nncf')}")
    if sys.modules.get(_TELEMETRY) is not None:
        raise UnfitRecipeError(f"{_TELEMETRY} was imported before NNCF, so that events would be sent")
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # what Python documents to make an import fail
    os.environ["NNCF_CI"] = "1"  # the library's own switch
    return importlib.import_module("nncf")
