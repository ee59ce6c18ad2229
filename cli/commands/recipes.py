"""`crossrt recipes`: what there is to quantize with."""

from __future__ import annotations

from pathlib import Path

import click

from crossrt.cli.shared.json_output import json_option, recording_console

recipe_file_option = click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with recipes of your own, in place of the shipped ones.",
)


@click.command(short_help="List the quantization recipes, or show how some are written.")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@recipe_file_option
@json_option
def recipes(patterns: tuple[str, ...], file: Path | None) -> None:
    """List the recipes, a line each; with PATTERN, print those as TOML with every option that they have."""
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.build.recipes import choose_recipes, recipe_as_toml, recipe_sheet
    from crossrt.reports.tables.terminal import print_sheet

    chosen = choose_recipes(file, patterns or ("*",), "")
    console, as_json = result_console(), recording_console() is not None
    if as_json or not patterns:
        print_sheet(recipe_sheet(chosen.recipes), console)
    for place, each in enumerate(chosen.recipes if patterns else ()):
        if as_json:
            console.print(recipe_as_toml(each), markup=False)
        else:
            click.echo("\n" * (place > 0) + recipe_as_toml(each))
    for item, reason in chosen.rejected.items():
        click.echo(f"{item}: cannot be built: {reason}", err=True)
