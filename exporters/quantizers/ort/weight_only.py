"""Weights of matrix products in groups of few bits: `MatMulNBits` by ONNX Runtime's own kernel, or solved in numpy.

ONNX Runtime's module also has k-quant, GPTQ and HQQ, which are not used: in version 1.31 it leaves out that zero must
be inside a k-quant's range, fails where a weight has an odd number of groups, knows 4 bits only, rounds what GPTQ found
a second time, and needs PyTorch for HQQ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from crossrt.datasets.protocol import Arrays
from crossrt.exporters.calibration import NEEDS_CALIBRATION, Calibration, selection_of
from crossrt.exporters.errors import ExportError, NothingToQuantizeError, UnfitRecipeError
from crossrt.exporters.quantizers.ort.gptq import gptq
from crossrt.exporters.quantizers.ort.groups import Floats, Grid, half_quadratic_grid, in_groups, k_quant_grid
from crossrt.exporters.quantizers.ort.matmul import (
    constants_of,
    name_nodes,
    products,
    put_in_groups,
    remove_unused,
    split_gemms,
)
from crossrt.exporters.recipes.recipe import OnnxWeightOnly

_MOST_HESSIAN_BYTES: Final = 2**29
"""Hessians of so much are collected in one pass over the samples."""


def write_weight_only(float_model: Path, path: Path, recipe: OnnxWeightOnly, calibration: Calibration | None) -> None:
    """Writes a model with its weights in groups.

    Args:
        float_model: The float model.
        path: Where to.
        recipe: What is asked for.
        calibration: Samples for `gptq`.

    Raises:
        NothingToQuantizeError: The model has no matrix product with constant weights.
        UnfitRecipeError: There are fewer rows of samples than a weight has inputs.
        ExportError: A name fits nothing, or samples are missing.
    """
    model = onnx.load(float_model)
    name_nodes(model)
    check_excluded(recipe.nodes_to_exclude, model)
    if recipe.gemm_to_matmul:
        split_gemms(model, recipe.nodes_to_exclude)
    if recipe.algorithm == "rtn":
        _by_library(model, path, recipe)
        return
    if not any(True for _ in products(model, recipe.nodes_to_exclude)):
        raise NothingToQuantizeError(_why_nothing(model, recipe))
    hessians = _hessians(model, recipe, calibration) if recipe.algorithm == "gptq" else {}
    constants = constants_of(model)
    for node, name in list(products(model, recipe.nodes_to_exclude)):
        weight = numpy_helper.to_array(constants[name])
        integers, grid = _solved(weight, recipe, hessians.get(node.input[0]))
        put_in_groups(model, node, weight.shape, integers, grid, recipe.accuracy_level)
    remove_unused(model)
    onnx.save(model, path)


def check_excluded(excluded: tuple[str, ...], model: onnx.ModelProto, option: str = "nodes_to_exclude") -> None:
    """Raises `ExportError` for a name that fits no node: it would change nothing, in silence."""
    names = {node.name for node in model.graph.node}
    if unknown := [name for name in excluded if name not in names]:
        raise ExportError(f"{option} names {', '.join(unknown)}; the model's nodes are {', '.join(sorted(names))}")


def _why_nothing(model: onnx.ModelProto, recipe: OnnxWeightOnly) -> str:
    kinds = sorted({node.op_type for node in model.graph.node})
    is_left = "Gemm" in kinds and not recipe.gemm_to_matmul
    left = ", and Gemm where gemm_to_matmul is set" if is_left else ""
    return (
        "onnx-weight-only quantizes matrix products (MatMul, Gemm) with constant float32 weights, of which the model"
        f" has none left{left}: its operators are {', '.join(kinds)}"
    )


def _by_library(model: onnx.ModelProto, path: Path, recipe: OnnxWeightOnly) -> None:
    """Rounds to nearest, by ONNX Runtime's own kernel."""
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(
        model,
        bits=recipe.bits,
        block_size=recipe.block_size,
        is_symmetric=recipe.weight_symmetric,
        accuracy_level=recipe.accuracy_level,
        nodes_to_exclude=list(recipe.nodes_to_exclude),
    )
    quantizer.process()
    quantizer.model.save_model_to_file(str(path), use_external_data_format=False)


def _solved(weight: NDArray[np.floating], recipe: OnnxWeightOnly, hessian: Floats | None) -> tuple[Floats, Grid]:
    bits, size = recipe.bits, recipe.block_size
    if hessian is not None:
        return gptq(weight, hessian, bits, size, recipe.weight_symmetric)
    groups = in_groups(weight, size)
    grid = k_quant_grid(groups, bits) if recipe.algorithm == "k-quant" else half_quadratic_grid(groups, bits)
    return grid.integers(groups), grid


def _hessians(model: onnx.ModelProto, recipe: OnnxWeightOnly, calibration: Calibration | None) -> Mapping[str, Floats]:
    """`2 X^T X` of the left side of every product, by the tensor's name, in the float model."""
    which = selection_of(recipe)
    if calibration is None or which is None:
        raise ExportError(NEEDS_CALIBRATION)
    constants = constants_of(model)
    widths = {node.input[0]: constants[name].dims[0] for node, name in products(model, recipe.nodes_to_exclude)}
    found: dict[str, Floats] = {}
    for names in _passes(widths):
        rows = dict.fromkeys(names, 0)
        found.update({name: np.zeros((widths[name], widths[name])) for name in names})
        for values in _activations(model, names, calibration.feeds(which)):
            for name, each in values.items():
                seen = each.reshape(-1, each.shape[-1]).astype(np.float64)
                rows[name] += len(seen)
                found[name] += 2 * seen.T @ seen
        for name in names:
            _check_rows(name, rows[name], widths[name], calibration.count(which))
    return found


def _check_rows(name: str, rows: int, width: int, samples: int) -> None:
    if rows < width:
        needed = -(-width * samples // rows)
        raise UnfitRecipeError(
            "gptq needs at least as many rows of calibration data as a weight has inputs: the product that reads"
            f" {name} has {width:,} inputs and gets {rows:,} rows (calibration samples: {samples:,}); bring {needed:,}"
            " samples or more, with calibration_samples as high, or choose k-quant, hqq or rtn, which need none"
        )


def _passes(widths: Mapping[str, int]) -> Iterator[list[str]]:
    """Tensors whose Hessians are held at one time, in turn."""
    names: list[str] = []
    size = 0
    for name, width in widths.items():
        if names and size + 8 * width**2 > _MOST_HESSIAN_BYTES:
            yield names
            names, size = [], 0
        names.append(name)
        size += 8 * width**2
    yield names


def _activations(
    model: onnx.ModelProto, names: list[str], feeds: Iterable[Arrays]
) -> Iterator[Mapping[str, NDArray[np.floating]]]:
    """The values of tensors, a call at a time."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    known = {each.name for each in (*model.graph.output, *model.graph.input)}
    extended.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(extended.SerializeToString(), options, providers=["CPUExecutionProvider"])
    fed = {each.name for each in session.get_inputs()}
    wanted = [name for name in names if name not in fed]
    for call in feeds:
        values = dict(zip(wanted, session.run(wanted, call) if wanted else [], strict=True))
        yield {name: values[name] if name in values else call[name] for name in names}
