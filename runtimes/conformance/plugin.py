"""The options of the conformance suite; pytest loads this by entry point, so it imports nothing heavy."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from crossrt.core.artifact import ModelArtifact

MODELS = Path(__file__).parent / "models"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("crossrt conformance")
    group.addoption(
        "--require-runtime",
        action="append",
        default=[],
        metavar="NAME",
        help="fail unless this runtime is installed and runs at least one of the models; may be given again",
    )
    group.addoption(
        "--conformance-artifacts",
        type=Path,
        default=MODELS,
        metavar="DIR",
        help="folder with the models to run, each with its manifest, inputs and answers",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Checks that what is required can be had.

    Raises:
        UsageError: A required runtime is missing, or no model is for it.
    """
    for name in config.getoption("--require-runtime"):
        _require(name, config.getoption("--conformance-artifacts"))


def _require(name: str, folder: Path) -> None:
    from crossrt.core.errors import CrossrtError
    from crossrt.runtimes.conformance.samples import artifacts_in
    from crossrt.runtimes.registry import get_runtime

    try:
        formats = get_runtime(name).formats
    except CrossrtError as error:
        raise pytest.UsageError(f"{name} is required: {error}") from error
    if not any(supported(name, artifact) for artifact in artifacts_in(folder)):
        raise pytest.UsageError(f"{name} is required and reads {', '.join(formats)}: no such model under {folder}")


def tested_runtimes(config: pytest.Config) -> tuple[str, ...]:
    """All registered runtimes; those that are not measured unless they are named only where they are required."""
    from crossrt.runtimes.registry import SHIPPED, runtime_names

    required = config.getoption("--require-runtime")
    return tuple(
        name for name in runtime_names() if name in required or name not in SHIPPED or SHIPPED[name].is_default
    )


def supported(name: str, artifact: ModelArtifact) -> bool:
    """Whether a runtime is installed and runs a model at the batch size that the model has."""
    from crossrt.runtimes.conformance.samples import default_options
    from crossrt.runtimes.errors import RuntimeNotInstalledError
    from crossrt.runtimes.registry import get_runtime

    try:
        return get_runtime(name).unsupported_reason(artifact, default_options(artifact)) is None
    except RuntimeNotInstalledError:
        return False
