"""The figures and figures in numbers of docs/affine-quantization.md: `python docs/generator/affine.py` draws them.

All of it is computed from formulas and from random numbers of a fixed seed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, optimize, stats

FOLDER: Final = Path(__file__).parents[1] / "affine"
NAMES: Final = ("grid", "clipping", "symmetric", "channels", "outlier")

Floats = NDArray[np.float64]


def scale_and_zero_point(low: float, high: float, bits: int = 8) -> tuple[float, int]:
    """Scale and zero point of unsigned integers for a range, widened to hold 0 (ONNX QuantizeLinear's convention)."""
    low, high, most = min(low, 0.0), max(high, 0.0), 2**bits - 1
    scale = (high - low) / most
    return scale, int(np.clip(np.rint(-low / scale), 0, most))


def fake_quantized(values: Floats, scale: float | Floats, zero_point: int, bits: int = 8) -> Floats:
    """Quantized and dequantized again: S (clip(round(x / S) + Z, 0, 2^b - 1) - Z)."""
    codes = np.clip(np.rint(values / scale) + zero_point, 0, 2**bits - 1)
    return scale * (codes - zero_point)


def sqnr_db(values: Floats, quantized: Floats) -> float:
    """10 log10(mean x^2 / mean (x - y)^2), in decibels."""
    return float(10 * np.log10(np.mean(values**2) / np.mean((values - quantized) ** 2)))


def noise(limit: float, bits: int) -> tuple[float, float]:
    """Mean squared errors of rounding and of clipping of a standard normal value at +-limit.

    Rounding: step^2 / 12 on what is not clipped (Bennett 1948); clipping: 2 int_limit^inf (x - limit)^2 p(x) dx (Banner
    et al. 2019, arXiv:1810.05723, section 3).
    """
    step = 2 * limit / 2**bits
    inside = stats.norm.cdf(limit) - stats.norm.cdf(-limit)
    clipped, _ = integrate.quad(lambda x: (x - limit) ** 2 * stats.norm.pdf(x), limit, np.inf)
    return step**2 / 12 * inside, 2 * clipped


def best_limit(bits: int) -> float:
    """The limit with the least sum of both errors, in standard deviations."""
    return float(optimize.minimize_scalar(lambda x: sum(noise(x, bits)), bounds=(0.5, 8), method="bounded").x)


def relu_values() -> Floats:
    """What a ReLU leaves of 100,000 standard normal values."""
    return np.maximum(np.random.default_rng(0).normal(size=100_000), 0)


def channel_weights() -> Floats:
    """Weights of 32 channels of 256, whose standard deviations grow from 0.01 to 1."""
    spread = np.geomspace(0.01, 1, 32)[:, None]
    return np.random.default_rng(1).normal(size=(32, 256)) * spread


def symmetric(values: Floats, limit: float | Floats) -> Floats:
    """Int8 weights from -127 to 127 with zero point 0."""
    scale = np.asarray(limit) / 127
    return scale * np.clip(np.rint(values / scale), -127, 127)


def per_channel_db(*, is_per_channel: bool) -> Floats:
    """SQNR of each channel, with one scale for all or one for each."""
    weights = channel_weights()
    limit = np.abs(weights).max(axis=1, keepdims=True) if is_per_channel else np.full((32, 1), np.abs(weights).max())
    quantized = symmetric(weights, limit)
    return np.asarray([sqnr_db(a, b) for a, b in zip(weights, quantized, strict=True)])


def outlier_db(size: float, *, is_clipped: bool) -> float:
    """SQNR of 10,000 normal values without the outlier beside them, whose size is in standard deviations."""
    values = np.random.default_rng(2).normal(size=10_000)
    limit = np.percentile(np.abs(np.append(values, size)), 99.99) if is_clipped else max(size, np.abs(values).max())
    return sqnr_db(values, symmetric(values, float(limit)))


def numbers() -> dict[str, str]:
    """What the page says in numbers, as it writes them."""
    scale, zero = scale_and_zero_point(-0.5, 5.875)
    relu = relu_values()
    high = relu.max()
    halves = fake_quantized(relu, 2 * high / 255, 128)
    return {
        "scale of the example": f"S = {scale:g}, Z = {zero}",
        "decibels of a bit": f"{20 * np.log10(2):.2f} dB",
        "best limit, 4 bits": f"{best_limit(4):.2f} standard deviations",
        "best limit, 8 bits": f"{best_limit(8):.2f} standard deviations",
        "cost of all, 4 bits": f"{10 * np.log10(sum(noise(5.0, 4)) / sum(noise(best_limit(4), 4))):.1f} dB",
        "relu, asymmetric": f"{sqnr_db(relu, fake_quantized(relu, high / 255, 0)):.1f} dB",
        "relu, symmetric": f"{sqnr_db(relu, halves):.1f} dB",
        "narrow channel, per tensor": f"{per_channel_db(is_per_channel=False)[0]:.1f} dB",
        "narrow channel, per channel": f"{per_channel_db(is_per_channel=True)[0]:.1f} dB",
        "no outlier": f"{outlier_db(1, is_clipped=False):.1f} dB",
        "outlier": f"{outlier_db(50, is_clipped=False):.1f} dB",
        "outlier, clipped": f"{outlier_db(50, is_clipped=True):.1f} dB",
    }


def draw() -> None:
    """Writes all figures."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot as plt

    style = {"svg.hashsalt": "crossrt", "svg.fonttype": "none", "font.size": 10, "axes.grid": True, "grid.alpha": 0.3}
    FOLDER.mkdir(exist_ok=True)
    with mpl.rc_context(style):
        for name, panel in zip(NAMES, (_grid, _clipping, _symmetric, _channels, _outlier), strict=True):
            figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
            panel(axes)
            figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})
            plt.close(figure)


def _grid(axes) -> None:  # noqa: ANN001 - matplotlib's Axes
    scale, zero = scale_and_zero_point(-1.0, 2.0, bits=3)
    x = np.linspace(-1.8, 3.0, 1000)
    axes.plot(x, x, color="grey", linewidth=1, label="x")
    axes.plot(x, fake_quantized(x, scale, zero, bits=3), label="quantized to 3 bits and back")
    axes.plot(
        x, fake_quantized(x, scale, zero, bits=3) - x, linewidth=1, label="error: rounding inside, clipping outside"
    )
    axes.set(xlabel="x", title="Eight values for the range from -1 to 2")
    axes.legend()


def _clipping(axes) -> None:  # noqa: ANN001
    limits = np.linspace(1, 6, 200)
    parts = np.asarray([noise(each, 4) for each in limits])
    axes.semilogy(limits, parts[:, 0], label="rounding")
    axes.semilogy(limits, parts[:, 1], label="clipping")
    axes.semilogy(limits, parts.sum(axis=1), color="black", label="both")
    axes.axvline(best_limit(4), color="grey", linestyle=":")
    axes.set(xlabel="clipped at ± this many standard deviations", ylabel="mean squared error", ylim=(1e-4, 1))
    axes.set_title("A normal distribution in 4 bits")
    axes.legend()


def _symmetric(axes) -> None:  # noqa: ANN001
    values = np.concatenate([[0], relu_values()[:40]])
    high = float(relu_values().max())
    grids = {"asymmetric, Z = 0": np.linspace(0, high, 16), "symmetric, Z in the middle": np.linspace(-high, high, 16)}
    for row, (name, grid) in enumerate(grids.items()):
        axes.vlines(grid, row - 0.3, row + 0.3, color="C0")
        axes.plot(values, np.full(len(values), row), "|", color="C1", markersize=12)
        axes.text(-high * 0.98, row + 0.34, name)
    axes.set(xlabel="value", yticks=(), ylim=(-0.5, 1.7), title="Values after a ReLU (orange) and 16 codes (blue)")


def _channels(axes) -> None:  # noqa: ANN001
    axes.plot(per_channel_db(is_per_channel=True), "o-", label="a scale for each channel")
    axes.plot(per_channel_db(is_per_channel=False), "o-", label="one scale for all")
    axes.set(
        xlabel="channel, from narrow to wide",
        ylabel="SQNR, dB",
        title="Channels with standard deviations from 0.01 to 1",
    )
    axes.legend()


def _outlier(axes) -> None:  # noqa: ANN001
    sizes = np.geomspace(4, 200, 30)
    axes.semilogx(sizes, [outlier_db(each, is_clipped=False) for each in sizes], label="minimum and maximum")
    axes.semilogx(sizes, [outlier_db(each, is_clipped=True) for each in sizes], label="99.99th percentile")
    axes.set(xlabel="size of one outlier among 10,000 values, in standard deviations", ylabel="SQNR of the others, dB")
    axes.legend()


if __name__ == "__main__":
    draw()
    print("\n".join(f"{name}: {text}" for name, text in numbers().items()))
