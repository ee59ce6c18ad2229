"""What a user sees of a build that takes minutes, and after an interrupt."""

from __future__ import annotations

import dataclasses
import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from crossrt.harness.analyze import methods
from crossrt.harness.build import building
from crossrt.harness.build.builder import Artifacts
from crossrt.reports.tables.terminal import whole_names
from crossrt.reports.text.progress import Silent, Terminal


def test_a_log_names_each_thing_that_is_begun_where_that_is_asked_for():
    for tells, expected in ((True, "building (2 steps)\n  int8-a\n  int8-b\n"), (False, "building (2 steps)\n")):
        stream = io.StringIO()
        with Terminal(Console(file=stream, width=80), tells_steps=tells) as display:
            display.phase("building", 2)
            for item in ("int8-a", "int8-a", "int8-b"):
                display.doing(item)
        assert stream.getvalue().rstrip("\n") + "\n" == expected


def test_an_interrupted_build_says_what_is_finished(monkeypatch, make_artifact):
    said = []
    display = SimpleNamespace(remark=said.append)
    request = SimpleNamespace(model="net", variants=[SimpleNamespace(item=item) for item in ("a.onnx", "b.onnx")])
    found = Artifacts(artifacts={"net.a.onnx": make_artifact()}, built=1)
    state = SimpleNamespace(found=found, display=display, request=request, artifact_id=lambda item: f"net.{item}")

    def interrupt():
        raise KeyboardInterrupt

    stopped = []
    built = SimpleNamespace(works=lambda _: [interrupt], give_up=lambda: stopped.append(True))
    monkeypatch.setattr(building, "_Building", lambda _: built)
    with pytest.raises(KeyboardInterrupt):
        building._build_missing(state, [])
    assert stopped == [True]
    assert said == ["1 file finished: a.onnx; kept: the same command goes on from there"]


def test_methods_that_were_timed_before_an_interrupt_keep_their_times(monkeypatch, make_artifact):
    def method(item):
        return methods.Method(item=item, plain="plain", artifact=make_artifact(), evaluation=None)

    league = methods.League(
        model="net",
        metric=None,
        floats={},
        methods=[method(item) for item in ("plain", "a", "b", "c")],
        failed={},
        unfit={},
        cautions=(),
    )
    times = iter(["time of a"])

    def time(*_):
        for each in times:
            return each
        raise KeyboardInterrupt

    monkeypatch.setattr(methods, "_time", time)
    found = methods._timed(league, None, Silent())
    assert found.is_interrupted
    assert [each.time for each in found.methods] == [None, "time of a", None, None]
    assert dataclasses.replace(found, methods=league.methods, is_interrupted=False) == league


def test_an_indented_name_is_broken_at_its_signs():
    found = whole_names("  int8-qdq-per-tensor-weights-mse.onnx", 33)
    assert found == "  int8-qdq-per-tensor-weights-\nmse.onnx"
