"""Trainings on the page: curves, and what was written."""

from __future__ import annotations

from markupsafe import Markup

from crossrt.reports.page.document import figure, joined
from crossrt.reports.page.figures import as_svg
from crossrt.reports.page.plots.training import Trained, halves, trainings
from crossrt.reports.schema.records import Report
from crossrt.reports.text.training import shown


def training_curves(report: Report) -> Markup | None:
    """A block for each training; None where no file of the report was trained."""
    found = trainings(report)
    return joined([_block(each) for each in found]) if found else None


def _block(trained: Trained) -> Markup:
    plots = [figure(as_svg(each.figure, each.name), each.name, is_half=True) for each in halves(trained)]
    return Markup('<h3>{}</h3><p class="note">{}</p><div class="side">{}</div>').format(
        ", ".join(trained.names), told(trained), joined(plots)
    )


def told(trained: Trained) -> str:
    """What was trained and what came of it, in a line or two."""
    training = trained.training
    last = training.epochs[-1].epoch
    parts = [f"{training.samples:,} samples, batches of {training.batch_size}, {last:,} epochs, seed {training.seed}"]
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
