"""What a fleet comes to, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from crossrt.fleet.joining.fleet import Group, Machine
from crossrt.fleet.joining.sheets import older_text
from crossrt.reports.text.cells import counted, grouped, listed

MOST_NAMED: Final = 6


def headline(group: Group, drop: float) -> list[str]:
    """Which case to ship where: one sentence for each case that is chosen, the one for most machines first."""
    chosen: dict[str, list[str]] = {}
    for machine in group.machines:
        advice = machine.advice(drop)
        if not isinstance(advice, str) and advice.shipped is not None:
            chosen.setdefault(machine.look.label(advice.shipped), []).append(machine.name)
    if not chosen:
        return ["Nothing to ship: no machine has a case of which its report can say that it keeps to the budget."]
    if len(chosen) == 1 and len(next(iter(chosen.values()))) == len(group.machines) > 1:
        return [f"Ship {next(iter(chosen))} on all {len(group.machines)} machines."]
    ordered = sorted(chosen.items(), key=lambda item: (-len(item[1]), item[0]))
    return [f"Ship {case} on {listed(names, MOST_NAMED)}." for case, names in ordered]


def about(group: Group) -> str:
    """`model own; data test.npz (3,000 samples), task classification; 3 machines`."""
    report = group.first.report
    models = listed(list(dict.fromkeys(each.model for each in report.results if each.model)), MOST_NAMED)
    sizes = "".join(f", {name} {size}" for name, size in sorted(report.dimensions.items()))
    data = f"{report.data.name} ({counted(report.data.samples, 'sample')})"
    return f"model {models or 'unknown'}{sizes}; data {data}, task {report.task}; {_machines(group)}"


def _machines(group: Group) -> str:
    return counted(len(group.machines), "machine")


def cautions(group: Group) -> list[str]:
    """What speaks against believing a report, once for all machines that have it."""
    found: dict[str, list[str]] = {}
    for machine in group.machines:
        for text in machine.report.cautions:
            found.setdefault(text, []).append(machine.name)
    return [f"{listed(names, MOST_NAMED)}: {text}" for text, names in found.items()]


def notes(group: Group) -> list[str]:
    """Failures, versions that differ, and runs that are not shown."""
    found = [*_failures(group), *_versions(group)]
    older = older_text(group)
    return [*found, *([older] if older else []), *_nameless(group)]


def _nameless(group: Group) -> Iterator[str]:
    """Where runs of several machines may stand as one."""
    names = [each.name for each in group.machines if each.older and not each.is_named]
    if names:
        yield (
            f"{listed(names, MOST_NAMED)}: machines of equal hardware that have no name count as one; where there are"
            " several, set CROSSRT_MACHINE on each while it measures"
        )


def _failures(group: Group) -> Iterator[str]:
    reasons = {}
    for machine in group.machines:
        for result in machine.report.results:
            if result.status == "failed":
                reasons[f"{machine.look.label(result)} on {machine.name}"] = result.reason or "no reason is known"
    yield from (f"failed: {line}" for line in grouped(reasons))


def _versions(group: Group) -> Iterator[str]:
    """Runtimes that are not the same everywhere: part of a difference between machines may be theirs."""
    for runtime in sorted({each.runtime for machine in group.machines for each in machine.report.results}):
        versions = {version: names for version, names in _by_version(group, runtime).items() if version}
        if len(versions) > 1:
            told = "; ".join(f"{version} on {listed(names, MOST_NAMED)}" for version, names in versions.items())
            yield f"{runtime} is not the same everywhere: {told}"


def _by_version(group: Group, runtime: str) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for machine in group.machines:
        found.setdefault(_version(machine, runtime), []).append(machine.name)
    return found


def _version(machine: Machine, runtime: str) -> str | None:
    return next((each.runtime_version for each in machine.report.results if each.runtime == runtime), None)
