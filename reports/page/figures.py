"""Figures in one style: on a page their colours follow the reader's theme, in a file they stay as drawn."""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
import warnings
from collections.abc import Sequence
from typing import IO, Any, Final

from crossrt.reports.packages import named_packages
from crossrt.reports.text.printable import printable

os.environ.pop("MPLBACKEND", None)  # it names a window, which nothing here opens; a wrong name fails the import
with named_packages():
    import matplotlib as mpl
    from markupsafe import Markup, escape
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS: Final = ("#0a66c2", "#c2410c", "#15803d", "#7c3aed", "#a16207", "#be185d", "#0e7490", "#4d5a0f")
"""Of series, in order; each stands out from white and, in its dark form, from near black."""

INK: Final = "#1c2127"
MUTED: Final = "#5b6570"
GRID: Final = "#dde2e8"
PAPER: Final = "#ffffff"

MOST_LETTERS: Final = 40
"""Of a name in a figure; the rest is in its tip."""

_VARIABLES: Final = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    PAPER: "--paper",
    **{color: f"--series-{place}" for place, color in enumerate(COLORS)},
}
_COLOR: Final = re.compile("|".join(_VARIABLES))
_TIP: Final = "tip:"
_WITHOUT_METADATA: Final = dict.fromkeys(("Creator", "Date", "Format", "Type"))
_DOTS_PER_INCH: Final = 160
_LETTER_IN: Final = 0.078
_EDGE_IN, _NUMBERS_IN, _TITLE_IN, _LABEL_IN, _LEGEND_IN = 0.15, 0.8, 0.35, 0.55, 0.3
_LEGEND_LETTER_IN, _HANDLE_IN, _BETWEEN_IN = 0.07, 0.29, 0.25

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "crossrt",
        "text.parse_math": False,
        "font.sans-serif": ["DejaVu Sans", "Arial"],
        "font.size": 9,
        "text.color": INK,
        "axes.edgecolor": GRID,
        "axes.facecolor": "none",
        "axes.labelcolor": MUTED,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": False,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": GRID,
        "xtick.labelcolor": MUTED,
        "ytick.color": GRID,
        "ytick.labelcolor": MUTED,
        "legend.frameon": False,
        "legend.labelcolor": INK,
        "figure.facecolor": "none",
    }
)


def new_figure(
    width_in: float,
    height_in: float,
    *,
    names: Sequence[str] = (),
    beside: Sequence[str] = (),
    legend: Sequence[str] = (),
) -> tuple[Figure, Axes]:
    """An empty figure with one pair of axes, and room around them.

    Rooms are reckoned from the length of texts: matplotlib's own layout draws everything twice to find them.

    Args:
        width_in: Inches.
        height_in: Inches, with a legend of one line.
        names: What stands left of the axes, where that is longer than numbers.
        beside: What stands right of them.
        legend: What `legend_below` will show.
    """
    left, right = max(_NUMBERS_IN, _room_in(names)), max(_EDGE_IN, _room_in(beside))
    lines = math.ceil(len(legend) / _legend_columns(legend, width_in - left))
    height_in += _LEGEND_IN * max(lines - 1, 0)
    bottom = _LABEL_IN + _LEGEND_IN * lines
    figure = Figure(figsize=(width_in, height_in))
    area = (
        left / width_in,
        bottom / height_in,
        1 - (left + right) / width_in,
        1 - (bottom + _TITLE_IN) / height_in,
    )
    return figure, figure.add_axes(area)


def shortened(text: str) -> str:
    """A name as a figure has room for: of a long one the beginning and the end, which tell cases apart."""
    if len(text) <= MOST_LETTERS:
        return text
    return f"{text[: MOST_LETTERS // 2]}…{text[-(MOST_LETTERS - MOST_LETTERS // 2 - 1) :]}"


def _room_in(texts: Sequence[str]) -> float:
    return _EDGE_IN + _LETTER_IN * max((len(text) for text in texts), default=0)


def legend_below(figure: Figure, axes: Axes) -> None:
    """A legend below the axes, of as many lines as its texts need; `new_figure` leaves room for them."""
    width_in = figure.get_size_inches()[0]
    texts = axes.get_legend_handles_labels()[1]
    left = axes.get_position().x0
    if _legend_columns(texts, (1 - left) * width_in) < len(texts):
        left = min(each.get_position().x0 for each in figure.axes)
    columns = _legend_columns(texts, (1 - left) * width_in)
    figure.legend(loc="lower left", bbox_to_anchor=(left, 0), ncols=columns, handletextpad=0.3, borderpad=0.2)


def _legend_columns(texts: Sequence[str], room_in: float) -> int:
    """How many entries of a legend stand beside each other: all of them, or as many as the longest allows."""
    widths = [_LEGEND_LETTER_IN * len(text) + _HANDLE_IN + _BETWEEN_IN for text in texts]
    if sum(widths) - _BETWEEN_IN <= room_in:
        return max(len(texts), 1)
    return max(int((room_in + _BETWEEN_IN) / max(widths)), 1)


def dot(axes: Axes, x: float, y: float, color: str, *, is_filled: bool = True, text: str = "", size: float = 5) -> None:
    """A point, with what a reader sees who points at it."""
    inside = color if is_filled else PAPER
    (drawn,) = axes.plot([x], [y], "o", color=inside, markeredgecolor=color, markersize=size, zorder=3)
    if text:
        tip(drawn, text)


def tip(artist: Artist, text: str) -> None:
    """What a reader sees who points at a part of the figure on a page."""
    artist.set_gid(_TIP + printable(text))


def as_svg(figure: Figure, alt: str) -> Markup:
    """The figure for a page: names of its parts are its own, and its colours those of the page.

    Args:
        figure: What was drawn.
        alt: What it shows, in words.
    """
    drawn = svg_text(figure)
    drawn = drawn[drawn.index("<svg") :]
    own = f"f{hashlib.sha256(drawn.encode()).hexdigest()[:8]}-"
    drawn = re.sub(r'\b(id="|xlink:href="#|url\(#)', lambda match: match[0] + own, drawn)
    drawn = _COLOR.sub(lambda match: f"var({_VARIABLES[match[0]]})", drawn)
    label = f'role="img" aria-label="{escape(printable(alt))}"'
    return Markup(drawn.replace("<svg", f"<svg {label}", 1))  # noqa: S704


def svg_text(figure: Figure) -> str:
    """The figure as an SVG file."""
    file = io.StringIO()
    _save(figure, file, format="svg", metadata=_WITHOUT_METADATA)
    return re.sub(rf"<g id=([\"']){_TIP}(.*?)\1>", r"<g><title>\2</title>", printable(file.getvalue()))


def png_bytes(figure: Figure) -> bytes:
    """The figure as a PNG file, on white."""
    file = io.BytesIO()
    _save(figure, file, format="png", dpi=_DOTS_PER_INCH, facecolor=PAPER, metadata={"Software": None})
    return file.getvalue()


def _save(figure: Figure, file: IO[Any], **options: Any) -> None:
    """Without a word on signs that the font lacks: names come from reports."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")
        figure.savefig(file, **options)
