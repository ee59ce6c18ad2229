"""What may be set on LiteRT."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Final

from crossrt.runtimes.errors import OptionRefusedError
from crossrt.runtimes.litert.library import Interpreter, OpResolverType, litert_version
from crossrt.runtimes.options import RuntimeOption

_SWITCH: Final = ("on", "off")
_RESOLVER: Final = "experimental_op_resolver_type"
_SWITCHES: Final[Mapping[str, tuple[str, str]]] = {
    "latest_operators": ("experimental_default_delegate_latest_features", "on"),
    "delegate_clustering": ("experimental_disable_delegate_clustering", "off"),
    "delegate_node_fusion": ("experimental_disable_delegate_node_fusion", "off"),
}
"""For each switch the argument of the interpreter, and the value that makes it true."""

KERNEL_OPTIONS: Final = (
    RuntimeOption(
        name="delegate",
        help="who runs the operators that it supports; none leaves all to LiteRT's own kernels",
        default="xnnpack",
        choices=("xnnpack", "none"),
    ),
    RuntimeOption(
        name="kernels",
        help="LiteRT's own kernels: optimized, or the slow reference implementation, which no delegate replaces",
        default="optimized",
        choices=("optimized", "reference"),
    ),
)
"""What the interpreter and `CompiledModel` both have."""

OPTIONS: Final = (
    *KERNEL_OPTIONS,
    RuntimeOption(
        name="latest_operators",
        help="whether XNNPACK also takes the operators that it supports only lately",
        default="off",
        choices=_SWITCH,
    ),
    RuntimeOption(
        name="delegate_clustering",
        help="whether operators are put into another order so that fewer, larger parts go to XNNPACK",
        default="on",
        choices=_SWITCH,
    ),
    RuntimeOption(
        name="delegate_node_fusion",
        help="whether XNNPACK takes neighbouring operators as one part; off gives it each on its own",
        default="on",
        choices=_SWITCH,
    ),
)


def arguments_of(values: Mapping[str, str]) -> Mapping[str, Any]:
    """Checked values as arguments of the interpreter."""
    found: dict[str, Any] = {
        argument: values[name] == true for name, (argument, true) in _SWITCHES.items() if name in values
    }
    if values.get("kernels") == "reference":
        found[_RESOLVER] = OpResolverType.BUILTIN_REF
    elif values.get("delegate") == "none":
        found[_RESOLVER] = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return found


def check_kernels(runtime: str, values: Mapping[str, str]) -> None:
    """Raises `OptionRefusedError` where values for kernels and delegate contradict each other."""
    if values.get("kernels") == "reference" and values.get("delegate") == "xnnpack":
        raise OptionRefusedError(f"{runtime}: kernels=reference runs without a delegate: leave delegate=xnnpack out")


def check_build(values: Mapping[str, str]) -> None:
    """Looks whether the installed LiteRT takes these values.

    Raises:
        OptionRefusedError: It does not, or they contradict each other.
    """
    check_kernels("tflite", values)
    has_delegate = values.get("delegate", "xnnpack") != "none" and values.get("kernels") != "reference"
    if not has_delegate and (idle := [name for name in _SWITCHES if name in values]):
        raise OptionRefusedError(f"tflite: {idle[0]} says how XNNPACK works, and nothing is left to it: leave it out")
    known = inspect.signature(Interpreter.__init__).parameters
    for argument in arguments_of(values):
        if argument not in known:
            name = next((name for name, (each, _) in _SWITCHES.items() if each == argument), "delegate")
            raise OptionRefusedError(f"tflite: ai-edge-litert {litert_version()} has no {name}")
