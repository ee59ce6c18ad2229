"""Which operators of a TFLite file run, from what LiteRT lists."""

from __future__ import annotations

import numpy as np

from crossrt.runtimes.litert.interpreter import DELEGATE, executed


def operator(index, name, inputs, outputs):
    return {"index": index, "op_name": name, "inputs": np.array(inputs), "outputs": np.array(outputs)}


def test_delegates_that_share_the_operator_that_unpacks_weights_are_both_listed():
    operators = [
        operator(0, "DEQUANTIZE", [10], [11]),
        operator(1, "FULLY_CONNECTED", [0, 11], [1]),
        operator(2, "WHILE", [1], [2]),
        operator(3, "FULLY_CONNECTED", [2, 11], [3]),
        operator(4, DELEGATE, [0, 10], [1]),
        operator(5, DELEGATE, [2, 10], [3]),
    ]
    assert executed(operators) == (DELEGATE, "WHILE", DELEGATE)
