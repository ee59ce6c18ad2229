"""Matrices whose cells are coloured by what they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from crossrt.reports.page.document import render


@dataclass(frozen=True, slots=True, kw_only=True)
class Square:
    """One cell of a matrix.

    Attributes:
        text: What it says.
        heat: What the colour means.
        share: How strong the colour is, from 0 to 1.
    """

    text: str
    heat: Literal["", "hot", "fixed", "broken"] = ""
    share: float = 0.0


def matrix(title: str, rows: Sequence[Sequence[Square]], names: Sequence[str] = (), first: int = 1) -> Markup:
    """A square matrix.

    Args:
        title: What it shows.
        rows: As many as there are columns.
        names: Of rows and columns, whose columns have numbers; without any both are numbered from 0.
        first: The number of the first column where there are names.
    """
    known = list(names) or [str(place) for place in range(len(rows))]
    return render("matrix.html", title=title, rows=rows, names=known, is_numbered=bool(names), first=first)
