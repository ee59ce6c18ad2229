"""`crossrt runtimes`: what there is to run on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crossrt.harness.cli.shared.json_output import json_option

if TYPE_CHECKING:
    from crossrt.harness.process.probe import RuntimeInfo


@click.command(short_help="List the runtimes, their versions, and how to install what is missing.")
@json_option
def runtimes() -> None:
    """List every registered runtime: its version, the formats it reads, or the command that installs it."""
    from crossrt.harness.cli.shared.options import result_console
    from crossrt.harness.process.probe import probe_runtimes
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.cells import Cell, Sheet
    from crossrt.runtimes.registry import runtime_names

    rows = []
    for each in probe_runtimes(runtime_names()):
        version, state = _version(each), each.problem or _ready(each.name)
        if len(builds := _builds(each)) > 1:
            state += f"; {' and '.join(builds)} overwrite each other's files: uninstall all, and install one again"
        cells = (each.name, version, ", ".join(each.formats) or "-", state)
        rows.append(tuple(Cell(text=cell) for cell in cells))
    columns = ("runtime", "version", "reads", "state")
    print_sheet(Sheet(title="", columns=columns, rows=tuple(rows), is_text=True), result_console())


def _ready(name: str) -> str:
    from crossrt.runtimes.registry import SHIPPED

    is_on_request = name in SHIPPED and SHIPPED[name].is_on_request
    return f"ready; measured only with --runtime {name}" if is_on_request else "ready"


def _builds(found: RuntimeInfo) -> list[str]:
    """Names of the distributions that a shipped runtime's package comes from."""
    from crossrt.core.install import installed_builds
    from crossrt.runtimes.registry import SHIPPED

    return list(installed_builds(SHIPPED[found.name].module)) if found.name in SHIPPED else []


def _version(found: RuntimeInfo) -> str:
    """The version, and the build where it is another than the usual one, such as `onnxruntime-gpu`."""
    from crossrt.runtimes.registry import SHIPPED

    if found.version is None:
        return "-"
    others = [name for name in _builds(found) if name != SHIPPED[found.name].package]
    return f"{found.version} ({', '.join(others)})" if others else found.version
