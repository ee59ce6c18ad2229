"""The runtimes: ours and those that other packages register under `crossrt.runtimes`.

An entry point names an object with the attributes of `Runtime`, or a function without arguments that gives one.
Nothing is imported before it is asked for: `runtime_names` looks only at installed metadata.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import cast

from crossrt.core.artifact import ModelFormat
from crossrt.core.errors import PluginError, quoted
from crossrt.core.install import TENSORFLOW, install_command
from crossrt.core.plugins import registered
from crossrt.core.suggestions import did_you_mean
from crossrt.runtimes.configured import ConfiguredRuntime
from crossrt.runtimes.errors import RuntimeBrokenError, RuntimeNotInstalledError, UnknownRuntimeError
from crossrt.runtimes.protocol import Runtime
from crossrt.runtimes.selector import RuntimeSelector, parse_selector

GROUP = "crossrt.runtimes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """What is known of a shipped adapter before its runtime is installed.

    Attributes:
        package: What installs the runtime.
        formats: The file formats that it reads.
        adapter: Where its adapter is: `module:class`.
        imported_as: What the package is imported as, where that is not its own name.
        is_optional: True if nobody misses it where it is not installed and was not asked for.
        is_default: False if it runs only where it is named, in the conformance suite, too.
        beside: Further modules that it needs, and the packages that install them.
    """

    package: str
    formats: tuple[ModelFormat, ...]
    adapter: str
    imported_as: str | None = None
    is_optional: bool = False
    is_default: bool = True
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def module(self) -> str:
        """What the package is imported as."""
        return self.imported_as or self.package.replace("-", "_")


SHIPPED: dict[str, Shipped] = {
    "ort-cpu": Shipped(package="onnxruntime", formats=("onnx",), adapter="crossrt.runtimes.ort.adapter:OrtCpu"),
    "tflite": Shipped(
        package="ai-edge-litert", formats=("tflite",), adapter="crossrt.runtimes.litert.interpreter:TfLite"
    ),
    "openvino": Shipped(
        package="openvino",
        formats=("onnx", "openvino-ir"),
        adapter="crossrt.runtimes.openvino.adapter:OpenVino",
        is_optional=True,
    ),
    "tract": Shipped(package="tract", formats=("onnx",), adapter="crossrt.runtimes.tract:Tract", is_optional=True),
    "keras": Shipped(
        package="keras",
        formats=("keras", "saved-model"),
        adapter="crossrt.runtimes.keras:Keras",
        is_default=False,
        beside={"tensorflow": TENSORFLOW},
    ),
    "litert-compiled": Shipped(
        package="ai-edge-litert",
        formats=("tflite",),
        adapter="crossrt.runtimes.litert.compiled:LiteRtCompiled",
        is_default=False,
    ),
    "onnx-reference": Shipped(
        package="onnx",
        formats=("onnx",),
        adapter="crossrt.runtimes.onnx_reference:OnnxReference",
        is_default=False,
    ),
    "ort-openvino": Shipped(
        package="onnxruntime-openvino",
        formats=("onnx",),
        adapter="crossrt.runtimes.ort.providers:OrtOpenVino",
        imported_as="onnxruntime",
        is_default=False,
    ),
    "ort-xnnpack": Shipped(
        package="onnxruntime",
        formats=("onnx",),
        adapter="crossrt.runtimes.ort.providers:OrtXnnpack",
        is_default=False,
    ),
    "ort-dnnl": Shipped(
        package="onnxruntime",
        formats=("onnx",),
        adapter="crossrt.runtimes.ort.providers:OrtDnnl",
        is_default=False,
    ),
}


def runtime_names() -> tuple[str, ...]:
    """Names of all registered runtimes, shipped ones first.

    Raises:
        PluginError: Two packages register the same name, or one registers that of a shipped runtime.
    """
    points = registered(GROUP)
    for name in SHIPPED.keys() & points.keys():
        raise PluginError(
            f"the plug-in {points[name].value} of {GROUP} has the name {name!r} of a runtime that ships with crossrt;"
            " uninstall its package"
        )
    return (*SHIPPED, *points)


def default_runtime_names() -> tuple[str, ...]:
    """The runtimes that are meant where none is named.

    Those are all but the optional ones that are not installed, and those that run only where they are named.

    Raises:
        PluginError: As `runtime_names`.
    """
    left_out = {
        name
        for name, each in SHIPPED.items()
        if not each.is_default or (each.is_optional and find_spec(each.module) is None)
    }
    return tuple(name for name in runtime_names() if name not in left_out)


def shipped_runtime_for(model_format: ModelFormat) -> str:
    """The shipped runtime that reads a format."""
    return next(name for name, shipped in SHIPPED.items() if model_format in shipped.formats)


def selector_of(text: str) -> RuntimeSelector:
    """What a runtime is chosen by: a registered name, or `NAME[==VERSION][:OPTIONS]`.

    Raises:
        OptionRefusedError: It is neither.
        PluginError: As `runtime_names`.
    """
    is_plain = ":" not in text and "==" not in text
    return RuntimeSelector(name=text) if is_plain or text in registered(GROUP) else parse_selector(text)


def get_runtime(name: str) -> Runtime:
    """Imports and returns a runtime.

    Args:
        name: A registered name, or a selector `NAME[==VERSION][:OPTIONS]`: the runtime is then named like it, and
            prepares its sessions with these options.

    Raises:
        UnknownRuntimeError: No runtime of this name is registered.
        RuntimeNotInstalledError: Its package is missing, or is there in another version.
        RuntimeBrokenError: Its package is there, and importing it fails.
        OptionRefusedError: It is not written like a selector, or an option cannot be set like this.
        PluginError: Two packages register the same name.
    """
    selector = selector_of(name)
    runtime = _plain_runtime(selector.name)
    if selector.version is not None and selector.version != runtime.version():
        raise RuntimeNotInstalledError(f"{selector.base} is not installed: {selector.name} is {runtime.version()}")
    return runtime if selector.text == selector.name else ConfiguredRuntime(runtime, selector)


def _plain_runtime(name: str) -> Runtime:
    try:
        loaded = _load(name)
        return cast(Runtime, loaded() if callable(loaded) else loaded)
    except ModuleNotFoundError as error:
        raise _import_failure(name, error) from error
    except (UnknownRuntimeError, RuntimeNotInstalledError, PluginError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit and what test frameworks raise, too
        raise RuntimeBrokenError(
            f"{name} is installed and cannot be imported: {type(error).__name__}: {error}"
        ) from error


def _load(name: str) -> object:
    if name not in SHIPPED:
        return _from_entry_point(name)
    module, _, attribute = SHIPPED[name].adapter.partition(":")
    loaded: object = getattr(import_module(module), attribute)
    return loaded


def _from_entry_point(name: str) -> object:
    points = registered(GROUP)
    if name not in points:
        raise UnknownRuntimeError(unknown_runtime(name, (*SHIPPED, *points)))
    return points[name].load()


def unknown_runtime(name: str, known: Sequence[str]) -> str:
    """What is said of a runtime that is not registered."""
    return f"there is no runtime {quoted(name)}{did_you_mean(name, known)}; available: {', '.join(known)}"


def _import_failure(name: str, error: ModuleNotFoundError) -> Exception:
    """Tells a runtime that is missing from one that is there and lacks a part."""
    shipped = SHIPPED.get(name)
    packages = {} if shipped is None else {shipped.module: shipped.package, **shipped.beside}
    if error.name in packages:
        missing = [package for module, package in packages.items() if module == error.name or find_spec(module) is None]
        verb = "is" if len(missing) == 1 else "are"
        return RuntimeNotInstalledError(f"{', '.join(missing)} {verb} not installed: {install_command(*missing)}")
    return RuntimeBrokenError(f"{name} needs the module {error.name}, which is not installed")
