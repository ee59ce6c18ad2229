"""What is built is checked with the batch that each file takes."""

from __future__ import annotations

from pathlib import Path

from crossrt.harness.build.builder import Artifacts
from crossrt.harness.build.export import CHECK_BATCH, _state
from crossrt.harness.build.model_files import model_artifact
from crossrt.harness.measure.settings import Subject
from crossrt.harness.run.prepare import open_project

MODELS = Path(__file__).parents[3] / "runtimes" / "conformance" / "models"


def test_a_file_with_a_fixed_batch_is_checked_beside_others_with_a_dynamic_one(tmp_path):
    """As recurrent layers come to in TFLite, whose model and ONNX file have a dynamic batch."""
    paths = [MODELS / f"{name}.fp32.tflite" / "model.tflite" for name in ("unsigned", "fixed")]
    subject = Subject(models=(paths[0],))
    found = Artifacts(artifacts={str(path): model_artifact(path) for path in paths})
    state = _state(open_project(subject, tmp_path), subject, found, 0.9)
    assert [case.scenario.batch_size for case in state.cases] == [CHECK_BATCH, 4]
