"""Building what recipes make of a model: those that the user names, or all that fit."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossrt.exporters.variants import Variant, variant_of
from crossrt.harness.build.export import Exported, float_variants, run_export
from crossrt.harness.build.project import Project, resolve
from crossrt.harness.build.recipes import check_recipes, choose_recipes, fail_named, is_whole_name
from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.settings import Subject, at_least, check_agreement
from crossrt.harness.qat.pairs import prove_pairs
from crossrt.harness.qat.request import Proof
from crossrt.harness.run.prepare import Opened, open_project
from crossrt.reports.text.cells import grouped, listed
from crossrt.reports.text.progress import Display


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantizing:
    """What is asked for.

    Attributes:
        subject: Model, data, calibration data.
        patterns: Names or shell patterns of recipes; none for all that fit.
        file: A file of recipes in place of the shipped ones.
        minimum_agreement: See `run_export`.
    """

    subject: Subject
    patterns: Sequence[str] = ()
    file: Path | None = None
    minimum_agreement: float

    def __post_init__(self) -> None:
        """Raises `HarnessError` for a number that means nothing."""
        check_agreement(self.minimum_agreement)
        at_least("seed", self.subject.seed, 0)

    @property
    def is_named(self) -> bool:
        """Whether the user chose recipes, by a pattern or a file."""
        return bool(self.patterns or self.file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantized:
    """What came of it.

    Attributes:
        model: Name of the model.
        subject: What the user brought, with calibration data for test data where only those were given.
        exported: What was built, and what failed.
        left_out: What was not built, each in one line with the reason.
        proofs: For each variant whose two files share their scales, what was compared, by `<model>.<variant>`.
    """

    model: str
    subject: Subject
    exported: Exported
    left_out: tuple[str, ...]
    proofs: Mapping[str, Proof] = field(default_factory=dict)


def run_quantize(asked: Quantizing, folder: Path, display: Display) -> Quantized:
    """Builds by recipe, and checks what came of it.

    Args:
        asked: What is asked for.
        folder: A scratch folder.
        display: Follows.

    Raises:
        CrossrtError: A recipe, the model or data cannot be used, or packages are missing.
    """
    check_recipes(asked.file, asked.patterns)
    subject, opened = open_source(asked.subject, folder, display)
    project = opened.project
    chosen = choose_recipes(asked.file, asked.patterns, project.model)
    variants, foreign = _of_format(asked, list(map(variant_of, chosen.recipes)), project)
    lacking = _lacking(asked, variants, project)
    variants = [each for each in variants if each not in lacking]
    floats = float_variants(opened, list({variant.format for variant in variants}))
    is_named = asked.is_named and not asked.patterns  # by a file; of patterns only whole names are names
    exported = run_export(opened, subject, [*floats, *variants], asked.minimum_agreement, display, is_named=is_named)
    fail_named(exported.found, asked.patterns, project.model)
    left_out = grouped({**chosen.rejected, **exported.found.unfit})
    if foreign and asked.is_named:
        left_out.append(f"{listed([each.item for each in foreign])}: {_made_from(project)}")
    if lacking:
        left_out.append(f"{listed([each.item for each in lacking])}: --calibration DATA adds them")
    proofs = prove_pairs(exported.found.artifacts, opened.data.dataset, folder, display)
    return Quantized(model=project.model, subject=subject, exported=exported, left_out=tuple(left_out), proofs=proofs)


def _of_format(asked: Quantizing, variants: Sequence[Variant], project: Project) -> tuple[list[Variant], list[Variant]]:
    """Those that can be made from the model, and those of another format.

    Raises:
        HarnessError: The user named some, and all are of another format.
    """
    formats = project.source.exports if project.source is not None else ()
    fitting = [each for each in variants if each.format in formats]
    foreign = [each for each in variants if each.format not in formats]
    if asked.is_named and foreign and not fitting and project.source is not None:
        raise HarnessError(f"{listed([each.item for each in foreign])}: {_made_from(project)}")
    return fitting, foreign


def _made_from(project: Project) -> str:
    assert project.source is not None
    formats = " and ".join("ONNX" if each == "onnx" else "TFLite" for each in project.source.exports)
    return f"{Path(project.source.path).name} is quantized to {formats} only (crossrt recipes lists what makes which)"


def _lacking(asked: Quantizing, variants: Sequence[Variant], project: Project) -> list[Variant]:
    """Those that need calibration data, where there are none and the user named them by no more than a shell pattern.

    Raises:
        HarnessError: Nothing else was chosen.
    """
    if project.calibration is not None or (asked.file is not None and not asked.patterns):
        return []
    names = [each for each in variants if is_whole_name(asked.patterns, project.model, each.item)]
    found = [each for each in variants if each.needs_calibration and each not in names]
    if found and asked.patterns and len(found) == len(variants):
        raise HarnessError(
            f"{listed([each.item for each in found])}: give data to calibrate with by --calibration DATA"
        )
    return found


def open_source(subject: Subject, folder: Path, display: Display) -> tuple[Subject, Opened]:
    """The project, with a float file as its source; calibration data stand in for test data that are not named."""
    if subject.data is None and subject.calibration is not None and resolve(subject).is_random:
        subject = dataclasses.replace(subject, data=subject.calibration, data_origin=subject.calibration_origin)
        display.remark("  without --data, answers are compared on the calibration data")
    opened = open_project(subject, folder)
    for note in opened.notes:
        display.remark(f"  {note}")
    project = opened.project
    return subject, dataclasses.replace(
        opened, project=dataclasses.replace(project, source=project.source or project.quantizable)
    )
