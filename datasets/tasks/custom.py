"""A metric of the user's own, `module:function` or `file.py:function`, beside agreement with the reference.

The function returns one value per sample: booleans for right or wrong, or numbers. A first parameter called `outputs`
gets all outputs by name; one of any other name gets the array of the only output. The second gets the labels, or None.
Attributes of the function say more: `name`, `direction` (`bigger_is_better` or `smaller_is_better`; the former where
they do not), and `unit`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError
from crossrt.core.evaluation import Evaluation, Packed
from crossrt.core.metric import BIGGER, Direction, MetricDefinition
from crossrt.core.owned import irregular
from crossrt.core.staying import staying
from crossrt.datasets.tasks.agreement import AGREEMENT, MAX_ABS_ERROR, with_agreement
from crossrt.datasets.tasks.closeness import answers_sha256, compare
from crossrt.datasets.tasks.protocol import Outputs
from crossrt.datasets.tasks.slices import checked_samples

Function = Callable[..., Any]
_RESERVED = ("agreement", "max_abs_error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Custom:
    """Scores samples by a function of the user's.

    Attributes:
        reference: `module:function` or `file.py:function`, as the user wrote it.
        function: The function.
        metric: What its values are.
        takes_all: True if it gets all outputs by name rather than the array of the only one.
    """

    reference: str
    function: Function
    metric: MetricDefinition
    takes_all: bool

    @property
    def name(self) -> str:
        """The name in reports."""
        return self.reference

    @property
    def metrics(self) -> tuple[MetricDefinition, ...]:
        """The user's metric, and agreement with the reference."""
        return (self.metric, AGREEMENT, MAX_ABS_ERROR)

    def check(self, outputs: Outputs, labels: NDArray[Any] | None) -> None:
        """Looks whether the function can be called.

        Raises:
            DataError: It fails, or does not return one value per sample.
        """
        self._values(outputs, labels)

    def evaluate(
        self,
        outputs: Outputs,
        labels: NDArray[Any] | None,
        reference: Outputs | None,
        steps: Mapping[str, float],
    ) -> Evaluation:
        """Scores answers; see the protocol.

        Raises:
            DataError: The function fails, or outputs differ in shape from the reference's.
        """
        found = compare(outputs, reference, steps) if reference is not None else None
        values, name = self._values(outputs, labels), self.metric.name
        plain = Evaluation(
            task=self.name,
            samples=len(values),
            values={name: _mean(values)},
            counts={name: int(values.sum())} if values.dtype == bool else {},
            per_sample={name: Packed.of(values if values.dtype == bool else values.astype(np.float32))},
            answers_sha256=answers_sha256(outputs),
        )
        if found is None or reference is None:
            return plain
        expected = {name: _mean(self._values(reference, labels))}
        return with_agreement(msgspec.structs.replace(plain, reference_values=expected), found)

    def _values(self, outputs: Outputs, labels: NDArray[Any] | None) -> NDArray[Any]:
        values = _called(self.reference, self.function, outputs, labels, takes_all=self.takes_all)
        right_or_wrong = self.metric.paired_test == "mcnemar"
        if right_or_wrong != (values.dtype == bool):
            expected = "booleans" if right_or_wrong else "numbers"
            raise DataError(f"metric {self.reference} returned {values.dtype}; {expected} are expected as before")
        return values


def custom_task(reference: str, outputs: Outputs, labels: NDArray[Any] | None) -> Custom:
    """The task of a user's function, which is called once: what it returns says how samples are compared.

    Args:
        reference: `module:function` or `file.py:function`. Importing it runs its code.
        outputs: The reference's outputs.
        labels: As of the data set.

    Raises:
        DataError: It cannot be imported or called, or does not return one value per sample.
    """
    function = imported(reference)
    takes_all = _takes_all(reference, function, outputs)
    values = _called(reference, function, outputs, labels, takes_all=takes_all)
    metric = _definition(reference, function, right_or_wrong=values.dtype == bool)
    return Custom(reference=reference, function=function, metric=metric, takes_all=takes_all)


def imported(reference: str) -> Function:
    """A function by `module:function` or `file.py:function`; modules of the current folder are found too.

    Raises:
        DataError: There is none, or importing it fails.
    """
    source, _, name = reference.rpartition(":")
    if not source or not name:
        raise DataError(f"{reference!r} does not name a function; write module:function or file.py:function")
    module = _of_file(Path(source)) if source.endswith(".py") else _of_module(source)
    function: Function | None = getattr(module, name, None)
    if not callable(function):
        known = ", ".join(key for key, value in vars(module).items() if inspect.isfunction(value)) or "none"
        raise DataError(f"{source} does not have a function {name!r}; available: {known}")
    return function


def _of_file(path: Path) -> Any:
    if (kind := irregular(path)) is not None:
        raise DataError(f"{path} is {kind}")
    if not path.is_file():
        raise DataError(f"{path} does not exist; give the path of a Python file before the colon")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise DataError(f"{path} cannot be imported as a Python file")
    module = importlib.util.module_from_spec(spec)
    with _errors_of(f"importing {path}"):
        spec.loader.exec_module(module)
    return module


def _of_module(name: str) -> Any:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        with _errors_of(f"importing {name}"):
            return importlib.import_module(name)
    finally:
        sys.path.remove(here)


@contextmanager
def _errors_of(what: str) -> Iterator[None]:
    """Turns what a user's code raises into one message with the line that raised it."""
    try:
        with staying():
            yield
    except DataError:
        raise
    except (Exception, SystemExit) as error:
        raise DataError(f"{what} failed: {type(error).__name__}: {error}{_line(error)}") from error


def _line(error: BaseException) -> str:
    """` (file.py:12)`, the last line of the traceback."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    return "" if last is None else f" ({Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno})"


def _takes_all(reference: str, function: Function, outputs: Outputs) -> bool:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    if parameters and parameters[0].name == "outputs":
        return True
    if len(outputs) > 1:
        raise DataError(
            f"the model has the outputs {', '.join(outputs)}: the first parameter of {reference} must be called"
            " `outputs`; it then gets all of them by name"
        )
    return False


def _called(
    reference: str, function: Function, outputs: Outputs, labels: NDArray[Any] | None, *, takes_all: bool
) -> NDArray[Any]:
    """What the function returns, checked."""
    samples = checked_samples(outputs)
    with _errors_of(f"metric {reference}"):
        values = np.asarray(function(dict(outputs) if takes_all else next(iter(outputs.values())), labels))
    if values.dtype.kind not in "biuf" or values.shape != (samples,):
        raise DataError(
            f"metric {reference} returned {values.dtype} of the shape {values.shape}; one number or boolean per sample"
            f" is expected, ({samples},)"
        )
    return values if values.dtype == bool else _checked_numbers(reference, values.astype(np.float64))


def _checked_numbers(reference: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The numbers, all of which can be compared and kept: NaN and infinite ones would make a report useless."""
    unusable = np.flatnonzero(~(np.abs(values) <= np.finfo(np.float32).max))
    if unusable.size:
        first = int(unusable[0])
        raise DataError(
            f"metric {reference} returned {values[first]:g} for sample {first} ({unusable.size} of {len(values)}"
            " samples are NaN, infinite or beyond float32); a finite number per sample is expected"
        )
    return values


def _definition(reference: str, function: Function, *, right_or_wrong: bool) -> MetricDefinition:
    name = str(getattr(function, "name", reference.rpartition(":")[2]))
    direction: Direction = getattr(function, "direction", BIGGER)
    if direction not in get_args(Direction):
        raise DataError(f"{reference}.direction is {direction!r}; available: {', '.join(get_args(Direction))}")
    if not name or name in _RESERVED:
        raise DataError(f"{reference}.name is {name!r}; another one than {' and '.join(_RESERVED)} is expected")
    return MetricDefinition(
        name=name,
        label=name,
        unit=str(getattr(function, "unit", "share" if right_or_wrong else "value")),
        direction=direction,
        description=(inspect.getdoc(function) or f"Mean over samples of {reference}.").splitlines()[0],
        format="percent" if right_or_wrong else "significant",
        judged_by="samples",
        paired_test="mcnemar" if right_or_wrong else "paired-t",
        margin=0.001 if right_or_wrong else 0.01,
    )


def _mean(values: NDArray[Any]) -> float:
    return float(np.mean(values))
