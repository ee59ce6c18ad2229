"""How a model answered a data set: metrics, what each sample came to, and how far outputs are from the reference."""

from __future__ import annotations

import base64
import math
import zlib
from typing import Annotated, Any, Final

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from crossrt.core.errors import CrossrtError

Count = Annotated[int, Meta(ge=0, le=2**53)]
MOST_VALUES: Final = 2**27
"""Values that a packed array may hold: it is refused before any memory is taken."""


class Packed(Struct, frozen=True, kw_only=True):
    """An array in few bytes: base64 of zlib of its little-endian bytes; booleans are eight to a byte.

    Attributes:
        dtype: `bool`, or a numpy dtype name of integers or floats.
        shape: Its shape.
        data: The bytes.
    """

    dtype: str
    shape: tuple[Count, ...]
    data: str

    @classmethod
    def of(cls, array: NDArray[Any]) -> Packed:
        """Packs an array of booleans, integers or floats."""
        raw = np.packbits(array) if array.dtype == bool else array.astype(array.dtype.newbyteorder("<"))
        content = base64.b64encode(zlib.compress(np.ascontiguousarray(raw).tobytes(), 9)).decode()
        return cls(dtype=array.dtype.name, shape=array.shape, data=content)

    def unpack(self) -> NDArray[Any]:
        """The array.

        Raises:
            CrossrtError: The bytes do not hold what dtype and shape promise.
        """
        count = math.prod(self.shape)
        try:
            dtype = np.dtype(self.dtype)
            if dtype.kind not in "biuf" or count > MOST_VALUES:
                raise ValueError(f"{count} values of {self.dtype}")
            size = -(-count // 8) if dtype.kind == "b" else count * dtype.itemsize
            unzip = zlib.decompressobj()
            raw = unzip.decompress(base64.b64decode(self.data, validate=True), size + 1)
            if len(raw) != size:
                raise ValueError(f"{len(raw)} bytes in place of {size}")
        except (ValueError, TypeError, zlib.error) as error:
            raise CrossrtError(f"a packed array is damaged: {error}") from error
        if dtype.kind == "b":
            return np.unpackbits(np.frombuffer(raw, np.uint8), count=count).astype(bool).reshape(self.shape)
        return np.frombuffer(raw, dtype.newbyteorder("<")).astype(dtype).reshape(self.shape)


class ClassScore(Struct, frozen=True, kw_only=True):
    """Scores of one class against the rest; 0 where undefined, as scikit-learn does."""

    precision: float
    recall: float
    f1: float
    support: Count


class ClassDetails(Struct, frozen=True, kw_only=True):
    """A classification class by class.

    Attributes:
        scores: One entry for each class.
        confusion: `(true class, class given, samples)` for each cell that is not 0: sparse, for any number of classes.
    """

    scores: tuple[ClassScore, ...]
    confusion: tuple[tuple[Count, Count, Count], ...]


class OutputError(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far one output x' is from the reference's x over all samples.

    Attributes:
        output: Its name.
        max_abs: Largest absolute difference.
        mean_abs: Mean absolute difference; absent in what version 1 measured.
        relative: `||x - x'|| / ||x||`; absent where x is all zero.
        cosine: Cosine of the angle between x and x'; absent where one is all zero.
        sqnr_db: `10 log10(sum x**2 / sum (x - x')**2)`; absent where there is no difference, or no signal.
        max_steps: Largest difference in steps of the quantized output (LSB), where it comes from integers.
    """

    output: str
    max_abs: float
    mean_abs: float | None = None
    relative: float | None = None
    cosine: float | None = None
    sqnr_db: float | None = None
    max_steps: float | None = None


class Evaluation(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Answers to a data set, as a task scores them.

    Attributes:
        task: Name of the task.
        samples: How many samples were answered.
        values: Metrics by name; their definitions are in the report. `agreement` and `max_abs_error` compare with the
            reference, where there is one.
        counts: For metrics that are shares of the samples: how many samples. Their intervals follow from these.
        per_sample: What each sample contributes, by name of the metric: booleans for right or wrong, float32 else.
        predictions: The answer to each sample where it is a class; -1 stands for the label, where a report of version
            1 does not hold it.
        reference_values: The same metrics of the reference itself, where it was scored.
        outputs: Differences from the reference, output by output.
        classes: Class by class, for classifications.
        answers_sha256: Hash of all outputs.
        notes: What a reader must know, such as whether outputs are logits or probabilities.
    """

    task: str
    samples: Annotated[int, Meta(ge=1)]
    values: dict[str, float]
    counts: dict[str, Count] = {}
    per_sample: dict[str, Packed] = {}
    predictions: Packed | None = None
    reference_values: dict[str, float] = {}
    outputs: tuple[OutputError, ...] = ()
    classes: ClassDetails | None = None
    answers_sha256: str = ""
    notes: tuple[str, ...] = ()
