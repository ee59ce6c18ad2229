"""OpenVINO without its telemetry: importing it sends an event, unless the package for that cannot be imported."""

import sys
from typing import Final

_TELEMETRY: Final = "openvino_telemetry"

if _TELEMETRY in sys.modules:  # somebody else's decision
    import openvino
else:
    sys.modules[_TELEMETRY] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        del sys.modules[_TELEMETRY]

__all__ = ["openvino"]
