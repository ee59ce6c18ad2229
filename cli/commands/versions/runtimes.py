"""`crossrt runtimes`: what there is to run on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
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
    from crossrt.cli.shared.json_output import recording_console
    from crossrt.cli.shared.options import result_console
    from crossrt.harness.process.probe import probe_runtimes
    from crossrt.reports.tables.terminal import print_sheet
    from crossrt.reports.text.cells import Cell, Sheet
    from crossrt.runtimes.registry import runtime_names

    found, is_json = probe_runtimes(runtime_names()), recording_console() is not None
    rows = []
    for each in found:
        state = "; ".join(_remarks(each)) or "ready" if is_json else _state(each)
        cells = (each.name, _version(each), ", ".join(each.formats) or "-", state)
        rows.append(tuple(Cell(text=cell) for cell in cells))
    columns = ("runtime", "version", "reads", "state")
    sheet = Sheet(title="", columns=columns, rows=tuple(rows), is_text=True, dropped_first=("reads",), kept=("state",))
    print_sheet(sheet, result_console())
    if not is_json:
        _explain(found)


def _state(found: RuntimeInfo) -> str:
    """A word or two; `_explain` says the rest below the table."""
    if found.problem is None:
        return "ready"
    return "cannot be used" if found.is_installed else "not installed"


def _remarks(found: RuntimeInfo) -> Iterator[str]:
    """What is to be said of a runtime: why it cannot be used, and which builds are in each other's way."""
    if found.problem is not None:
        yield found.problem
    if len(builds := _builds(found)) > 1:
        yield f"{' and '.join(builds)} overwrite each other's files: uninstall all, and install one again"


def _explain(found: Sequence[RuntimeInfo]) -> None:
    """Each remark below the table, and commands in lines of their own, unbroken so that they can be copied."""
    from rich.text import Text

    from crossrt.cli.shared.options import result_console
    from crossrt.reports.tables.terminal import print_note
    from crossrt.reports.text.printable import printable

    console = result_console()
    for name, remark in ((each.name, remark) for each in found for remark in _remarks(each)):
        said, command = _parted(remark)
        console.print()
        print_note(said if said.startswith(f"{name} ") else f"{name}: {said}", console)
        if command:
            console.print(Text(f"  {printable(command)}"), soft_wrap=True)


def _parted(remark: str) -> tuple[str, str]:
    """A remark, and the command of pip that it ends with, if any."""
    found = re.search(r"(?:'[^']+'|\S+) -m pip .+$", remark)
    return (remark, "") if found is None else (remark[: found.start()].rstrip(), found[0])


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
