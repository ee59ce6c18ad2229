"""Models of kinds that plug-ins read: turned into ONNX once, and kept in the cache."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from crossrt.core.artifact import sha256_of
from crossrt.core.errors import PluginError
from crossrt.core.plugins import load_plugin, registered
from crossrt.exporters.cache import make_writable
from crossrt.exporters.convert import ConvertJob
from crossrt.exporters.errors import ModelError
from crossrt.exporters.plugins import SOURCES, Source
from crossrt.exporters.sources.detect import detect, model_name
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.locations import cache_folder
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import QUIET

TIMEOUT_S = 600.0


def readable(path: Path) -> Path:
    """A model that crossrt reads itself: the path, or the ONNX file that a plug-in makes of it.

    Raises:
        ModelError: Nobody reads it, or the plug-in fails.
    """
    try:
        detect(path)
    except ModelError:
        if (name := _claimed_by(path)) is None:
            raise
        return _converted(path, name)
    return path


def _claimed_by(path: Path) -> str | None:
    if not path.exists():
        return None
    for name in registered(SOURCES):
        source: Source = load_plugin(SOURCES, name)
        try:
            if source.claims(path):
                return name
        except Exception as error:
            raise PluginError(f"the source {name!r} failed on {path}: {type(error).__name__}: {error}") from error
    return None


def _converted(path: Path, plugin: str) -> Path:
    """The ONNX file, made now or before; folders are always converted again, for they have no hash."""
    key = sha256_of(path)[:16] if path.is_file() else f"folder-{os.getpid()}"
    out = cache_folder() / "sources" / f"{plugin}-{key}" / f"{model_name(path.with_suffix('.onnx'))}.onnx"
    if path.is_file() and out.is_file():
        return out
    make_writable(out.parent)
    half_written = out.with_name(f".{os.getpid()}-{out.name}")
    job = ConvertJob(path=str(path), plugin=plugin, out=str(half_written))
    try:
        with ChildProcess("crossrt.exporters.convert", variables=QUIET) as child:
            child.send(dataclasses.asdict(job))
            event = child.receive(TIMEOUT_S)
        if event["event"] != "finished":
            raise ModelError(f"{path} cannot be converted by {plugin!r}: {event['reason']}")
        half_written.replace(out)
    except ChildFailedError as failure:
        raise ModelError(f"{path} cannot be converted by {plugin!r}: {failure.reason}") from failure
    finally:
        half_written.unlink(missing_ok=True)
    return out
