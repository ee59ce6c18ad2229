"""`crossrt docs`: the pages of the documentation, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from crossrt.cli.shared.json_output import json_option, recording_console

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from rich.console import Console

_SITE: Final = (
    "crossrt docs PAGE shows one; as a site, from a clone, in its environment: pip install '.[docs]' && mkdocs build,"
    " then open build/site/index.html"
)


@click.command(short_help="List the pages of the documentation, or show one.")
@click.argument("page", required=False)
@json_option
def docs(page: str | None) -> None:
    """List the pages that come with crossrt, or show PAGE, such as `tutorial`, in the terminal; works offline."""
    from crossrt.cli.shared.options import result_console

    console = result_console()
    found = _pages()
    if page is None:
        _list(found, console)
        return
    name = page.removesuffix(".md")
    if name not in found:
        from crossrt.core.suggestions import did_you_mean

        raise click.UsageError(f"{page!r} is not a page{did_you_mean(name, found)}: crossrt docs lists them")
    _show(found[name].read_text(encoding="utf-8"), console)


def _pages() -> Mapping[str, Traversable]:
    """Pages by name: those of the package, or of the clone that it was installed from."""
    shipped = files("crossrt").joinpath("docs")
    folder = shipped if shipped.is_dir() else Path(__file__).resolve().parents[3] / "docs"
    entries = folder.iterdir() if folder.is_dir() else ()
    return {each.name.removesuffix(".md"): each for each in sorted(entries, key=_name) if each.name.endswith(".md")}


def _name(page: Traversable) -> str:
    return page.name


def _list(pages: Mapping[str, Traversable], console: Console) -> None:
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.cells import Cell, Sheet

    rows = [(Cell(text=name), Cell(text=_title(each))) for name, each in pages.items()]
    print_sheet(Sheet(title="", columns=("page", "title"), rows=tuple(rows), is_text=True), console)
    console.print(_SITE)


def _title(page: Traversable) -> str:
    """What the first line says, without marks."""
    with page.open(encoding="utf-8") as file:
        return file.readline().strip("# \n").replace("`", "")


def _show(text: str, console: Console) -> None:
    """Lays the page out; a program gets it as it is."""
    if recording_console():
        console.print(text)
        return
    from crossrt.cli.commands.about.markdown import Page

    console.print(Page(text, code_theme="ansi_dark", hyperlinks=False), crop=False)
