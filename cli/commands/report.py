"""`crossrt report`: a saved report as a page, a comment, plots, or files of other tools."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crossrt.cli.shared.options import margin_option, only_option
from crossrt.cli.shared.verbosity import note
from crossrt.core.errors import CrossrtError
from crossrt.reports.exchange.registry import FORMATS

if TYPE_CHECKING:
    from crossrt.reports.schema.records import Report
    from crossrt.reports.verdicts.comparison.findings import Comparison

MOST_COMPARED = 2
_LISTED = "\n".join(f"{name:<24} {each.summary}" for name, each in FORMATS.items())


@click.command(
    short_help="A saved report as a page of HTML, a pull-request comment, plots, or files of other tools.",
    epilog=f"\b\nFormats of --to:\n{_LISTED}",
)
@click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write one page that opens offline.")
@click.option("--png", type=click.Path(file_okay=False, path_type=Path), help="Write the plots into a folder.")
@click.option("--svg", type=click.Path(file_okay=False, path_type=Path), help="Write the plots into a folder.")
@click.option(
    "--markdown", is_flag=True, help="Print a pull-request comment; a GitHub job's step summary gets it as well."
)
@click.option(
    "--to", "name", metavar="FORMAT", help="Write what another tool reads: see below, or a format of a plug-in."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="With --to: the file, or the folder for formats of several files.  [default: standard output]",
)
@margin_option
@only_option
def report(
    reports: tuple[Path, ...],
    html: Path | None,
    png: Path | None,
    svg: Path | None,
    markdown: bool,
    name: str | None,
    out: Path | None,
    margins: tuple[str, ...],
    only: tuple[str, ...],
) -> None:
    """Render REPORT, a report.json or the folder that holds one; of two, the second is compared with the first.

    The folder of a training, or its curves.jsonl, stands for its curves; a training need not be over. --html takes the
    folder of a search as well, and what a command such as crossrt methods printed with --json.

    \b
    crossrt report results/<run> --html report.html
    crossrt report results/<before> results/<after> --html changes.html
    crossrt report results/<before> results/<after> --markdown > comment.md
    crossrt report results/<run> --to csv --out run.csv
    crossrt report results/qat --png .
    crossrt report results/search --html search.html

    The verdicts are those of crossrt compare, with its --margin and --only; a gate asks for the exit code of that, as
    here it is 0 whatever they are.
    """  # noqa: D301 - \b is click's mark for lines that stay as they are
    is_shown = bool(html or png or svg or markdown)
    if name is not None:
        if is_shown or margins or only:
            raise click.UsageError("--to stands alone: ask for a page, a comment or plots in another call")
        _export(reports, name, out)
        return
    if out is not None:
        raise click.UsageError("--out goes with --to: --html, --png and --svg name what they write")
    if not is_shown:
        raise click.UsageError("say what to make: --html FILE, --markdown, --png FOLDER, --svg FOLDER or --to FORMAT")
    from crossrt.cli.shared.kept_results import kept_page
    from crossrt.harness.qat.curves import curves_in

    if len(reports) == 1 and (page := kept_page(reports[0])) is not None:
        if html is None or png or svg or markdown or margins or only:
            raise click.UsageError(
                f"{reports[0]} is not a report of crossrt bench: --html FILE shows it, nothing else does"
            )
        _write_text(page(), html)
        return
    if len(reports) == 1 and (curves := curves_in(reports[0])) is not None:
        if markdown or margins or only:
            raise click.UsageError(f"{reports[0]} is a training: --html, --png and --svg show its curves")
        _show_training(curves, html, png, svg)
        return
    if len(reports) > MOST_COMPARED:
        raise click.UsageError(f"{len(reports)} reports were given: one is shown, two are compared")
    *baselines, current = (_loaded(path) for path in reports)
    if only and not baselines:
        raise click.UsageError("--only chooses the cases that two reports are compared by: one report was given")
    comparison = _compared(baselines[0], current, margins, only) if baselines else None
    made: list[Callable[[], None]] = []
    if markdown:
        made.append(lambda: _comment(current, comparison))
    if html:
        made.append(lambda: _write_page(current, comparison, html))
    if png or svg:
        made.append(lambda: _write_plots(current, comparison, png, svg))
    _each(made)


def _each(made: Sequence[Callable[[], None]]) -> None:
    """Makes everything that can be made; what cannot is told, and the last such error is raised."""
    problems: list[CrossrtError] = []
    for make in made:
        try:
            make()
        except CrossrtError as error:
            problems.append(error)
    for problem in problems[:-1]:
        click.echo(f"crossrt: {problem}", err=True)
    if problems:
        raise problems[-1]


def _show_training(curves: Path, html: Path | None, png: Path | None, svg: Path | None) -> None:
    from crossrt.exporters.training.qat.curves import half_written_line
    from crossrt.harness.qat.curves import read_training
    from crossrt.reports.page.plots.training import Trained
    from crossrt.reports.page.training import picture_files, training_page
    from crossrt.reports.schema.files import write_together

    name, training = read_training(curves)
    if (line := half_written_line(curves)) is not None:
        click.echo(f"note: line {line} of {curves} is only half written and left out", err=True)
    trained = Trained(names=(name,), training=training)
    found = picture_files(trained, png, ["png"]) if png else {}
    found |= picture_files(trained, svg, ["svg"]) if svg else {}
    if html:
        found[html] = training_page(trained).encode()
    write_together({path: (content,) for path, content in found.items()})
    for path in found:
        note(f"{'page' if path == html else 'plot'}: {path}")


def _export(paths: tuple[Path, ...], name: str, out: Path | None) -> None:
    from crossrt.cli.shared.exchange import export

    export(paths, name, out)


def _loaded(path: Path) -> Report:
    from crossrt.harness.run.saved_runs import report_in
    from crossrt.reports.schema.files import read_report

    return read_report(report_in(path))


def _compared(baseline: Report, current: Report, margins: tuple[str, ...], only: tuple[str, ...]) -> Comparison:
    from crossrt.reports.verdicts.comparison.basis import Question
    from crossrt.reports.verdicts.comparison.compare import compare_reports
    from crossrt.reports.verdicts.comparison.rules import rules_with

    return compare_reports(baseline, current, Question(rules=rules_with(margins), only=only))


def _comment(current: Report, comparison: Comparison | None) -> None:
    from crossrt.cli.shared.step_summary import add_to_step_summary
    from crossrt.reports.tables.pull_request import pull_request_comment

    text = pull_request_comment(current, comparison)
    click.echo(text, nl=False)
    add_to_step_summary(text)


def _write_page(current: Report, comparison: Comparison | None, path: Path) -> None:
    from crossrt.reports.page.comparison_page import comparison_page
    from crossrt.reports.page.report_page import report_page

    _write_text(report_page(current) if comparison is None else comparison_page(comparison, current), path)


def _write_text(text: str, path: Path) -> None:
    from crossrt.reports.schema.files import write_atomically

    write_atomically(path, text.encode())
    note(f"page: {path}")


def _write_plots(current: Report, comparison: Comparison | None, png: Path | None, svg: Path | None) -> None:
    from crossrt.reports.page.drawing import all_plots, plot_files
    from crossrt.reports.schema.files import write_together

    plots = list(all_plots(current, comparison))
    found = {**(plot_files(plots, png, "png") if png else {}), **(plot_files(plots, svg, "svg") if svg else {})}
    write_together({path: (content,) for path, content in found.items()})
    for path in found:
        note(f"plot: {path}")
