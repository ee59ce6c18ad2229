"""Commands to go on with, ready to be pasted: to see where an error comes from, to write a file."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from crossrt.core.artifact import sha256_of
from crossrt.harness.measure.settings import Subject
from crossrt.reports.schema.records import Artifact, Report


def diagnose_command(item: str, subject: Subject, recipes: Path | None = None) -> str:
    """`crossrt diagnose` for a variant of the model that a command was about.

    Args:
        item: The variant with its format, such as `int8-qdq.onnx`.
        subject: Model and data of the command.
        recipes: Its file of recipes.
    """
    words: list[object] = ["crossrt", "diagnose", item]
    if subject.artifacts is not None:
        words += ["--artifacts", subject.artifacts]
    words += [word for each in subject.models[:1] for word in ("--model", each)]
    return _joined([*words, *_file_words(recipes), *_data_words(subject)])


def quantize_command(item: str, subject: Subject, recipes: Path | None = None) -> str:
    """`crossrt quantize` for a recipe and the model that a command was about; arguments as of `diagnose_command`."""
    words: list[object] = ["crossrt", "quantize", *subject.models[:1], "--recipe", item]
    return _joined([*words, *_file_words(recipes), *_data_words(subject)])


def _file_words(recipes: Path | None) -> list[object]:
    return [] if recipes is None else ["--file", recipes]


def _data_words(subject: Subject) -> list[object]:
    """Options that say what the model is fed with."""
    words: list[object] = []
    for option, request in (("--data", subject.data), ("--calibration", subject.calibration)):
        words += [option, request.reference] if request is not None else []
    if subject.data is not None:
        words += ["--labels", subject.data.labels] if subject.data.labels else []
        words += ["--classes", subject.data.classes] if subject.data.classes else []
        words += ["--split", subject.data.split] if subject.data.split else []
    words += ["--allow-h5"] if subject.allow_h5 else []
    words += [word for name, size in subject.dimensions.items() for word in ("--dim", f"{name}={size}")]
    return words


def _joined(words: Sequence[object]) -> str:
    return shlex.join(str(word) for word in words)


def diagnose_commands(report: Report, subject: Subject) -> list[str]:
    """One for each variant of a report that was made by a recipe and answers too differently.

    A quantized file that the user named is compared with a float file of its format that was named too; where none
    was, there is nothing to compare it with.
    """
    failed = {each.artifact for each in report.results if each.status == "failed" and each.evaluation is not None}
    items = [each for each in report.artifacts if each.id in failed and _recipe_of(each)]
    files = {sha256_of(each): each for each in subject.models if each.is_file()} if items else {}
    commands = []
    for item in items:
        if item.sha256 not in files:
            commands.append(diagnose_command(item.id.removeprefix(f"{item.model}."), subject))
        elif floats := [each for each in report.artifacts if _is_float_of(each, item) and each.sha256 in files]:
            words = ["crossrt", "diagnose", files[item.sha256], "--float", files[floats[0].sha256]]
            commands.append(_joined([*words, *_data_words(subject)]))
    return commands


def _is_float_of(artifact: Artifact, quantized: Artifact) -> bool:
    return artifact.role == "float" and artifact.format == quantized.format


def _recipe_of(artifact: Artifact) -> object:
    return artifact.quantization and artifact.quantization.recipe
