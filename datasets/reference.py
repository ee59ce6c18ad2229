"""The bundled reference: models that come with a data set, found as the sub-packages that have a `REFERENCE`."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import crossrt.datasets
from crossrt.core.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A data set of the package with models that were trained on it.

    Attributes:
        dataset: The name under which the data set is registered.
        test_split: The split that models are tested on.
        calibration_split: The split that ranges are calibrated on.
        task: How answers are scored.
        folder: Where the model files are.
        models: Names of the models, the default first; each is a file `<name>.keras` in `folder`.
        architectures: Names that training takes, the default first.
        training: The module that trains, run with `python -m`: it reads a `TrainingJob` as JSON and sends events.
        training_data: What `TrainingJob.data` may say beside a folder; the default first, where `how_to_get` is empty.
        how_to_get: Where all samples come from, for people, where none ship that are enough to train on.
        epochs: How long training takes where nothing else is said; 0 for what the recipe says.
        seed: Of training where nothing else is said.
        recipes: Names of the ways to train, the default first; none where there is one alone.
        is_default: Whether its first model is the one that is taken where nothing is named; true for one reference.
        course: `module:name` of the `Course` that is trained, where `training` trains any; it also takes `resumes`.
    """

    dataset: str
    test_split: str
    calibration_split: str
    task: str
    folder: Path
    models: tuple[str, ...]
    architectures: tuple[str, ...]
    training: str
    training_data: tuple[str, ...]
    how_to_get: str = ""
    epochs: int = 0
    seed: int = 0
    recipes: tuple[str, ...] = ()
    is_default: bool = False
    course: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """What to train, on what, and where to put the model.

    Attributes:
        architecture: What is trained.
        data: A folder, or one of `Reference.training_data`.
        out: The file of the model.
        epochs: How often all samples are seen; 0 for what the recipe says.
        seed: Of weights, order and changes.
        recipe: One of `Reference.recipes`.
        course: As in `Reference`.
        checkpoints: Where checkpoints lie, for trainings that write some.
        curves: The file of the curves, likewise.
        resumes: Go on after the last checkpoint.
    """

    architecture: str
    data: str
    out: str
    epochs: int
    seed: int
    recipe: str = ""
    course: str = ""
    checkpoints: str = ""
    curves: str = ""
    resumes: bool = False


@cache
def references() -> tuple[Reference, ...]:
    """All bundled references: the default one, then by the names of their packages."""
    found = []
    for each in sorted(pkgutil.iter_modules(crossrt.datasets.__path__), key=lambda module: module.name):
        if each.ispkg:
            package = importlib.import_module(f"{crossrt.datasets.__name__}.{each.name}")
            reference = getattr(package, "REFERENCE", None)
            if isinstance(reference, Reference):
                found.append(reference)
    return tuple(sorted(found, key=lambda each: not each.is_default))


def default_reference() -> Reference:
    """The reference that is used where the user names nothing.

    Raises:
        DataError: The package has none.
    """
    if not references():
        raise DataError("this installation of crossrt has no bundled models: install it again, or name a model")
    return references()[0]


def reference_models() -> tuple[str, ...]:
    """Names of the bundled models, the default first."""
    return tuple(name for reference in references() for name in reference.models)


def model_file(name: str) -> Path:
    """The file of a bundled model.

    Raises:
        DataError: There is no model of this name, or its file is missing.
    """
    for reference in references():
        if name in reference.models:
            path = reference.folder / f"{name}.keras"
            if not path.is_file():
                raise DataError(f"the bundled model {name} has no file {path}: install crossrt again")
            return path
    raise DataError(f"{name!r} is not a bundled model; available: {', '.join(reference_models())}")


def reference_of(path: Path) -> Reference | None:
    """The reference whose model file a path is, or None where it is another file."""
    resolved = path.resolve()
    for reference in references():
        if any((reference.folder / f"{name}.keras").resolve() == resolved for name in reference.models):
            return reference
    return None
