"""`crossrt cache`: what it holds, and removing what is not needed."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final

import click

from crossrt.cli.shared.json_output import json_option, recording_console

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossrt.harness.cached import Entry
    from crossrt.reports.text.cells import Sheet

_UNITS: Final = {"m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MOST_ROWS: Final = 20
_DEFAULT_AGE: Final = "30d"


class AgeParam(click.ParamType[float]):
    """A number with m, h, d or w, such as `30d`; the value is in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Splits the number from its unit."""
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(\d{1,6})([mhdw])", str(value))
        if match is None:
            self.fail(f"{value!r} is not an age: write a number with m, h, d or w, such as 30d.", param, ctx)
        return float(match[1]) * _UNITS[match[2]]


@click.group(
    short_help="What the cache holds: built model files and environments; prune it.", invoke_without_command=True
)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.pass_context
def cache(context: click.Context, as_json: bool) -> None:
    """List what crossrt keeps in its cache folder, which CROSSRT_CACHE_DIR names: everything there can be made again.

    \b
    crossrt cache                             what there is and how large
    crossrt cache prune --older-than 7d       remove what was not used for a week
    crossrt cache prune --environments --all  and runtimes of other versions
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    if context.invoked_subcommand is None:
        context.invoke(listing, as_json=as_json)
    elif as_json:
        raise click.UsageError(f"--json belongs behind {context.invoked_subcommand}")


@cache.command("list", short_help="The same as crossrt cache.")
@json_option
def listing() -> None:
    """List what the cache holds."""
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.cached import entries, free_bytes
    from crossrt.harness.locations import cache_folder
    from crossrt.reports.tables.terminal import print_note, print_sheet

    found, console, folder = entries(), result_console(), cache_folder()
    if not found:
        console.print(f"{folder} holds nothing", markup=False)
        return
    names = {each.path: _name(each) for each in found}
    print_sheet(_sheet(found, names, "", most=None if recording_console() else _MOST_ROWS), console)
    free = free_bytes()
    room = "" if free is None else f"; {_size(free)} free on its disk"
    print_note(f"{folder}: {_size(sum(each.size_bytes for each in found))}{room}", console)


@cache.command(short_help="Remove what was not used for a while, or all.")
@click.option(
    "--older-than",
    type=AgeParam(),
    metavar="AGE",
    help=f"What was not used for so long, such as 12h, 30d or 8w.  [default: {_DEFAULT_AGE}]",
)
@click.option("--environments", is_flag=True, help="Only environments of other versions of runtimes.")
@click.option("--all", "everything", is_flag=True, help="Whenever it was used.")
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@json_option
def prune(older_than: float | None, environments: bool, everything: bool, dry_run: bool) -> None:
    """Remove what the cache holds and no run uses now; it is built again when it is needed."""
    from crossrt.cli.shared.options import result_console
    from crossrt.harness import cached
    from crossrt.reports.tables.terminal import print_sheet

    if everything and older_than is not None:
        raise click.UsageError("--all and --older-than exclude each other")
    age_s = AgeParam().convert(_DEFAULT_AGE, None, None) if older_than is None else older_than
    found = [each for each in cached.entries() if each.kind == "environment" or not environments]
    names = {each.path: _name(each) for each in found}  # what is removed cannot tell any more
    pruned = cached.prune(found if everything else cached.older_than(found, age_s), is_dry=dry_run)
    console, verb = result_console(), "would remove" if dry_run else "removed"
    if pruned.removed:
        print_sheet(_sheet(pruned.removed, names, verb, most=None if recording_console() else _MOST_ROWS), console)
    for each, reason in pruned.kept:
        console.print(f"kept: {names[each.path]}: {reason}", markup=False)
    total = sum(each.size_bytes for each in pruned.removed)
    left = len(found) - len(pruned.removed)
    console.print(f"{verb} {len(pruned.removed)} of {len(found)}, {_size(total)}; {left} left", markup=False)


def _sheet(found: Sequence[Entry], names: Mapping[Path, str], title: str, most: int | None) -> Sheet:
    """The entries, of each kind the largest where there are many."""
    from crossrt.reports.text.cells import Cell, Sheet

    rows, footer = [], []
    for kind in dict.fromkeys(each.kind for each in found):
        ours = [each for each in found if each.kind == kind]
        limit = 0 if kind == "inspection" and most is not None else most  # a few hundred bytes each
        shown = sorted(ours, key=lambda entry: -entry.size_bytes)[:limit]
        rows += [each for each in ours if each in shown]
        if rest := [each for each in ours if each not in shown]:
            size = _size(sum(each.size_bytes for each in rest))
            footer.append(f"not shown: {len(rest)} of kind {kind}, {size}; --json lists them")
    cells = [(names[each.path], each.kind, f"{each.size_bytes / 1e6:,.1f}", _ago(each)) for each in rows]
    return Sheet(
        title=title,
        columns=("name", "kind", "MB", "last used"),
        rows=tuple(tuple(Cell(text=text) for text in row) for row in cells),
        is_text=True,
        footer=tuple(footer),
        dropped_first=("kind",),
    )


def _name(entry: Entry) -> str:
    """A version as it is asked for, where that is known; else the name of the folder or file."""
    from crossrt.runtimes.versions.environments import read_environment

    found = read_environment(entry.path) if entry.kind == "environment" else None
    if found is None:
        return entry.path.name
    about = found.manifest
    return f"{about.runtime}=={about.version} (Python {about.python}, numpy {about.packages.get('numpy', '?')})"


def _ago(entry: Entry) -> str:
    if entry.in_use:
        return "now"
    seconds = max(0.0, time.time() - entry.used_at)
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name} ago"
    return "just now"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:,.1f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:,.1f} MB"
