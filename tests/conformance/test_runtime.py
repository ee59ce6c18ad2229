"""What a runtime says of itself."""

from dataclasses import replace
from pathlib import Path
from typing import get_args

from crossrt.core.artifact import ModelFormat
from crossrt.runtimes.protocol import SessionOptions


def test_the_name_is_the_registered_one(runtime, runtime_name):
    assert runtime.name == runtime_name


def test_formats_are_known_ones(runtime):
    assert isinstance(runtime.formats, tuple)
    assert runtime.formats
    assert set(runtime.formats) <= set(get_args(ModelFormat))


def test_the_version_is_text(runtime):
    assert isinstance(runtime.version(), str)
    assert runtime.version()


def test_nothing_speaks_against_a_model_of_a_format_that_it_reads(runtime, artifact):
    assert runtime.unsupported_reason(artifact, SessionOptions()) is None


def test_a_format_that_it_does_not_read_is_unsupported(runtime, artifact):
    reason = runtime.unsupported_reason(replace(artifact, format="punched-cards"), SessionOptions())
    assert "punched-cards" in reason


def test_the_unsupported_reason_does_not_look_at_the_file(runtime, artifact):
    assert runtime.unsupported_reason(replace(artifact, path=Path("missing")), SessionOptions()) is None
