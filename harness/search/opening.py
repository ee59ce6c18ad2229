"""What a search starts from: the float ONNX file, and the samples cut into two parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossrt.core.artifact import ModelArtifact
from crossrt.core.errors import DataError
from crossrt.datasets.parts import Part, cut
from crossrt.datasets.tasks.choosing import choose_task, is_foreign_task
from crossrt.exporters.variants import FLOAT_ONNX
from crossrt.harness.build.building import get_artifacts
from crossrt.harness.errors import HarnessError
from crossrt.harness.run.prepare import Opened, build_request, open_project, refuse_overlap
from crossrt.harness.search.request import SearchRequest
from crossrt.reports.text.progress import Display

FEWEST_SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What a search starts from.

    Attributes:
        opened: Project and data.
        original: The float ONNX file.
        search: Numbers of the samples that candidates are chosen on.
        aside: Numbers of those that the verdict rests on.
    """

    opened: Opened
    original: ModelArtifact
    search: list[int]
    aside: list[int]

    def parts(self) -> tuple[Part, Part]:
        """Both as data sets."""
        dataset = self.opened.data.dataset
        return Part(dataset, self.search), Part(dataset, self.aside)

    def limited(self, most: Sequence[int], seed: int) -> Start:
        """The same with up to so many samples in each part, drawn at random."""
        parts = [_drawn(each, count, seed) for each, count in zip((self.search, self.aside), most, strict=True)]
        return dataclasses.replace(self, search=parts[0], aside=parts[1])


def _drawn(indices: list[int], count: int, seed: int) -> list[int]:
    if len(indices) <= count:
        return indices
    return sorted(int(each) for each in np.random.default_rng(seed).permutation(indices)[:count])


def open_search(request: SearchRequest, folder: Path, display: Display) -> Start:
    """Opens model and data, and exports the float ONNX file where the model is not an ONNX file.

    Raises:
        HarnessError: Data or calibration data are missing, or the model is not one that can be searched.
        DataError: Samples of the test data are among the calibration data, or there are too few.
        ExportError: The model cannot be exported.
    """
    subject = request.subject
    if subject.artifacts is not None:
        raise HarnessError("a search starts from a model, not from a folder of artifacts: name the model")
    if len(subject.models) > 1:
        raise HarnessError(f"a search takes one model; {len(subject.models)} were given")
    opened = open_project(subject, folder)
    project = opened.project
    if project.is_random:
        raise HarnessError("a search judges accuracy: give samples with --data (crossrt inspect MODEL shows what fits)")
    if project.calibration is None or opened.calibration is None:
        raise HarnessError("a search calibrates candidates: give --calibration DATA, samples that are not in --data")
    refuse_overlap(opened)
    original = _float_file(opened, request, display)
    _check_weights(original)
    _check_labels(opened, original, request)
    search, aside = cut(opened.data.dataset, request.held_out, request.seed, opened.data.samples)
    if min(len(search), len(aside)) < FEWEST_SAMPLES:
        raise DataError(
            f"a search needs at least {FEWEST_SAMPLES} samples to choose on and {FEWEST_SAMPLES} that it keeps aside"
            f" for the verdict, and finds {len(search)} and {len(aside)} in {opened.data.dataset.name}: give more with"
            " --data"
        )
    return Start(opened=opened, original=original, search=search, aside=aside)


def _check_weights(original: ModelArtifact) -> None:
    """What holds NaN answers NaN: that is said before anything is prepared."""
    from crossrt.exporters.sources.onnx_file import read_structure
    from crossrt.exporters.sources.onnx_inspection import bad_weight

    if (name := bad_weight(read_structure(original.path))) is not None:
        raise HarnessError(
            f"{original.path.name} cannot be quantized: its weights {name} hold NaN or infinity; train or export it"
            " again"
        )


def _check_labels(opened: Opened, original: ModelArtifact, request: SearchRequest) -> None:
    """Labels that fit no answer of such a shape, before any answer is there; a task of the user's own looks later."""
    task, samples = request.subject.task, opened.data.samples or len(opened.data.dataset)
    labels = opened.data.dataset.labels
    shapes = [spec.shape for spec in original.outputs]
    batch = {spec.shape[:1] for spec in original.inputs}
    is_known = all(shape[:1] in batch and all(isinstance(each, int) for each in shape[1:]) for shape in shapes)
    if labels is None or not is_known or (task is not None and is_foreign_task(task)):
        return
    answers = {
        spec.name: np.broadcast_to(
            np.zeros((), spec.dtype), (samples, *(each for each in spec.shape[1:] if isinstance(each, int)))
        )
        for spec in original.outputs
    }
    choose_task(task, labels[:samples], answers).task.check(answers, labels[:samples])


def _float_file(opened: Opened, request: SearchRequest, display: Display) -> ModelArtifact:
    project = opened.project
    if project.given:
        given = project.given[0]
        if given.format != "onnx":
            raise HarnessError(
                f"{given.path.name} is a TFLite file: a search needs a float ONNX, Keras or SavedModel model"
            )
        if given.role != "float":
            raise HarnessError(f"{given.path.name} is quantized already: give the float model that it was made from")
        return given
    found = get_artifacts(build_request(opened, request.subject, [FLOAT_ONNX]), opened.folder, display)
    key = f"{project.model}.{FLOAT_ONNX.item}"
    if key not in found.artifacts:
        reason = found.problems[key].reason if key in found.problems else "it was not written"
        raise HarnessError(f"{project.model} cannot be exported to ONNX: {reason}")
    return found.artifacts[key]
