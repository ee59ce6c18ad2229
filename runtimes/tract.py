"""ONNX files on tract, an inference engine written in Rust."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import tract

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.fit import check_fit
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import NUMPY_DTYPES, bound_dimensions, unsupported

_DTYPES: Final[Mapping[str, str]] = {"f": "float", "i": "int", "u": "uint"}
_OPEN: Final = "?"
_SYMBOLIC: Final = "tdim"
"""Integers that tract computed from sizes, as formulas of symbols."""

_NOT_RUN: Final = frozenset(("Const", "Source"))
_BACKTRACE: Final = "Stack backtrace:"
_MISSING: Final = re.compile(r'node #\d+ "([^"]*)" Unimplemented\((\w+)\)')


class Tract:
    """tract on the caller's thread, with the optimizations that it makes of its own."""

    name = "tract"
    formats: tuple[ModelFormat, ...] = ("onnx",)

    def version(self) -> str:
        """Version of tract."""
        return str(tract.version())

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """ONNX files without text, on one thread."""
        if (reason := unsupported(artifact, options, formats=self.formats, dtypes=NUMPY_DTYPES - {"str"})) is not None:
            return reason
        for name in ("intra_op_threads", "inter_op_threads"):
            if (found := getattr(options, name)) != 1:
                return f"runs on the caller's thread alone: {name} must be 1, found {found}"
        return None

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> TractSession:
        """Loads and optimizes an ONNX file with its dynamic dimensions fixed.

        Raises:
            ModelRefusedError: tract cannot load the file, or it is not what the artifact says.
            OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
        """
        return TractSession(artifact, options)


class TractSession(BaseSession):
    """A runnable model of fixed sizes. Arrays are copied into it and out of it."""

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        try:
            loaded = tract.onnx().load(str(artifact.path))
            taken, given = _inputs(loaded), [loaded.output_name(place) for place in range(loaded.output_count())]
            places = _places(given, [spec.name for spec in artifact.outputs])
            check_fit(artifact, self._specs.own_inputs, {name: _found(fact) for name, fact in taken.items()}, places)
            runnable = _runnable(loaded, taken, self._specs.own_inputs, bound_dimensions(artifact, options))
        except tract.TractError as error:
            raise ModelRefusedError(f"tract cannot load {artifact.path.name}: {_said(error)}") from error
        conversions = dict(zip((spec.name for spec in self.inputs), self._input_conversions, strict=True))
        self._into = [(name, conversions[name]) for name in taken]
        symbolic = [str(fact).rpartition(",")[2] == _SYMBOLIC for fact in runnable.output_facts()]
        self._out_of = [
            (spec.name, places[spec.name], symbolic[places[spec.name]], convert)
            for spec, convert in zip(self.outputs, self._output_conversions, strict=True)
        ]
        self._runnable: Any = runnable

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        runnable = self._runnable
        if runnable is None:
            raise self._closed()
        self._check(feeds)
        try:
            found = runnable.run(
                [feeds[name] if convert is None else convert(feeds[name]) for name, convert in self._into]
            )
        except tract.TractError as error:
            raise self._failed(RuntimeError(_said(error))) from error
        outputs: Outputs = {}
        for name, place, is_symbolic, convert in self._out_of:
            tensor = found[place].convert_to(tract.DatumType.I64) if is_symbolic else found[place]
            array = tensor.to_numpy()
            outputs[name] = array if convert is None else convert(array)
        return outputs

    def executed_operators(self) -> tuple[str, ...] | None:
        """Operators of the optimized model in order, without those that hold constants."""
        if self._runnable is None:
            raise self._closed()
        nodes = json.loads(self._runnable.profile_json(None))["nodes"]
        ordered = sorted(nodes, key=lambda node: node["qualified_id"][-1])
        return tuple(str(node["op_name"]) for node in ordered if node["op_name"] not in _NOT_RUN) or None

    def close(self) -> None:
        """Drops the model."""
        self._runnable = None


def _inputs(loaded: Any) -> dict[str, list[str]]:
    """For each input by its name: its dimensions and its type, such as `["batch", "4", "f32"]`."""
    return {loaded.input_name(place): str(loaded.input_fact(place)).split(",") for place in range(loaded.input_count())}


def _places(given: Sequence[str], names: Sequence[str]) -> dict[str, int]:
    """Where the outputs of the record are among those that tract gives, as far as it tells.

    It keeps the order of the file's outputs and names each after the operator that makes it, which may be another name:
    where not all names are found, the order counts, if no name speaks against it.
    """
    found = {name: place for place, name in enumerate(given)}
    in_order = len(given) == len(names) and all(
        theirs == ours or theirs not in names for theirs, ours in zip(given, names, strict=True)
    )
    return {name: place for place, name in enumerate(names)} if in_order else found


def _found(fact: list[str]) -> tuple[str, tuple[int | str | None, ...]]:
    """Type and shape as records name them."""
    sizes = (None if size == _OPEN else int(size) if size.isdecimal() else size for size in fact[:-1])
    return _dtype(fact[-1]), tuple(sizes)


def _dtype(name: str) -> str:
    return f"{_DTYPES[name[0]]}{name[1:]}" if name[1:].isdecimal() and name[0] in _DTYPES else name


def _runnable(
    loaded: Any, taken: Mapping[str, list[str]], own: tuple[TensorSpec, ...], sizes: Mapping[str, int]
) -> Any:
    """The optimized model: dimensions without a name are fixed before it is analysed, the others after.

    What the file says of tensors between operators has the names, so that numbers would not agree with it.
    """
    shapes = {spec.name: spec.shape for spec in own}
    for place, (name, fact) in enumerate(taken.items()):
        if _OPEN in fact:
            known = zip(fact, (*shapes[name], fact[-1]), strict=True)
            loaded.set_input_fact(place, ",".join(str(size) if said == _OPEN else said for said, size in known))
    model = loaded.into_model()
    if sizes:
        model.transform(tract.SetSymbols(dict(sizes)))
    return model.into_runnable()


def _said(error: Exception) -> str:
    """The message of tract without where in its source that was; for an operator that it lacks, no more than that."""
    told = str(error).partition(_BACKTRACE)[0]
    if (missing := _MISSING.search(told)) is not None:
        return f"it does not have the operator {missing[2]} (of the node {missing[1]})"
    return one_line(RuntimeError(told))
