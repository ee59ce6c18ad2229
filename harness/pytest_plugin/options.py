"""The options of a session. Imported by every session that has crossrt installed: standard library and pytest only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked of the session; what a test names itself comes first.

    Attributes:
        time_s: How long each measurement may take.
        is_short: Fewer rounds, to see that everything runs.
        runtimes: Names of runtimes; empty for all that are installed.
        batch_sizes: Samples per call.
        threads: Threads per operator.
        only: Patterns that select cases.
        baseline: What marks without `against` compare with.
        save: Where the reports of the session are saved.
        is_strict: Whether what could not be judged fails.
    """

    time_s: float | None
    is_short: bool
    runtimes: tuple[str, ...]
    batch_sizes: tuple[int, ...]
    threads: int
    only: tuple[str, ...]
    baseline: Path | None
    save: Path | None
    is_strict: bool

    @property
    def rounds(self) -> int | None:
        """Rounds of a short session, or None for the default."""
        return 3 if self.is_short else None


def add_options(parser: pytest.Parser) -> None:
    """Declares them."""
    group = parser.getgroup("crossrt", "crossrt: measuring models and callables")
    group.addoption("--crossrt-time", type=float, metavar="SECONDS", help="how long each measurement may take")
    group.addoption("--crossrt-short", action="store_true", help="three rounds, to see that everything runs")
    group.addoption(
        "--crossrt-runtime", action="append", default=[], metavar="NAME", help="a runtime, such as ort-cpu:arena=off"
    )
    group.addoption("--crossrt-batch", action="append", type=int, default=[], metavar="N", help="samples per call")
    group.addoption("--crossrt-threads", type=int, default=1, metavar="N", help="threads per operator (default: 1)")
    group.addoption("--crossrt-only", action="append", default=[], metavar="PATTERN", help="only cases that match")
    group.addoption(
        "--crossrt-baseline",
        type=Path,
        metavar="PATH",
        help="what limits without `against` are compared with; `latest` and `previous` are runs in results",
    )
    group.addoption(
        "--crossrt-save", type=Path, metavar="PATH", help="save reports as the next baseline: a .json file, or a folder"
    )
    group.addoption(
        "--crossrt-strict", action="store_true", help="fail what is undecided, incomparable, or has no baseline"
    )


def options_of(config: pytest.Config) -> Options:
    """What was asked of this session.

    Raises:
        UsageError: A value cannot be used.
    """
    time_s, threads = config.getoption("--crossrt-time"), config.getoption("--crossrt-threads")
    sizes = config.getoption("--crossrt-batch")
    if time_s is not None and not time_s > 0:
        raise pytest.UsageError(f"--crossrt-time must be above 0; found {time_s:g}")
    for name, number in (("--crossrt-threads", threads), *(("--crossrt-batch", size) for size in sizes)):
        if number < 1:
            raise pytest.UsageError(f"{name} must be at least 1; found {number}")
    return Options(
        time_s=time_s,
        is_short=config.getoption("--crossrt-short"),
        runtimes=tuple(config.getoption("--crossrt-runtime")),
        batch_sizes=tuple(sorted(set(sizes))),
        threads=threads,
        only=tuple(config.getoption("--crossrt-only")),
        baseline=_absolute(config, config.getoption("--crossrt-baseline")),
        save=_absolute(config, config.getoption("--crossrt-save")),
        is_strict=config.getoption("--crossrt-strict"),
    )


def _absolute(config: pytest.Config, path: Path | None) -> Path | None:
    """As the user meant it, whatever folder tests change to."""
    return None if path is None else config.invocation_params.dir / path
