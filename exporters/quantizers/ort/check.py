"""Looking into a file that a quantizer wrote: those return a model without any node for them as it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from crossrt.core.artifact import Scheme
from crossrt.exporters.errors import NothingToQuantizeError
from crossrt.exporters.sources.onnx_file import nodes_of, read_structure
from crossrt.exporters.sources.onnx_weights import quantized_share_of, weight_bytes


def check_quantized(path: Path, scheme: Scheme) -> float:
    """The share of the bytes of weights that are quantized; a file whose weights are all as they were is removed.

    Raises:
        NothingToQuantizeError: It holds no quantized weights.
    """
    model = read_structure(path)
    share = quantized_share_of(model, scheme)
    if share:
        return share
    path.unlink()
    held = ", ".join(f"{size} bytes of {name}" for name, size in weight_bytes(model).items()) or "no weights at all"
    kinds = ", ".join(kind for kind, _ in Counter(node.op_type for node in nodes_of(model)).most_common(8))
    raise NothingToQuantizeError(
        f"the file holds no quantized weights: it holds {held}; this recipe quantizes none of the model's operators"
        f" ({kinds})"
    )
