"""Arguments of the commands that are about one quantized file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.harness.cli.commands.options import Decorated, model_option
from crossrt.harness.cli.commands.recipes import recipe_file_option

if TYPE_CHECKING:
    from crossrt.harness.build.subject import Subject


def subject_options(command: Decorated) -> Decorated:
    """Which file: VARIANT, in a folder or by recipe."""
    for option in (
        model_option,
        recipe_file_option,
        click.option(
            "--artifacts",
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            help="Take the file from this folder, written by crossrt quantize or export, beside its float32 file.",
        ),
        click.argument("variant"),
    ):
        command = option(command)
    return command


def subject_of(variant: str, artifacts: Path | None, file: Path | None, model: Path | None) -> Subject:
    """What these arguments name."""
    from crossrt.harness.build.subject import Subject
    from crossrt.harness.cli.commands.options import model_path

    if artifacts and (model or file):
        raise click.UsageError("--artifacts excludes --model and --file: the folder says what it holds")
    return Subject(variant=variant, model_path=model_path(model), folder=artifacts, recipes=file)
