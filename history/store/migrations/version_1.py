"""What the rows of a history of version 1 become in version 2. It stays as it is, whatever reports hold later."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from crossrt.core.evaluation import Packed
from crossrt.reports.schema.version1_answers import TASK_METRICS
from crossrt.reports.statistics.definitions import MEASURED_METRICS

TASK: Final = "classification"
RENAMED: Final = {"first_run_ns": "first_inference_ns", "agreement_fp32": "agreement"}
_TOP1: Final = "top1"
_BATCH: Final = "batch"
_MOVED: Final = ("data_sha256", "model_sha256")


def digest(content: object) -> str:
    """Names a row that many runs share."""
    return hashlib.sha256(msgspec.msgpack.encode(content)).hexdigest()


def run(content: str) -> str:
    """JSON of a run: definitions stand in a table of their own."""
    found = json.loads(content)
    found.pop("definitions", None)
    return _json(found)


def about(environment: Mapping[str, Any]) -> str:
    """JSON of what a run was about."""
    return _json({"task": TASK, "model_sha256": environment.get("model_sha256")})


def dataset(environment: Mapping[str, Any], samples: int) -> str:
    """JSON of the data set."""
    return _json({"name": "test set", "fingerprint": environment["data_sha256"], "samples": samples})


def environment(content: str) -> str:
    """JSON of an environment, without data and model."""
    return _json({name: value for name, value in json.loads(content).items() if name not in _MOVED})


def artifact(content: str) -> str:
    """JSON of a model file."""
    found = json.loads(content)
    is_dynamic = any(tensor["shape"][:1] == [None] for tensor in found["inputs"])
    for tensor in (*found["inputs"], *found["outputs"]):
        if tensor["shape"][:1] == [None]:  # the batch: version 1 knew no other dynamic dimension, and named none
            tensor["shape"][0] = _BATCH
    quantization = found["quantization"]
    found["source_sha256"] = found.pop("model_sha256")
    found["role"] = "float" if quantization is None or quantization["scheme"] == "float16" else "quantized"
    found["batch_dimension"] = _BATCH if is_dynamic else None
    return _json(found)


def case(name: str) -> dict[str, str]:
    """What stood in the id of a case alone: `<model>.<variant>@<runtime>/b<batch>/t<threads>`."""
    subject = name.partition("/")[0]
    model, dot, variant = subject.partition("@")[0].partition(".")
    return {"subject": subject, "model": model, "variant": variant if dot else ""}


def evaluation(samples: int, correct: int, reference: int | None, wrong: bytes | None) -> tuple[str, bytes]:
    """The digest and the content of answers."""
    found: dict[str, Any] = {
        "task": TASK,
        "samples": samples,
        "values": {_TOP1: correct / samples},
        "counts": {_TOP1: correct},
    }
    if reference is not None:
        found["reference_values"] = {_TOP1: reference / samples}
    if wrong is not None:
        is_right, predictions = _answers(samples, wrong)
        found["per_sample"] = {_TOP1: msgspec.to_builtins(Packed.of(is_right))}
        found["predictions"] = msgspec.to_builtins(Packed.of(predictions))
    content = msgspec.msgpack.encode(found)
    return hashlib.sha256(content).hexdigest(), zlib.compress(content, 9)


def _answers(samples: int, wrong: bytes) -> tuple[Any, Any]:
    """Whether each sample was right, and its class: -1 stands for the label.

    Args:
        samples: How many there are.
        wrong: Steps from one wrong answer to the next, each with the class that was given, as msgpack.
    """
    numbers = msgspec.msgpack.decode(wrong, type=list[int])
    places = np.cumsum(numbers[::2], dtype=np.int64)
    predictions = np.full(samples, -1, np.int16)
    predictions[places] = numbers[1::2]
    return predictions < 0, predictions


def definitions() -> str:
    """JSON of what the metrics of version 1 are."""
    return msgspec.json.encode((*TASK_METRICS, *MEASURED_METRICS)).decode()


def _json(content: Mapping[str, Any]) -> str:
    return msgspec.json.encode(content).decode()
