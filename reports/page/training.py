"""Trainings on a page and in files: curves, and what was written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from markupsafe import Markup

from crossrt.reports.page.document import Header, Section, document, figure, joined
from crossrt.reports.page.drawing import ImageFormat
from crossrt.reports.page.figures import as_svg, png_bytes, svg_text
from crossrt.reports.page.plots.training import CAPTION, Trained, curves, halves, trainings
from crossrt.reports.schema.records import Report
from crossrt.reports.text.training import shown

STEM: Final = "curves"
"""Of the names of files."""


def training_curves(report: Report) -> Markup | None:
    """A block for each training; None where no file of the report was trained."""
    found = trainings(report)
    return joined([_block(each) for each in found]) if found else None


def training_page(trained: Trained) -> str:
    """A page of one training alone, to be saved as one file."""
    section = Section(id="training", title="Training", body=_block(trained), lead=CAPTION)
    return document(f"crossrt: training of {', '.join(trained.names)}", [section], Header(verdict=[told(trained)]))


def picture_files(trained: Trained, folder: Path, kinds: Sequence[ImageFormat]) -> dict[Path, bytes]:
    """The content of `curves.png` and `curves.svg` in a folder."""
    drawn = curves(trained.training, trained.names[0])
    content = {"png": lambda: png_bytes(drawn), "svg": lambda: svg_text(drawn).encode()}
    return {folder / f"{STEM}.{kind}": content[kind]() for kind in kinds}


def _block(trained: Trained) -> Markup:
    plots = [figure(as_svg(each.figure, each.name), each.name, is_half=True) for each in halves(trained)]
    return Markup('<h3>{}</h3><p class="note">{}</p><div class="side">{}</div>').format(
        ", ".join(trained.names), told(trained), joined(plots)
    )


def told(trained: Trained) -> str:
    """What was trained and what came of it, in a line or two."""
    training = trained.training
    last = training.epochs[-1].epoch
    parts = [f"{last:,} {'epoch' if last == 1 else 'epochs'}"]
    if training.samples:
        parts = [f"{training.samples:,} samples, batches of {training.batch_size}, {parts[0]}, seed {training.seed}"]
    best = next((each for each in training.epochs if each.epoch == training.best), None)
    if best is not None and best.validation is not None:
        metric, before = trained.metric, training.epochs[0].validation
        text = f"epoch {best.epoch} was written: {metric} {shown(metric, best.validation.metric)}"
        text += f" on {training.validation_samples:,} validation samples"
        if training.float_score is not None:
            text += f"; {shown(metric, training.float_score.metric)} in float"
        if before is not None:
            text += f", {shown(metric, before.metric)} before training"
        parts.append(text)
    return ". ".join(part[0].upper() + part[1:] for part in parts) + "."
