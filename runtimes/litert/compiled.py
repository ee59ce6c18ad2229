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
from crossrt.core.tensor import TensorSpec, dynamic_dimensions
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
    from ai_edge_litert.tensor_buffer import TensorBuffer
except ImportError as missing:
    if getattr(missing, "name", None) == "ai_edge_litert":
        raise
    raise RuntimeNotInstalledError(
        f"{NAME} needs {_SINCE}, found {litert_version()}: {install_command(_SINCE)}"
    ) from missing

_OWN_DTYPES: Final = frozenset(("float32", "float16", "int32", "int8", "uint8", "bool"))
"""What `TensorBuffer` takes and gives by name; everything else passes as bytes."""

_ALIGNMENT_BYTES: Final = 64

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
        dtypes = NUMPY_DTYPES - {"str"}
        if (reason := unsupported(artifact, options, formats=self.formats, dtypes=dtypes, is_serial=True)) is not None:
            return reason
        if empty := [spec.name for spec in (*artifact.inputs, *artifact.outputs) if 0 in spec.shape]:
            return f"does not support tensors without elements, such as {empty[0]}"
        return _without_size(artifact)

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
        self._memory: list[Array] = []
        self._is_checked = False
        if (reason := _without_size(artifact)) is not None:
            raise ModelRefusedError(f"LiteRT's CompiledModel {reason}: {artifact.path.name}")
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
        by_name = dict(zip(names, buffers, strict=True))
        found = []
        for own, convert in zip(self._specs.own_outputs, self._output_conversions, strict=True):
            shape = tuple(size for size in own.shape if isinstance(size, int))
            if _checked(self._artifact, own, by_name[own.name].get_tensor_details()) != shape:
                by_name[own.name] = self._wider_buffer(own.dtype, shape)
            count, read_as = prod(shape), np.dtype(own.dtype)
            if own.dtype not in _OWN_DTYPES:
                count, read_as = count * read_as.itemsize, np.dtype(np.int8)
            found.append((own.name, by_name[own.name], shape, np.dtype(own.dtype), count, read_as, convert))
        self._given = [by_name[name] for name in names]
        return found

    def _wider_buffer(self, dtype: str, shape: tuple[int, ...]) -> TensorBuffer:
        """A buffer for an output that is as large as the record says.

        Where the file computes a size from that of its inputs, as Flatten does, LiteRT plans for one sample whatever
        the inputs were resized to, and would write beyond the buffer.
        """
        memory = _aligned(prod(shape) * np.dtype(dtype).itemsize)
        self._memory.append(memory)  # the buffer only refers to it
        return TensorBuffer.create_from_host_memory(memory.view(dtype) if dtype in _OWN_DTYPES else memory)

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
            raise self._failed(RuntimeError(_said(error))) from error
        if not self._is_checked:
            self._check_sizes(model)
        return outputs

    def _check_sizes(self, model: CompiledModel) -> None:
        """Raises `RunFailedError` where an output has another size than its buffer, which then holds something else."""
        given = model.get_output_tensor_details(self._key)
        for name, _, shape, *_ in self._out_of:
            if (found := tuple(given[name]["shape"])) != shape:
                said = f"{name} came out as ({_sizes(found)}); its record says ({_sizes(shape)})"
                raise self._failed(RuntimeError(said))
        self._is_checked = True

    def executed_operators(self) -> tuple[str, ...] | None:
        """Nothing: `CompiledModel` does not tell what it runs."""
        if self._model is None:
            raise self._closed()
        return None

    def close(self) -> None:
        """Drops the model and its buffers."""
        with without_noise():
            self._into, self._out_of, self._taken, self._given, self._memory = [], [], [], [], []
            self._model = None


def _without_size(artifact: ModelArtifact) -> str | None:
    """Why outputs cannot have a buffer before the model runs, or None where they can."""
    known = set(dynamic_dimensions(artifact.inputs))
    for spec in artifact.outputs:
        if any(not isinstance(size, int) and size not in known for size in spec.shape):
            return f"does not support outputs whose size only a run can tell, such as {spec.name}"
    return None


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


def _checked(artifact: ModelArtifact, own: TensorSpec, details: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape that LiteRT planned for an output; raises `ModelRefusedError` where the record says something else."""
    dtype, planned = _found(details)
    written = next(spec.shape for spec in artifact.outputs if spec.name == own.name)
    sizes = zip(planned, own.shape, written, strict=False)
    fits = len(planned) == len(own.shape) and all(
        size == known or not isinstance(said, int) for size, known, said in sizes
    )
    if dtype != own.dtype or not fits:
        raise ModelRefusedError(
            f"{artifact.path.name} gives {own.name} {dtype} ({_sizes(planned)}); its record says {own.dtype}"
            f" ({_sizes(written)}): it was replaced or its record is wrong; inspect it again"
        )
    return planned


def _aligned(size_bytes: int) -> Array:
    """Memory that begins where LiteRT's kernels need it."""
    memory = np.zeros(size_bytes + _ALIGNMENT_BYTES, np.int8)
    start = -memory.ctypes.data % _ALIGNMENT_BYTES
    return memory[start : start + size_bytes]


def _sizes(shape: Sequence[object]) -> str:
    return ", ".join(map(str, shape))


def _as_bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.int8)


def _said(error: Exception) -> str:
    """The message without where in LiteRT's source it comes from."""
    return one_line(RuntimeError(_PLACES.sub(" ", str(error)))) or "it gives no reason"
