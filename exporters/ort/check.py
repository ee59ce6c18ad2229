"""Looking into a file that a quantizer wrote: those return a model without any node for them as it was."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from crossrt.exporters.errors import NothingToQuantizeError
from crossrt.exporters.recipes.recipe import OnnxFloat16, OnnxRecipe, OnnxWeightOnly
from crossrt.exporters.sources.onnx_file import nodes_of, read_structure
from crossrt.exporters.sources.onnx_weights import quantized_share, weight_bytes


def check_quantized(path: Path, recipe: OnnxRecipe) -> None:
    """Refuses a file whose weights are all as they were.

    Raises:
        NothingToQuantizeError: It holds no quantized weights.
    """
    model = read_structure(path)
    weights = weight_bytes(model)
    is_changed = quantized_share(weights) > 0
    if isinstance(recipe, OnnxFloat16):
        is_changed = weights.get("float16", 0) > 0
    elif isinstance(recipe, OnnxWeightOnly):
        is_changed = any(node.op_type == "MatMulNBits" for node in nodes_of(model))
    if is_changed:
        return
    path.unlink()
    held = ", ".join(f"{size} bytes of {name}" for name, size in weights.items()) or "no weights at all"
    kinds = ", ".join(kind for kind, _ in Counter(node.op_type for node in nodes_of(model)).most_common(8))
    raise NothingToQuantizeError(
        f"the file holds no quantized weights: it holds {held}; this recipe quantizes none of the model's operators"
        f" ({kinds})"
    )
