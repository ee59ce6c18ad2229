"""Which runtime runs which model, and what the tests need of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

from crossrt.core.artifact import ModelArtifact
from crossrt.runtimes.conformance.plugin import supported, tested_runtimes
from crossrt.runtimes.conformance.samples import (
    Arrays,
    artifacts_in,
    as_real,
    default_options,
    feeds_of,
    has_dynamic_batch,
    samples_of,
    stored,
)
from crossrt.runtimes.protocol import Feeds, Runtime, Session
from crossrt.runtimes.registry import get_runtime

TOLERANCES = {"float16": 5e-3}
"""Largest error relative to the largest value of an output, by the file's own dtype; 1e-4 for others."""

Pair = tuple[str, ModelArtifact]
PAIRS = pytest.StashKey[list[Pair]]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs a test on each runtime and each model that it supports."""
    pairs = _pairs(metafunc.config)
    if "artifact" in metafunc.fixturenames:
        pairs = _selected(pairs, metafunc.fixturenames)
        ids = [f"{name}-{artifact.id}" for name, artifact in pairs]
        metafunc.parametrize(("runtime_name", "artifact"), pairs, ids=ids)
    elif "runtime_name" in metafunc.fixturenames:
        metafunc.parametrize("runtime_name", sorted({name for name, _ in pairs}))


def _pairs(config: pytest.Config) -> list[Pair]:
    """Each runtime with each model that it supports, asked once a session: a missing package is slow to look for."""
    if PAIRS not in config.stash:
        folder, names = config.getoption("--conformance-artifacts"), tested_runtimes(config)
        pairs = [(name, artifact) for name in names for artifact in artifacts_in(folder) if supported(name, artifact)]
        if not pairs:
            raise pytest.UsageError(f"no runtime is installed that reads a model under {folder}")
        config.stash[PAIRS] = pairs
    return config.stash[PAIRS]


def _selected(pairs: list[Pair], fixtures: list[str]) -> list[Pair]:
    if "any_batch_size" in fixtures:
        return [(name, artifact) for name, artifact in pairs if has_dynamic_batch(artifact)]
    if "child_process" in fixtures:
        return list({(name, artifact.format): (name, artifact) for name, artifact in reversed(pairs)}.values())
    return pairs


@pytest.fixture
def any_batch_size() -> None:
    """Selects the models whose batch is dynamic."""


@pytest.fixture
def child_process() -> None:
    """Selects one model of each format, for tests that start processes."""


@pytest.fixture
def runtime(runtime_name: str) -> Runtime:
    """The runtime under test."""
    return get_runtime(runtime_name)


@pytest.fixture
def prepare(runtime: Runtime, artifact: ModelArtifact) -> Iterator[Callable[..., Session]]:
    """`prepare(**options)` gives a session, which is closed after the test.

    Where the model has a single batch size, that one is run, whatever the test asks for.
    """
    with ExitStack() as sessions:
        yield lambda **options: sessions.enter_context(runtime.prepare(artifact, default_options(artifact, **options)))


@pytest.fixture
def feeds_for(artifact: ModelArtifact) -> Callable[[Session], Arrays]:
    """`feeds_for(session)` gives the stored samples as the session takes them, repeated up to its batch size."""

    def feeds_for(session: Session) -> Arrays:
        return feeds_of(artifact, session, _batch_size(session, artifact))

    return feeds_for


def _batch_size(session: Session, artifact: ModelArtifact) -> int:
    sizes = {spec.name: spec.shape for spec in session.inputs}
    found = {sizes[name][axis] for name, axis in artifact.batching.axes.items()}
    assert len(found) <= 1, f"inputs have different batch sizes: {sizes}"
    size = found.pop() if found else 1
    assert isinstance(size, int)
    return size


@pytest.fixture
def answers(feeds_for: Callable[[Session], Arrays], artifact: ModelArtifact) -> Callable[..., Arrays]:
    """`answers(session, feeds)` gives the outputs in real units, samples along axis 0."""

    def answers(session: Session, feeds: Feeds | None = None) -> Arrays:
        outputs = session.run(feeds_for(session) if feeds is None else feeds)
        real = {spec.name: as_real(outputs[spec.name], spec) for spec in session.outputs}
        return samples_of(real, artifact)

    return answers


@pytest.fixture
def stored_answers(artifact: ModelArtifact) -> Mapping[str, Any]:
    """What the model must answer to its stored samples, in real units, samples along axis 0."""
    return stored(artifact, "outputs")


@pytest.fixture
def assert_close(artifact: ModelArtifact) -> Callable[[Arrays, Arrays], None]:
    """`assert_close(found, expected)` allows a quantized output one step, floats a share of the largest value."""

    def assert_close(found: Arrays, expected: Arrays) -> None:
        assert found.keys() == expected.keys() == {spec.name for spec in artifact.outputs}
        for spec in artifact.outputs:
            if expected[spec.name].dtype.kind != "f":
                np.testing.assert_array_equal(found[spec.name], expected[spec.name])
                continue
            largest = np.abs(expected[spec.name]).max(initial=0)
            allowed = 1.01 * (spec.scale or 0) or TOLERANCES.get(spec.dtype, 1e-4) * largest
            np.testing.assert_allclose(found[spec.name], expected[spec.name], rtol=0, atol=allowed)

    return assert_close
