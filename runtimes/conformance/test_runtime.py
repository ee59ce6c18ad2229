"""What a runtime says of itself."""
# ruff: noqa: ANN001, ANN201, D103
# mypy: ignore-errors

from dataclasses import replace
from pathlib import Path
from typing import get_args

from crossrt.core.artifact import ModelFormat
from crossrt.runtimes.conformance.samples import default_options, has_dynamic_batch


def test_the_name_is_the_registered_one(runtime, runtime_name):
    assert runtime.name == runtime_name


def test_formats_are_known_ones(runtime):
    assert isinstance(runtime.formats, tuple)
    assert runtime.formats
    assert set(runtime.formats) <= set(get_args(ModelFormat))


def test_the_version_is_text(runtime):
    assert isinstance(runtime.version(), str)
    assert runtime.version()


def test_a_format_that_it_does_not_read_is_unsupported(runtime, artifact):
    reason = runtime.unsupported_reason(replace(artifact, format="punched-cards"), default_options(artifact))
    assert "punched-cards" in reason


def test_a_batch_size_that_the_model_does_not_have_is_unsupported(runtime, artifact):
    options = replace(default_options(artifact), batch_size=5)
    reason = runtime.unsupported_reason(artifact, options)
    assert (reason is None) == has_dynamic_batch(artifact)
    assert reason is None or "batch" in reason


def test_the_unsupported_reason_does_not_look_at_the_file(runtime, artifact):
    missing = replace(artifact, path=Path("missing"))
    assert runtime.unsupported_reason(missing, default_options(artifact)) is None
