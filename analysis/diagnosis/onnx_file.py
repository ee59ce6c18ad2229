"""An ONNX file beside its float model: the integers of every activation, as the shipped kernels compute them.

Only integer tensors are made outputs. In a QDQ file that is what QuantizeLinear gives, so that the operators around it
still fuse; whether they do is checked on the optimised graphs with and without the added outputs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import onnx

from crossrt.analysis.audit.affine import TYPES, Affine
from crossrt.analysis.audit.onnx_file import stored_in_onnx
from crossrt.analysis.diagnosis.channels import channel_spread
from crossrt.analysis.diagnosis.measure import Measure
from crossrt.analysis.diagnosis.outputs import OutputRatios
from crossrt.analysis.diagnosis.record import DiagnosedOutput, DiagnosedTensor, Diagnosis, Kernels
from crossrt.analysis.onnx_graph import QUANTIZE, REMOVABLE, Graph, dtype_of, name_of, taken
from crossrt.analysis.onnx_sessions import run, session_with
from crossrt.datasets.protocol import Arrays
from crossrt.exporters.quantizers.ort.lost_activations import lost_activations
from crossrt.exporters.sources.onnx_file import read_structure
from crossrt.exporters.tensor_specs import onnx_specs

_QUANTIZED: Final = "_quantized"
_QDQ_INPUT: Final = "_QuantizeLinear_Input"
_PRECISE: Final = {"session.x64quantprecision": "1"}
_MOVED: Final = (QUANTIZE, "DequantizeLinear", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity")


@dataclass(frozen=True, slots=True)
class _Observed:
    """A quantized activation: the tensor to read, its float counterpart, its type and scheme."""

    output: str
    original: str
    dtype: str
    affine: Affine


def diagnose_onnx(path: Path, prepared: Path, calls: Iterable[Arrays], samples: int, folder: Path) -> Diagnosis:
    """Runs both models over the samples.

    Args:
        path: The quantized file.
        prepared: The float model as the quantizer saw it.
        calls: Feeds of the samples.
        samples: How many they are.
        folder: A scratch folder.

    Raises:
        CrossrtError: A model cannot be run, or the two do not belong together.
    """
    quantized, original = Graph.load(path), Graph.load(prepared)
    activations = list(_activations(quantized, original))
    observed = [each for each in activations if each.original in original.values]
    outputs = [each.output for each in observed]
    is_shipped = _fusions(path, [], folder) == _fusions(path, outputs, folder)
    sides = [
        _Side(path, observed, entries, folder, is_shipped=not entries and is_shipped) for entries in ({}, _PRECISE)
    ]
    ratios = [OutputRatios(onnx_specs(prepared)[1], onnx_specs(path)[1]) for _ in sides]
    originals = [*(each.original for each in observed), *ratios[0].originals]
    exact_session = session_with(prepared, originals, folder, is_optimised=False)
    for feeds in calls:
        exact = run(exact_session, originals, feeds)
        for side, ratio in zip(sides, ratios, strict=True):
            side.add(exact, feeds)
            ratio.add(exact, run(side.plain, ratio.quantized, feeds))
    makers = _makers(original)
    tensors = [
        measure.result(place, makers.get(measure.name), other.ratio.sqnr_db)
        for place, (measure, other) in enumerate(zip(sides[0].measures, sides[1].measures, strict=True))
        if measure.is_known
    ]
    return Diagnosis(
        tensors=(*tensors, *_constants(quantized, original, len(tensors))),
        samples=samples,
        outputs=tuple(
            DiagnosedOutput(name=name, sqnr_db=ratios[0].sqnr_db(name), precise_sqnr_db=ratios[1].sqnr_db(name))
            for name in ratios[0].originals
        ),
        missing=tuple(each.output for each in activations if each.original not in original.values),
        causes=tuple(lost_activations(read_structure(prepared).graph, read_structure(path).graph)),
    )


class _Side:
    """The quantized file on one kind of kernels, with its activations visible and as it is."""

    def __init__(
        self, path: Path, observed: Sequence[_Observed], entries: Mapping[str, str], folder: Path, *, is_shipped: bool
    ) -> None:
        kernels: Kernels = "shipped" if is_shipped else "simulated"
        self.measures = [
            Measure(each.original, "activation", each.dtype, each.affine, None, kernels) for each in observed
        ]
        self.plain = session_with(path, (), folder, entries=entries)
        self._observed = observed
        self._outputs = [each.output for each in observed]
        self._observing = session_with(path, self._outputs, folder, entries=entries)

    def add(self, exact: Arrays, feeds: Arrays) -> None:
        """One call; a tensor of another shape than its counterpart is left out."""
        found = run(self._observing, self._outputs, feeds)
        for measure, each in zip(self.measures, self._observed, strict=True):
            if exact[each.original].shape == found[each.output].shape:
                measure.add(exact[each.original], found[each.output])


def _makers(original: Graph) -> dict[str, str]:
    """The node that computes a tensor; behind a Relu, the node before it."""
    found: dict[str, str] = {}
    for node in original.nodes:
        before = taken(node, 0)
        source = before.producer() if node.op_type in REMOVABLE and before is not None else node
        found |= {name_of(value): (source or node).name or "" for value in node.outputs}
    return found


def _activations(quantized: Graph, original: Graph) -> Iterator[_Observed]:
    arrays = quantized.constants
    kept = {name_of(node.outputs[0]) for node in quantized.nodes if node.op_type in REMOVABLE}
    schemes: dict[str, tuple[Affine, str]] = {}
    for node in quantized.nodes:
        output, places = name_of(node.outputs[0]), [name_of(taken(node, place)) for place in range(3)]
        name = output
        if node.op_type == QUANTIZE and places[1] in arrays and places[0] not in arrays:
            name = places[0].removesuffix(_QDQ_INPUT)
            schemes[output] = _scheme(quantized, places[1], places[2])
        elif output.endswith(_QUANTIZED):
            name = output.removesuffix(_QUANTIZED)
            if f"{name}_scale" in arrays and f"{name}_zero_point" in arrays:
                schemes[output] = _scheme(quantized, f"{name}_scale", f"{name}_zero_point")
            elif places[0] in schemes:  # it only moves or picks values
                schemes[output] = schemes[places[0]]
        if output in schemes and schemes[output][1] in TYPES and schemes[output][0].scale.size == 1:
            affine, dtype = schemes[output]
            yield _Observed(output, _behind_relu(name, original, kept), dtype, affine)


def _scheme(quantized: Graph, scale: str, zero_point: str) -> tuple[Affine, str]:
    found = quantized.constants[scale].astype(np.float32)
    zeros = quantized.constants.get(zero_point)
    affine = Affine(found, np.zeros(found.shape, np.int64) if zeros is None else zeros.astype(np.int64))
    return affine, dtype_of(quantized.values.get(zero_point)) or "uint8"


def _behind_relu(name: str, original: Graph, kept: set[str]) -> str:
    """The output of the Relu that the quantizer folded into this tensor, or the tensor itself."""
    readers = original.readers(name)
    if len(readers) == 1 and readers[0].op_type in REMOVABLE and name_of(readers[0].outputs[0]) not in kept:
        return name_of(readers[0].outputs[0])
    return name


def _fusions(path: Path, names: Sequence[str], folder: Path) -> Counter[str]:
    """How often each operator that computes is in the optimised graph; conversions come and go with outputs."""
    optimised = folder / "optimised.onnx"
    session_with(path, names, folder, optimised=optimised)
    nodes = onnx.load(optimised, load_external_data=False).graph.node
    return Counter(node.op_type for node in nodes if node.op_type not in _MOVED)


def _constants(quantized: Graph, original: Graph, place: int) -> Iterator[DiagnosedTensor]:
    values = original.constants
    for each in stored_in_onnx(quantized, original):
        if each.role != "activation" and each.integers is not None and each.name in values:
            measure = Measure(each.name, each.role, each.dtype, each.affine, each.axis, "stored")
            measure.add(values[each.name], each.integers.reshape(values[each.name].shape))
            yield msgspec.structs.replace(measure.result(place), channel_spread=channel_spread(original, each.name))
