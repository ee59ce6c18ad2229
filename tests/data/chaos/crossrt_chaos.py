"""A runtime that answers like ONNX Runtime and then misbehaves in the way and at the step that `CHAOS` names.

`CHAOS` holds `<step>:<fault>`. Steps: import, load, run, fourth-load and seventh-load (loads are counted in the file
`CHAOS_COUNT`: the first is the accuracy run, the second answers again, the third is a round). Faults: crash, abort,
hang, exit, memory, raise, nan, print, signal (a real-time one) and grandchild. `operators:wrong`, `version:wrong` and
`version:markup` give such answers.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from crossrt.runtimes.ort.adapter import OrtCpu, OrtSession


def misbehave(step):
    wanted, _, fault = os.environ.get("CHAOS", "").partition(":")
    if wanted != step:
        return None
    if fault == "crash":
        print("about to crash", file=sys.stderr, flush=True)
        ctypes.string_at(0)
    if fault == "abort":
        os.abort()
    if fault == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        time.sleep(3600)
    if fault == "signal":
        os.kill(os.getpid(), signal.SIGRTMIN + 6)
        time.sleep(60)
    if fault == "exit":
        os._exit(3)
    if fault == "memory":
        hoard = []
        while True:
            hoard.append(np.ones(2**23))
    if fault == "raise":
        raise RuntimeError("this runtime never works")
    if fault == "print":
        os.write(1, b"native code prints to standard output\n")
    if fault == "grandchild":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        print(f"grandchild {child.pid}", file=sys.stderr, flush=True)
        ctypes.string_at(0)
    return fault


misbehave("import")


class Chaos(OrtCpu):
    name = "chaos"

    def version(self):
        return {"version:wrong": 1.5, "version:markup": "[/x]\x1b[31m\udcff"}.get(os.environ.get("CHAOS"), "1.0")

    def prepare(self, artifact, options):
        misbehave("load")
        if "CHAOS_COUNT" in os.environ:
            misbehave({4: "fourth-load", 7: "seventh-load"}.get(count_load(os.environ["CHAOS_COUNT"]), "other-load"))
        return ChaosSession(artifact, options)


def count_load(path):
    with Path(path).open("ab") as file:
        file.write(b".")
        return file.tell()


class ChaosSession(OrtSession):
    def run(self, feeds):
        fault = misbehave("run")
        outputs = super().run(feeds)
        if fault == "nan":
            return {name: np.full_like(output, np.nan) for name, output in outputs.items()}
        return outputs

    def executed_operators(self):
        return 5 if os.environ.get("CHAOS") == "operators:wrong" else super().executed_operators()
