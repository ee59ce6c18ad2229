"""All methods over several models in one table: `python tests/benchmarks/league.py [MODEL[=TEST,CALIBRATION]...]`.

Runs `crossrt methods` on the bundled models, or on those that are named, with files of test and of calibration samples
where a model brings no data of its own. Prints a Markdown table: for each recipe and model the signal to noise, what
that gains over the plain recipe, and the change of the metric from the plain recipe with its 99% interval. What failed
or does not apply is named below. Minutes for each model; `--samples` and `--recipe` make it less.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click

from crossrt.core.parent import die_with_parent

BUNDLED = ("mnist-cnn", "mnist-dense", "mnist-separable", "mnist-transformer")
ABSENT = "-"


def methods_of(asked: str, options: list[str], folder: Path | None) -> dict:
    """What `crossrt methods --json` prints about one model; kept in a folder, and taken from it if it is there."""
    model, _, data = asked.partition("=")
    kept = None if folder is None else folder / f"{Path(model).stem}.json"
    if kept is not None and kept.is_file():
        return json.loads(kept.read_text())
    given = (
        []
        if not data
        else [f"--{name}={each}" for name, each in zip(("data", "calibration"), data.split(","), strict=False)]
    )
    command = [sys.executable, "-m", "crossrt", "methods", model, *given, *options, "--json"]
    tidily = partial(die_with_parent, signal.SIGTERM)  # it keeps what is finished
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, preexec_fn=tidily)
    if not done.stdout:
        raise SystemExit(f"{' '.join(command)} ended with code {done.returncode}")
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(done.stdout)
    return json.loads(done.stdout)


def cells_of(found: dict) -> dict[str, str]:
    """A cell for each recipe; the first table is that of all files."""
    sheet = found["tables"][0]
    return {row[0].strip(): _cell(dict(zip(sheet["columns"], row, strict=True))) for row in sheet["rows"]}


def _cell(row: dict[str, str]) -> str:
    noise, gained = row.get("SQNR dB", ABSENT), row.get("gained dB", ABSENT)
    if noise == ABSENT:
        value = row[next(name for name in row if name not in ("recipe", "KB"))]
        return row.get("verdict", ABSENT) if value == ABSENT else value
    change = row.get("vs plain", ABSENT)
    return noise if gained == ABSENT else f"{noise} ({gained}); {change}{_mark(row)}"


def _mark(row: dict[str, str]) -> str:
    return f" **{row['verdict']}**" if row.get("verdict") in ("better", "worse") else ""


def table(found: dict[str, dict]) -> Iterator[str]:
    """Lines of Markdown; recipes in the order in which any model has them, plain ones in front of theirs."""
    columns = {model: cells_of(each) for model, each in found.items()}
    plain: dict[str, list[str]] = {}
    names = [[name for name, *_ in each["tables"][0]["rows"]] for each in found.values()]
    compared = {name.strip() for each in names for name in each if name.startswith(" ")}
    for each in names:
        group = ""
        for name in (
            name for name in each if name not in compared
        ):  # those without their plain recipe have it elsewhere
            group = group if name.startswith(" ") else name
            members = plain.setdefault(group, [])
            members += [name] if name not in members else []
    yield f"| recipe | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name in (each for members in plain.values() for each in members):
        cells = [column.get(name.strip(), ABSENT) for column in columns.values()]
        yield f"| {'&nbsp; ' if name.startswith(' ') else ''}`{name.strip()}` | {' | '.join(cells)} |"


@click.command()
@click.option("--samples", help="Test samples.  [default: all]")
@click.option("--recipe", "recipes", multiple=True, help="As of crossrt methods.")
@click.option("--keep", type=click.Path(path_type=Path), help="Folder for the results; those in it are not made again.")
@click.argument("models", nargs=-1)
def main(samples: str | None, recipes: tuple[str, ...], keep: Path | None, models: tuple[str, ...]) -> None:
    """Runs and prints."""
    options = [word for each in recipes for word in ("--recipe", each)]
    options += ["--samples", samples] if samples else []
    found = {Path(each.partition("=")[0]).stem: methods_of(each, options, keep) for each in models or BUNDLED}
    for line in table(found):
        click.echo(line)
    for model, each in found.items():
        for text in (*each["cautions"], *each["lines"]):
            click.echo(f"\n{model}: {text}")


if __name__ == "__main__":
    main()
