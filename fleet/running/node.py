"""What runs on a node. Ray carries this module there as it is, so that a node without crossrt can say so.

Text in and out, and the standard library alone until it is known that the same crossrt is there.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_GRACE_S = 20.0
_LOOK_EVERY_S = 0.5
_TAIL_BYTES = 4_000
_COMMAND = (
    "import sys; from crossrt.core.parent import die_with_parent; die_with_parent();"
    " from crossrt.cli.entry import main; sys.argv[0] = 'crossrt'; sys.exit(main())"
)
"""`crossrt`, which must not go on measuring when Ray's process is gone."""


def measure(text: str) -> str:
    """Carries out an order in JSON; returns what was found in JSON."""
    order = json.loads(text)
    problem = _problem(order)
    return json.dumps({"problem": problem} if problem else _measured(order))


def _problem(order: dict[str, Any]) -> str | None:
    """Why nothing can be measured here, or None."""
    here = f"node {socket.gethostname()}"
    try:
        version = importlib.metadata.version("crossrt")
    except importlib.metadata.PackageNotFoundError:
        return f"crossrt is not installed on {here}, for {sys.executable}: install crossrt {order['version']} there"
    if version != order["version"]:
        return f"{here} has crossrt {version}, and {order['version']} is here: install the same on both"
    path = Path(order["folder"], order["config"])
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"{here} cannot read {path} ({error.strerror}): jobs need the same folder on every node"
    if hashlib.sha256(content).hexdigest() != order["config_sha256"]:
        return f"{path} is another file on {here} than here: bring the folder of that node up to date"
    return None


def _measured(order: dict[str, Any]) -> dict[str, Any]:
    from crossrt.core.scratch import owned_folder

    parent = Path(tempfile.gettempdir())
    with owned_folder(parent, "crossrt-fleet-") as folder, Path(folder, "stderr").open("w+b") as stderr:
        process = _start(order, str(folder), stderr)
        try:
            problem = _waited_for(process, order, stderr.fileno())
        finally:
            _end(process)
        if problem is not None:
            return {"problem": problem}
        code, said = process.returncode, _tail(stderr.fileno())
        reports = [each.read_text() for each in Path(folder, "out").glob("*/report.json")]
        return {"exit_code": code, "report": reports[0] if reports else None, "problem": _said(said, code)}


def _start(order: dict[str, Any], folder: str, stderr: Any) -> "subprocess.Popen[bytes]":
    options = ["--config", order["config"], "--out", str(Path(folder, "out")), "--exclusive", *order["arguments"]]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _COMMAND, "bench", *options],
        cwd=order["folder"],
        env=_variables(order),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )
    with contextlib.suppress(OSError):  # Ray's tasks are nicer than Ray; only the system's own user may undo that
        os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, os.getppid()))
    return process


def _variables(order: dict[str, Any]) -> dict[str, str]:
    """Those of the node, without what Ray sets for its tasks: times have to be those of a run without Ray."""
    found = {**os.environ, "CROSSRT_MACHINE": order["machine"]}
    if found.get("OMP_NUM_THREADS") == str(max(1, int(order["cpus"]))):
        del found["OMP_NUM_THREADS"]
    return found


def _waited_for(process: "subprocess.Popen[bytes]", order: dict[str, Any], stderr: int) -> str | None:
    """Why it did not end in time, or None; in short steps, so that Ray's interrupt arrives."""
    measuring_s, waiting_s, looked_at = 0.0, 0.0, time.monotonic()
    while measuring_s < order["seconds"]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_EVERY_S)
            return None
        passed_s, looked_at = time.monotonic() - looked_at, time.monotonic()
        if not _tail(stderr).rpartition("\n")[2].startswith("waiting: "):
            measuring_s += passed_s
            continue
        waiting_s += passed_s
        if waiting_s > order["wait_seconds"]:
            return f"other crossrt runs measured on node {socket.gethostname()} for more than {waiting_s:.0f} seconds"
    return f"it took longer than {order['seconds'] // 60} minutes and was stopped"


def _tail(stderr: int) -> str:
    """The end of what it said, read without moving the place where it goes on."""
    size = os.fstat(stderr).st_size
    return os.pread(stderr, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode(errors="replace").strip()


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Interrupts it where it still runs, so that it tidies up, and kills what is left."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _said(stderr: str, code: int) -> str | None:
    """The last message of a run that ended in one."""
    if code < 0:
        return f"crossrt was ended there by signal {-code}"
    lines = stderr.splitlines()
    starts = [place for place, line in enumerate(lines) if line.startswith("crossrt: ")]
    if not starts:
        return lines[-1] if lines and code else None
    return "\n".join(lines[starts[-1] :]).removeprefix("crossrt: ")
