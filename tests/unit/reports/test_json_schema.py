"""The published JSON Schema, compared with a real report by an independent validator."""

from __future__ import annotations

import copy
import json

import msgspec
import pytest
from jsonschema import Draft202012Validator

from crossrt.reports.schema.json_schema import report_json_schema
from crossrt.reports.schema.records import Distance


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(json.dumps(report_json_schema()))  # as it is published
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture
def document(sample):
    return json.loads(msgspec.json.encode(sample))


def test_schema_names_its_draft_and_version():
    schema = report_json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "version 2" in schema["title"]


def test_a_real_report_is_valid(validator, document):
    validator.validate(document)


def test_a_report_with_unmeasured_cases_and_one_round_is_valid(validator, make_result, make_report):
    failed = make_result("int8-qdq@ort-cpu", status="failed", reason="crashed", rounds=(), evaluation=None, memory=None)
    report = make_report(make_result(medians=[50_000]), failed, status="interrupted")
    validator.validate(json.loads(msgspec.json.encode(report)))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema_version",), 3),
        (("run", "status"), "great"),
        (("run", "settings", "seed"), "zero"),
        (("environment", "usable_cpus"), None),
        (("artifacts", 0, "size_bytes"), -1),
        (("results", 0, "batch_size"), 0),
        (("results", 0, "rounds", 0, "blocks_ns", 0, 0), 1.5),
        (("results", 0, "rounds", 0, "blocks_ns", 0, 0), -1),
        (("metrics", 0, "value"), None),
        (("metrics", 0, "direction"), "up"),
    ],
)
def test_a_broken_value_is_invalid(validator, document, place, value):
    broken = copy.deepcopy(document)
    *parents, last = place
    parent = broken
    for each in parents:
        parent = parent[each]
    parent[last] = value
    assert not validator.is_valid(broken)


@pytest.mark.parametrize("part", ["run", "environment", "artifacts", "results", "metrics"])
def test_a_missing_part_is_invalid(validator, document, part):
    del document[part]
    assert not validator.is_valid(document)


def test_a_report_without_version_is_invalid(validator, document):
    del document["schema_version"]
    assert not validator.is_valid(document)


def test_distances_are_valid_with_steps_and_without(validator, make_result, make_report):
    pair = {"one": "a", "other": "b", "kl_nats": 0.0, "kl_back_nats": 1e-5}
    found = (Distance(**pair), Distance(**pair, max_steps=3.0))
    report = json.loads(msgspec.json.encode(msgspec.structs.replace(make_report(make_result()), distances=found)))
    assert ["max_steps" in each for each in report["distances"]] == [False, True]
    validator.validate(report)
    report["distances"][0]["kl_nats"] = -1
    assert not validator.is_valid(report)


def test_diagnoses_are_valid_and_shares_are_at_most_one(validator, make_result, make_report):
    tensor = {"relative_error": 0.1, "cosine": 1.0, "saturated": 0.0, "clipped": 0.0, "sqnr_db": None}
    layers = {"artifact": "a", "samples": 10, "tensors": [{"tensor": "t", "role": "weight", "dtype": "int8", **tensor}]}
    shares = {"integer": 1.0, "hybrid": 0.0, "float": 0.0, "conversion": 0.0, "layout": 0.0}
    report = json.loads(msgspec.json.encode(make_report(make_result()))) | {"layers": [layers]}
    report["results"][0]["kernel_shares"] = {"kernels_ns": 5, **shares}
    validator.validate(report)
    report["results"][0]["kernel_shares"]["float"] = 1.5
    assert not validator.is_valid(report)
