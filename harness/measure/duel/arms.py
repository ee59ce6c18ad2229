"""The two sides of a duel, from what the user typed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crossrt.harness.errors import HarnessError
from crossrt.harness.measure.case import Case, Scenario
from crossrt.harness.measure.plan import Candidate
from crossrt.harness.measure.settings import BenchSettings
from crossrt.harness.process.probe import RuntimeInfo
from crossrt.runtimes.protocol import IoMode

_ARM = re.compile(
    r"(?:(?P<model>[^@/]+)\.)?(?P<variant>[^@/.]+)@(?P<runtime>[^@/]+)"
    r"(?:/b(?P<batch>[1-9][0-9]{0,5}))?(?:/t(?P<threads>[1-9][0-9]{0,3}))?(?P<native>/native)?"
)


def runtimes_named(*texts: str) -> list[str]:
    """The runtimes of some arms; raises `HarnessError` where one is not written like a case."""
    return list(dict.fromkeys(_match(text)["runtime"] for text in texts))


def parse_arm(
    text: str, candidates: Sequence[Candidate], runtimes: Sequence[RuntimeInfo], settings: BenchSettings
) -> Case:
    """The case that an arm names.

    Raises:
        HarnessError: It is not written like a case, or there is no such case.
    """
    match = _ARM.fullmatch(text)
    if match is None:
        raise HarnessError(
            f"{text!r} is not written like a case: VARIANT@RUNTIME[/bN][/tN][/native], as fp32@tflite/t2"
        )
    formats = {runtime.name: runtime.formats for runtime in runtimes}
    for candidate in candidates:
        is_named = candidate.variant == match["variant"] and match["model"] in (None, candidate.model)
        if is_named and candidate.format in formats.get(match["runtime"], ()):
            return Case(
                model=candidate.model,
                variant=candidate.variant,
                format=candidate.format,
                runtime=match["runtime"],
                scenario=_scenario(match, settings),
            )
    known = (f"{each.variant}@{name}" for name, read in formats.items() for each in candidates if each.format in read)
    raise HarnessError(f"there is no case {text!r}; there are: {', '.join(known) or 'none'}")


def _match(text: str) -> re.Match[str]:
    match = _ARM.fullmatch(text)
    if match is None:
        raise HarnessError(
            f"{text!r} is not written like a case: VARIANT@RUNTIME[/bN][/tN][/native], such as fp32@tflite/t2"
        )
    return match


def _scenario(match: re.Match[str], settings: BenchSettings) -> Scenario:
    io: IoMode = "native" if match["native"] else settings.io
    return Scenario(
        batch_size=int(match["batch"] or settings.batch_sizes[0]),
        threads=int(match["threads"] or settings.threads),
        io=io,
    )


def check_alike(a: Case, b: Case) -> None:
    """Raises `HarnessError` where a ratio of times would compare different amounts of work."""
    if a.scenario.batch_size != b.scenario.batch_size:
        raise HarnessError(
            f"A asks for {a.scenario.batch_size} digits a call and B for {b.scenario.batch_size}:"
            " a ratio of their times says nothing; name one batch size"
        )
