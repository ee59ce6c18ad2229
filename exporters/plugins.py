"""Quantizers and sources of other packages, by entry point: groups `crossrt.quantizers` and `crossrt.sources`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from crossrt.core.artifact import Quantization
from crossrt.core.errors import CrossrtError
from crossrt.core.parent import leaving_copies
from crossrt.core.plugins import load_plugin, registered
from crossrt.core.user_code import line_of
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.calibration import Calibration, selection_of
from crossrt.exporters.errors import ExportError
from crossrt.exporters.recipes.recipe import OnnxPlugin

QUANTIZERS: Final = "crossrt.quantizers"
SOURCES: Final = "crossrt.sources"


class Quantizer(Protocol):
    """Turns a float ONNX file into a quantized one."""

    def quantize(
        self, float_model: Path, path: Path, feeds: Iterator[Arrays] | None, options: Mapping[str, Any]
    ) -> Quantization:
        """Writes the quantized file to `path` and says how it is quantized.

        Args:
            float_model: A copy of the float file, in a folder of its own.
            path: Where the quantized file goes.
            feeds: Calibration samples by input name, a call at a time; None where the recipe asks for none.
            options: The recipe's own.
        """


class Source(Protocol):
    """A kind of model that crossrt does not read itself."""

    def claims(self, path: Path) -> bool:
        """True if this file or folder is such a model; looks at little and imports nothing heavy."""

    def to_onnx(self, path: Path, out: Path) -> None:
        """Writes the model as float ONNX."""


@contextmanager
def _failing_as(what: str) -> Iterator[None]:
    """Makes one message of whatever a plug-in raises, even of what asks the process to end."""
    try:
        with leaving_copies():
            yield
    except (CrossrtError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ExportError(f"{what} failed: {type(error).__name__}: {error}{line_of(error)}") from error


def claiming_source(path: Path) -> str | None:
    """Name of the first registered kind of model that a path is, or None.

    Raises:
        PluginError: One cannot be imported, or two have one name.
        ExportError: One fails.
    """
    for name in registered(SOURCES):
        source: Source = load_plugin(SOURCES, name)
        with _failing_as(f"the source {name!r}, asked about {path},"):
            if source.claims(path):
                return name
    return None


def convert_with_source(name: str, path: Path, out: Path) -> None:
    """Writes a model of a registered kind as ONNX.

    Raises:
        PluginError: The plug-in cannot be imported.
        ExportError: It fails, or wrote no file.
    """
    source: Source = load_plugin(SOURCES, name)
    with _failing_as(f"the source {name!r}"):
        source.to_onnx(path, out)
    if not out.is_file():
        raise ExportError(f"the source {name!r} wrote no ONNX file for {path}")


def quantize_with_plugin(
    recipe: OnnxPlugin, float_model: Path, path: Path, calibration: Calibration | None
) -> Quantization:
    """Carries out a recipe by its plug-in.

    Raises:
        PluginError: It is not registered, or cannot be imported.
        ExportError: It wrote no file, or did not say how the file is quantized.
    """
    quantizer: Quantizer = load_plugin(QUANTIZERS, recipe.quantizer)
    which = selection_of(recipe)
    feeds = calibration.feeds(which) if calibration is not None and which is not None else None
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".plugin-") as folder:
        copy = Path(folder) / "float.onnx"
        copy.write_bytes(float_model.read_bytes())
        with _failing_as(f"the quantizer {recipe.quantizer!r}"):
            found = quantizer.quantize(copy, path, feeds, dict(recipe.options))
    if not path.is_file():
        raise ExportError(f"the quantizer {recipe.quantizer!r} wrote no file")
    if not isinstance(found, Quantization):
        raise ExportError(f"the quantizer {recipe.quantizer!r} gave {type(found).__name__}: a Quantization is expected")
    return found
