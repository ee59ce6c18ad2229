"""The machine of a report as asv describes machines. A report holds no host name, so the processor gives the name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Final

from crossrt.reports.errors import ReportError
from crossrt.reports.exchange.asv_project import existing_json
from crossrt.reports.schema.records import Environment

FORMAT_VERSION: Final = 1
LONGEST_NAME: Final = 40


def machine_of(environment: Environment, results: Path) -> dict[str, Any]:
    """The content of machine.json: what is there stays, so that a new kernel begins no new line in asv's graphs.

    Machines that `crossrt compare` would not compare have different names.

    Raises:
        ReportError: There is a file that does not describe this machine.
    """
    name = _name(environment)
    path = results / name / "machine.json"
    known = existing_json(path, FORMAT_VERSION)
    if not known:
        return _described(environment, name)
    if known.get("machine") != name:
        raise ReportError(f"{path} describes the machine {known.get('machine')}: fix it or choose another --out")
    return known


def _described(environment: Environment, name: str) -> dict[str, Any]:
    memory = environment.memory_bytes
    fields = {
        "machine": name,
        "os": f"Linux {environment.kernel}",
        "arch": environment.machine,
        "cpu": environment.cpu_model,
        "num_cpu": str(environment.logical_cpus),
        "ram": "" if memory is None else str(memory),
    }
    return {field: _harmless(value) for field, value in fields.items()} | {"version": FORMAT_VERSION}


def _harmless(text: str) -> str:
    """Text without markup: asv writes it into its pages as HTML."""
    return re.sub(r"[^\w .,:;@()/+-]", "_", text)


def _name(environment: Environment) -> str:
    identity = (
        environment.cpu_model,
        environment.cpu_flags,
        environment.machine,
        environment.logical_cpus,
        len(environment.usable_cpus),
        environment.cpu_quota,
        environment.governor,
    )
    digest = hashlib.sha256(repr(identity).encode()).hexdigest()[:8]
    model = re.sub(r"[^A-Za-z0-9]+", "-", environment.cpu_model)[:LONGEST_NAME].strip("-")
    return f"{model or 'cpu'}-{len(environment.usable_cpus)}cpu-{digest}"
