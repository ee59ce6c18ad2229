"""Where quantization error comes from: the signal-to-noise ratio of each tensor."""

from __future__ import annotations

from typing import Final

from crossrt.reports.page.figures import COLORS, GRID, dot, legend_below, new_figure, shortened
from crossrt.reports.page.plots.plot import WIDTH_IN, Plot, safe_name
from crossrt.reports.schema.records import Artifact, LayerErrors, Report, TensorError
from crossrt.reports.text.tensor_names import short_name

ROW_IN: Final = 0.24
MOST_ROWS: Final = 60
ROLES: Final = {"activation": COLORS[0], "weight": COLORS[1], "bias": COLORS[2]}
CAPTION: Final = (
    "Signal-to-quantization-noise ratio of each tensor compared with the float file: left is worse; 6 dB are one bit."
    " Activations in the order of the layers, then weights and biases; tensors without any noise are left out."
)


def layers(report: Report) -> list[Plot]:
    """One plot for each file that was diagnosed."""
    files = {artifact.id: artifact for artifact in report.artifacts}
    return [plot for layer in report.layers if (plot := _of_file(layer, files.get(layer.artifact)))]


def _of_file(file: LayerErrors, artifact: Artifact | None) -> Plot | None:
    noisy = [(each, each.sqnr_db) for each in file.tensors if each.sqnr_db is not None][:MOST_ROWS]
    if not noisy:
        return None
    names = [shortened(short_name(each.tensor, artifact.model if artifact else "")) for each, _ in noisy]
    figure, axes = new_figure(WIDTH_IN, 1.2 + ROW_IN * len(noisy), names=names, legend=list(ROLES))
    worst = min(0.0, *(sqnr_db for _, sqnr_db in noisy))
    for row, (tensor, sqnr_db) in enumerate(noisy):
        axes.plot([worst, sqnr_db], [row, row], color=GRID, linewidth=1, zorder=1)
        dot(axes, sqnr_db, row, ROLES[tensor.role], text=_tip(tensor))
    axes.set_yticks(range(len(noisy)), names)
    axes.set_ylim(len(noisy) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.set_title(f"{artifact.variant}, {artifact.format}" if artifact else file.artifact)
    axes.set_xlabel("SQNR, dB")
    for role in dict.fromkeys(tensor.role for tensor, _ in noisy):
        axes.plot([], [], "o", color=ROLES[role], label=role)
    legend_below(figure, axes)
    return Plot(name=f"layers-{safe_name(file.artifact)}", figure=figure, caption=CAPTION)


def _tip(tensor: TensorError) -> str:
    return (
        f"{tensor.tensor} ({tensor.dtype}): {tensor.sqnr_db:.1f} dB, error {100 * tensor.relative_error:.2f}%,"
        f" clipped {100 * tensor.clipped:.3f}%"
    )
