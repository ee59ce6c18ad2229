"""The main job as a user runs it: one command, real images, every variant on both runtimes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import msgspec
import pytest

from crossrt.reports.schema.files import read_report
from crossrt.reports.schema.json_schema import report_json_schema

CROSSRT = str(Path(sys.executable).with_name("crossrt"))
ONNX = ("fp32", "int8-qdq", "int8-qoperator", "int8-dynamic")
TFLITE = ("fp32", "fp16", "int8-dynamic", "int8", "int8-io")
SUBJECTS = {f"mnist-cnn.{each}@ort-cpu" for each in ONNX} | {f"mnist-cnn.{each}@tflite" for each in TFLITE}
METRICS = {
    "latency_p50_ns",
    "throughput_per_s",
    "load_ns",
    "first_inference_ns",
    "peak_memory_bytes",
    "size_bytes",
    "top1",
    "macro_f1",
    "macro_precision",
    "macro_recall",
    "agreement",
    "max_abs_error",
    "speedup_p50",
}


def crossrt(*arguments, cwd, **options):
    return subprocess.run([CROSSRT, *map(str, arguments)], cwd=cwd, capture_output=True, text=True, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A user's own project, with packages that have the names of ours and break when imported."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("reports", "harness", "runtimes", "exporters", "tests"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("raise SystemExit('the wrong package was imported')\n")
    return folder


@pytest.fixture(scope="module")
def run(folder):
    done = crossrt("bench", "--quick", cwd=folder)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def report_file(run, folder) -> Path:
    return folder / re.search(r"^report: (.*)$", run.stdout, re.MULTILINE)[1]


@pytest.fixture(scope="module")
def report(report_file):
    return read_report(report_file)


def test_every_variant_is_a_green_row_at_both_batch_sizes(report):
    assert {result.case for result in report.results} == {f"{each}/b{n}/t1" for each in SUBJECTS for n in (1, 32)}
    assert {result.status for result in report.results} == {"ok"}


def test_every_case_has_every_metric(report):
    for result in report.results:
        found = {metric.name for metric in report.metrics if metric.case == result.case}
        assert found >= METRICS
        fewest = min(sum(map(len, each.blocks_ns)) for each in result.rounds)
        assert ("latency_p90_ns" in found, "latency_p99_ns" in found) == (fewest >= 64, fewest >= 662)


def test_model_is_as_accurate_as_promised_and_quantization_costs_little(report):
    top1 = {metric.case: metric.value for metric in report.metrics if metric.name == "top1"}
    assert top1["mnist-cnn.fp32@ort-cpu/b1/t1"] >= 0.992
    assert all(abs(value - top1["mnist-cnn.fp32@ort-cpu/b1/t1"]) <= 0.003 for value in top1.values())


def test_report_fits_its_json_schema(report_file):
    jsonschema.validate(json.loads(report_file.read_text()), report_json_schema())


def test_tables_name_every_case_and_the_shared_graph(run):
    for variant in ONNX:
        assert f"{variant}@ort-cpu" in run.stdout
    said = " ".join(run.stdout.split())
    assert "int8-qdq@ort-cpu and int8-qoperator@ort-cpu at batch 1 and 32: the same" in said
    assert max(map(len, run.stdout.splitlines())) <= 100


def test_saved_report_is_shown_as_it_was_printed(run, report_file, folder):
    shown = crossrt("show", report_file, cwd=folder)
    assert shown.returncode == 0
    printed = run.stdout.partition("report: ")[0].splitlines()
    rest = iter(shown.stdout.splitlines())  # it has all notes, of which the run shows the first
    assert [line for line in printed if not re.match(r"\d+ more notes?: ", line) and line not in rest] == []
    as_json = crossrt("show", report_file, "--format", "json", cwd=folder).stdout
    assert msgspec.json.decode(as_json)["schema_version"] == 2


def test_artifacts_come_from_the_cache_the_second_time(run, folder):
    again = crossrt("export", "--out", "exported", cwd=folder)
    assert "0 built" in again.stdout


def test_exported_folder_is_measured_without_building(run, folder):
    assert crossrt("export", "--out", "exported", "--only", "*.tflite", cwd=folder).returncode == 0
    done = crossrt("bench", "--artifacts", "exported", "--rounds", "1", "--only", "int8@tflite/b1", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "int8@tflite" in done.stdout


def test_interrupt_keeps_the_finished_rounds_and_leaves_no_process(run, folder):
    command = [CROSSRT, "bench", "--rounds", "50", "--only", "int8@tflite/b1", "--out", "interrupted"]
    messages = folder / "messages.txt"
    with messages.open("w") as file:
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=file, text=True)
    while not list((folder / "interrupted").glob("*/report.json")) and process.poll() is None:  # a round is over
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=1200)
    errors = messages.read_text()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    found = read_report(folder / re.search(r"^report: (.*)$", output, re.MULTILINE)[1])
    assert found.run.status == "interrupted"
    assert len(found.results[0].rounds) >= 1
    assert not workers_of(process.pid)


def workers_of(parent: int) -> list[str]:
    """Command lines of processes that name our modules and belong to nobody any more."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            line = status.with_name("cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        if (
            "harness.process.worker" in line
            and int(fields[1]) in (1, parent)
            and int(status.parent.name) != os.getpid()
        ):
            found.append(line)
    return found
