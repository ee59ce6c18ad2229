"""`crossrt runtimes`: what there is to run on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from crossrt.cli.shared.json_output import json_option

if TYPE_CHECKING:
    from crossrt.harness.process.probe import RuntimeInfo
    from crossrt.runtimes.options import RuntimeOption


@click.command(short_help="List the runtimes, how to install what is missing, and what can be set.")
@click.argument("name", required=False)
@json_option
def runtimes(name: str | None) -> None:
    """List every registered runtime: its version, the formats it reads, or the command that installs it.

    With NAME, list the options of that runtime: --runtime NAME:OPTION=VALUE,OPTION=VALUE sets them.
    """
    if name is None:
        _list_all()
    else:
        _list_options(name)


def _list_all() -> None:
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.process.probe import probe_runtimes
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.cells import Cell, Sheet
    from crossrt.runtimes.registry import runtime_names

    rows = []
    for each in probe_runtimes(runtime_names()):
        version, state = _version(each), each.problem or "ready"
        if len(builds := _builds(each)) > 1:
            state += f"; {' and '.join(builds)} overwrite each other's files: uninstall all, and install one again"
        cells = (each.name, version, ", ".join(each.formats) or "-", state)
        rows.append(tuple(Cell(text=cell) for cell in cells))
    columns = ("runtime", "version", "reads", "state")
    print_sheet(Sheet(title="", columns=columns, rows=tuple(rows), is_text=True), result_console())


def _list_options(name: str) -> None:
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.errors import HarnessError
    from crossrt.harness.process.probe import probe_runtimes
    from crossrt.reports.tables.terminal import print_note, print_sheet
    from crossrt.reports.text.cells import Cell, Sheet

    (found,) = probe_runtimes([name])
    if found.problem is not None:
        raise HarnessError(f"{found.name} cannot be used: {found.problem}")
    plain, console = found.selector.name, result_console()
    if not found.declared:
        print_note(f"{plain} {found.version} has no options", console)
        return
    rows = tuple(
        tuple(Cell(text=text) for text in (each.name, found.options.get(each.name, each.default), _help(each)))
        for each in found.declared
    )
    columns = ("option", "set to" if found.options else "default", "what it is: values")
    print_sheet(Sheet(title=f"{plain} {found.version}", columns=columns, rows=rows, is_text=True), console)
    print_note(f"such as --runtime {plain}:{_example(found.declared)}; commas separate several", console)


def _help(option: RuntimeOption) -> str:
    text = f"{option.help}: {option.values}"
    return text if option.alias is None else f"{text}; also called {option.alias}"


def _example(declared: Sequence[RuntimeOption]) -> str:
    """An option with a value that is not its default."""
    for each in declared:
        for value in each.choices or (() if each.minimum is None else (str(each.minimum + 1),)):
            if value != each.default:
                return f"{each.name}={value}"
    return f"{declared[0].name.replace('*', 'KEY')}=VALUE"


def _builds(found: RuntimeInfo) -> list[str]:
    """Names of the distributions that a shipped runtime's package comes from."""
    from crossrt.core.install import installed_builds
    from crossrt.runtimes.registry import SHIPPED

    return list(installed_builds(SHIPPED[found.selector.name].module)) if found.selector.name in SHIPPED else []


def _version(found: RuntimeInfo) -> str:
    """The version, and the build where it is another than the usual one, such as `onnxruntime-gpu`."""
    from crossrt.runtimes.registry import SHIPPED

    if found.version is None:
        return "-"
    others = [name for name in _builds(found) if name != SHIPPED[found.selector.name].package]
    return f"{found.version} ({', '.join(others)})" if others else found.version
