"""What quantizers make of operators beyond the range of a tensor: names as in ONNX, and in capitals as in TFLite."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

FOLDED: Final = ("Relu", "Clip", "RELU", "RELU6")
"""Activations whose range the tensor before them is given."""

PASSED_ON: Final = (
    *(
        "MaxPool",
        "Transpose",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Pad",
        "Slice",
        "Gather",
        "Resize",
        "Split",
    ),
    "MEAN",
)
"""Operators whose result may have the scale of what they take."""

SAME_SCALE: Final = (
    *("MAX_POOL_2D", "AVERAGE_POOL_2D", "REDUCE_MAX", "REDUCE_MIN", "MINIMUM", "MAXIMUM", "CONCATENATION", "PACK"),
    *("TRANSPOSE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "PAD", "PADV2", "MIRROR_PAD", "TILE", "BROADCAST_TO"),
    *("STRIDED_SLICE", "SLICE", "SPLIT", "SPLIT_V", "UNPACK", "GATHER", "GATHER_ND", "SELECT", "SELECT_V2"),
    *("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "SPACE_TO_DEPTH", "DEPTH_TO_SPACE", "REVERSE_V2", "TOPK_V2"),
    *("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "DYNAMIC_UPDATE_SLICE"),
)
"""TFLite operators whose operands and results have one scale: that of the range of any of them."""

IN_PLACE: Final = ("ADD", "SUB", "MUL", "DIV", "SOFTMAX")
"""TFLite operators that may write their result over what they take, before the calibrator reads that once more."""

FIXED_RANGE: Final = {"Softmax": (0.0, 1.0)}
"""What QDQ takes for the range of an operator's result, whatever was observed."""

FIXED: Final[Mapping[tuple[str, str], tuple[float, int]]] = {
    ("Softmax", "uint8"): (1 / 256, 0),
    ("Softmax", "int8"): (1 / 256, -128),
    ("SOFTMAX", "int8"): (1 / 256, -128),
    ("LOGISTIC", "int8"): (1 / 256, -128),
    ("TANH", "int8"): (1 / 128, 0),
    ("L2_NORMALIZATION", "int8"): (1 / 128, 0),
    ("LOG_SOFTMAX", "int8"): (16 / 256, 127),
    ("SOFTMAX", "int16"): (1 / 32768, 0),
    ("LOGISTIC", "int16"): (1 / 32768, 0),
    ("TANH", "int16"): (1 / 32768, 0),
}
"""Scale and zero point of an operator's result by its type, whatever was observed: QOperator and TFLite."""
