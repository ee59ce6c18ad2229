"""What the parent asks a worker arrives as it was asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, read_manifest
from crossrt.harness.process import messages
from crossrt.harness.process.messages import InputFile, Load, decoded, encoded
from crossrt.runtimes.protocol import SessionOptions

CONFORMANCE = Path(__file__).parents[3] / "runtimes" / "conformance" / "models"
INPUTS = (
    InputFile(name="x", path="/x.npy", axis=1),
    InputFile(name="rate", path="/r.npy", axis=None, is_shared=True, takes_first=True),
)
REQUESTS = [
    messages.ImportRuntime(name="ort-cpu"),
    messages.LoadReferenceWorkload(),
    messages.Feed(inputs=INPUTS, batch_size=4, seed=7),
    messages.FirstInference(),
    messages.TimeBlock(calls=8, warmup_ns=1000, session=2),
    messages.Evaluate(inputs=INPUTS, samples=9, batch_size=4, folder="/answers"),
    messages.ReadOperators(),
    messages.ProfileCalls(calls=3),
    messages.ReadPeakMemory(),
    messages.ServeQueries(
        rate_per_s=9.5, bound_ns=2_000_000, looks=((64, 0, 9), (662, 1, 30)), most_ns=10**9, percentile=0.99, seed=3
    ),
    messages.Unload(),
    messages.TellTime(),
]


def sent(request):
    return decoded(json.loads(json.dumps(encoded(request))))


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
def test_a_request_survives_the_way(request_):
    assert sent(request_) == request_


def test_processors_survive_the_way():
    assert list(sent(messages.Pin(cpus=(0, 3))).cpus) == [0, 3]


@pytest.mark.parametrize("folder", sorted(CONFORMANCE.iterdir()), ids=lambda each: each.name)
def test_an_artifact_survives_the_way(folder):
    artifact = read_manifest(folder / ARTIFACT_MANIFEST, ModelArtifact)
    options = SessionOptions(batch_size=3, intra_op_threads=2, io="native", dimensions={"seq": 128})
    assert sent(Load(artifact=artifact, options=options)) == Load(artifact=artifact, options=options)


def test_every_kind_of_request_is_tested():
    tested = {type(each) for each in REQUESTS} | {messages.Pin, Load}
    assert tested == set(messages.Request.__args__)


def test_a_worker_imports_nothing_but_numpy():
    source = "import sys, crossrt.harness.process.worker; print(*sys.modules)"
    command = [sys.executable, "-P", "-c", source]
    imported = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    ours = {"crossrt"} | set(sys.stdlib_module_names)
    others = {name.partition(".")[0] for name in imported if not name.startswith("_")} - ours
    assert others <= {"numpy", "sitecustomize", "google", "mpl_toolkits"}, others
