"""The session options of ONNX Runtime that may be set, and how they are set on a session."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import onnxruntime

from crossrt.core.errors import quoted
from crossrt.core.suggestions import did_you_mean
from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.ort.keys import unknown_keys

_SWITCH: Final = ("on", "off")
_LEVELS: Final[Mapping[str, str]] = {
    "disable": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
    "all": "ORT_ENABLE_ALL",
}
_KEYS: Final[Mapping[str, str]] = {
    "disable_prepacking": "session.disable_prepacking",
    "x64quantprecision": "session.x64quantprecision",
}
FAMILIES: Final[Mapping[str, str]] = {
    "session.": "intra_op.allow_spinning",
    "optimization.": "disable_specified_optimizers",
    "mlas.": "use_lut_gemm",
}
"""What keys of ONNX Runtime's session configuration begin with, as far as they concern the CPU, and one of each.

See onnxruntime_session_options_config_keys.h in its sources.
"""

OPTIONS: Final = (
    RuntimeOption(
        name="graph_optimization_level",
        help="which rewrites of the graph ONNX Runtime makes before it runs it",
        default="all",
        choices=tuple(_LEVELS),
    ),
    RuntimeOption(
        name="execution_mode",
        help="whether operators that do not need each other run at the same time",
        default="sequential",
        choices=("sequential", "parallel"),
    ),
    RuntimeOption(
        name="arena",
        help="whether memory comes from an arena that keeps what it has got",
        default="on",
        choices=_SWITCH,
    ),
    RuntimeOption(
        name="mem_pattern",
        help="whether the first call's pattern of allocations serves all later ones",
        default="on",
        choices=_SWITCH,
    ),
    RuntimeOption(
        name="disable_prepacking",
        help="1 keeps weights as the file has them, in place of a copy in the kernels' own layout",
        default="0",
        choices=("0", "1"),
        alias=_KEYS["disable_prepacking"],
    ),
    RuntimeOption(
        name="x64quantprecision",
        help="1 multiplies uint8 by int8 without saturation on x86 without VNNI, which is slower",
        default="0",
        choices=("0", "1"),
        alias=_KEYS["x64quantprecision"],
    ),
    *(
        RuntimeOption(
            name=f"{family}*",
            help=f"a key of ONNX Runtime's session configuration that begins like this, such as {family}{example}",
            default="ONNX Runtime's",
        )
        for family, example in FAMILIES.items()
    ),
)


def apply_options(native: onnxruntime.SessionOptions, values: Mapping[str, str]) -> None:
    """Sets checked values on a session's options."""
    for name, value in values.items():
        if name == "graph_optimization_level":
            native.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _LEVELS[value])
        elif name == "execution_mode":
            native.execution_mode = getattr(onnxruntime.ExecutionMode, f"ORT_{value.upper()}")
        elif name == "arena":
            native.enable_cpu_mem_arena = value == "on"
        elif name == "mem_pattern":
            native.enable_mem_pattern = value == "on"
        elif (key := _KEYS.get(name, name)).startswith(tuple(FAMILIES)):
            native.add_session_config_entry(key, value)


def check_build(values: Mapping[str, str]) -> None:
    """Looks whether the installed build knows what is set: ONNX Runtime ignores a key that it does not know.

    Raises:
        OptionRefusedError: It does not.
    """
    level = values.get("graph_optimization_level")
    if level is not None and not hasattr(onnxruntime.GraphOptimizationLevel, _LEVELS[level]):
        raise OptionRefusedError(f"ONNX Runtime {onnxruntime.__version__} has no graph optimization level {level!r}")
    keys = [_KEYS.get(name, name) for name in values]
    library = next(Path(onnxruntime.__file__).parent.glob("capi/onnxruntime_pybind11_state*"))
    unknown = unknown_keys([key for key in keys if key.startswith(tuple(FAMILIES))], library)
    if unknown:
        key, known = next(iter(unknown.items()))
        raise OptionRefusedError(
            f"ONNX Runtime {onnxruntime.__version__} does not know {quoted(key)} and would ignore it"
            f"{did_you_mean(key, known)}"
        )
