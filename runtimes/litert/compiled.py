"""TFLite files on LiteRT's `CompiledModel`, its newer interface beside the interpreter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.artifact import ModelArtifact, ModelFormat
from crossrt.core.install import install_command
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import ModelRefusedError, RuntimeNotInstalledError
from crossrt.runtimes.fit import check_fit
from crossrt.runtimes.litert.graph import DEFAULT_SIGNATURE
from crossrt.runtimes.litert.library import litert_version
from crossrt.runtimes.litert.noise import without_noise
from crossrt.runtimes.litert.options import KERNEL_OPTIONS, check_kernels
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.protocol import Feeds, Outputs, SessionOptions
from crossrt.runtimes.session import BaseSession, one_line
from crossrt.runtimes.specs import NUMPY_DTYPES, unsupported

NAME: Final = "litert-compiled"
_SINCE: Final = "ai-edge-litert>=2"

try:
    from ai_edge_litert.compiled_model import CompiledModel, CpuKernelMode, CpuOptions, HardwareAccelerator, Options
except ImportError as missing:
    if getattr(missing, "name", None) == "ai_edge_litert":
        raise
    raise RuntimeNotInstalledError(
        f"{NAME} needs {_SINCE}, found {litert_version()}: {install_command(_SINCE)}"
    ) from missing

_OWN_DTYPES: Final = frozenset(("float32", "float16", "int32", "int8", "uint8", "bool"))
"""What `TensorBuffer` takes and gives by name; everything else passes as bytes."""

_PLACES: Final = re.compile(r"└|CompiledModel error: code=\d+, message=|ERROR: \[[^\]]*\]")
"""What LiteRT writes around its messages: where in its source they come from."""

Array = NDArray[Any]


class LiteRtCompiled:
    """LiteRT's `CompiledModel` on the CPU, with XNNPACK unless its options say otherwise."""

    name = NAME
    formats: tuple[ModelFormat, ...] = ("tflite",)
    options: tuple[RuntimeOption, ...] = (
        RuntimeOption(
            name="accelerator",
            help="where the model is compiled for; GPUs and NPUs are not measured",
            default="cpu",
            choices=("cpu",),
        ),
        *KERNEL_OPTIONS,
    )

    def check_options(self, values: Mapping[str, str]) -> None:
        """Raises `OptionRefusedError` for values that contradict each other."""
        check_kernels(NAME, values)

    def version(self) -> str:
        """Version of ai-edge-litert."""
        return litert_version()

    def unsupported_reason(self, artifact: ModelArtifact, options: SessionOptions) -> str | None:
        """TFLite files without text and without empty tensors; there is no parallel execution of operators."""
        if (reason := unsupported(artifact, options, formats=self.formats, dtypes=NUMPY_DTYPES - {"str"})) is not None:
            return reason
        if options.inter_op_threads != 1:
            return f"runs one operator at a time: inter_op_threads must be 1, found {options.inter_op_threads}"
        empty = [spec.name for spec in (*artifact.inputs, *artifact.outputs) if 0 in spec.shape]
        return f"does not support tensors without elements, such as {empty[0]}" if empty else None

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> CompiledSession:
        """Compiles a TFLite file for one batch size.

        Raises:
            ModelRefusedError: LiteRT cannot load the file, or it is not what the artifact says.
            OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
        """
        return CompiledSession(artifact, options)


class CompiledSession(BaseSession):
    """A compiled model at one batch size, with a buffer for each input and output.

    `TensorBuffer` copies an array into its memory and out of it, as the interpreter does with its tensors.
    """

    def __init__(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        super().__init__(artifact, options)
        self._model: CompiledModel | None = None
        self._open: dict[str, tuple[int, ...]] = {}
        try:
            with without_noise():
                self._prepare(artifact, options)
        except (RuntimeError, ValueError) as error:
            raise ModelRefusedError(f"LiteRT cannot load {artifact.path.name}: {_said(error)}") from error

    def _prepare(self, artifact: ModelArtifact, options: SessionOptions) -> None:
        model = CompiledModel.from_file(str(artifact.path), options=_options(options))
        keys = [model.get_signature_by_index(index)["key"] for index in range(model.get_num_signatures())]
        key = DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in keys else keys[0]
        signature, self._number = model.get_signature_list()[key], keys.index(key)
        for spec, own in zip(artifact.inputs, self._specs.own_inputs, strict=True):
            if spec.name in signature["inputs"] and spec.shape != own.shape:
                model.resize_input_tensor_by_name(key, spec.name, [size for size in own.shape if isinstance(size, int)])
        found = {name: _found(each) for name, each in model.get_input_tensor_details(key).items()}
        check_fit(artifact, self._specs.own_inputs, found, signature["outputs"])
        self._key, self._model = key, model
        self._taken = model.create_input_buffers(self._number)
        self._into = self._input_buffers(self._taken, signature["inputs"])
        self._out_of = self._output_buffers(model.create_output_buffers(self._number), signature["outputs"])

    def _input_buffers(self, buffers: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """For each input of the signature in order: its name, buffer and conversion, and whether it passes as bytes."""
        conversions = dict(zip((spec.name for spec in self.inputs), self._input_conversions, strict=True))
        dtypes = {spec.name: spec.dtype for spec in self._specs.own_inputs}
        return [
            (name, buffer, conversions[name], dtypes[name] not in _OWN_DTYPES)
            for name, buffer in zip(names, buffers, strict=True)
        ]

    def _output_buffers(self, buffers: Sequence[Any], names: Sequence[str]) -> list[Any]:
        """For each output of the session: its name, buffer, shape, dtype, how many to read as what, and conversion."""
        self._given, by_name = list(buffers), dict(zip(names, buffers, strict=True))
        found = []
        for own, convert in zip(self._specs.own_outputs, self._output_conversions, strict=True):
            dtype, shape = _found(by_name[own.name].get_tensor_details())
            _check_output(self._artifact, own, dtype, shape)
            count, read_as = prod(shape), np.dtype(own.dtype)
            if dtype not in _OWN_DTYPES:
                count, read_as = count * read_as.itemsize, np.dtype(np.int8)
            found.append((own.name, by_name[own.name], shape, np.dtype(own.dtype), count, read_as, convert))
            if any(not isinstance(size, int) for size in own.shape):
                self._open[own.name] = shape
        return found

    def run(self, feeds: Feeds) -> Outputs:
        """Runs one batch."""
        model = self._model
        if model is None:
            raise self._closed()
        self._check(feeds)
        outputs: Outputs = {}
        try:
            for name, buffer, convert, is_bytes in self._into:
                array = feeds[name] if convert is None else convert(feeds[name])
                buffer.write(_as_bytes(array) if is_bytes else array)
            model.run_by_index(self._number, self._taken, self._given)
            for name, buffer, shape, dtype, count, read_as, convert in self._out_of:
                array = buffer.read(count, read_as).view(dtype).reshape(shape)
                outputs[name] = array if convert is None else convert(array)
        except (RuntimeError, ValueError) as error:
            raise self._failed(RuntimeError(_said(error) + self._hint())) from error
        if self._open:
            self._check_sizes(model)
        return outputs

    def _check_sizes(self, model: CompiledModel) -> None:
        """Raises `RunFailedError` where an output has another size than planned: its buffer then holds old values."""
        found = model.get_output_tensor_details(self._key)
        for name, shape in self._open.items():
            if tuple(found[name]["shape"]) != shape:
                planned, given = _sizes(shape), _sizes(found[name]["shape"])
                raise self._failed(RuntimeError(f"{name} has the shape {given}, planned was {planned}{self._hint()}"))

    def _hint(self) -> str:
        if not self._open:
            return ""
        return f" (CompiledModel has no outputs whose size only a run can tell, as {', '.join(self._open)} may be)"

    def executed_operators(self) -> tuple[str, ...] | None:
        """Nothing: `CompiledModel` does not tell what it runs."""
        if self._model is None:
            raise self._closed()
        return None

    def close(self) -> None:
        """Drops the model and its buffers."""
        with without_noise():
            self._into, self._out_of, self._taken, self._given = [], [], [], []
            self._model = None


def _options(options: SessionOptions) -> Options:
    values = options.runtime_options
    mode = CpuKernelMode.DELEGATE
    if values.get("kernels") == "reference":
        mode = CpuKernelMode.REFERENCE
    elif values.get("delegate") == "none":
        mode = CpuKernelMode.BUILTIN
    cpu = CpuOptions(num_threads=options.intra_op_threads, kernel_mode=mode)
    return Options(hardware_accelerators=HardwareAccelerator.CPU, cpu_options=cpu)


def _found(details: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    return str(details["dtype"]), tuple(int(size) for size in details["shape"])


def _check_output(artifact: ModelArtifact, own: TensorSpec, dtype: str, shape: Sequence[int]) -> None:
    """Raises `ModelRefusedError` where an output of the file is not what the record says."""
    fits = len(shape) == len(own.shape) and all(
        size == known for size, known in zip(shape, own.shape, strict=True) if isinstance(known, int)
    )
    if dtype != own.dtype or not fits:
        said = f"{own.dtype} ({_sizes(own.shape)})"
        raise ModelRefusedError(
            f"{artifact.path.name} gives {own.name} {dtype} ({_sizes(shape)}); its record says {said}: it was replaced"
            " or its record is wrong; inspect it again"
        )


def _sizes(shape: Sequence[object]) -> str:
    return ", ".join(map(str, shape))


def _as_bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.int8)


def _said(error: Exception) -> str:
    """The message without where in LiteRT's source it comes from."""
    return one_line(RuntimeError(_PLACES.sub(" ", str(error)))) or "it gives no reason"
