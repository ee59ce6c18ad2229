"""The table of sizes and answers: what the task scores, and how far outputs are from the reference's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from crossrt.core.evaluation import Evaluation
from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.records import Result
from crossrt.reports.tables.lookup import ABSENT, AGREEMENT, Lookup
from crossrt.reports.text.cells import Cell, Sheet, grouped

MOST_OTHERS: Final = 2
"""Metrics of the task that are shown beside its first."""

SIZE: Final = "size_bytes"
_OF_REFERENCE: Final = (AGREEMENT, "max_abs_error", "relative_error", "sqnr_db")
"""Metrics that compare with the reference: a column of its own shows the error of the outputs."""

_IN_F1: Final = ("macro_precision", "macro_recall")
"""Metrics for which macro F1 stands where there is little room; a case in full and the page have them."""

QUANTIZED: Final = "quantized %"
"""Heading of the share of weights that are quantized, by their bytes."""

QUANTIZED_NOTE: Final = (
    f"{QUANTIZED}: of the bytes of weights, those stored as integers or, where a recipe asks for that, as float16"
)
KERAS_NOTE: Final = "size: of the whole file; a .keras file may hold the state of its optimizer as well as the weights"
HOLLOW_SHARE: Final = 0.1
"""A file with less of its weights quantized is hardly another than the float one."""

Column = tuple[str, list[Cell]]


class _Quantized(Protocol):
    """How a file is quantized, as the report or its manifest says it."""

    @property
    def quantized_share(self) -> float | None: ...

    @property
    def cost_issues(self) -> Sequence[str]: ...


def accuracy_sheet(look: Lookup, results: Sequence[Result]) -> Sheet:
    """A row for each case; columns that no case fills are left out, those that matter least go first."""
    sound = [result for result in results if result.status == "ok"]
    columns = [column for column in _columns(look, results, sound) if any(cell.text != ABSENT for cell in column[1])]
    rows = zip(*(cells for _, cells in columns), strict=True) if len(columns) > 1 else ()
    titles = [name for name, _ in columns]
    kept = ("case", look.title(SIZE), look.title(look.primary.name) if look.primary else "")
    droppable = [name for name in titles if name not in kept]
    others = [look.title(each.name) for each in other_metrics(look)]
    order = [name for name in reversed(droppable) if name in others]
    order += [name for name in reversed(droppable) if name not in others]
    return Sheet(
        title=_title(look, results),
        columns=tuple(titles),
        rows=tuple(rows),
        dropped_first=tuple(order),
        footer=tuple(_footer(look, results, titles)),
    )


def _footer(look: Lookup, results: Sequence[Result], titles: Sequence[str]) -> Iterator[str]:
    if QUANTIZED in titles:
        yield QUANTIZED_NOTE
    keras = {each.id for each in look.report.artifacts if each.format == "keras"}
    if look.title(SIZE) in titles and any(result.artifact in keras for result in results):
        yield KERAS_NOTE


def _columns(look: Lookup, results: Sequence[Result], sound: Sequence[Result]) -> Iterator[Column]:
    yield "case", [Cell(text=look.label(result)) for result in results]
    yield _of_metric(look, SIZE, results, look.extreme(SIZE, sound))
    shares = {each.id: share_text(each.quantization) for each in look.report.artifacts}
    yield QUANTIZED, [Cell(text=shares.get(result.artifact, ABSENT)) for result in results]
    primary = look.primary
    if primary is not None:
        yield _of_metric(look, primary.name, results, look.best_answers(primary.name, sound), interval=True)
        yield "change", [Cell(text=change_from_reference(result.evaluation, primary)) for result in results]
    for each in other_metrics(look):
        yield _of_metric(look, each.name, results, look.best_answers(each.name, sound))
    if primary is None or primary.name != AGREEMENT:
        yield _of_metric(look, AGREEMENT, results, look.best_answers(AGREEMENT, sound))
    yield "error %", [Cell(text=largest_error(result.evaluation)) for result in results]


def _of_metric(
    look: Lookup, name: str, results: Sequence[Result], best: frozenset[str], *, interval: bool = False
) -> Column:
    return look.title(name), [look.cell(result, name, best, interval=interval) for result in results]


def share_text(how: _Quantized | None) -> str:
    """The share of a file's weights that are quantized, in percent, rounded down: 100 are all."""
    if how is None or how.quantized_share is None:
        return ABSENT
    return "<1" if 0 < how.quantized_share < 0.01 else f"{math.floor(100 * how.quantized_share)}"


def hollow_notes(files: Mapping[str, _Quantized | None]) -> list[str]:
    """What must be said of files that hardly differ from float ones, with what keeps its float weights."""
    return grouped(
        {
            item: "; ".join(how.cost_issues) or f"{share_text(how)}% of the weight bytes are quantized"
            for item, how in files.items()
            if how is not None and how.quantized_share is not None and how.quantized_share < HOLLOW_SHARE
        }
    )


def other_metrics(look: Lookup) -> list[MetricDefinition]:
    """What the task scores besides its first metric, as far as cases have it."""
    scored = {name for each in look.report.results if each.evaluation for name in each.evaluation.values}
    primary = look.primary.name if look.primary else ""
    found = [each for each in look.report.definitions if each.name in scored and each.name != primary]
    return [each for each in found if each.name not in (*_OF_REFERENCE, *_IN_F1)][:MOST_OTHERS]


def change_from_reference(evaluation: Evaluation | None, definition: MetricDefinition) -> str:
    """How much better or worse than the reference: in percentage points for shares, else in percent."""
    if evaluation is None:
        return ABSENT
    value, reference = evaluation.values.get(definition.name), evaluation.reference_values.get(definition.name)
    if value is None or reference is None:
        return ABSENT
    if definition.unit == "share":
        return f"{100 * (value - reference):+z.2f} pp"
    return f"{100 * (value - reference) / abs(reference):+z.2f}%" if reference else ABSENT


def largest_error(evaluation: Evaluation | None) -> str:
    """The largest over outputs of the norm of the error, in percent of that of the reference's output."""
    known = [] if evaluation is None else [each.relative for each in evaluation.outputs if each.relative is not None]
    return f"{100 * max(known):.2g}" if known else ABSENT


def _title(look: Lookup, results: Sequence[Result]) -> str:
    counts = {result.evaluation.samples for result in results if result.evaluation}
    if not counts:
        return "Size"
    data = look.report.data
    batch_size = results[0].batch_size
    if data.is_random:
        return f"Size and agreement on {max(counts):,} random samples, batch {batch_size}"
    return f"Size and accuracy on {max(counts):,} samples of {data.name}, batch {batch_size}"
