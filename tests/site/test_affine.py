"""The page on affine quantization: its numbers are computed, its figures drawn, its map is that of ONNX."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generator import affine  # noqa: E402 - the folder is no package of an installation

PAGE = (ROOT / "docs" / "affine-quantization.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def numbers():
    return affine.numbers()


def test_the_page_says_what_is_computed(numbers):
    assert {name: text for name, text in numbers.items() if text not in PAGE} == {}


def test_every_figure_is_drawn_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(affine, "FOLDER", tmp_path)
    affine.draw()
    for name in affine.NAMES:
        assert f"](affine/{name}.svg)" in PAGE
        shown = (ROOT / "docs" / "affine" / f"{name}.svg").stat().st_size
        assert (tmp_path / f"{name}.svg").stat().st_size == pytest.approx(shown, rel=0.2)


def test_zero_is_exact_and_errors_inside_are_half_a_step():
    scale, zero = affine.scale_and_zero_point(-0.3, 1.7)
    assert affine.fake_quantized(np.zeros(1), scale, zero)[0] == 0
    inside = np.linspace(-0.29, 1.69, 1000)
    assert np.abs(affine.fake_quantized(inside, scale, zero) - inside).max() <= scale / 2 * (1 + 1e-9)


def test_errors_of_rounding_and_clipping_are_those_of_samples():
    values = np.random.default_rng(3).normal(size=400_000)
    step = 2 * 2.0 / 2**6
    measured = np.clip(np.rint(values / step) * step, -2, 2) - values
    assert np.mean(measured**2) == pytest.approx(sum(affine.noise(2.0, 6)), rel=0.03)
