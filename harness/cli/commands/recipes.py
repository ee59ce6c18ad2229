"""`crossrt recipes`: what there is to quantize with."""

from __future__ import annotations

from pathlib import Path

import click

recipe_file_option = click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file with recipes of your own, in place of the shipped ones.",
)


@click.command(short_help="List the quantization recipes, or show how some are written.")
@click.argument("patterns", nargs=-1, metavar="[PATTERN]...")
@recipe_file_option
def recipes(patterns: tuple[str, ...], file: Path | None) -> None:
    """List the recipes, a line each; with PATTERN, print those as TOML with every option that they have."""
    from crossrt.harness.build.recipes import choose_recipes, recipe_as_toml, recipe_sheet
    from crossrt.harness.cli.shared.options import result_console
    from crossrt.reports.tables.terminal import print_sheet

    chosen = choose_recipes(file, patterns, "")
    if patterns:
        click.echo("\n\n".join(map(recipe_as_toml, chosen.recipes)))
    else:
        print_sheet(recipe_sheet(chosen.recipes), result_console())
    for item, reason in chosen.rejected.items():
        click.echo(f"{item}: cannot be built: {reason}", err=True)
