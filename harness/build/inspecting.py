"""Looking at model files, in a process of its own: even a checker has crashed on a damaged file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from crossrt.core.artifact import sha256_of
from crossrt.core.memory import LOOKING_BYTES, memory_limit
from crossrt.core.owned import is_own, make_own
from crossrt.core.scratch import STAGING, owned_folder
from crossrt.exporters.cache import producer_state
from crossrt.exporters.errors import ModelError
from crossrt.exporters.inspection import Inspection
from crossrt.exporters.sources.detect import detect
from crossrt.harness.errors import ChildFailedError
from crossrt.harness.locations import cache_folder
from crossrt.harness.process.child import ChildProcess
from crossrt.harness.process.packages import BUILDING, INSPECTING, QUIET, check_packages
from crossrt.harness.process.scratch import scratch_folder

TIMEOUT_S = 300.0


def inspect_model(path: Path, *, allow_h5: bool = False, reads_only: bool = False) -> Inspection:
    """What a model file says of itself; a file that was looked at before is not looked at again.

    Args:
        path: The file or folder.
        allow_h5: Legacy `.h5` files may be loaded.
        reads_only: Take a file that cannot be run here, such as for custom operators: it is read and never run.

    Raises:
        ModelError: There is no model, or it cannot be used; the message says why.
        HarnessError: Packages for it are missing.
    """
    kind = detect(path)
    known = _remembered(path)
    if known is not None and known.is_file() and is_own(known):
        try:
            found = msgspec.json.decode(known.read_bytes(), type=Inspection)
            return msgspec.structs.replace(found, path=str(path))
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            pass  # damaged: look again
    check_packages(f"looking into {path.name}", INSPECTING.get(kind, BUILDING))
    try:
        found = _inspected(path, allow_h5=allow_h5)
    except ChildFailedError as failure:
        raise ModelError(f"{path} cannot be looked into: {failure.reason}") from failure
    if found.problem is not None:
        if reads_only:
            return found
        raise ModelError(f"{path}: {found.problem}")
    if known is not None:
        _remember(found, known)
    return found


def _inspected(path: Path, *, allow_h5: bool) -> Inspection:
    limit = memory_limit([path], LOOKING_BYTES)
    with (
        scratch_folder(),
        ChildProcess("crossrt.exporters.inspect", variables=QUIET, memory_limit_bytes=limit) as child,
    ):
        child.send({"path": str(path), "allow_h5": allow_h5})
        event = child.receive(TIMEOUT_S)
    if event["event"] != "inspected":
        reason = str(event["reason"])
        raise ModelError(reason if str(path) in reason else f"{path}: {reason}")
    return msgspec.convert(event["inspection"], Inspection)


def _remembered(path: Path) -> Path | None:
    """Where the inspection of a file is kept: under its hash and the state of what inspects; None for folders."""
    if not path.is_file():
        return None
    state = msgspec.json.encode((sha256_of(path), path.stem, producer_state()), order="deterministic")
    return cache_folder() / "inspections" / f"{hashlib.sha256(state).hexdigest()[:32]}.json"


def _remember(found: Inspection, path: Path) -> None:
    """Keeps it where that can be done; nothing depends on it. Files with data files beside them are always read."""
    if found.data_files:
        return
    try:
        make_own(path.parent)
        with owned_folder(path.parent, STAGING) as folder:
            half_written = folder / path.name
            half_written.write_bytes(msgspec.json.encode(found))
            half_written.replace(path)
    except OSError:
        pass
