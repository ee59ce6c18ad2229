"""What the functions of `import crossrt` are given: models and data, as types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossrt.datasets.protocol import Dataset

    Arrays: TypeAlias = NDArray[Any] | Mapping[str, NDArray[Any]]
    Data: TypeAlias = str | Path | Arrays | Dataset | Callable[[], object]

Model: TypeAlias = "str | Path | Any"
"""A path, the name of a bundled model, a Keras model or an `onnx.ModelProto`."""
