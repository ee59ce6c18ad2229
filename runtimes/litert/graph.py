"""A loaded TFLite file: the tensors of its signature by name, with memory planned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import TensorSpec, described
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.session import one_line
from crossrt.runtimes.specs import SessionSpecs

DEFAULT_SIGNATURE = "serving_default"

Details = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """One graph of a file, ready to run.

    Attributes:
        inputs: Indices of the input tensors by name.
        outputs: Indices of the output tensors by name.
        set_tensor: Copies an array into a tensor.
        invoke: Runs the graph.
        get_tensor: Copies a tensor into a new array.
        interpreter: Owner of all that.
        number: Which of the file's graphs this is.
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    set_tensor: Callable[[int, Any], None]
    invoke: Callable[[], None]
    get_tensor: Callable[[int], Any]
    interpreter: Interpreter
    number: int

    def operators(self) -> Sequence[Mapping[str, Any]] | None:
        """Details of each operator, or None where LiteRT does not tell."""
        details = getattr(self.interpreter, "_get_ops_details", None)  # private: a newer LiteRT may drop it
        return None if details is None or self.number else details()

    def tensors(self) -> Mapping[int, Mapping[str, Any]]:
        """Details of each tensor by its index."""
        return {int(each["index"]): each for each in self.interpreter.get_tensor_details(self.number)}


def load(artifact: ModelArtifact, specs: SessionSpecs, threads: int, arguments: Mapping[str, Any]) -> Graph:
    """Loads a file, sets the sizes of its inputs and plans memory.

    The graph is that of the signature `serving_default`, else of the first; a file without signatures has its tensors'
    own names. `arguments` are further ones of the interpreter.

    Raises:
        ModelRefusedError: LiteRT cannot load the file, or it is not what the artifact says.
    """
    try:
        interpreter = Interpreter(model_path=str(artifact.path), num_threads=threads, **arguments)
        number, inputs, outputs = _tensors_by_name(interpreter)
        _check_fit(artifact, specs, inputs, outputs)
        graph = _graph(interpreter, number, inputs, outputs)
        resize, allocate = _planning(interpreter, number)
        for spec, own in zip(artifact.inputs, specs.own_inputs, strict=True):
            if any(not isinstance(size, int) for size in spec.shape):
                resize(graph.inputs[spec.name], np.array(own.shape, np.int32))
        allocate()
    except (ValueError, RuntimeError) as error:
        raise ModelRefusedError(f"LiteRT cannot load {artifact.path.name}: {one_line(error)}") from error
    return graph


def _tensors_by_name(interpreter: Interpreter) -> tuple[int, Details, Details]:
    """Which graph runs, and the details of its inputs and outputs."""
    signatures = list(interpreter.get_signature_list())
    if not signatures:
        return 0, _named(interpreter.get_input_details()), _named(interpreter.get_output_details())
    name = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in signatures else signatures[0]
    runner = interpreter.get_signature_runner(name)
    # with one signature there is one graph; for others, LiteRT tells only in private
    number = interpreter._interpreter.GetSubgraphIndexFromSignature(name) if len(signatures) > 1 else 0
    return int(number), runner.get_input_details(), runner.get_output_details()


def _named(details: Sequence[Mapping[str, Any]]) -> Details:
    return {str(detail["name"]): detail for detail in details}


def _graph(interpreter: Interpreter, number: int, inputs: Details, outputs: Details) -> Graph:
    native = interpreter._interpreter if number else None
    return Graph(
        inputs={name: int(detail["index"]) for name, detail in inputs.items()},
        outputs={name: int(detail["index"]) for name, detail in outputs.items()},
        set_tensor=partial(_set_tensor, native, number) if native else interpreter.set_tensor,
        invoke=partial(native.Invoke, number) if native else interpreter.invoke,
        get_tensor=partial(_get_tensor, native, number) if native else interpreter.get_tensor,
        interpreter=interpreter,
        number=number,
    )


def _set_tensor(native: Any, number: int, index: int, value: Any) -> None:
    native.SetTensor(index, value, number)


def _get_tensor(native: Any, number: int, index: int) -> Any:
    return native.GetTensor(index, number)


def _planning(interpreter: Interpreter, number: int) -> tuple[Callable[[int, Any], None], Callable[[], None]]:
    """How an input of a graph is resized, and how memory is planned."""
    if not number:
        return interpreter.resize_tensor_input, interpreter.allocate_tensors
    native = interpreter._interpreter
    return lambda index, shape: native.ResizeInputTensor(index, shape, False, number), partial(
        native.AllocateTensors, number
    )


def _check_fit(artifact: ModelArtifact, specs: SessionSpecs, inputs: Details, outputs: Details) -> None:
    """Raises `ModelRefusedError` where the file is not what the artifact says."""
    for verb, own, found in (("takes", specs.own_inputs, inputs), ("gives", specs.own_outputs, outputs)):
        names = {spec.name for spec in own}
        if names != found.keys() if verb == "takes" else names - found.keys():
            raise _misdescribed(artifact, f"{verb} {', '.join(found)}; its record says {', '.join(names)}")
        for spec in own:
            dtype, sizes = np.dtype(found[spec.name]["dtype"]).name, found[spec.name]["shape_signature"]
            if dtype != spec.dtype or (verb == "takes" and not _can_be(sizes, spec)):
                shape = ", ".join("?" if size < 0 else str(size) for size in sizes)
                said = described(spec)
                raise _misdescribed(artifact, f"{verb} {spec.name} {dtype} ({shape}); its record says {said}")


def _can_be(sizes: Sequence[int], spec: TensorSpec) -> bool:
    return len(sizes) == len(spec.shape) and all(
        size < 0 or size == other for size, other in zip(sizes, spec.shape, strict=True)
    )


def _misdescribed(artifact: ModelArtifact, found: str) -> ModelRefusedError:
    return ModelRefusedError(f"{artifact.path.name} {found}: it was replaced or its record is wrong; inspect it again")
