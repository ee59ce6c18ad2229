"""One page of HTML that needs nothing else: styles and script are in it, and nothing in a report can become markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from crossrt.reports.packages import named_packages
from crossrt.reports.text.cells import Cell, Sheet
from crossrt.reports.text.printable import printable

with named_packages():
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

MARK: Final = "*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        id: The name that links lead to.
        title: The heading.
        body: What is below.
        lead: A sentence between the two, in plain text.
    """

    id: str
    title: str
    body: Markup
    lead: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The top of the page.

    Attributes:
        verdict: What came out, one sentence each, the most important first.
        facts: What ran where, a line each.
        tone: Whether the outcome is good, bad, in doubt, or neither.
        cautions: What speaks against trusting the page.
    """

    verdict: Sequence[str] = ()
    facts: Sequence[str] = ()
    tone: str = ""
    cautions: Sequence[str] = ()


def document(title: str, sections: Sequence[Section], header: Header | None = None) -> str:
    """The whole page."""
    style, script = _resource("page.css"), _resource("page.js")
    return render(
        "page.html",
        title=title,
        header=header or Header(),
        sections=sections,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def render(template: str, **values: object) -> Markup:
    """A template of ours with values; what is not `Markup` is escaped."""
    return Markup(_environment().get_template(template).render(**values))  # noqa: S704 - escapes by itself


def table(sheet: Sheet) -> Markup:
    """A plain table."""
    return render("sheet.html", sheet=sheet)


def figure(drawn: Markup, name: str, caption: str = "", *, is_half: bool = False) -> Markup:
    """A plot with what a reader must know to read it; two halves stand side by side where there is room."""
    return render("figure.html", plots=[(drawn, name)], caption=caption, is_half=is_half)


def figures(plots: Sequence[tuple[Markup, str]], caption: str) -> Markup:
    """Plots, each with its name, that are read in the same way."""
    return render("figure.html", plots=plots, caption=caption, is_half=False)


def folded(summary: str, body: Markup) -> Markup:
    """What is shown when the reader opens it."""
    return render("folded.html", summary=summary, body=body)


def joined(parts: Sequence[Markup]) -> Markup:
    """Several parts, one below the other."""
    return Markup("\n").join(parts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("crossrt.reports.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.filters["marked"] = _marked
    return environment


def _finalized(value: object) -> object:
    """Text without signs that turn the direction of reading, as on a terminal."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _marked(cell: Cell) -> str:
    return cell.text + (MARK if cell.best else "")


@cache
def _resource(name: str) -> str:
    return resources.files("crossrt.reports.page").joinpath("templates", name).read_text(encoding="utf-8")
