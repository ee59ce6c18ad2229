"""The formats: what reads each of them, and what it can hold. A format is imported when it is asked for.

Other packages add formats by entry point, group `crossrt.report_formats`: an object of `Format`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, cast

from crossrt.core.errors import PluginError
from crossrt.core.plugins import load_plugin, registered
from crossrt.reports.errors import ReportError

if TYPE_CHECKING:
    from pathlib import Path

    from crossrt.reports.schema.records import Report

Output = str | bytes | Mapping[str, str]
"""One text, one binary file, or the texts of several files under their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of file that another tool reads.

    Attributes:
        summary: What it is and what reads it, in a line.
        source: `module:function`; without dots, in this package.
        makes: One text, one binary file, a folder of new files, or additions to a folder that may hold some already.
        holds_runs: Whether several reports fit into it.
        names_commits: Whether results stand under a commit, so that uncommitted changes are a caveat.
    """

    summary: str
    source: str
    makes: Literal["text", "binary", "folder", "additions"] = "text"
    holds_runs: bool = False
    names_commits: bool = False


GROUP: Final = "crossrt.report_formats"

FORMATS: Final[Mapping[str, Format]] = {
    "asv": Format(
        summary="a folder for asv publish and compare; several reports",
        source="to_asv:asv_files",
        makes="additions",
        holds_runs=True,
        names_commits=True,
    ),
    "bencher": Format(
        summary="Bencher Metric Format, for bencher run --adapter json",
        source="to_bencher:as_bencher",
    ),
    "csv": Format(
        summary="one line per metric; several reports",
        source="to_csv:as_csv",
        holds_runs=True,
    ),
    "github-action-benchmark": Format(
        summary="a folder with a file for each direction",
        source="to_github_action_benchmark:github_action_files",
        makes="folder",
    ),
    "junit": Format(
        summary="JUnit XML for CI services, a test case per case",
        source="to_junit:as_junit",
    ),
    "parquet": Format(
        summary="the table of csv with types; several reports",
        source="to_parquet:as_parquet",
        makes="binary",
        holds_runs=True,
    ),
    "pyperf": Format(
        summary="for pyperf compare_to and pyperf stats",
        source="to_pyperf:as_pyperf",
    ),
    "pytest-benchmark": Format(
        summary="for pytest-benchmark compare",
        source="to_pytest_benchmark:as_pytest_benchmark",
    ),
}


def format_named(name: str) -> Format:
    """A bundled format, or one that another package registers.

    Raises:
        ReportError: There is none of this name.
        PluginError: A plug-in cannot be imported.
    """
    if name in FORMATS:
        return FORMATS[name]
    known = registered(GROUP)
    if name not in known:
        available = ", ".join((*FORMATS, *known))
        raise ReportError(f"{name!r} is not a format; available: {available}")
    found = load_plugin(GROUP, name)
    if not isinstance(found, Format):
        raise PluginError(f"the plug-in {name!r} of {GROUP} ({known[name].value}) is not a crossrt Format")
    return found


def is_foreign_format(name: str) -> bool:
    """Whether another package registers a format.

    Raises:
        PluginError: Two packages register one name.
    """
    return name not in FORMATS and name in registered(GROUP)


def check_request(name: str, reports: int, *, has_out: bool) -> None:
    """Refuses what a format cannot do before anything is read.

    Raises:
        ReportError: There are more reports than it holds, or it cannot go to standard output.
    """
    asked = format_named(name)
    if reports > 1 and not asked.holds_runs:
        several = ", ".join(other for other, each in FORMATS.items() if each.holds_runs)
        raise ReportError(f"{name} holds one run, and {reports} reports were given: {several} hold several")
    if has_out or asked.makes == "text":
        return
    if asked.makes == "binary":
        raise ReportError(f"{name} is not text: name a file with --out")
    raise ReportError(f"{name} makes several files: name their folder with --out")


def convert(name: str, reports: Sequence[Report], out: Path) -> Output:
    """The files of a format; nothing is written.

    Args:
        name: Of the format.
        reports: One, or several where the format holds them.
        out: Where the files will lie: a format that adds to a folder reads what is there.

    Raises:
        ReportError: It cannot hold the report; the message says why.
    """
    check_request(name, len(reports), has_out=True)
    asked = format_named(name)
    make = _load(asked)
    if asked.makes == "additions":
        return make(reports, out)
    return make(reports if asked.holds_runs else reports[0])


def _load(asked: Format) -> Callable[..., Output]:
    module, _, function = asked.source.partition(":")
    home = module if "." in module or module not in _own_modules() else f"crossrt.reports.exchange.{module}"
    return cast("Callable[..., Output]", getattr(import_module(home), function))


def _own_modules() -> set[str]:
    return {each.source.partition(":")[0] for each in FORMATS.values()}
