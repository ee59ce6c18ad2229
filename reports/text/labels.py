"""Short names of cases: what all of them share is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from crossrt.core.errors import one_line
from crossrt.reports.schema.records import Result

LONGEST_CLASS: Final = 24
"""Characters of the name of a class in a table."""


def subject_labels(results: Iterable[Result]) -> dict[str, str]:
    """`variant@runtime` for each subject, with the model in front only where there are several.

    Subjects that would get the same name keep their own.
    """
    subjects = {result.subject: result for result in results}
    has_models = len({result.model for result in subjects.values()}) > 1
    named = {subject: _name(result, has_models=has_models) for subject, result in subjects.items()}
    count = Counter(named.values())
    return {subject: name if count[name] == 1 else subject for subject, name in named.items()}


def _name(result: Result, *, has_models: bool) -> str:
    if not result.variant:
        return result.subject
    name = f"{result.variant}@{result.runtime}"
    return f"{result.model}.{name}" if has_models and result.model else name


def runtime_text(name: str, version: str | None) -> str:
    """A runtime and its version, which the name of a version that was asked for holds already."""
    has_it = name.partition(":")[0].endswith(f"=={version}")
    return name if version is None or has_it else f"{name} {version}"


def reference_name(variant: str, runtime: str) -> str:
    """What a report calls its reference where that is one of its own cases."""
    return f"{variant} on {runtime}"


def class_text(number: int, names: Sequence[str]) -> str:
    """A class as tables call it: its number, and its name where it has one."""
    if number >= len(names):
        return str(number)
    name = one_line(names[number])
    return f"{number} {name if len(name) <= LONGEST_CLASS else name[: LONGEST_CLASS - 1] + '…'}"


def case_labels(results: Sequence[Result]) -> dict[str, str]:
    """The name of each case: that of its subject, and what differs among their scenarios, such as `/b8`."""
    subjects = subject_labels(results)
    batches = {result.batch_size for result in results}
    threads = {result.threads for result in results}
    modes = {result.io for result in results}
    named = {}
    for result in results:
        parts = [subjects[result.subject]]
        parts += [f"b{result.batch_size}"] * (len(batches) > 1)
        parts += [f"t{result.threads}"] * (len(threads) > 1)
        parts += ["native"] * (len(modes) > 1 and result.io == "native")
        named[result.case] = "/".join(parts)
    count = Counter(named.values())
    return {case: name if count[name] == 1 else case for case, name in named.items()}
