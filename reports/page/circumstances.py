"""Where, on what and how a report was measured, for its page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from markupsafe import Markup

from crossrt.reports.page.document import folded, joined, render
from crossrt.reports.schema.machine import Machine
from crossrt.reports.schema.records import Environment, Report, Tensor
from crossrt.reports.statistics.metrics import scenario_of
from crossrt.reports.tables.findings import batch_notes, disturbance_notes, graph_notes
from crossrt.reports.tables.headline import rounds_text
from crossrt.reports.tables.latency import noise_lines
from crossrt.reports.tables.lookup import Lookup
from crossrt.reports.text.cells import counted, listed

MOST_TENSORS: Final = 12


def models(report: Report) -> list[str]:
    """Names of the models, in order."""
    named = [*(result.model for result in report.results), *(artifact.model for artifact in report.artifacts)]
    return list(dict.fromkeys(name for name in named if name))


def environment(report: Report) -> Markup:
    """The machine, its packages, and the data."""
    found = report.environment
    parts = [_pairs(_machine(found)), _pairs(dict(_data(report)))]
    parts.append(folded(f"{len(found.packages)} packages", _pairs(dict(sorted(found.packages.items())))))
    parts.append(folded("Instruction sets", _pairs({"CPU flags": " ".join(found.cpu_flags) or "unknown"})))
    return joined(parts)


def _machine(found: Environment) -> dict[str, str]:
    revision = found.git_revision
    dirty = ", with uncommitted changes" if found.git_dirty else ""
    return {
        "processor": found.cpu_model,
        "CPUs": f"{len(found.usable_cpus)} usable of {found.logical_cpus}"
        + ("" if found.cpu_quota is None else f", quota {_quota(found.cpu_quota)}"),
        "memory": "unknown" if found.memory_bytes is None else f"{found.memory_bytes / 2**30:.1f} GiB",
        "system": f"Linux {found.kernel}, {found.machine}",
        "frequency governor": found.governor or "unknown",
        **_hardware(found.hardware),
        "load average": ", ".join(f"{each:.2f}" for each in found.load_average) or "unknown",
        "Python": found.python,
        "thread variables": ", ".join(f"{name}={value}" for name, value in sorted(found.thread_variables.items()))
        or "none set",
        "revision": f"{revision}{dirty}" if revision else "no git repository",
    }


def _hardware(found: Machine | None) -> dict[str, str]:
    """What the kernel told of it."""
    if found is None:
        return {}
    quotas = None if found.cpu_quotas is None else ", ".join(f"{each:g}" for each in found.cpu_quotas) or "none"
    said = {
        "sockets": found.sockets,
        "NUMA nodes": found.numa_nodes,
        "cpuset": found.cpuset,
        "memory from NUMA nodes": found.memory_nodes,
        "quotas of control groups": quotas,
        "SMT": found.smt,
        "turbo": found.boost,
        "microcode": found.microcode,
        "hypervisor": found.hypervisor,
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def _quota(quota: float | str) -> str:
    return quota if isinstance(quota, str) else f"{quota:g}"


def _data(report: Report) -> Iterator[tuple[str, str]]:
    data = report.data
    yield "data set", f"{data.name}, {counted(data.samples, 'sample')}{', random' if data.is_random else ''}"
    yield "fingerprint", data.fingerprint
    if data.inputs:
        yield "inputs", listed([_tensor(each) for each in data.inputs], MOST_TENSORS)
    yield "task", report.task
    yield "answers compared with", report.reference or "nothing"
    yield "model, SHA-256", report.model_sha256 or "unknown"


def _tensor(found: Tensor) -> str:
    shape = ", ".join("?" if size is None else str(size) for size in found.shape)
    return f"{found.name}: {found.dtype} ({shape})"


def noise(report: Report) -> Markup | None:
    """What the run's own controls say, scenario by scenario; None where they say nothing."""
    look = Lookup(report)
    scenarios = dict.fromkeys(scenario_of(result) for result in report.results)
    lines = [
        f"Batch {batch_size}, {counted(threads, 'thread')}: {line}"
        for batch_size, threads, io in scenarios
        for line in noise_lines(look, (batch_size, threads, io))
    ]
    lines += disturbance_notes(report)
    lines += graph_notes(report, look.label) + batch_notes(report, look.label)
    return render("lines.html", lines=lines) if lines else None


def method(report: Report) -> Markup:
    """The settings, and the definition of every number."""
    run = report.run
    parts = [
        _pairs({"command": " ".join(run.command), "began": run.started_at, "ended": run.finished_at}),
        _pairs(_settings(report)),
        folded("Definitions", _pairs(_definitions(report))),
    ]
    return joined(parts)


def _definitions(report: Report) -> dict[str, str]:
    """Those that the report has numbers for."""
    known = {metric.name for metric in report.metrics}
    return {
        f"{each.label} ({each.name})": each.description or f"in {each.unit or 'no unit'}"
        for each in report.definitions
        if each.name in known
    }


def _settings(report: Report) -> dict[str, str]:
    settings = report.run.settings
    pinned = settings.pinned_cpu
    found = {
        "rounds": f"{rounds_text(report)}, a block of about {settings.block_target_ns / 1e6:g} ms",
        "pinned to": "no CPU" if pinned is None else f"CPU {pinned}",
        "baseline": settings.baseline,
        "least agreement with the reference": f"{100 * settings.minimum_agreement:g}% of samples",
        "seed": str(settings.seed),
        "limits": f"{settings.timeout_s:g} s a step, {settings.memory_limit_bytes / 2**20:,.0f} MiB a process",
    }
    if settings.time_budget_s is not None:
        found["time budget"] = f"{settings.time_budget_s:g} s"
    return found


def failures(report: Report) -> Markup | None:
    """What could not be measured, with the last lines of its process; None where all was."""
    found = [result for result in report.results if result.status != "ok"]
    return render("failures.html", results=found) if found else None


def _pairs(pairs: Mapping[str, str]) -> Markup:
    return render("pairs.html", pairs=pairs)
