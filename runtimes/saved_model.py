"""A SavedModel that TensorFlow runs by its serving signature. Imported by the runtime of Keras files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from crossrt.core.artifact import ModelArtifact, serving_signature
from crossrt.core.tensor import TensorSpec
from crossrt.runtimes.errors import ModelRefusedError
from crossrt.runtimes.fit import check_fit
from crossrt.runtimes.session import one_line


class SavedModel:
    """A loaded folder and the signature that is run.

    Names are the record's: those of the signature, or, where formats that others read could not hold one, the plain
    names that stand for them in its order.
    """

    def __init__(self, artifact: ModelArtifact) -> None:
        """Loads the folder of the artifact's graph.

        Raises:
            ModelRefusedError: TensorFlow cannot load it, or it has no signature.
        """
        self._artifact, path = artifact, artifact.path
        try:
            self._loaded: Any = tf.saved_model.load(str(path.parent))
        except Exception as error:  # TensorFlow raises whatever the damaged part happens to hit
            raise ModelRefusedError(f"TensorFlow cannot load {path.name}: {one_line(error)}") from error
        if (key := serving_signature(list(self._loaded.signatures))) is None:
            raise ModelRefusedError(f"{path.name} has no signature: it was replaced; inspect it again")
        self._signature = self._loaded.signatures[key]
        self._taken = _in_record(self._signature.structured_input_signature[1], artifact.inputs)
        self._given = _in_record(self._signature.structured_outputs, artifact.outputs)

    def check_fit(self, own: Sequence[TensorSpec]) -> None:
        """Raises `ModelRefusedError` where the signature is not what the artifact says."""
        tensors = self._signature.structured_input_signature[1]
        taken = ((name, tensors[theirs]) for name, theirs in self._taken.items())
        found = {name: (tensor.dtype.name, tuple(tensor.shape)) for name, tensor in taken}
        check_fit(self._artifact, own, found, self._given)

    def call(self, tensors: Sequence[Any]) -> Sequence[Any]:
        """Outputs of the record, in order, of inputs in order."""
        names = (self._taken[spec.name] for spec in self._artifact.inputs)
        found = self._signature(**dict(zip(names, tensors, strict=True)))
        return [found[self._given[spec.name]] for spec in self._artifact.outputs]


def _in_record(tensors: Mapping[str, Any], specs: Sequence[TensorSpec]) -> dict[str, str]:
    """The signature's name of each tensor, by the record's; those of the signature where it has more or fewer."""
    ours = [spec.name for spec in specs]
    if len(ours) != len(tensors) or set(ours) == set(tensors):
        return {name: name for name in tensors}
    return dict(zip(ours, tensors, strict=True))
