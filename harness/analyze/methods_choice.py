"""Which file of a league is best, why, and the command that makes it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from crossrt.core.artifact import ModelFormat
from crossrt.harness.analyze.methods import League, Method, is_timed, sqnr_db
from crossrt.harness.analyze.methods_tables import ABSENT, change_text, decibels, gain_text, verdict
from crossrt.harness.build.diagnosing import quantize_command
from crossrt.harness.measure.settings import Subject
from crossrt.reports.statistics.paired import PairedChange, paired_change
from crossrt.reports.verdicts.duel import ALPHA

_EIGHT_BITS: Final = ("int8", "uint8")
_Types = tuple[ModelFormat, str, str]
"""Format, and types of activations and of weights."""


def choice_lines(league: League, subject: Subject, file: Path | None) -> Iterator[str]:
    """The file with the least noise of each pair of types, then the best of all, and the command that makes it.

    Args:
        league: The methods; those that are there for their accuracy alone do not count.
        subject: Model and data of the command.
        file: Its file of recipes.
    """
    best = _best_by_types(league)
    if not best:
        return
    if len(best) > 1:
        for types, each in best.items():
            yield f"closest to float with {_described(types)}: {each.item}, {_noise(league, each)}"
    types, chosen = next(
        ((types, each) for types, each in best.items() if _is_integer(types)), next(iter(best.items()))
    )
    why = "closest to float"
    if len(best) > 1:
        why += f" of the files with {_described(types)}" if _is_integer(types) else " of all files"
        why += ", which CPUs compute in integers" if _is_integer(types) else ""
    yield f"best: {_not_shown(league, chosen)}{chosen.item}, {why}: {_noise(league, chosen)}{_metric(league, chosen)}"
    yield f"make it: {quantize_command(chosen.item, subject, file)}"


def _not_shown(league: League, chosen: Method) -> str:
    """Where no method on top of the same plain recipe is better than that, noise alone speaks for the chosen file."""
    metric = league.metric
    plain = next((each for each in league.methods if each.item == chosen.plain), None)
    others = [each for each in league.methods if each.plain == chosen.plain and each.item != chosen.plain]
    if metric is None or plain is None or not others:
        return ""
    changes = [paired_change(plain.evaluation, each.evaluation, metric, ALPHA) for each in others]
    if any(change is not None and verdict(change, metric) == "better" for change in changes):
        return ""
    return f"no method is shown to beat plain {plain.item} in {metric.label}; by SQNR alone "


def _best_by_types(league: League) -> dict[_Types, Method]:
    """The best file of each pair of types, the one with the least noise first."""
    found: dict[_Types, Method] = {}
    for each in sorted(filter(is_timed, league.methods), key=lambda each: _rank(league, each), reverse=True):
        if (how := each.artifact.quantization) is not None:
            found.setdefault((each.artifact.format, how.activation_type or "float", how.weight_type), each)
    return found


def _rank(league: League, method: Method) -> tuple[bool, float]:
    """Files whose metric is certainly worse than that of the float model come last."""
    change = _from_float(league, method)
    is_worse = change is not None and league.metric is not None and verdict(change, league.metric) == "worse"
    return not is_worse, sqnr_db(method.evaluation)


def _is_integer(types: _Types) -> bool:
    return types[1] in _EIGHT_BITS and types[2] in _EIGHT_BITS


def _described(types: Sequence[str]) -> str:
    return f"{types[1]} activations and {types[2]} weights"


def _noise(league: League, method: Method) -> str:
    """`34.9 dB SQNR (+1.0 over int8-qdq.onnx)`."""
    plain, text = league.plain(method), f"{decibels(sqnr_db(method.evaluation))} SQNR"
    if plain is None:
        return text if method.plain != method.item else f"{text} (plain recipe)"
    gained = gain_text(plain.evaluation, method.evaluation)
    return text if gained == ABSENT else f"{text} ({gained} over {plain.item})"


def _metric(league: League, method: Method) -> str:
    change, metric = _from_float(league, method), league.metric
    if change is None or metric is None:
        return ""
    return f"; {metric.label} {change_text(change, metric)} vs float"


def _from_float(league: League, method: Method) -> PairedChange | None:
    reference = league.floats.get(method.artifact.format)
    if reference is None or league.metric is None:
        return None
    return paired_change(reference.evaluation, method.evaluation, league.metric, ALPHA)
