"""The tensors of a session: the file's own at the session's sizes, and as `run` takes and gives them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import TensorSpec, described
from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.protocol import IoMode, SessionOptions

NUMPY_DTYPES = frozenset(
    (
        *("float16", "float32", "float64", "bool", "str"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
)
"""What numpy arrays can hold without another package, `str` for text."""

_FLOATS = ("float16", "float32", "float64", "bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSpecs:
    """Tensors of a session, in the order of the artifact.

    Attributes:
        own_inputs: The file's own inputs; every dimension is a number.
        own_outputs: The file's own outputs; a dimension that only a run can tell is a name or None.
        inputs: What `run` takes.
        outputs: What `run` gives.
    """

    own_inputs: tuple[TensorSpec, ...]
    own_outputs: tuple[TensorSpec, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def session_specs(artifact: ModelArtifact, options: SessionOptions) -> SessionSpecs:
    """Binds the batch and the other dimensions, and applies the I/O mode.

    Sizes of dimensions that the model does not have are left aside, so that one set of options suits several models.

    Raises:
        OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
    """
    if (reason := artifact.batching.refusal(options.batch_size)) is not None:
        raise OptionRefusedError(f"{artifact.id}: {reason}")
    sizes = bound_dimensions(artifact, options)
    own_inputs = tuple(_all_bound(spec, sizes) for spec in artifact.inputs)
    if unbound := list(dict.fromkeys(name for spec in own_inputs for name in spec.dynamic)):
        raise OptionRefusedError(_unbound_message(artifact, unbound))
    own_outputs = tuple(spec.bound(sizes) for spec in artifact.outputs)
    return SessionSpecs(
        own_inputs=own_inputs,
        own_outputs=own_outputs,
        inputs=tuple(as_shown(spec, options.io) for spec in own_inputs),
        outputs=tuple(as_shown(spec, options.io) for spec in own_outputs),
    )


def bound_dimensions(artifact: ModelArtifact, options: SessionOptions) -> dict[str, int]:
    """Sizes by name, that of the batch among them.

    Raises:
        OptionRefusedError: The batch dimension is given a size that is not the batch size.
    """
    batch = artifact.batching.dimension
    if batch is None:
        return dict(options.dimensions)
    if (size := options.dimensions.get(batch, options.batch_size)) != options.batch_size:
        raise OptionRefusedError(
            f"{batch} is the batch dimension of {artifact.id}: its size {size} is not the batch size"
            f" {options.batch_size}; leave --dim {batch}={size} out and use --batch {size}"
        )
    return {**options.dimensions, batch: options.batch_size}


def as_shown(spec: TensorSpec, io: IoMode) -> TensorSpec:
    """A tensor as a session shows it: float32 in place of other floats and quantized integers, unless I/O is native."""
    if io == "native" or not (spec.is_quantized or spec.dtype in _FLOATS):
        return spec
    return replace(spec, dtype="float32", scale=None, zero_point=None)


def unsupported(
    artifact: ModelArtifact,
    options: SessionOptions,
    *,
    formats: Collection[str],
    dtypes: Collection[str] = NUMPY_DTYPES,
    is_serial: bool = False,
) -> str | None:
    """What speaks against an artifact on any runtime that reads these formats and takes and gives these dtypes.

    One that `is_serial` runs operators one after the other only.
    """
    if artifact.format not in formats:
        return f"reads {', '.join(formats)}, not {artifact.format}"
    if (reason := artifact.batching.refusal(options.batch_size)) is not None:
        return reason
    if (reason := next(_unsupported_dtypes(artifact, dtypes), None)) is not None:
        return reason
    if is_serial and options.inter_op_threads != 1:
        return f"runs one operator at a time: inter_op_threads must be 1, found {options.inter_op_threads}"
    return None


def _unsupported_dtypes(artifact: ModelArtifact, dtypes: Collection[str]) -> Iterator[str]:
    for side, specs in (("input", artifact.inputs), ("output", artifact.outputs)):
        for spec in specs:
            if spec.dtype not in dtypes:
                what = "text" if spec.dtype == "str" else spec.dtype
                yield f"does not support {what}, the dtype of the {side} {spec.name}"


def _all_bound(spec: TensorSpec, sizes: dict[str, int]) -> TensorSpec:
    """The spec at these sizes; what has neither size nor name is called `<tensor>[<axis>]`."""
    named = (f"{spec.name}[{axis}]" if size is None else size for axis, size in enumerate(spec.shape))
    return replace(spec, shape=tuple(named)).bound(sizes)


def _unbound_message(artifact: ModelArtifact, names: list[str]) -> str:
    one = len(names) == 1
    options = " ".join(f"--dim {name}=SIZE" for name in names)
    inputs = "; ".join(described(spec) for spec in artifact.inputs)
    return (
        f"{artifact.id} has the dynamic dimension{'' if one else 's'} {', '.join(names)} (inputs: {inputs}):"
        f" give {'its size' if one else 'their sizes'} with {options}"
    )
