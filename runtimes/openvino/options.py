"""The properties of OpenVINO's CPU plug-in that may be set, and whether it took them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.options import RuntimeOption

LEFT_TO_OPENVINO: Final = "auto"
_SWITCH: Final = ("on", "off")
_NEEDED: Final[Mapping[str, str]] = {"bf16": "BF16", "f16": "FP16"}
"""What the processor must offer for a precision, in the words of `OPTIMIZATION_CAPABILITIES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Property:
    """A property behind an option: its key, and its value as OpenVINO takes it and as text."""

    key: str
    native: Callable[[str], Any]
    text: Callable[[Any], str]


def _is_on(value: str) -> bool:
    return value == "on"


def _switch(value: Any) -> str:
    return "on" if value else "off"


def _last_word(value: Any) -> str:
    """`latency` for `PerformanceMode.LATENCY`."""
    return str(value).rpartition(".")[2].lower()


_PROPERTIES: Final[Mapping[str, _Property]] = {
    "inference_precision": _Property(
        key="INFERENCE_PRECISION_HINT",
        native=str,
        text=lambda value: str(value.get_type_name()),
    ),
    "performance_hint": _Property(key="PERFORMANCE_HINT", native=str.upper, text=_last_word),
    "execution_mode": _Property(key="EXECUTION_MODE_HINT", native=str.upper, text=_last_word),
    "num_streams": _Property(key="NUM_STREAMS", native=int, text=str),
    "cpu_pinning": _Property(key="ENABLE_CPU_PINNING", native=_is_on, text=_switch),
    "hyper_threading": _Property(key="ENABLE_HYPER_THREADING", native=_is_on, text=_switch),
    "denormals_optimization": _Property(key="CPU_DENORMALS_OPTIMIZATION", native=_is_on, text=_switch),
    "dynamic_quantization_group_size": _Property(key="DYNAMIC_QUANTIZATION_GROUP_SIZE", native=int, text=str),
}

OPTIONS: Final = (
    RuntimeOption(
        name="inference_precision",
        help="what float operators compute in; auto leaves it to OpenVINO, which takes bf16 where the CPU has it",
        default="f32",
        choices=("f32", "bf16", "f16", LEFT_TO_OPENVINO),
    ),
    RuntimeOption(
        name="performance_hint",
        help="what OpenVINO's own choices aim at",
        default="latency",
        choices=("latency", "throughput"),
    ),
    RuntimeOption(
        name="execution_mode",
        help="whether OpenVINO may give up accuracy for speed where a precision is left to it",
        default="performance",
        choices=("performance", "accuracy"),
    ),
    RuntimeOption(
        name="num_streams",
        help="requests that could run at the same time; threads are divided among them",
        default="1",
        minimum=1,
        maximum=1024,
    ),
    RuntimeOption(
        name="cpu_pinning",
        help="whether OpenVINO pins its threads, beside the pinning of this tool",
        default="off",
        choices=_SWITCH,
    ),
    RuntimeOption(
        name="hyper_threading",
        help="whether both logical processors of a core may be used",
        default="on",
        choices=_SWITCH,
    ),
    RuntimeOption(
        name="denormals_optimization",
        help="whether numbers near zero count as zero",
        default="off",
        choices=_SWITCH,
    ),
    RuntimeOption(
        name="dynamic_quantization_group_size",
        help="how many values share a scale where activations are quantized at run time; 0 quantizes none",
        default="OpenVINO's",
        minimum=0,
        maximum=65536,
    ),
)


def properties_of(values: Mapping[str, str]) -> Mapping[str, Any]:
    """Checked values as properties of a compiled model; None for one that is left to OpenVINO."""
    return {
        _PROPERTIES[name].key: None if value == LEFT_TO_OPENVINO else _PROPERTIES[name].native(value)
        for name, value in values.items()
    }


def check_machine(values: Mapping[str, str], core: Any, device: str) -> None:
    """Raises `OptionRefusedError` for what this build of OpenVINO or this processor does not have."""
    known = core.get_property(device, "SUPPORTED_PROPERTIES")
    for name in values:
        if (key := _PROPERTIES[name].key) not in known:
            raise OptionRefusedError(f"this build of OpenVINO has no {name} (its property {key})")
    offered = core.get_property(device, "OPTIMIZATION_CAPABILITIES")
    wanted = values.get("inference_precision", "")
    if wanted in _NEEDED and _NEEDED[wanted] not in offered:
        raise OptionRefusedError(
            f"openvino: this processor does not compute in {wanted}, OpenVINO would take another precision; it offers"
            f" {', '.join(offered)}"
        )


def check_taken(values: Mapping[str, str], compiled: Any) -> None:
    """Raises `OptionRefusedError` where a compiled model has another value than was set: OpenVINO does not say so."""
    for name, value in values.items():
        each = _PROPERTIES[name]
        found = each.text(compiled.get_property(each.key))
        if value not in (LEFT_TO_OPENVINO, found):
            raise OptionRefusedError(f"OpenVINO takes {name}={found} here where {value} was asked for")
