"""What speaks against believing a result stands above it, whatever command prints it."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from crossrt.datasets.opening import DataRequest
from crossrt.harness.measure.settings import Subject
from crossrt.reports.schema.files import write_report

pytestmark = [pytest.mark.processes, pytest.mark.usefixtures("known_files")]


@pytest.fixture
def guessing(tmp_path, samples):
    """Data whose labels the model does not know: it answers some of them right by chance alone."""
    labels = np.random.default_rng(1).permutation(samples["labels"])
    np.savez(tmp_path / "guessing.npz", image=samples["image"], labels=labels)
    np.savez(tmp_path / "calibration.npz", image=samples["image"] / 2)
    recipe = 'kind = "onnx-static"\ncalibration_samples = 8'
    (tmp_path / "few.toml").write_text(f"[recipes.few]\n{recipe}\n")
    return tmp_path / "guessing.npz"


@pytest.mark.parametrize(
    "arguments",
    [
        ("diagnose", "conv.int8-io.tflite", "--float", "conv.fp32.tflite"),
        ("robustness", "conv.fp32.tflite", "conv.int8-io.tflite"),
        ("quantize", "conv.fp32.onnx", "--recipe", "int8-dynamic.onnx", "--min-agreement", "0"),
        (
            *("sensitivity", "few", "--file", "few.toml", "--model", "conv.fp32.onnx"),
            *("--calibration", "calibration.npz", "--subsets", "2"),
        ),
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_reference_near_chance_is_told_above_everything(crossrt, folder, guessing, arguments):
    named = [folder / each if each.startswith("conv.") else each for each in arguments]
    done = crossrt(*named, "--data", guessing, COLUMNS="200")
    assert done.stdout.startswith("CAUTION: the reference's top-1 accuracy of "), done.stderr


def test_every_command_that_reads_a_report_says_so_too(bench, crossrt, folder, guessing, tmp_path):
    report = bench(subject=Subject(artifacts=folder, data=DataRequest(reference=str(guessing))))
    assert report.cautions[0].startswith("the reference's top-1 accuracy")
    silent = msgspec.structs.replace(report, cautions=())  # a report of another tool, or of an older crossrt
    for name, each, said in (("said", report, "CAUTION: the reference"), ("silent", silent, "CAUTION: the baseline")):
        write_report(each, tmp_path / f"{name}.json")
        for command in (["show"], ["show", "--case", "fp32"], ["accuracy"], ["pareto"]):
            done = crossrt(command[0], tmp_path / f"{name}.json", *command[1:])
            assert done.stdout.startswith(said), command
        done = crossrt("advise", tmp_path / f"{name}.json")
        assert (done.returncode, done.stdout) == (2, "")
        assert "no advice: the " in done.stderr
    done = crossrt("compare", tmp_path / "silent.json", tmp_path / "silent.json")
    assert done.stdout.startswith("CAUTION: baseline: the baseline answers")
