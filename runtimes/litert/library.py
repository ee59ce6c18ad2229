"""LiteRT, or what it was called before: a version that is older than `ai-edge-litert` is in `tflite_runtime`."""

from typing import Any

__all__ = ["Interpreter", "OpResolverType", "litert_version"]

try:
    import ai_edge_litert as _package
    from ai_edge_litert.interpreter import Interpreter, OpResolverType
except ModuleNotFoundError as missing:
    if missing.name != "ai_edge_litert":
        raise
    try:
        import tflite_runtime as _package
        from tflite_runtime.interpreter import Interpreter, OpResolverType
    except ModuleNotFoundError:
        raise missing from None


def litert_version() -> str:
    """Version of the package; early ones of `ai-edge-litert` do not tell it themselves."""
    told: Any = getattr(_package, "__version__", None)
    if told is None:
        from importlib.metadata import version

        told = version(_package.__name__.replace("_", "-"))
    return str(told)
