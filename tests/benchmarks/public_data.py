"""Data for public models in the league of methods: `python tests/benchmarks/public_data.py FOLDER`.

Writes test and calibration samples for three models of docs/gallery.md, made of what is here anyway: `digits-*.npz`
for mnist-conv, `lines-*.npz` for the text direction classifier of rapidocr (words that matplotlib draws, every second
one upside down, which is its label), and `files-*.npz` for magika (the ends of files of Python's standard library).
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from crossrt.datasets.mnist.digits import shipped

DIGITS, LINES, FILES = 2_000, 300, 300
BLOCK, PADDING = 1_024, 256
"""magika reads so many bytes of either end of a file; what a shorter one lacks has this code."""


def digits(images: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, NDArray]:
    """mnist-conv takes grey levels from 0 to 255, one image a call."""
    return {"Input3": images.reshape(-1, 1, 28, 28) * 255, "labels": labels}


def lines(words: list[str]) -> dict[str, NDArray]:
    """Pictures of words, 48 pixels high and 192 wide, values from -1 to 1; every second one upside down."""
    figure = Figure(figsize=(1.92, 0.48), dpi=100)
    canvas = FigureCanvasAgg(figure)
    rows = np.empty((len(words), 48, 192), np.float32)
    for row, word in zip(rows, words, strict=True):
        figure.clear()
        figure.text(0.5, 0.5, word, ha="center", va="center", fontsize=min(26, 234 / len(word)))
        canvas.draw()
        row[:] = np.asarray(canvas.buffer_rgba())[..., 0] / 127.5 - 1
    turned = np.arange(len(words)) % 2 == 1
    rows[turned] = rows[turned, ::-1, ::-1]
    return {"x": np.repeat(rows[:, None], 3, axis=1), "labels": turned.astype(np.int64)}


def file_ends(paths: list[Path]) -> dict[str, NDArray]:
    """First and last bytes of files, without blanks at the ends, as magika takes them."""
    rows = np.full((len(paths), 2 * BLOCK), PADDING, np.int32)
    for row, path in zip(rows, paths, strict=True):
        content = path.read_bytes()
        first = np.frombuffer(content[: 4 * BLOCK].lstrip()[:BLOCK], np.uint8)
        last = np.frombuffer(content[-4 * BLOCK :].rstrip()[-BLOCK:], np.uint8)
        row[: len(first)], row[2 * BLOCK - len(last) :] = first, last
    return {"bytes": rows}


def main() -> None:
    """Writes six files."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    library = Path(sysconfig.get_path("stdlib"))
    found = sorted(path for path in library.rglob("*") if path.is_file() and path.stat().st_size > 4 * BLOCK)
    drawn = np.random.default_rng(0).permutation(len(found))[: 2 * FILES]
    paths = {"test": [found[place] for place in drawn[:FILES]], "train": [found[place] for place in drawn[FILES:]]}
    names = [name for name in sorted({path.stem for path in found}) if 4 <= len(name) <= 12 and name.isalpha()]
    names = [names[place] for place in np.random.default_rng(1).permutation(len(names))[: 2 * LINES]]
    words = {"test": names[:LINES], "train": names[LINES:]}
    for split in ("test", "train"):
        known = shipped(split)
        images, labels = known.images.astype(np.float32), known.labels.astype(np.int64)
        images = images / max(images.max(), 1)
        np.savez(folder / f"digits-{split}.npz", **digits(images[:DIGITS], labels[:DIGITS]))
        np.savez(folder / f"lines-{split}.npz", **lines(words[split]))
        np.savez(folder / f"files-{split}.npz", **file_ends(paths[split]))


if __name__ == "__main__":
    main()
