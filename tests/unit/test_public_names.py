"""Names that other packages and other people's files rely on: changing one is a decision, not an accident."""

from __future__ import annotations

import inspect

import crossrt.datasets.opening
import crossrt.datasets.protocol
import crossrt.datasets.tasks.choosing
import crossrt.datasets.tasks.protocol
import crossrt.runtimes.errors
import crossrt.runtimes.protocol
import crossrt.runtimes.registry
from crossrt.core.metric import MetricDefinition
from crossrt.reports.schema.records import Duel, Metric, Report
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding

FINDING = (
    *("case", "metric", "verdict", "word", "is_regression", "name", "label", "format", "baseline", "current", "unit"),
    *("change", "change_kind", "lower", "upper", "margin", "detail"),
)
COMPARISON = (
    *("schema_version", "baseline", "current", "subjects", "findings", "notes", "method", "incomparable", "cautions"),
)


def members(protocol) -> set[str]:
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_contract_of_a_runtime():
    assert members(crossrt.runtimes.protocol.Runtime) == {"name", "formats", "version", "unsupported_reason", "prepare"}
    names = {"inputs", "outputs", "run", "executed_operators", "profile", "close"}
    assert members(crossrt.runtimes.protocol.Session) == names
    assert crossrt.runtimes.registry.GROUP == "crossrt.runtimes"


def test_options_of_a_session():
    names = ["batch_size", "intra_op_threads", "inter_op_threads", "io", "dimensions", "runtime_options"]
    assert list(inspect.signature(crossrt.runtimes.protocol.SessionOptions).parameters) == names


def test_errors_of_an_adapter():
    found = inspect.getmembers(crossrt.runtimes.errors, inspect.isclass)
    raised = {name for name, each in found if each.__module__ == "crossrt.runtimes.errors"}
    assert raised == {
        "EnvironmentFailedError",
        "InputRefusedError",
        "ModelRefusedError",
        "OptionRefusedError",
        "RunFailedError",
        "RuntimeAdapterError",
        "RuntimeBrokenError",
        "RuntimeNotInstalledError",
        "SessionClosedError",
        "UnknownRuntimeError",
        "VersionRefusedError",
    }


def test_contract_of_a_data_set():
    names = {"name", "fingerprint", "inputs", "shared", "labels", "notes", "feeds"}
    assert members(crossrt.datasets.protocol.Dataset) == names
    assert crossrt.datasets.opening.GROUP == "crossrt.datasets"


def test_contract_of_a_task():
    assert members(crossrt.datasets.tasks.protocol.Task) == {"name", "metrics", "check", "evaluate"}
    assert crossrt.datasets.tasks.choosing.GROUP == "crossrt.tasks"


def test_fields_of_a_metric_definition():
    assert MetricDefinition.__struct_fields__ == (
        *("name", "label", "unit", "direction", "description", "format", "judged_by", "paired_test", "margin"),
        *("worse", "better"),
    )


def test_top_level_of_a_report():
    assert Report.__struct_fields__ == (
        *("schema_version", "run", "environment", "data", "task", "definitions", "artifacts", "results", "metrics"),
        *("reference", "model_sha256", "dimensions", "cautions", "warnings", "left_out", "controls"),
        *("distances", "layers", "emulated", "roofline", "evidence", "exclusive"),
    )
    assert Metric.__struct_fields__ == ("case", "name", "value", "unit", "direction", "lower", "upper")


def test_top_level_of_a_duel():
    assert Duel.__struct_fields__ == (
        *("schema_version", "kind", "run", "data", "task", "definitions", "margin", "budget_s", "artifacts"),
        *("a", "b", "looks", "cautions", "warnings", "answers_repeat", "distance"),
    )


def test_fields_of_a_finding():
    assert Finding.__struct_fields__ == FINDING
    assert Comparison.__struct_fields__ == COMPARISON
