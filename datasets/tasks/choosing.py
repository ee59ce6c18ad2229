"""Choosing a task: by its name, or by what labels and outputs look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from crossrt.core.errors import DataError, PluginError
from crossrt.core.evaluation import Evaluation
from crossrt.core.plugins import load_plugin, registered
from crossrt.core.suggestions import did_you_mean
from crossrt.datasets.classes import listed
from crossrt.datasets.tasks.labels import check_numbers
from crossrt.datasets.tasks.options import parsed_options
from crossrt.datasets.tasks.protocol import HasOptions, KnowsChance, NamesClasses, Outputs, Task

GROUP: Final = "crossrt.tasks"
BUNDLED: Final[Mapping[str, str]] = {
    "agreement": "crossrt.datasets.tasks.agreement:Agreement",
    "classification": "crossrt.datasets.tasks.classification:Classification",
    "multilabel": "crossrt.datasets.tasks.multilabel:Multilabel",
    "regression": "crossrt.datasets.tasks.regression:Regression",
}
"""Tasks that come with crossrt, by name: modules are imported when they are chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenTask:
    """A task, and why it was chosen.

    Attributes:
        task: The task.
        inferred: What it was inferred from, for the report; empty where the user named it.
    """

    task: Task
    inferred: str = ""


def make_task(text: str | None, labels: NDArray[Any] | None, outputs: Outputs) -> Task:
    """The task of `choose_task`, without the reason.

    Raises:
        CrossrtError: See there.
    """
    return choose_task(text, labels, outputs).task


def choose_task(text: str | None, labels: NDArray[Any] | None, outputs: Outputs) -> ChosenTask:
    """The task that the user names, or the one that fits.

    Args:
        text: `NAME`, `NAME:option=value,...`, `module:function`, `file.py:function`, or None to infer it.
        labels: Those of the data set, or None.
        outputs: The reference's outputs to the samples.

    Raises:
        PluginError: A name is unknown, or a plug-in cannot be imported.
        DataError: An option, a function of the user's, or the labels cannot be used, or no task fits.
    """
    if text is None:
        return _inferred(labels, outputs)
    check_task_name(text)
    name, _, rest = text.strip().partition(":")
    if name in task_names():
        return ChosenTask(task=_with_options(_named(name), rest))
    from crossrt.datasets.tasks.custom import custom_task

    return ChosenTask(task=custom_task(text.strip(), outputs, labels))


def check_task_name(text: str) -> None:
    """Looks whether a task is known by its name, or may be a function: before outputs are there to be scored.

    Raises:
        PluginError: It is neither.
    """
    name, colon, rest = text.strip().partition(":")
    if name in task_names() or (colon and "=" not in rest):
        return
    known = f"task {name!r} is not known{did_you_mean(name, task_names())}; available: {', '.join(task_names())}"
    own = "" if colon else ", or a metric of your own as module:function or file.py:function"
    raise PluginError(f"{known}{own}")


def is_foreign_task(text: str) -> bool:
    """Whether scoring by a task runs code that does not come with crossrt: a function, or what a plug-in registers."""
    return text.strip().partition(":")[0] not in BUNDLED


def task_names() -> tuple[str, ...]:
    """Names of all tasks, sorted."""
    return tuple(sorted({*BUNDLED, *registered(GROUP)}))


def chance_caution(task: Task, evaluation: Evaluation, labels: NDArray[Any] | None) -> str | None:
    """A caution where the reference's own answers are near chance, or None.

    Args:
        task: What scored them.
        evaluation: The reference's own.
        labels: Those of the data set.
    """
    if labels is None or not isinstance(task, KnowsChance):
        return None
    return task.looks_like_chance(evaluation, labels)


def check_class_names(task: Task, names: Sequence[str], outputs: Outputs, labels: NDArray[Any] | None) -> None:
    """Refuses names that are more or fewer than the classes of the output: which one each is of cannot be said.

    Args:
        task: What scores the outputs; names do not matter to tasks other than classification.
        names: Those of the data set, or none.
        outputs: The reference's.
        labels: Those of the data set.

    Raises:
        DataError: There are more or fewer.
    """
    if not names or not isinstance(task, NamesClasses):
        return
    scores = task.class_scores(outputs, labels)
    is_open = scores.kind == "classes"  # of which only those that are answered are known
    if scores.classes != len(names) and not (is_open and scores.classes < len(names)):
        raise DataError(
            f"the data name {len(names)} classes ({listed(names)}), but output {scores.output!r} has {scores.classes}:"
            f" give the names of these {scores.classes} in the order of the output, as `classes` in the data or"
            " --classes"
        )


def _named(name: str) -> Task:
    point = registered(GROUP).get(name)
    if name not in BUNDLED:
        task: Task = load_plugin(GROUP, name)
        missing = [part for part in ("name", "metrics", "check", "evaluate") if not hasattr(task, part)]
        if missing:
            raise PluginError(f"the plug-in {name!r} is not a task: it lacks {', '.join(missing)}")
        return task
    if point is not None and point.value != BUNDLED[name]:
        raise PluginError(f"a plug-in of {GROUP} is called {name!r} as a bundled task: {point.value}; uninstall it")
    module, _, kind = BUNDLED[name].partition(":")
    bundled: Task = getattr(import_module(module), kind)()
    return bundled


def _with_options(task: Task, text: str) -> Task:
    options = parsed_options(task.name, text)
    if not options:
        return task
    if not isinstance(task, HasOptions):
        raise DataError(f"task {task.name} does not have options; found {', '.join(options)}")
    return task.with_options(options)


def _inferred(labels: NDArray[Any] | None, outputs: Outputs) -> ChosenTask:
    """Chooses by the labels, then makes sure that the outputs fit."""
    name, reason = _guess(labels)
    task = _named(name)
    try:
        task.check(outputs, labels)
    except DataError as error:
        if name == "classification" and labels is not None and _fits_regression(labels, outputs):
            return ChosenTask(task=_named("regression"), inferred=f"regression: {reason}, but {_first_clause(error)}")
        hint = _hint(name, labels, outputs)
        raise DataError(f"task {name} was inferred ({reason}), but {error}; {hint}") from error
    return ChosenTask(task=task, inferred=f"{name}: {reason}")


def _hint(name: str, labels: NDArray[Any] | None, outputs: Outputs) -> str:
    """What to do where the outputs do not fit the task that was inferred."""
    if name == "regression" and labels is not None and _are_classes(labels, outputs):
        return 'if these whole numbers are classes, give labels.astype("int64"), or --task classification'
    return "name the task with --task, if it is another"


def _are_classes(labels: NDArray[Any], outputs: Outputs) -> bool:
    """True if floats are whole numbers that would do as classes."""
    if not bool((np.isfinite(labels) & (labels == np.round(labels)) & (np.abs(labels) < 2**31)).all()):
        return False
    try:
        _named("classification").check(outputs, labels.astype(np.int64))
    except DataError:
        return False
    return True


def _guess(labels: NDArray[Any] | None) -> tuple[str, str]:
    if labels is None:
        return "agreement", "there are no labels"
    check_numbers(labels)
    if labels.ndim == 0:
        raise DataError(f"no task fits labels of {labels.dtype} {labels.shape}; give one entry per sample")
    shape = f"labels are {labels.dtype} {labels.shape}"
    flat = labels.ndim == 1 or labels.shape[1:] == (1,)
    if flat and labels.dtype.kind in "biu":
        return "classification", shape
    if labels.ndim == 2 and not flat and bool(((labels == 0) | (labels == 1)).all()):
        if bool((np.asarray(labels).sum(axis=1) == 1).all()):
            return "classification", f"{shape}, one-hot"
        return "multilabel", f"{shape} of 0 and 1"
    return "regression", shape


def _fits_regression(labels: NDArray[Any], outputs: Outputs) -> bool:
    """True if integers are the values of a float output: more than two of them, which no output has scores for."""
    floats = {name: array for name, array in outputs.items() if array.dtype.kind == "f"}
    try:
        _named("regression").check(floats, labels)
    except DataError:
        return False
    return np.unique(labels).size > 2


def _first_clause(error: DataError) -> str:
    return str(error).partition(";")[0]
