"""The page of one report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby

from markupsafe import Markup

from crossrt.reports.page.agreement import agreement_matrices
from crossrt.reports.page.answers import confusions, output_errors
from crossrt.reports.page.case_table import case_table
from crossrt.reports.page.circumstances import environment, failures, method, models, noise
from crossrt.reports.page.document import Header, Section, document, figures, joined, table
from crossrt.reports.page.drawing import MOST_DRAWN, drawn_part, rounds_plots, tradeoffs
from crossrt.reports.page.figures import as_svg
from crossrt.reports.page.plots.footprint import footprint
from crossrt.reports.page.plots.kernels import kernel_time, kernels
from crossrt.reports.page.plots.layers import layers
from crossrt.reports.page.plots.plot import Plot
from crossrt.reports.page.plots.roofline import roofline
from crossrt.reports.page.plots.scaling import scaling
from crossrt.reports.page.plots.scenarios import scenario_plots
from crossrt.reports.page.plots.training import CAPTION
from crossrt.reports.page.training import training_curves
from crossrt.reports.schema.records import Report, Result
from crossrt.reports.tables.emulated import Answered, emulated_sheet
from crossrt.reports.tables.evidence import evidence_sheet
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.tables.scenarios import scenario_sheets
from crossrt.reports.tables.summary import Summary
from crossrt.reports.text.cells import listed
from crossrt.reports.verdicts.choice.closing import closing_lines

MOST_MODELS = 3
COMPARED = ("agreement", "relative_error", "sqnr_db", "max_abs_error")
"""Metrics that compare with the reference and know nothing of what is right."""


def report_page(report: Report) -> str:
    """The whole page, to be saved as one file."""
    summary = Summary(report)
    tone = "bad" if any(map(_has_failed, report.results)) else ""
    header = Header(
        verdict=[*summary.verdict(), *closing_lines(report)],
        facts=summary.headline(),
        tone=tone,
        cautions=summary.warnings(),
    )
    return document(title(report), list(report_sections(report)), header)


def _has_failed(result: Result) -> bool:
    return "failed" in (result.status, *(outcome.status for outcome in result.scenarios))


def title(report: Report) -> str:
    """Of the page: the models."""
    return f"crossrt: {listed(models(report), MOST_MODELS) or 'no model'}"


def report_sections(report: Report) -> Iterator[Section]:
    """All parts for which the report has numbers."""
    yield Section(id="cases-all", title="Cases", body=case_table(report))
    if (failed := failures(report)) is not None:
        yield Section(id="failures", title="Not measured", body=failed)
    part = drawn_part(report)
    if part is not report:
        yield Section(id="drawn", title="Plots", body=Markup(), lead=_LEFT_OUT)
    yield from _plotted("tradeoff", _tradeoff_title(report), tradeoffs(part))
    yield from _plotted("rounds", "Latency, round by round", rounds_plots(part))
    if (trained := training_curves(report)) is not None:
        yield Section(id="training", title="Training", body=trained, lead=CAPTION)
    yield from _plotted("batch", "Throughput and batch size", _only(scaling(part)))
    if sheets := scenario_sheets(Lookup(report)):
        yield Section(id="scenarios", title="Scenarios", body=joined([table(sheet) for sheet in sheets]))
    yield from _plotted("scaling", "Scaling and scenarios", list(scenario_plots(part)))
    yield from _plotted("size", "Size and memory", _only(footprint(part)))
    if (confusion := confusions(part)) is not None:
        yield Section(id="answers", title="Confusion", body=confusion, lead=_LEAD_OF_CONFUSION)
    if (errors := output_errors(part)).rows:
        yield Section(id="outputs", title="Output errors", body=table(errors), lead=_LEAD_OF_OUTPUTS)
    if matrices := agreement_matrices(part):
        yield Section(id="agreement", title="Agreement", body=joined(matrices), lead=_LEAD_OF_AGREEMENT)
    yield from _plotted("roofline", "How near to the limits of the machine", _only(roofline(part)))
    costs = evidence_sheet(report)
    if costs.rows:
        lead = " ".join(f"{line[0].upper()}{line[1:]}." for line in costs.footer)
        yield Section(id="evidence", title=costs.title, body=table(replace(costs, footer=())), lead=lead)
    emulated = emulated_sheet(Answered(rows=report.emulated, definitions=report.definitions))
    if emulated.rows:
        lead = " ".join(emulated.footer)
        yield Section(id="emulated", title=emulated.title, body=table(replace(emulated, footer=())), lead=lead)
    yield from _plotted("layers", "Layer errors", layers(report))
    yield from _plotted("kernels", "Kernels", [*_only(kernels(part)), *_only(kernel_time(part))])
    if (lines := noise(report)) is not None:
        yield Section(id="noise", title="Noise", body=lines)
    yield Section(id="environment", title="Environment", body=environment(report))
    yield Section(id="method", title="How it was measured", body=method(report))


_LEFT_OUT = f"Plots and matrices show the {MOST_DRAWN} fastest cases of each batch size; the table above has all."
_LEAD_OF_CONFUSION = (
    "Mistakes are coloured by how often they were made; in the differences, better is green and worse is red."
)
_LEAD_OF_OUTPUTS = (
    "relative: ||x - x'|| / ||x||, SQNR: 10 log10(sum x² / sum (x - x')²), x being the outputs of the reference over"
    " all samples; steps: largest difference in quantization steps of the output."
)
_LEAD_OF_AGREEMENT = (
    "How far apart each two cases are over the same samples, right or wrong: two files of one accuracy can still"
    " disagree."
)


def _tradeoff_title(report: Report) -> str:
    """By what the vertical axes show."""
    primary = Lookup(report).primary
    if primary is None:
        return "Accuracy and latency"
    compares = primary.name in COMPARED or report.data.is_random
    return f"{'Agreement' if compares else 'Accuracy'} and latency"


def _only(plot: Plot | None) -> list[Plot]:
    return [] if plot is None else [plot]


def _plotted(name: str, title: str, plots: Sequence[Plot]) -> Iterator[Section]:
    """A section of plots; a caption that several share stands once, beside or below them."""
    if not plots:
        return
    drawn = [
        figures([(as_svg(plot.figure, f"{title}: {plot.name}"), plot.name) for plot in alike], caption)
        for caption, alike in groupby(plots, key=lambda plot: plot.caption)
    ]
    yield Section(id=name, title=title, body=joined(drawn))
