"""Arguments of `import crossrt` that have a wrong type: refused before anything is opened or run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import crossrt
from crossrt.harness.run.given import naming_objects

DATA = np.zeros((4, 3), np.float32)


def metric(outputs, labels):
    return 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 3}, "an object of type int is not a model"),
        ({"task": metric}, 'task is the function metric; metrics run in a .* "module:function" or "file.py:function"'),
        ({"task": 3}, "task is 3; expected a string"),
        ({"data": 3}, "data is 3; expected a path, the name of a data set, arrays by input name"),
        ({"calibration": 3}, "calibration is 3; expected a path"),
        ({"data": DATA, "labels": 3}, "labels are of type int; expected an array with one entry per sample"),
        ({"data": DATA, "labels": metric}, "labels are of type function; expected an array"),
        ({"runtimes": 3}, "runtimes is 3; expected a string or a list of strings"),
        ({"runtimes": [3]}, r"runtimes is \[3\]; expected a string"),
        ({"only": 3}, "only is 3; expected a string"),
        ({"baseline": 3}, "baseline is 3; expected a string"),
        ({"dimensions": 3}, "dimensions is 3; expected sizes by name"),
        ({"batch": "a"}, "batch is 'a'; expected a whole number"),
        ({"batch": None}, "batch is None; expected a whole number"),
        ({"threads": None}, "threads is None; expected a whole number"),
        ({"seed": None}, "seed is None; expected a whole number"),
        ({"time": "a"}, "time is 'a'; expected a number above 0"),
        ({"minimum_agreement": "a"}, "minimum agreement is 'a'; expected a share"),
        ({"exclusive": {"max_pressure": "5%"}}, "max_pressure is '5%'; expected a share, such as 0.05 for 5%"),
        ({"exclusive": {"max_steal": -1}}, "max_steal is -1; expected a share"),
        ({"exclusive": {"max_seal": 1}}, "exclusive is {'max_seal': 1}; expected True, False, or limits as in"),
        ({"exclusive": 1}, "exclusive is 1; expected True, False, or limits"),
        ({"exclusive": {"max_pressure": True}}, "max_pressure is True; expected a share"),
        ({"evidence": "yes"}, "evidence is 'yes'; expected True or False"),
    ],
)
def test_a_bench_refuses_a_wrong_type_with_one_error_that_names_the_argument(arguments, message):
    with pytest.raises(crossrt.CrossrtError, match=message):
        crossrt.bench(**{"model": "net.onnx", **arguments})


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: crossrt.bisect_runtime("a", runtime=5, good="1", bad="2"), "runtime is 5; expected a string"),
        (lambda: crossrt.bisect_runtime("a", runtime="ort-cpu", good=1.27, bad="2"), "good is 1.27; expected a string"),
        (lambda: crossrt.duel("a@b", model=3), "an object of type int is not a model"),
        (lambda: crossrt.duel("a@b", data=3), "data is 3; expected a path"),
        (lambda: crossrt.duel("a@b", dimensions=3), "dimensions is 3; expected sizes by name"),
        (lambda: crossrt.duel("a@b", margin="a"), "margin is 'a'; expected a number above 0"),
        (lambda: crossrt.duel("a@b", budget=None), "budget is None; expected a number above 0"),
        (lambda: crossrt.quantize(3, "lab"), "an object of type int is not a model"),
        (lambda: crossrt.quantize("net.onnx", 3), "out is 3; expected a path"),
        (lambda: crossrt.quantize("net.onnx", "lab", recipes=3), "recipes is 3; expected a string"),
        (lambda: crossrt.quantize("net.onnx", "lab", seed="a"), "seed is 'a'; expected a whole number"),
        (lambda: crossrt.quantize("net.onnx", "lab", minimum_agreement="a"), "minimum agreement is 'a'"),
        (lambda: crossrt.inspect(3), "model is 3; expected a path"),
        (lambda: crossrt.load_report(3), "path is 3; expected a path"),
        (lambda: crossrt.compare(3, 3), "path is 3; expected a path"),
    ],
)
def test_other_functions_refuse_a_wrong_type_likewise(call, message):
    with pytest.raises(crossrt.CrossrtError, match=message):
        call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 3}, "an object of type int is not a model"),
        ({"out": 3}, "out is 3; expected a path"),
        ({"epochs": "a"}, "epochs is 'a'; expected a whole number"),
        ({"epochs": 2.5}, "epochs is 2.5; expected a whole number"),
        ({"epochs": None}, "epochs is None; expected a whole number"),
        ({"learning_rate": "a"}, "learning_rate is 'a'; expected a number"),
        ({"batch_size": [32]}, r"batch_size is \[32\]; expected a whole number"),
        ({"weight_bits": "8"}, "weight_bits is '8'; expected 4 or 8"),
        ({"patience": "a"}, "patience is 'a'; expected a whole number or None"),
        ({"validation_split": None}, "validation_split is None; expected a number"),
        ({"task": "segmentation"}, "task is 'segmentation'; expected 'classification' or 'regression' or None"),
        ({"task": metric}, "task is the function metric; expected"),
        ({"resume": "no"}, "resume is 'no'; expected True or False"),
        ({"seed": 1.5}, "seed is 1.5; expected a whole number"),
        ({"epochs": np.int64(0)}, "epochs=0 cannot be trained with"),
    ],
)
def test_a_training_refuses_a_wrong_type_likewise(arguments, message):
    with pytest.raises(crossrt.CrossrtError, match=message):
        crossrt.qat(**{"model": "mnist-cnn", "out": "lab", **arguments})


@pytest.mark.parametrize(
    ("text", "is_lone", "expected"),
    [
        (
            "the data set data.npz does not fit the model: the array 'input' (for input 'x') is int64: write"
            ' `input.astype("float32")`',
            True,
            "the data does not fit the model: the array (for input 'x') is int64: write `array.astype(\"float32\")`",
        ),
        ("the data set data.npz lacks the array 'input'", False, "the data lacks the array 'input'"),
        ("/scratch/labels.npy holds a single value", False, "the array of labels holds a single value"),
        ("/scratch/mydata.npz cannot be read", False, "/scratch/mydata.npz cannot be read"),
        ("the file /home/data.npz cannot be read", False, "the file /home/data.npz cannot be read"),
    ],
)
def test_objects_are_not_called_by_the_files_that_they_were_saved_in(text, is_lone, expected):
    assert naming_objects(text, Path("/scratch"), ["data.npz", "labels.npy"], is_lone=is_lone) == expected


def test_an_error_about_arrays_speaks_of_them():
    with pytest.raises(crossrt.CrossrtError, match=r"^the data: array 'x' is an array of Python objects"):
        crossrt.bench("net.onnx", data={"x": np.array([{}], dtype=object)})
