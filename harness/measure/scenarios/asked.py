"""`KIND[:OPTION=VALUE,...]`: which scenarios a user asks for, each option declared and checked."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias

from crossrt.core.suggestions import did_you_mean
from crossrt.harness.errors import HarnessError

SINGLE_STREAM: Final = "single-stream"
_UNITS_NS: Final[Mapping[str, float]] = {"ns": 1, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
_LONGEST_NS: Final = 10**13
_MOST_SAMPLES: Final = 2**20
_MOST_THREADS: Final = 4096
_MOST_PER_S: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedMultiStream:
    """Queries of several samples, one after the other.

    Attributes:
        samples: Of a query; 8 in MLPerf.
    """

    samples: int = 8

    @property
    def text(self) -> str:
        """As it is written."""
        return f"multi-stream:samples={self.samples}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedOffline:
    """Throughput over batch sizes and threads, until it stops growing.

    Attributes:
        max_batch: The largest batch size that is tried.
        max_threads: The most threads that are tried; None for as many as processors may be used.
        growth: A step that gives a smaller share more does not count as growth.
    """

    max_batch: int = 1024
    max_threads: int | None = None
    growth: float = 0.03

    @property
    def text(self) -> str:
        """As it is written."""
        threads = "" if self.max_threads is None else f",max_threads={self.max_threads}"
        return f"offline:max_batch={self.max_batch}{threads},growth={self.growth * 100:g}%"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedServer:
    """Poisson arrivals and a bound for their latency.

    Attributes:
        latency: The bound, in nanoseconds.
        percentile: So many percent of queries have to be answered within it.
        rate: Queries per second that have to be held; None to search for the highest.
    """

    latency: int
    percentile: float = 99.0
    rate: float | None = None

    @property
    def text(self) -> str:
        """As it is written."""
        rate = "" if self.rate is None else f",rate={self.rate:g}/s"
        return f"server:latency={duration_text(self.latency)},percentile={self.percentile:g}{rate}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedColdStart:
    """Process start to first answer.

    Attributes:
        cache: Whether model and runtime are in the page cache when a process starts.
    """

    cache: Literal["warm", "cold"] = "warm"

    @property
    def text(self) -> str:
        """As it is written."""
        return f"cold-start:cache={self.cache}"


AskedScenario: TypeAlias = AskedMultiStream | AskedOffline | AskedServer | AskedColdStart


def duration_text(nanoseconds: int) -> str:
    """`2ms`: the largest unit in which the number is at least 1."""
    for unit in ("s", "ms", "us"):
        if nanoseconds >= _UNITS_NS[unit]:
            return f"{nanoseconds / _UNITS_NS[unit]:g}{unit}"
    return f"{nanoseconds}ns"


def _whole(most: int) -> Callable[[str], int | None]:
    def read(text: str) -> int | None:
        return int(text) if text.isdecimal() and 1 <= int(text) <= most else None

    return read


def _duration(text: str) -> int | None:
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*(ns|us|µs|ms|s)", text)
    value = round(float(found[1]) * _UNITS_NS[found[2]]) if found else 0
    return value if 1 <= value <= _LONGEST_NS else None


def _number(text: str, least: float, most: float, end: str = "") -> float | None:
    digits = text.removesuffix(end)
    if re.fullmatch(r"[0-9]*\.?[0-9]+(e[0-9]+)?", digits) and least <= float(digits) <= most:
        return float(digits)
    return None


def _growth(text: str) -> float | None:
    percent = _number(text, 0.1, 100, "%")
    return None if percent is None else percent / 100


def _cache(text: str) -> str | None:
    return text if text in ("warm", "cold") else None


_SAMPLES: Final = (f"a whole number of samples from 1 to {_MOST_SAMPLES:,}, such as 8", _whole(_MOST_SAMPLES))
_READERS: Final[Mapping[str, tuple[type[AskedScenario], Mapping[str, tuple[str, Callable[[str], object]]]]]] = {
    "multi-stream": (AskedMultiStream, {"samples": _SAMPLES}),
    "offline": (
        AskedOffline,
        {
            "max_batch": (f"a whole number of samples from 1 to {_MOST_SAMPLES:,}, such as 256", _whole(_MOST_SAMPLES)),
            "max_threads": (f"a whole number of threads from 1 to {_MOST_THREADS:,}, such as 4", _whole(_MOST_THREADS)),
            "growth": ("a number of percent from 0.1 to 100, such as 3%", _growth),
        },
    ),
    "server": (
        AskedServer,
        {
            "latency": ("a time with its unit from 1ns to 10000s, such as 500us, 2ms or 1s", _duration),
            "percentile": ("a number from 50 to 99.9, such as 99", lambda text: _number(text, 50, 99.9)),
            "rate": (
                f"queries per second from 0.001 to {_MOST_PER_S:,.0f}, such as 200 or 200/s",
                lambda text: _number(text, 0.001, _MOST_PER_S, "/s"),
            ),
        },
    ),
    "cold-start": (AskedColdStart, {"cache": ("warm or cold", _cache)}),
}
KINDS: Final = (SINGLE_STREAM, *_READERS)


def read_scenarios(texts: Sequence[str]) -> tuple[AskedScenario, ...]:
    """The scenarios beside single-stream, each once, in their order.

    Raises:
        HarnessError: One is not known, or an option is missing, unknown, given twice, or has no sense.
    """
    found = [each for text in texts if (each := read_scenario(text)) is not None]
    return tuple(dict.fromkeys(found))


def names_single_stream(texts: Sequence[str]) -> bool:
    """Whether single-stream is asked for: by its name, or because nothing is."""
    return not texts or any(text.strip() == SINGLE_STREAM for text in texts)


def read_scenario(text: str) -> AskedScenario | None:
    """A scenario as it is written; None for single-stream, which every run measures.

    Raises:
        HarnessError: Like `read_scenarios`.
    """
    kind, _, rest = text.strip().partition(":")
    if kind not in KINDS:
        raise HarnessError(f"{kind!r} is not a scenario{did_you_mean(kind, KINDS)}; available: {', '.join(KINDS)}")
    if kind == SINGLE_STREAM:
        if rest:
            raise HarnessError(f"single-stream takes no options; found {rest!r}")
        return None
    asked, readers = _READERS[kind]
    values = {}
    for part in rest.split(",") if rest else ():
        name, sign, value = part.strip().partition("=")
        if name not in readers:
            raise HarnessError(
                f"{kind} has no option {name!r}{did_you_mean(name, readers)}; available: {_listed(kind)}"
            )
        if name in values:
            raise HarnessError(f"{kind}: {name} is given twice: give it once")
        expected, read = readers[name]
        if not sign or (found := read(value.strip())) is None:
            raise HarnessError(f"{kind}: {name} is {value.strip()!r}; expected {expected}")
        values[name] = found
    if asked is AskedServer and "latency" not in values:
        raise HarnessError("server needs the bound that answers must keep, such as server:latency=10ms")
    return asked(**values)  # type: ignore[arg-type]


def _listed(kind: str) -> str:
    return ", ".join(each.name for each in fields(_READERS[kind][0]))
