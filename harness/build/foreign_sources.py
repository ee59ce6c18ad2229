"""Models of kinds that plug-ins read: turned into ONNX once, and kept in the cache."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crossrt.core.artifact import sha256_of
from crossrt.core.owned import is_own
from crossrt.core.plugins import registered
from crossrt.core.scratch import LOCK, STAGING, owned_folder
from crossrt.core.user_code import host_fields, time_limit_s
from crossrt.exporters.cache import make_writable
from crossrt.exporters.errors import ModelError
from crossrt.exporters.plugins import SOURCES
from crossrt.exporters.sources.detect import detect, model_name
from crossrt.harness.locations import cache_folder
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import QUIET
from crossrt.harness.process.scratch import current_scratch
from crossrt.harness.process.user_code import START_S, one_message

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
    if not path.exists() or not registered(SOURCES):
        return None
    asked = f"a plug-in that reads models ({', '.join(registered(SOURCES))}), asked about {path},"
    event = _asked(path, None, None, time_limit_s(), asked)
    return None if event["plugin"] is None else str(event["plugin"])


def _asked(path: Path, plugin: str | None, out: Path | None, limit_s: float, what: str) -> Mapping[str, Any]:
    """What a process that runs plug-ins says.

    Raises:
        ModelError: A plug-in fails, ends its process, or takes longer than it may.
    """
    job = {"path": str(path), "plugin": plugin, "out": None if out is None else str(out), **host_fields()}
    with one_message(what, limit_s, ModelError), ChildProcess("crossrt.exporters.convert", variables=QUIET) as process:
        process.send(job)
        process.receive(START_S)
        event = process.receive(limit_s)
    if event["event"] == "failed":
        raise ModelError(str(event["reason"]))
    return event


def _converted(path: Path, plugin: str) -> Path:
    """The ONNX file, made now or before; folders are always converted again, for they have no hash."""
    key = sha256_of(path)[:16] if path.is_file() else f"folder-{os.getpid()}"
    root = cache_folder() if path.is_file() else current_scratch() or cache_folder()
    out = root / "sources" / f"{plugin}-{key}" / f"{model_name(path.with_suffix('.onnx'))}.onnx"
    if path.is_file() and out.is_file() and is_own(out) and is_own(out.parent):
        return out
    make_writable(out.parent)
    with owned_folder(out.parent, STAGING) as folder:
        what, limit_s = f"the source {plugin!r}, asked to convert {path},", max(TIMEOUT_S, time_limit_s())
        _asked(path, plugin, folder / out.name, limit_s, what)
        for each in sorted(folder.iterdir(), key=lambda path: path.name == out.name):  # data files first
            if each.name != LOCK:
                each.replace(out.with_name(each.name))
    return out
