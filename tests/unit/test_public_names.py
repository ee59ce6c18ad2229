"""Names that other packages and other people's files rely on: changing one is a decision, not an accident."""

from __future__ import annotations

import inspect

import crossrt.runtimes.errors
import crossrt.runtimes.protocol
import crossrt.runtimes.registry
from crossrt.reports.schema.records import Duel, Metric, Report
from crossrt.reports.verdicts.comparison.findings import Comparison, Finding


def members(protocol) -> set[str]:
    return {name for name in vars(protocol) if not name.startswith("_")}


def test_contract_of_a_runtime():
    assert members(crossrt.runtimes.protocol.Runtime) == {"name", "formats", "version", "unsupported_reason", "prepare"}
    names = {"inputs", "outputs", "run", "executed_operators", "profile", "close"}
    assert members(crossrt.runtimes.protocol.Session) == names
    assert crossrt.runtimes.registry.GROUP == "crossrt.runtimes"


def test_options_of_a_session():
    names = ["batch_size", "intra_op_threads", "inter_op_threads", "io"]
    assert list(inspect.signature(crossrt.runtimes.protocol.SessionOptions).parameters) == names


def test_errors_of_an_adapter():
    raised = {name for name, _ in inspect.getmembers(crossrt.runtimes.errors, inspect.isclass)} - {"CrossrtError"}
    assert raised == {
        "InputRefusedError",
        "ModelRefusedError",
        "OptionRefusedError",
        "RuntimeAdapterError",
        "RuntimeBrokenError",
        "RuntimeNotInstalledError",
        "SessionClosedError",
        "UnknownRuntimeError",
    }


def test_top_level_of_a_report():
    names = (
        "schema_version",
        "run",
        "environment",
        "artifacts",
        "results",
        "metrics",
        "controls",
        "distances",
        "layers",
    )
    assert Report.__struct_fields__ == names
    assert Metric.__struct_fields__ == ("case", "name", "value", "unit", "direction", "lower", "upper")


def test_top_level_of_a_duel():
    names = ("schema_version", "kind", "run", "margin", "budget_s", "artifacts", "a", "b", "looks")
    assert Duel.__struct_fields__ == names


def test_fields_of_a_finding():
    assert Finding.__struct_fields__ == (
        *("case", "metric", "verdict", "word", "is_regression", "baseline", "current", "unit"),
        *("change", "lower", "upper", "margin", "detail"),
    )
    assert Comparison.__struct_fields__ == (
        *("schema_version", "baseline", "current", "subjects", "findings", "notes", "method", "incomparable"),
    )
