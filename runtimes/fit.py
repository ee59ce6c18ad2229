"""Whether a file is what its artifact says, from what a runtime found in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from crossrt.core.artifact import ModelArtifact
from crossrt.core.tensor import TensorSpec, described
from crossrt.runtimes.errors import ModelRefusedError

Shape = Sequence[int | str | None]
FoundInputs = Mapping[str, tuple[str, Shape]]


def check_fit(
    artifact: ModelArtifact, own_inputs: Sequence[TensorSpec], inputs: FoundInputs, outputs: Collection[str]
) -> None:
    """Compares the tensors of a loaded file with the record.

    Args:
        artifact: The record.
        own_inputs: Its inputs at the session's sizes.
        inputs: dtype and shape of the file's inputs, by name. A dimension that is open is a name or None; a shape
            without dimensions may also be one whose rank is not known.
        outputs: Names of the file's outputs.

    Raises:
        ModelRefusedError: The file is not what the record says.
    """
    if inputs.keys() != {spec.name for spec in own_inputs}:
        taken, said = ", ".join(inputs) or "nothing", ", ".join(spec.name for spec in own_inputs) or "nothing"
        raise _misdescribed(artifact, f"takes {taken}; its record says {said}")
    for spec in own_inputs:
        dtype, found = inputs[spec.name]
        if dtype != spec.dtype or not _can_be(found, spec.shape):
            shape = ", ".join("?" if size is None else str(size) for size in found)
            raise _misdescribed(artifact, f"takes {spec.name} {dtype} ({shape}); its record says {described(spec)}")
    if missing := [spec.name for spec in artifact.outputs if spec.name not in outputs]:
        raise _misdescribed(artifact, f"gives {', '.join(outputs)}; its record says {', '.join(missing)}")


def _misdescribed(artifact: ModelArtifact, found: str) -> ModelRefusedError:
    return ModelRefusedError(f"{artifact.path.name} {found}: it was replaced or its record is wrong; inspect it again")


def _can_be(found: Shape, shape: Shape) -> bool:
    """Whether a shape of the file can be that of the session's input."""
    if not found:
        return True
    return len(found) == len(shape) and all(
        not isinstance(size, int) or size == other for size, other in zip(found, shape, strict=True)
    )
