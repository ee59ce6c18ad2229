"""Measures what methods repair: `python tests/benchmarks/methods_figures.py [--nncf PYTHON]`, some minutes.

Prints two Markdown tables. The first: the bundled models, their channels scaled apart on purpose while the float
function stays, quantized to int8 per tensor, plain and equalized. The second: signal to noise of the best MinMax
recipes on each bundled model; with `--nncf` beside those of NNCF, run by that Python, which needs nncf and onnxruntime.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import onnx_ir as ir
import onnxruntime

from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.reference import default_reference
from crossrt.exporters.calibration import Calibration, Selection
from crossrt.exporters.quantizers.methods.equalization import Pair, inputs_first, pairs_of, scale_inputs, scale_outputs
from crossrt.exporters.quantizers.ort.prepare import prepare
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.exporters.tensor_specs import onnx_specs

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
REFERENCE = default_reference()
DECADES = 2.0
"""Channels are scaled by factors from 10**-DECADES to 10**DECADES."""

RECIPES = {
    "plain": OnnxStatic(per_channel=True),
    "float output": OnnxStatic(per_channel=True, quantize_outputs=False),
    "repaired": OnnxStatic(per_channel=True, quantize_outputs=False, bias_correction=True),
}
NNCF = """
import sys
import numpy as np, onnx, nncf
from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters
from nncf.quantization.range_estimator import RangeEstimatorParametersSet
source, samples, name, folder = sys.argv[1:]
batches = [{name: each} for each in np.array_split(np.load(samples), 10)]
minmax = {
    "weights_range_estimator_params": RangeEstimatorParametersSet.MINMAX,
    "activations_range_estimator_params": RangeEstimatorParametersSet.MINMAX,
}
for title, fast, ranges in (
    ("default", True, {}), ("no correction", False, {}), ("MinMax", False, minmax), ("MinMax corrected", True, minmax)
):
    settings = AdvancedQuantizationParameters(disable_bias_correction=not fast, **ranges)
    model = nncf.quantize(
        onnx.load(source), nncf.Dataset(batches), subset_size=10, advanced_parameters=settings
    )
    onnx.save(model, f"{folder}/{title}.onnx")
"""


def answers(path: Path, images: np.ndarray) -> np.ndarray:
    """All logits."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: each})[0] for each in np.array_split(images, 20)])


def decibels(exact: np.ndarray, found: np.ndarray) -> float:
    """Signal to noise."""
    return float(10 * np.log10(np.square(exact).sum() / np.square(exact - found).sum()))


def scale_apart(source: Path, path: Path, folder: Path) -> None:
    """Writes a model with the same function whose channels are of very different size."""
    prepare(source, folder / "prepared.onnx")
    model = ir.load(folder / "prepared.onnx")
    generator = np.random.default_rng(0)
    for pair in pairs_of(model):
        factors = 10.0 ** generator.uniform(-DECADES, DECADES, pair.first.matrices(pair.first.values)[..., 0].size)
        _apply(pair, factors)
    ir.save(model, path)


def _apply(pair: Pair, factors: np.ndarray) -> None:
    readers = inputs_first(pair.second)
    scale_outputs(pair.first, factors)
    scale_inputs(pair.second, readers / factors[pair.channels][:, None])


class Lab:
    """One float model, its data, and a folder."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.source, self.folder = source, folder
        inputs = onnx_specs(source)[0]
        dataset = open_dataset(DataRequest(reference=REFERENCE.dataset, split=REFERENCE.test_split), inputs)
        (self.images,) = dataset.feeds(range(len(dataset))).values()
        self.labels = np.asarray(dataset.labels)
        fields = {"reference": REFERENCE.dataset, "split": REFERENCE.calibration_split}
        self.calibration = Calibration.open(fields, inputs, {})

    def quantized(self, recipe: OnnxStatic, source: Path | None = None) -> np.ndarray:
        """Answers of the model by a recipe."""
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch, contextlib.redirect_stdout(sys.stderr):
            path = Path(scratch) / "out.onnx"
            OnnxQuantizer(source or self.source, Path(scratch), self.calibration).quantize(recipe, path)
            return answers(path, self.images)

    def right(self, logits: np.ndarray) -> float:
        """Top-1 in percent."""
        return float(100 * (logits.argmax(axis=1) == self.labels).mean())

    def by_nncf(self, python: str) -> dict[str, str]:
        """Signal to noise of what NNCF makes, by setting; some of it ONNX Runtime cannot load."""
        feeds = list(self.calibration.feeds(Selection(1000, 0)))
        (name,) = feeds[0]
        np.save(self.folder / "samples.npy", np.concatenate([each[name] for each in feeds]))
        arguments = [str(self.source), str(self.folder / "samples.npy"), name, str(self.folder)]
        environment = {**os.environ, "NO_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
        subprocess.run(
            [python, "-c", NNCF, *arguments], check=True, stdout=subprocess.DEVNULL, cwd=self.folder, env=environment
        )
        exact = answers(self.source, self.images)
        titles = ("default", "no correction", "MinMax", "MinMax corrected")
        return {each: self._noise(exact, self.folder / f"{each}.onnx") for each in titles}

    def _noise(self, exact: np.ndarray, path: Path) -> str:
        try:
            return f"{decibels(exact, answers(path, self.images)):.1f}"
        except Exception as error:  # ONNX Runtime has no common base
            click.echo(f"{path.name} of {self.source.name}: {error}", err=True)
            return "not loaded"


def float_file(model: str, folder: Path) -> Path:
    """The exported float file of a bundled model."""
    crossrt = str(Path(sys.executable).with_name("crossrt"))
    command = [crossrt, "export", model, "--only", "fp32.onnx", "--out", str(folder / model)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
    return folder / model / f"{model}.fp32.onnx"


@click.command()
@click.option("--nncf", help="A Python that has nncf.")
@click.argument("models", nargs=-1)
def main(nncf: str | None, models: tuple[str, ...]) -> None:
    """Measures and prints."""
    repaired, noise = [], []
    with tempfile.TemporaryDirectory() as name:
        for model in models or REFERENCE.models:
            folder = Path(name)
            lab = Lab(float_file(model, folder), folder / model)
            exact = answers(lab.source, lab.images)
            apart = lab.folder / "apart.onnx"
            scale_apart(lab.source, apart, lab.folder)
            texts = [f"{lab.right(exact):.2f}", f"{lab.right(answers(apart, lab.images)):.2f}"]
            recipes = (OnnxStatic(), OnnxStatic(equalize=True))
            texts += [f"{lab.right(lab.quantized(recipe, apart)):.2f}" for recipe in recipes]
            repaired.append([model, *texts])
            ours = {title: decibels(exact, lab.quantized(recipe)) for title, recipe in RECIPES.items()}
            theirs = lab.by_nncf(nncf) if nncf else {}
            noise.append([model, *(f"{each:.1f}" for each in ours.values()), *theirs.values()])
    print_table(("model", "float %", "float, scaled apart %", "int8 per tensor %", "equalized %"), repaired)
    headings = ["default", "no correction", "MinMax", "MinMax corrected"] if nncf else []
    print_table(("model", *(f"{each} dB" for each in RECIPES), *(f"NNCF {each} dB" for each in headings)), noise)


def print_table(headings: tuple[str, ...], rows: list[list[str]]) -> None:
    """Markdown."""
    click.echo(f"\n| {' | '.join(headings)} |\n|{' --- |' * len(headings)}")
    for row in rows:
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
