"""Arguments of the commands that look into one quantized file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from crossrt.cli.commands.recipes import recipe_file_option
from crossrt.cli.shared.options import Decorated, subject_options, timeout_option

if TYPE_CHECKING:
    from crossrt.harness.build.subject import Target
    from crossrt.harness.measure.settings import Subject

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    help="What variants are built from: a Keras or SavedModel model, a float ONNX or TFLite file (with"
    " --calibration where the recipe needs it), or the name of a bundled model."
    "  [default: the model of crossrt.toml, or the bundled reference]",
)

float_option = click.option(
    "--float",
    "original",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FLOAT_FILE",
    help="The float file that a quantized FILE came from, in the same format.",
)


def target_options(
    metavar: str, *, has_float: bool = True, timeout_s: float = 600.0
) -> Callable[[Decorated], Decorated]:
    """Which file: a file of the user's, or a variant by its recipe, in a folder or built; and data."""

    def decorate(command: Decorated) -> Decorated:
        options: list[Callable[[Any], Any]] = [model_option, recipe_file_option, *([float_option] if has_float else ())]
        command = timeout_option(timeout_s)(command)
        command = subject_options(command)
        for option in options:
            command = option(command)
        decorated: Decorated = click.argument("name", metavar=metavar)(command)
        return decorated

    return decorate


def subject_of(*, model: Path | None, artifacts: Path | None, file: Path | None = None, **options: Any) -> Subject:
    """What the options of these commands name; the model of the configuration where they name none."""
    from crossrt.cli.shared.options import configured_models, subject_from

    if artifacts and (model or file):
        raise click.UsageError("--artifacts excludes --model and --file: the folder says what it holds")
    if model is not None:
        return subject_from(models=(model,), artifacts=artifacts, **options)
    return subject_from(models=() if artifacts else configured_models(), artifacts=artifacts, **options)


def target_of(name: str, *, file: Path | None, timeout: float, original: Path | None = None, **options: Any) -> Target:
    """What these arguments name."""
    from crossrt.harness.build.subject import Target

    subject = subject_of(file=file, **options)
    return Target(name=name, subject=subject, recipes=file, original=original, timeout_s=timeout)
