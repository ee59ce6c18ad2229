"""Measures the figures that the README quotes: `python tests/benchmarks/figures.py`, some ten minutes, quiet machine.

`python tests/benchmarks/figures.py qat-4-bits` measures that step alone: what training brings to 4-bit weights.

Runs the installed `crossrt` with a cache of its own, and prints a Markdown table of what was measured beside the goal.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Final

import click
import msgspec
import numpy as np

from crossrt.datasets.opening import DataRequest, open_dataset
from crossrt.datasets.reference import default_reference
from crossrt.harness.build.exported import read_folder
from crossrt.harness.measure.settings import WorkerLimits
from crossrt.harness.process.case_worker import CaseWorker
from crossrt.harness.process.messages import InputFile
from crossrt.harness.qat.request import SCALES, Proof, read_proof
from crossrt.reports.schema.files import read_report, write_report
from crossrt.reports.schema.records import Report
from crossrt.reports.statistics.metrics import derive_metrics
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
STARTS = 11
CHECK_BATCH = 250
QUANTIZE = ("quantize", "--out", "lab", "--min-agreement", "0")


class Figures:
    """Runs commands in a scratch folder and collects rows of the table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {**os.environ, "CROSSRT_CACHE_DIR": str(folder / "cache")}
        self.rows: list[tuple[str, str, str]] = []

    def crossrt(self, *arguments: str, cache: str = "cache") -> float:
        """Seconds that a command takes."""
        started = time.perf_counter()
        subprocess.run(
            [CROSSRT, *arguments],
            cwd=self.folder,
            env={**self.environment, "CROSSRT_CACHE_DIR": str(self.folder / cache)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - started

    def seconds(self, what: str, goal_s: float, *arguments: str, cache: str = "cache") -> None:
        """A long command, once."""
        self.rows.append((what, f"{self.crossrt(*arguments, cache=cache):.1f} s", f"at most {goal_s:g} s"))

    def milliseconds(self, what: str, goal_ms: float, *arguments: str) -> None:
        """A short command: the median of several, after one that warms the file cache."""
        self.crossrt(*arguments)
        found = median(self.crossrt(*arguments) for _ in range(STARTS))
        self.rows.append((what, f"{found * 1000:.0f} ms", f"at most {goal_ms:g} ms"))

    def newest_report(self) -> Report:
        """What the last run in the default folder wrote."""
        return read_report(max(self.folder.glob("results/*/report.json"), key=lambda path: path.stat().st_mtime))

    def p50_us(self, threads: str) -> float:
        """The median call of the float ONNX model at batch 64 with so many threads."""
        self.crossrt("bench", "--batch", "64", "--threads", threads, "--only", "fp32@ort-cpu", "--out", "results")
        report = self.newest_report()
        return next(each.value for each in report.metrics if each.name == "latency_p50_ns") / 1000

    def parent_share(self) -> None:
        """What the default run noted of its own parent process."""
        share = self.newest_report().run.parent_cpu_share or 0.0
        self.rows.append(("parent process while workers measure", f"{share:.1%} of a core", "under 5%"))


def harness_error(folder: Path) -> str:
    """The line of `harness_overhead.py` for the fastest case."""
    script = Path(__file__).with_name("harness_overhead.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder)], check=True, capture_output=True, text=True, cwd=folder
    )
    return done.stdout.strip().splitlines()[-1]


HISTOGRAMS = """
import sys, tempfile
from pathlib import Path
from crossrt.datasets.reference import default_reference
from crossrt.exporters.calibration import Calibration
from crossrt.exporters.quantizers.ort.quantize import OnnxQuantizer
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.harness.build.exported import read_folder
from crossrt.harness.process.worker import peak_memory_bytes
artifact = read_folder(Path(sys.argv[2])).artifacts["mnist-cnn.fp32.onnx"]
data = {"reference": default_reference().dataset, "split": default_reference().test_split}
with tempfile.TemporaryDirectory() as folder:
    quantizer = OnnxQuantizer(Path(sys.argv[1]), Path(folder), Calibration.open(data, artifact.inputs))
    for method in ("entropy", "percentile", "distribution"):
        recipe = OnnxStatic(calibrate_method=method, calibration_samples=10_000)
        quantizer.quantize(recipe, Path(folder) / "out.onnx")
print(peak_memory_bytes(), file=sys.stderr)
"""


def histogram_memory(folder: Path) -> str:
    """High-water mark of a process that calibrates by all three histogram methods with all 10,000 test samples."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "float.onnx"  # quantizers leave files beside their input
        copy.write_bytes((folder / "mnist-cnn.fp32.onnx").read_bytes())
        done = subprocess.run(
            [sys.executable, "-c", HISTOGRAMS, str(copy), str(folder)],
            check=True,
            capture_output=True,
            text=True,
            cwd=folder,
        )
    return f"{int(done.stderr.split()[-1]) / 2**20:.0f} MiB"


def evaluation_ratio(folder: Path) -> str:
    """Time of an evaluation over that of the same batches in a bare loop; the median of several, taken in turns."""
    artifact = read_folder(folder).artifacts["mnist-cnn.int8-qdq.onnx"]
    options = SessionOptions(batch_size=CHECK_BATCH)
    session = get_runtime("ort-cpu").prepare(artifact, options)
    (spec,) = session.inputs
    reference = default_reference()
    dataset = open_dataset(DataRequest(reference=reference.dataset, split=reference.test_split), artifact.inputs)
    (images,) = dataset.feeds(range(len(dataset))).values()
    feeds = [{spec.name: batch} for batch in np.split(images, len(images) // CHECK_BATCH)]
    ratios = []
    with tempfile.TemporaryDirectory() as scratch, CaseWorker(1, WorkerLimits()) as worker:
        path = Path(scratch) / "samples.npy"
        np.save(path, images, allow_pickle=False)
        inputs = (InputFile(name=spec.name, path=str(path), axis=0),)
        worker.start_import("ort-cpu")
        worker.finish_import()
        worker.load(artifact, options)
        for _ in range(STARTS):
            started = time.perf_counter()
            for feed in feeds:
                session.run(feed)
            bare = time.perf_counter() - started
            started = time.perf_counter()
            worker.evaluate(inputs, len(images), CHECK_BATCH, Path(scratch))
            ratios.append((time.perf_counter() - started) / bare)
    return f"{median(ratios):.2f} times"


OPENVINO_BATCH: Final = 64
"""Calls of the bundled model beside which what Python and copying take is small: `benchmark_app` leaves that out."""


def benchmark_app_us(model: Path) -> float:
    """The median call that OpenVINO's own tool finds, on one pinned processor, as crossrt's adapter sets it up."""
    with_shape = ["-m", str(model), "-shape", f"image[{OPENVINO_BATCH},28,28,1]", "-api", "sync", "-t", "10"]
    as_adapter = ["-hint", "none", "-nstreams", "1", "-nthreads", "1", "-infer_precision", "f32", "-pin", "NO"]
    pinned = ["taskset", "-c", str(max(os.sched_getaffinity(0)))]
    tool = str(Path(sys.executable).with_name("benchmark_app"))
    environment = {**os.environ, "CI": "true"}  # which switches its telemetry off
    command = [*pinned, tool, *with_shape, *as_adapter]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    found = re.search(r"Median:\s+([\d.]+) (ms|us)", printed)
    assert found is not None, printed
    return float(found[1]) * (1000 if found[2] == "ms" else 1)


def openvino(figures: Figures, folder: Path) -> None:
    """OpenVINO's p50 in crossrt, between two runs of `benchmark_app`."""
    model = folder / "mnist-cnn.fp32.onnx"
    before = benchmark_app_us(model)
    figures.crossrt("bench", "--batch", str(OPENVINO_BATCH), "--only", "fp32@openvino", "--out", "results")
    ours = next(each.value for each in figures.newest_report().metrics if each.name == "latency_p50_ns") / 1000
    theirs = (before + benchmark_app_us(model)) / 2
    told = f"{ours:.0f} µs against {theirs:.0f} µs: {ours / theirs - 1:+.1%}"
    figures.rows.append(("OpenVINO's p50 at batch 64 against `benchmark_app`", told, "within 2%"))


def threads_in_crossrt(figures: Figures) -> float:
    """How many times faster the float model is with two threads at batch 64, as `crossrt bench` measures it."""
    return figures.p50_us("1") / figures.p50_us("2")


BARE = """
import sys
from pathlib import Path
from statistics import median
from typing import Final
from time import perf_counter_ns
import numpy as np
import onnxruntime
path, threads = sys.argv[1], int(sys.argv[2])
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
feeds = {session.get_inputs()[0].name: np.random.default_rng(0).random((64, 28, 28, 1), dtype=np.float32)}
calls = []
for _ in range(300):
    start = perf_counter_ns()
    session.run(None, feeds)
    calls.append(perf_counter_ns() - start)
print(median(calls[100:]))
"""


def threads_in_a_bare_loop(folder: Path) -> float:
    """The same in a loop around ONNX Runtime, in processes of its own that take turns."""
    path = str(folder / "mnist-cnn.fp32.onnx")
    found: dict[str, list[float]] = {"1": [], "2": []}
    for _ in range(5):
        for threads, times in found.items():
            command = [sys.executable, "-c", BARE, path, threads]
            times.append(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    return median(found["1"]) / median(found["2"])


def threads(figures: Figures, folder: Path) -> None:
    """What a second thread brings, measured both ways."""
    ours, bare = threads_in_crossrt(figures), threads_in_a_bare_loop(folder)
    figures.rows.append(
        ("2 threads against 1, fp32, batch 64", f"{ours:.2f} times; bare loop {bare:.2f}", "within 10% of each other")
    )


def import_ms() -> float:
    """What `import crossrt` adds to Python's start; the median of several, taken in turns."""
    found: dict[str, list[float]] = {"pass": [], "import crossrt": []}
    for _ in range(STARTS):
        for code, times in found.items():
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - started)
    return 1000 * (median(found["import crossrt"]) - median(found["pass"]))


def small_file(figures: Figures, folder: Path) -> None:
    """Seconds to the first answer on the screen, and of the whole run, for an ONNX file without data."""
    model = figures.folder / "my.onnx"
    shutil.copy(folder / "mnist-cnn.fp32.onnx", model)
    started = time.perf_counter()
    first_s = None
    command = [CROSSRT, "bench", str(model), "--time", "20", "--out", "small"]
    with subprocess.Popen(
        command,
        cwd=figures.folder,
        env={**figures.environment, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if first_s is None and "a call, answers checked" in line:
                first_s = time.perf_counter() - started
    whole_s = time.perf_counter() - started
    if process.returncode or first_s is None:
        raise click.ClickException(f"{' '.join(command)} gave no answer")
    figures.rows.append(
        (
            "`crossrt bench my.onnx --time 20`: first answer, whole run",
            f"{first_s:.1f} s, {whole_s:.1f} s",
            "10 s, 20 s",
        )
    )


def write_large_model(path: Path) -> int:
    """Writes a float ONNX network of more than 2 GB, its weights in a file beside it; returns their bytes."""
    import onnx

    layers, width = 16, 5800
    weights = np.random.default_rng(0).normal(0, 1 / np.sqrt(width), (width, width)).astype(np.float32)
    tensors = []
    for layer in range(layers):
        tensor = onnx.TensorProto(name=f"w{layer}", data_type=onnx.TensorProto.FLOAT, dims=weights.shape)
        tensor.raw_data = b""  # set_external_data wants the field to be there
        offset = layer * weights.nbytes
        onnx.external_data_helper.set_external_data(tensor, f"{path.name}.data", offset, weights.nbytes)
        tensor.ClearField("raw_data")
        tensors.append(tensor)
    nodes = [onnx.helper.make_node("MatMul", [f"x{each}", f"w{each}"], [f"x{each + 1}"]) for each in range(layers)]
    ends = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", width])
        for name in ("x0", f"x{layers}")
    ]
    graph = onnx.helper.make_graph(nodes, "large", ends[:1], ends[1:], initializer=tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    with path.with_name(f"{path.name}.data").open("wb") as file:
        for _ in range(layers):
            weights.tofile(file)
    return layers * weights.nbytes


def large_model(figures: Figures) -> None:
    """How much memory a worker needs for a model that no single protobuf message can hold."""
    path = figures.folder / "large.onnx"
    size = write_large_model(path)
    seconds = figures.crossrt("bench", str(path), "--time", "60", "--out", "results")
    (peak,) = (each.value for each in figures.newest_report().metrics if each.name == "peak_memory_bytes")
    figures.rows.append(
        (
            f"`crossrt bench large.onnx --time 60`, {size / 1e9:.1f} GB: peak memory of a worker",
            f"{peak / size:.2f} times the file; {seconds:.0f} s in all",
            "at most 3 times",
        )
    )


def fifty_cases(path: Path, folder: Path) -> None:
    """A report of 50 cases, made of a real one by giving its cases further names."""
    report = read_report(next(folder.glob("results/*/report.json")))
    real = report.results
    results = tuple(
        msgspec.structs.replace(
            each,
            case=each.case.replace("@", f"-{number}@", 1),
            subject=each.subject.replace("@", f"-{number}@", 1),
            variant=f"{each.variant}-{number}",
        )
        for number in range(50 // len(real) + 1)
        for each in real
    )[:50]
    metrics = derive_metrics(results, report.artifacts, report.run.settings.baseline, report.definitions)
    write_report(
        msgspec.structs.replace(report, results=results, metrics=metrics, distances=(), controls=(), layers=()), path
    )


OPENING = "return performance.getEntriesByType('navigation')[0].loadEventEnd"


def opening_ms(path: Path) -> float:
    """How long Chromium takes to load a page; the median of several."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for each in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"):
        options.add_argument(each)
    with webdriver.Chrome(options=options, service=webdriver.ChromeService("/usr/bin/chromedriver")) as driver:
        found = []
        for _ in range(STARTS):
            driver.get(path.as_uri())
            found.append(float(driver.execute_script(OPENING)))
    return median(found)


def page(figures: Figures, folder: Path) -> None:
    """Making, size and opening of the page of 50 cases."""
    fifty_cases(folder / "fifty.json", folder)
    figures.milliseconds("`crossrt report --html`, 50 cases", 3000, "report", "fifty.json", "--html", "fifty.html")
    path = folder / "fifty.html"
    figures.rows.append(("size of that page", f"{path.stat().st_size / 1e6:.2f} MB", "at most 2 MB"))
    figures.rows.append(("opening it in Chromium", f"{opening_ms(path):.0f} ms", "under 1,000 ms"))


def trained(figures: Figures, folder: Path, model: str, *options: str) -> tuple[float, Proof]:
    """Seconds of a quantization-aware training from cold, with its proof."""
    seconds = figures.crossrt("qat", model, *options, "--out", f"qat-{model}")
    proof = read_proof(folder / f"qat-{model}" / SCALES)
    assert proof is not None
    return seconds, proof


def tested(figures: Figures, folder: Path, model: str, variant: str) -> str:
    """Top-1 of the trained ONNX file on the bundled test images, which the training never saw."""
    out = f"tested-{model}-{variant}"
    options = ("--artifacts", f"qat-{model}", "--only", f"{variant}@ort-cpu", "--runtime", "ort-cpu")
    figures.crossrt("bench", *options, "--min-agreement", "0", "--time", "10", "--quick", "--out", out)
    report = read_report(next((folder / out).glob("*/report.json")))
    found = next(each.evaluation for each in report.results if each.variant == variant)
    assert found is not None
    return f"{found.values['top1']:.2%}"


def qat(figures: Figures, folder: Path) -> None:
    """Training with 8-bit weights: time, accuracy on the test images, and how alike both files are."""
    seconds, proof = trained(figures, folder, "mnist-cnn", "--epochs", "2")
    what, top1 = "`crossrt qat mnist-cnn --epochs 2`", tested(figures, folder, "mnist-cnn", "int8-qat")
    figures.rows.append((f"{what}: whole run, top-1", f"{seconds:.0f} s, {top1}", "180 s, 99.3%"))
    told = f"{len(proof.tensors) - len(proof.different)} of {len(proof.tensors)}"
    figures.rows.append((f"{what}: tensors with the trained scales in both files", told, "all"))
    within = min(each.within_one for each in proof.outputs)
    figures.rows.append((f"{what}: outputs within 1 LSB of fake quantization", f"{within:.3%}", "at least 99.9%"))


FOUR_BITS = """
[recipes."w4a8-same.onnx"]
kind = "onnx-same-scales"
weight_bits = 4
"""
STEPS = """
import sys
from pathlib import Path
from statistics import median
from typing import Final
from time import perf_counter
from crossrt.exporters.tf import environment
import keras
import numpy as np
import tensorflow as tf
from crossrt.datasets.reference import model_file
from crossrt.exporters.training.qat.model import build
from crossrt.exporters.training.qat.reading import read_network
from crossrt.exporters.tf.keras_model import keras_serving
tf.config.experimental.enable_op_determinism()
keras.utils.set_random_seed(0)
name = sys.argv[1]
source = keras_serving(keras.saving.load_model(model_file(name)), name).keras_model
trainable = build(read_network(source, name), 8, 0)
images = tf.random.uniform((64, *source.inputs[0].shape[1:]))
labels = tf.random.uniform((64,), maxval=10, dtype=tf.int64)
def step_of(model, scores):
    optimizer = keras.optimizers.Adam(1e-4)
    optimizer.build(model.trainable_variables)
    @tf.function
    def step():
        with tf.GradientTape() as tape:
            found = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores(model([images], training=True)))
            loss = tf.reduce_mean(found)
        gradients = tape.gradient(loss, [each.value for each in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)
        return loss
    return step
steps = {"float": step_of(source, lambda found: found), "fake": step_of(trainable.model, lambda found: found[1])}
times = {name: [] for name in steps}
for _ in range(12):
    for name, step in steps.items():
        for _ in range(10):
            started = perf_counter()
            float(step())
            times[name].append(perf_counter() - started)
print(median(times["fake"][20:]) / median(times["float"][20:]))
"""


def qat_step(figures: Figures) -> None:
    """A training step with fake quantization against one of the float model, batch 64, taken in turns."""
    for model in ("mnist-cnn", "cifar-resnet8"):
        command = [sys.executable, "-W", "ignore", "-c", STEPS, model]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        ratio = float(done.stdout.split()[-1])
        figures.rows.append((f"training step of {model} with fake quantization", f"{ratio:.2f} times float", "2 times"))


def qat_of_four_bits(figures: Figures, folder: Path) -> None:
    """Training with 4-bit weights against calibration alone, on the test images."""
    options, model = ("--weight-bits", "4", "--lr", "1e-3", "--epochs", "5"), "mnist-separable"
    trained(figures, folder, model, *options)
    (folder / "four-bits.toml").write_text(FOUR_BITS)
    lab = ("--recipe", "w4a8-same", "--file", "four-bits.toml", "--min-agreement", "0", "--out", "qat-calibrated")
    figures.crossrt("quantize", model, *lab)
    for path in (folder / "qat-calibrated").glob(f"{model}.w4a8-same.onnx*"):
        shutil.copy(path, folder / f"qat-{model}")
    top1 = ", ".join(tested(figures, folder, model, variant) for variant in ("w4a8-same", "w4a8-qat", "fp32"))
    what = f"`crossrt qat {model} {' '.join(options)}`: top-1 calibrated, trained, float"
    figures.rows.append((what, top1, "-"))


def measure(figures: Figures, folder: Path, only: tuple[str, ...]) -> None:
    """All figures in the order of the README, or those of some steps; most need what `export` writes, and a run."""
    exported = folder / "exported"
    steps: dict[str, Callable[[], None]] = {
        "export": lambda: figures.seconds("building all artifacts from cold", 60, "export", "--out", "exported"),
        "quick": lambda: figures.seconds("`crossrt bench --quick`, artifacts cached", 25, "bench", "--quick"),
        "bench": lambda: figures.seconds("`crossrt bench`, artifacts cached", 75, "bench"),
        "parent": figures.parent_share,
        "import": lambda: figures.rows.append(("`import crossrt`", f"{import_ms():.0f} ms", "at most 100 ms")),
        "help": lambda: figures.milliseconds("`crossrt --help`", 150, "--help"),
        "show": lambda: figures.milliseconds("`crossrt show`", 300, "show", str(next(folder.glob("results/*")))),
        "page": lambda: page(figures, folder),
        "quantize": lambda: figures.seconds(
            "building and checking all shipped recipes from cold", 150, *QUANTIZE, cache="cold"
        ),
        "histograms": lambda: figures.rows.append(
            ("histogram calibration with 10,000 samples, peak memory", histogram_memory(exported), "under 600 MiB")
        ),
        "evaluation": lambda: figures.rows.append(
            ("evaluation on 10,000 samples against a bare loop", evaluation_ratio(exported), "at most 1.5 times")
        ),
        "harness": lambda: figures.rows.append(
            ("p50 against a bare loop, fastest case", harness_error(exported), "within 2%")
        ),
        "openvino": lambda: openvino(figures, exported),
        "threads": lambda: threads(figures, exported),
        "small": lambda: small_file(figures, exported),
        "large": lambda: large_model(figures),
        "qat": lambda: qat(figures, folder),
        "qat-step": lambda: qat_step(figures),
        "qat-4-bits": lambda: qat_of_four_bits(figures, folder),
    }
    if unknown := [each for each in only if each not in steps]:
        raise click.BadParameter(f"{', '.join(unknown)}: expected {', '.join(steps)}")
    for name in only or steps:
        steps[name]()
        click.echo(" | ".join(figures.rows[-1]), err=True)


@click.command()
@click.argument("only", nargs=-1)
def main(only: tuple[str, ...]) -> None:
    """Measures and prints the table, or the rows of the steps named, such as `qat-4-bits`."""
    with tempfile.TemporaryDirectory() as name:
        figures = Figures(Path(name))
        measure(figures, Path(name), only)
    click.echo("| what | measured | goal |\n|---|---|---|")
    for row in figures.rows:
        click.echo(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
