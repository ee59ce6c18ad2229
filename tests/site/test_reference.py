"""Generated pages hold what the code holds."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import pytest

import crossrt
from crossrt.cli.main import cli
from crossrt.core.errors import CrossrtError
from crossrt.reports.statistics.metrics import MEASURED_METRICS

sys.path.insert(0, str(Path(__file__).parents[2] / "docs"))

from generator import commands, errors, glossary, markdown, names, reference


def test_every_command_has_a_page_with_its_options():
    pages = commands.pages()
    for name in cli.list_commands(click.Context(cli)):
        page = pages[f"reference/crossrt-{name}.md"]
        command = cli.get_command(click.Context(cli), name)
        assert all(option.opts[-1] in page for option in command.params if isinstance(option, click.Option))


def test_the_glossary_holds_every_metric_with_unit_and_margin():
    page = glossary.page()
    assert all(f"| `{metric.name}` | {metric.label} |" in page for metric in MEASURED_METRICS)
    assert "| `top1` | top-1 |" in page
    assert "0.1 percentage points" in page


def test_python_names_have_their_arguments():
    page = names.page()
    assert all(f"\n## {name}\n" in page for name in crossrt.__all__)
    assert "| `minimum_agreement` | A variant that answers" in page


@pytest.mark.parametrize("name", ["DataError", "RunFailedError", "ArmFailedError"])
def test_errors_are_found_in_the_sources_with_their_exit_code(name):
    found = errors.classes()
    module = __import__(found[name].module, fromlist=[name])
    kind = getattr(module, name)
    assert issubclass(kind, CrossrtError)
    assert f"{{ #{errors.slug(name)} }}" in errors.page()
    assert errors._code(found[name], found) == kind.exit_code


def test_sections_of_a_docstring_become_tables():
    text = "Does it.\n\nArgs:\n    a: One\n        thing.\n    b: Other | thing.\n\nReturns:\n    What `a` gave.\n"
    shown = markdown.docstring(text)
    assert "| `a` | One thing. |\n| `b` | Other \\| thing. |" in shown
    assert "**Returns:** What `a` gave." in shown


def test_every_page_is_in_the_navigation():
    listed = str(reference.navigation())
    assert all(name in listed for name in reference.pages() if name.endswith(".md"))
