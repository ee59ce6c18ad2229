"""Makes the table of float, calibrated and trained int8 on CIFAR-10: `python tests/benchmarks/cifar_table.py --help`.

The float networks are given, trained by `crossrt train`. Everything else is done here with the commands of a user, and
is kept: the same command goes on where it was interrupted, and prints the same table when all is there.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
import numpy as np
from matplotlib.figure import Figure

from crossrt.core.evaluation import ClassDetails
from crossrt.datasets.cifar10.folders import read_images
from crossrt.datasets.cifar10.images import NAMES, scaled
from crossrt.exporters.training.qat.curves import read_curves
from crossrt.exporters.training.qat.jobs import Epoch
from crossrt.harness.qat.curves import CURVES
from crossrt.harness.qat.request import SCALES, Proof, read_proof
from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.records import Report, Result

CROSSRT: Final = str(Path(sys.executable).with_name("crossrt"))
CONTROL: Final = Path(__file__).with_name("cifar_control.py")
CALIBRATION_IMAGES: Final = 1_000
RECIPES: Final = """
[recipes."int8-minmax.onnx"]
kind = "onnx-static"
per_channel = true
[recipes."int8-minmax.tflite"]
kind = "tflite-static"
[recipes."w4a8-minmax.onnx"]
kind = "onnx-same-scales"
weight_bits = 4
[recipes."w4a8-minmax.tflite"]
kind = "tflite-same-scales"
weight_bits = 4
"""
TITLES: Final[Mapping[str, str]] = {
    "fp32": "FP32",
    "int8-minmax": "int8, calibrated (MinMax)",
    "int8-qat": "int8, trained (QAT)",
    "w4a8-minmax": "4-bit weights, calibrated",
    "w4a8-qat": "4-bit weights, trained (QAT)",
}
METRICS: Final = ("top1", "macro_precision", "macro_recall", "macro_f1")
PAPER: Final = """
| the paper's ResNet-18 | top-1 |
|---|---:|
| FP32 | 94.79% |
| 8-bit QAT | 94.60% |
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One network, and how long it is trained for int8.

    Attributes:
        network: The float network.
        data: Folder of the whole data set.
        folder: What is kept.
        options: Of `crossrt qat`, by the bits of weights.
    """

    network: Path
    data: Path
    folder: Path
    options: Mapping[int, tuple[str, ...]]

    def do(self) -> None:
        """Whatever is not done yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._calibrate()
        for bits in self.options:
            self._train(bits)
        self._bench()

    def trained(self, bits: int) -> Path:
        """The folder of a training."""
        return self.folder / f"qat{bits}"

    def report(self) -> Report:
        """The measurement."""
        return read_report(next(self._results.glob("*/report.json")))

    @property
    def _results(self) -> Path:
        return self.folder / "results"

    def _calibrate(self) -> None:
        out, partial = self.folder / "calibrated", self.folder / "calibrated.partial"
        if out.exists():
            return
        samples, recipes = self.folder / "calibration.npz", self.folder / "recipes.toml"
        images = read_images(str(self.data), "train")
        chosen = np.random.default_rng(0).choice(len(images.labels), CALIBRATION_IMAGES, replace=False)
        np.savez(samples, image=scaled(images.pixels[np.sort(chosen)]))
        recipes.write_text(RECIPES)
        shutil.rmtree(partial, ignore_errors=True)
        options = ("--file", recipes, "--calibration", samples, "--data", self.data, "--min-agreement", "0")
        self._run("quantize", self.network, *options, "--out", partial)
        partial.rename(out)

    def _train(self, bits: int) -> None:
        out = self.trained(bits)
        if (out / SCALES).exists():
            return
        resume = ("--resume",) if any(out.glob("checkpoints/epoch-*")) else ()
        options = ("--data", self.data, "--split", "train", "--weight-bits", bits, *self.options[bits], *resume)
        self._run("qat", self.network, *options, "--out", out)

    def control(self) -> float:
        """Top-1 of the float network on the test images, trained further like the int8 one."""
        path = self.folder / "control.txt"
        if not path.exists():
            options = self.options[8]
            command = [sys.executable, "-W", "ignore", str(CONTROL), self.network, self.data, options[1], options[3]]
            done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
            path.write_text(done.stdout.split()[-1])
        return float(path.read_text())

    def _bench(self) -> None:
        if any(self._results.glob("*/report.json")):
            return
        together = self.folder / "together"
        together.mkdir(exist_ok=True)
        for source in (self.folder / "calibrated", *map(self.trained, self.options)):
            for variant in TITLES:
                for path in source.glob(f"{self.network.stem}.{variant}.*"):
                    shutil.copy(path, together)
        options = ("--artifacts", together, "--data", self.data, "--min-agreement", "0", "--batch", "1")
        self._run("bench", *options, "--runtime", "ort-cpu", "--runtime", "tflite", "--out", self._results)

    def _run(self, *arguments: Any) -> None:
        environment = {**os.environ, "CROSSRT_CACHE_DIR": str(self.folder / "cache")}
        command = [CROSSRT, *map(str, arguments)]
        click.echo(f"$ crossrt {' '.join(command[1:])}", err=True)
        subprocess.run(command, check=True, env=environment, stdout=sys.stderr)


def rows(report: Report) -> Iterator[tuple[str, ...]]:
    """A row for each file that was measured, in the order of the titles."""
    sizes = {each.id: each.size_bytes for each in report.artifacts}
    values = {(each.case, each.name): each.value for each in report.metrics}
    order = list(TITLES)
    for result in sorted(report.results, key=lambda each: (order.index(each.variant), each.runtime)):
        assert result.evaluation is not None, result.reason
        scores = [f"{result.evaluation.values[name]:.2%}" for name in METRICS]
        p50 = f"{values[result.case, 'latency_p50_ns'] / 1000:,.0f} µs"
        yield (TITLES[result.variant], result.runtime, *scores, f"{sizes[result.artifact] / 1000:,.0f} kB", p50)


def table(headings: tuple[str, ...], body: Iterator[tuple[str, ...]]) -> str:
    """Markdown; the first columns are words, all others numbers."""
    lines = [f"| {' | '.join(headings)} |", "|---|---|" + "---:|" * (len(headings) - 2)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in body)])


def agreement(name: str, proof: Proof) -> tuple[str, ...]:
    """How alike the two files of a training are."""
    files = next(each for each in proof.outputs if each.one != "fake quantization")
    equal = len(proof.tensors) - len(proof.different)
    alike = sum(not each.differs for each in proof.layers)
    return (
        name,
        f"{equal} of {len(proof.tensors)}",
        f"{alike} of {len(proof.layers)}",
        f"{files.equal:.3%}",
        f"{min(each.within_one for each in proof.outputs):.3%}",
    )


def course(title: str, epochs: tuple[Epoch, ...]) -> str:
    """A training in a line."""
    before, chosen = epochs[0], max(epochs[1:], key=lambda each: each.validation.metric if each.validation else 0)
    assert before.validation is not None
    assert chosen.validation is not None
    return (
        f"- {title}: {epochs[-1].epoch} epochs; on the held-out training images {before.validation.metric:.2%} before"
        f" any, {chosen.validation.metric:.2%} after epoch {chosen.epoch}, which was written"
    )


def details_of(report: Report, variant: str) -> ClassDetails:
    """The confusion matrix of a variant, on ONNX Runtime."""
    result: Result = next(each for each in report.results if (each.variant, each.runtime) == (variant, "ort-cpu"))
    assert result.evaluation is not None
    assert result.evaluation.classes is not None
    return result.evaluation.classes


def draw_confusion(report: Report, path: Path) -> None:
    """Counts of true against given classes, float and trained."""
    figure = Figure(figsize=(8.4, 4.3), layout="constrained")
    for axes, variant in zip(figure.subplots(1, 2), ("fp32", "int8-qat"), strict=True):
        matrix = np.zeros((len(NAMES),) * 2, int)
        for true, given, count in details_of(report, variant).confusion:
            matrix[true, given] = count
        axes.imshow(matrix, cmap="Blues", vmax=matrix.sum(axis=1).max())
        for (true, given), count in np.ndenumerate(matrix):
            color = "white" if count > matrix.max() / 2 else "black"
            axes.text(given, true, str(count) if count else "", ha="center", va="center", size=6, color=color)
        axes.set_xticks(range(len(NAMES)), NAMES, rotation=90, size=7)
        axes.set_yticks(range(len(NAMES)), NAMES, size=7)
        axes.set(title=TITLES[variant], xlabel="answer", ylabel="label")
    figure.savefig(path, dpi=110, bbox_inches="tight")


def draw_curves(work: Work, path: Path) -> None:
    """Accuracy and loss by epoch: float training, then those for int8."""
    curves = {"float": read_curves(work.network.with_suffix(".curves.jsonl"))}
    curves |= {f"QAT, {bits}-bit weights": read_curves(work.trained(bits) / CURVES) for bits in work.options}
    figure = Figure(figsize=(3.2 * len(curves), 4.6), layout="constrained")
    for column, (title, epochs) in enumerate(curves.items()):
        held_out = "test images, choosing nothing" if title == "float" else "held-out training images"
        for row, (attribute, factor, label) in enumerate((("metric", 100, "top-1 (%)"), ("loss", 1, "loss"))):
            axes = figure.add_subplot(2, len(curves), row * len(curves) + column + 1)
            for name, part in (("training images", "train"), (held_out, "validation")):
                points = [(each.epoch, getattr(each, part)) for each in epochs if getattr(each, part) is not None]
                axes.plot([x for x, _ in points], [factor * getattr(y, attribute) for _, y in points], label=name)
            axes.set(
                title=title if row == 0 else "", ylabel=label if column == 0 else "", xlabel="epoch" if row else ""
            )
            axes.grid(alpha=0.3)
            if row == 0:
                axes.legend(fontsize=6, loc="lower right")
    figure.savefig(path, metadata={"Date": None})


@click.command()
@click.argument("networks", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="The whole data set.")
@click.option("--keep", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of all results.")
@click.option("--epochs", nargs=2, default=(3, 10), show_default=True, help="Of QAT with 8 and with 4-bit weights.")
@click.option("--lr", nargs=2, default=(1e-4, 1e-3), show_default=True, help="Learning rates of these.")
def main(networks: tuple[Path, ...], data: Path, keep: Path, epochs: tuple[int, int], lr: tuple[float, float]) -> None:
    """Trains each of NETWORKS (.keras, with NAME.curves.jsonl beside it) for int8, measures, prints and draws."""
    given = zip((8, 4), epochs, lr, strict=True)
    options = {bits: ("--epochs", str(count), "--lr", str(rate)) for bits, count, rate in given}
    click.echo(PAPER)
    for network in networks:
        work = Work(
            network=network.resolve(), data=data.resolve(), folder=keep.resolve() / network.stem, options=options
        )
        work.do()
        report = work.report()
        headings = ("network", "runtime", "top-1", "precision", "recall", "F1", "file", "p50, batch 1")
        click.echo(f"\n{network.stem}, {report.data.samples:,} test images\n\n{table(headings, rows(report))}\n")
        heads = (
            "two files",
            "equal scales",
            "layers with equal integers",
            "equal outputs",
            "within 1 LSB, fake quantization too",
        )
        proofs = {bits: read_proof(work.trained(bits) / SCALES) for bits in options}
        click.echo(table(heads, (agreement(f"QAT, {bits}-bit weights", p) for bits, p in proofs.items() if p)))
        for bits in options:
            click.echo(course(f"{bits}-bit weights", read_curves(work.trained(bits) / CURVES)))
        click.echo(
            f"- FP32 trained further on such images, as long and at that rate: {work.control():.2%} of the test images"
        )
        draw_confusion(report, work.folder / f"{network.stem}-confusion.png")
        draw_curves(work, work.folder / f"{network.stem}-curves.svg")


if __name__ == "__main__":
    main()
