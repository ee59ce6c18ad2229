"""ONNX Runtime's other execution providers on the CPU, where the installed build has them.

ONNX Runtime gives to its own CPU provider what another provider does not take, and all of a model where that provider
cannot be had: what is measured then is not what was asked for. Here the provider must be in the session, and a session
says which kernels do not run on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import onnxruntime

from crossrt.core.artifact import ModelArtifact
from crossrt.core.install import install_command
from crossrt.runtimes.errors import RunFailedError, RuntimeNotInstalledError
from crossrt.runtimes.kernels import Profile
from crossrt.runtimes.options import RuntimeOption
from crossrt.runtimes.ort.adapter import OrtCpu, OrtSession
from crossrt.runtimes.ort.options import OPTIONS
from crossrt.runtimes.ort.profile import kernel_events
from crossrt.runtimes.protocol import SessionOptions

CPU: Final = "CPUExecutionProvider"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An execution provider.

    Attributes:
        name: ONNX Runtime's name of it.
        label: Its usual name.
        how_to_get: What gives a build that has it.
        compiles: Whether it turns parts of the graph into kernels of its own, into which nobody can look.
        settings: Its own options for a session.
    """

    name: str
    label: str
    how_to_get: str
    compiles: bool
    settings: Callable[[SessionOptions], Mapping[str, str]]


def _openvino(options: SessionOptions) -> Mapping[str, str]:
    values = options.runtime_options
    return {
        "device_type": "CPU",
        "precision": values.get("precision", "FP32"),
        "num_of_threads": str(options.intra_op_threads),
        "num_streams": values.get("num_streams", "1"),
    }


OPENVINO: Final = Provider(
    name="OpenVINOExecutionProvider",
    label="OpenVINO",
    how_to_get=f"uninstall it, then {install_command('onnxruntime-openvino')}",
    compiles=True,
    settings=_openvino,
)
XNNPACK: Final = Provider(
    name="XnnpackExecutionProvider",
    label="XNNPACK",
    how_to_get="no wheel on PyPI has it, build ONNX Runtime with ./build.sh --use_xnnpack --build_wheel",
    compiles=False,
    settings=lambda options: {"intra_op_num_threads": str(options.intra_op_threads)},
)
DNNL: Final = Provider(
    name="DnnlExecutionProvider",
    label="oneDNN",
    how_to_get="no wheel on PyPI has it, build ONNX Runtime with ./build.sh --use_dnnl --build_wheel",
    compiles=True,
    settings=lambda _: {},
)


class OrtProvider(OrtCpu):
    """ONNX Runtime with another execution provider before its own."""

    provider: ClassVar[Provider]

    def __init__(self) -> None:
        if self.provider.name not in onnxruntime.get_available_providers():
            raise RuntimeNotInstalledError(
                f"onnxruntime {onnxruntime.__version__} is built without {self.provider.name}:"
                f" {self.provider.how_to_get}"
            )

    def prepare(self, artifact: ModelArtifact, options: SessionOptions) -> OrtSession:
        """Loads an ONNX file on the provider.

        Raises:
            ModelRefusedError: The file cannot be loaded, or not on this provider.
            OptionRefusedError: The batch size cannot be run, or a dimension of an input has no size.
        """
        return ProviderSession(artifact, options, self.provider)


class OrtOpenVino(OrtProvider):
    """ONNX Runtime with OpenVINO's execution provider, which compiles the parts of a graph that it supports."""

    name = "ort-openvino"
    provider = OPENVINO
    options = (
        *OPTIONS,
        RuntimeOption(
            name="precision",
            help="what float operators compute in; ACCURACY keeps what the file says",
            default="FP32",
            choices=("FP32", "FP16", "ACCURACY"),
        ),
        RuntimeOption(
            name="num_streams",
            help="requests that could run at the same time; threads are divided among them",
            default="1",
            minimum=1,
            maximum=1024,
        ),
    )


class OrtXnnpack(OrtProvider):
    """ONNX Runtime with XNNPACK's execution provider."""

    name = "ort-xnnpack"
    provider = XNNPACK


class OrtDnnl(OrtProvider):
    """ONNX Runtime with oneDNN's execution provider, which compiles the parts of a graph that it supports."""

    name = "ort-dnnl"
    provider = DNNL


class ProviderSession(OrtSession):
    """A session in which a provider comes before ONNX Runtime's own."""

    def __init__(self, artifact: ModelArtifact, options: SessionOptions, provider: Provider) -> None:
        self._provider = provider
        super().__init__(artifact, options, ((provider.name, provider.settings(options)), (CPU, {})))

    def executed_operators(self) -> tuple[str, ...] | None:
        """Kernels of one profiled run of a second session; a part that the provider compiled is one.

        Raises:
            RunFailedError: None of them runs on the provider: a time would be that of ONNX Runtime's own kernels.
        """
        operators, strays = super().executed_operators(), self._strays()
        if operators and sum(strays.values()) == len(operators):
            raise RunFailedError(
                f"{self._provider.label} takes no part of {self._artifact.path.name}: all {len(operators)} kernels run"
                f" on {CPU}"
            )
        return operators

    def placement_note(self) -> str | None:
        """Which kernels ONNX Runtime runs in the provider's place, or None where there are none."""
        strays, events = self._strays(), self._profile_events(1)
        if not strays or not events:
            return None
        named = ", ".join(f"{count} {operator}" if count > 1 else operator for operator, count in strays.items())
        return (
            f"{sum(strays.values())} of {len(kernel_events(events))} kernels do not run on {self._provider.label}, but"
            f" on {CPU}: {named}"
        )

    def profile(self, calls: int) -> Profile | None:
        """Kernels of a second session; None where the provider compiles them, for nobody can look into those."""
        return None if self._provider.compiles else super().profile(calls)

    def _strays(self) -> Counter[str]:
        """Operators of the first call's kernels that run on another provider."""
        return Counter(
            str(event["args"]["op_name"])
            for event in kernel_events(self._profile_events(1))
            if event["args"].get("provider") != self._provider.name
        )
