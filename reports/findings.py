"""What a report shows beyond its numbers: which cases turn out to be the same computation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from reports.schema import Result


def graph_notes(results: Sequence[Result], label: Callable[[Result], str]) -> list[str]:
    """Says of each QDQ and QOperator pair whether the runtime runs the same optimised graph for both.

    The pair differs in the file alone where operators and answers are the same: then a difference between their
    times is noise, which makes them a control.
    """
    notes = []
    for qdq, qoperator in _pairs(results):
        where = f"batch {qdq.batch_size}"
        if qdq.operators is None or qoperator.operators is None:
            continue
        if qdq.operators != qoperator.operators:
            notes.append(
                f"{label(qdq)} and {label(qoperator)} run different graphs at {where}: {_difference(qdq, qoperator)}"
            )
        elif _answers(qdq) == _answers(qoperator):
            notes.append(
                f"{label(qdq)} and {label(qoperator)} run the same {len(qdq.operators)} operators at {where} and give"
                f" bit-identical logits ({_chain(qdq.operators)}): their times differ by noise alone."
            )
        else:
            notes.append(
                f"{label(qdq)} and {label(qoperator)} run the same operators at {where}, but their logits differ."
            )
    return _merged(notes)


def _pairs(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    measured = {result.case: result for result in results if result.accuracy is not None}
    pairs = [
        (result, measured.get(case.replace("-qdq@", "-qoperator@")))
        for case, result in measured.items()
        if "-qdq@" in case
    ]
    return [(qdq, qoperator) for qdq, qoperator in pairs if qoperator is not None]


def _answers(result: Result) -> str | None:
    return result.accuracy.logits_sha256 if result.accuracy else None


def _chain(operators: Sequence[str]) -> str:
    """`QLinearConv, NhwcMaxPool x2, ...`: runs of one operator are counted."""
    runs = [(name, len(list(run))) for name, run in groupby(operators)]
    return ", ".join(name if count == 1 else f"{name} x{count}" for name, count in runs)


def _difference(one: Result, other: Result) -> str:
    extra, missing = (
        set(one.operators or ()) - set(other.operators or ()),
        set(other.operators or ()) - set(one.operators or ()),
    )
    if not extra and not missing:
        return f"{len(one.operators or ())} against {len(other.operators or ())} operators of the same kinds"
    return f"only the first runs {', '.join(sorted(extra)) or 'nothing'}; only the second {', '.join(sorted(missing)) or 'nothing'}"


def _merged(notes: Sequence[str]) -> list[str]:
    """One note where batch sizes differ in nothing but their number."""
    merged: dict[str, list[str]] = {}
    for note in notes:
        before, _, rest = note.partition("batch ")
        size = rest.split(maxsplit=1)[0].rstrip(":,.")
        merged.setdefault(f"{before}batch @{rest[len(size) :]}", []).append(size)
    return [text.replace("batch @", f"batch {' and '.join(sizes)}", 1) for text, sizes in merged.items()]
