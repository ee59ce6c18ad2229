"""What every runtime must do, checked on every installed runtime and every model that it reads.

On a runtime of your own, registered under the entry point group `crossrt.runtimes`:

    pytest tests/conformance --require-runtime NAME

On models of your own, add `--conformance-artifacts DIR`. Each folder under DIR that holds an `artifact.json` also holds
what its model takes and must answer, in the order of the manifest: `input-0.npy`, `output-0.npy` and so on. Rows come
first; quantized tensors are stored as the float32 that they stand for, all others in their own dtype.
"""

from contextlib import ExitStack
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.core.manifest import ARTIFACT_MANIFEST, check_file, read_manifest
from crossrt.runtimes.errors import RuntimeAdapterError, RuntimeNotInstalledError
from crossrt.runtimes.protocol import SessionOptions
from crossrt.runtimes.registry import get_runtime, runtime_names

MODELS = Path(__file__).parents[1] / "data" / "models"


def pytest_addoption(parser):
    group = parser.getgroup("crossrt conformance")
    group.addoption(
        "--require-runtime",
        action="append",
        default=[],
        metavar="NAME",
        help="fail unless this runtime is installed and reads at least one of the models; may be given again",
    )
    group.addoption(
        "--conformance-artifacts",
        type=Path,
        default=MODELS,
        metavar="DIR",
        help="folder with the models to run, each with its manifest, inputs and answers",
    )


def pytest_configure(config):
    folder = config.getoption("--conformance-artifacts")
    for name in config.getoption("--require-runtime"):
        try:
            formats = get_runtime(name).formats
        except RuntimeAdapterError as error:
            raise pytest.UsageError(f"{name} is required: {error}") from error
        if not any(artifact.format in formats for artifact in _artifacts(folder)):
            raise pytest.UsageError(f"{name} is required and reads {', '.join(formats)}: no such model under {folder}")


def pytest_generate_tests(metafunc):
    folder = metafunc.config.getoption("--conformance-artifacts")
    pairs = [(name, artifact) for name in runtime_names() for artifact in _artifacts(folder) if _reads(name, artifact)]
    if not pairs:
        raise pytest.UsageError(f"no runtime is installed that reads a model under {folder}")
    if "artifact" in metafunc.fixturenames:
        ids = [f"{name}-{artifact.id}" for name, artifact in pairs]
        metafunc.parametrize(("runtime_name", "artifact"), pairs, ids=ids)
    elif "runtime_name" in metafunc.fixturenames:
        metafunc.parametrize("runtime_name", sorted({name for name, _ in pairs}))


@cache
def _artifacts(folder):
    artifacts = [read_manifest(path, ModelArtifact) for path in sorted(folder.glob(f"**/{ARTIFACT_MANIFEST}"))]
    for artifact in artifacts:
        check_file(artifact)
    return artifacts


def _reads(name, artifact):
    try:
        return artifact.format in get_runtime(name).formats
    except RuntimeNotInstalledError:
        return False


@pytest.fixture
def runtime(runtime_name):
    return get_runtime(runtime_name)


@pytest.fixture
def prepare(runtime, artifact):
    """`prepare(**options)` gives a session, which is closed after the test."""
    with ExitStack() as sessions:
        yield lambda **options: sessions.enter_context(runtime.prepare(artifact, SessionOptions(**options)))


@pytest.fixture
def feeds_for(artifact):
    """`feeds_for(session)` gives the stored rows as the session takes them, repeated up to its batch size."""

    def feeds_for(session):
        stored = zip(session.inputs, _stored(artifact, "input", len(artifact.inputs)), strict=True)
        return {spec.name: _as_taken(_rows(rows, spec.shape[0]), spec) for spec, rows in stored}

    return feeds_for


@pytest.fixture
def answers(feeds_for):
    """`answers(session, feeds)` runs and gives the outputs in real units; without feeds it runs the stored rows."""

    def answers(session, feeds=None):
        outputs = session.run(feeds_for(session) if feeds is None else feeds)
        return {spec.name: _as_real(outputs[spec.name], spec) for spec in session.outputs}

    return answers


@pytest.fixture
def stored_answers(artifact):
    """What the model must answer to its stored rows, in real units."""
    stored = zip(artifact.outputs, _stored(artifact, "output", len(artifact.outputs)), strict=True)
    return {spec.name: rows for spec, rows in stored}


@pytest.fixture
def assert_close(artifact):
    """`assert_close(found, wanted)` allows a quantized output one step, any other 1e-4 of its largest value."""

    def assert_close(found, wanted):
        assert found.keys() == wanted.keys() == {spec.name for spec in artifact.outputs}
        for spec in artifact.outputs:
            allowed = 1.01 * (spec.scale or 0) or 1e-4 * np.abs(wanted[spec.name]).max()
            np.testing.assert_allclose(found[spec.name], wanted[spec.name], rtol=0, atol=allowed)

    return assert_close


def _stored(artifact, which, count):
    return [np.load(artifact.path.with_name(f"{which}-{index}.npy"), allow_pickle=False) for index in range(count)]


def _rows(rows, batch_size):
    """The first rows; each repetition is weaker than the one before, so that no two rows are alike."""
    repeated = np.resize(rows, (batch_size, *rows.shape[1:]))
    if rows.dtype.kind != "f":
        return repeated
    repetition = 1 + np.arange(batch_size) // len(rows)
    return repeated / repetition.astype(rows.dtype).reshape(-1, *[1] * (rows.ndim - 1))


def _as_taken(rows, spec):
    if spec.scale is None:
        return rows.astype(spec.dtype)
    limits = np.iinfo(spec.dtype)
    return np.clip(np.rint(rows / spec.scale) + spec.zero_point, limits.min, limits.max).astype(spec.dtype)


def _as_real(output, spec):
    return output if spec.scale is None else (output.astype(np.float64) - spec.zero_point) * spec.scale
