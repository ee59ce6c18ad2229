"""A build that fails where the disk of the cache is full."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from crossrt.exporters.errors import ExportError
from crossrt.exporters.jobs import REFERENCE
from crossrt.harness.build import building
from crossrt.harness.errors import ChildFailedError

MISLEADING = ChildFailedError("the quantizer cannot do this (ValueError: Failed to find proper ai.onnx domain)", "")


@pytest.fixture
def failed(tmp_path, monkeypatch):
    """Lets an item fail; gives what is told of it."""

    def run(item, full):
        monkeypatch.setattr(building, "shortage", lambda *_: full)
        found = SimpleNamespace(problems={})
        state = SimpleNamespace(
            folder=tmp_path,
            cache=SimpleNamespace(root=tmp_path),
            request=SimpleNamespace(source=SimpleNamespace(path=tmp_path)),
            found=found,
            artifact_id=lambda item: item,
            display=SimpleNamespace(failure=lambda _: None, step=lambda: None),
        )
        monkeypatch.setattr(building, "FloatCheck", lambda *_: None)
        monkeypatch.setattr(building._Building, "_find_float", lambda _: None)
        building._Building(state)._fail(item, MISLEADING)
        return found.problems[item]

    return run


def test_a_full_disk_is_the_only_cause_that_is_told(failed):
    told = failed("int8-dynamic.onnx", "the disk is full: make room")
    assert told.reason == "the disk is full: make room"
    assert "ai.onnx domain" in told.stderr_tail


def test_where_there_is_room_the_failure_is_told_as_it_is(failed):
    assert failed("int8-dynamic.onnx", None) is MISLEADING


def test_answers_of_the_source_that_find_no_room_are_told_so(failed):
    with pytest.raises(ExportError, match=r"^the disk is full: make room$"):
        failed(REFERENCE, "the disk is full: make room")
