"""The process that builds candidates: `python -m crossrt.analysis.search.host`, a job and then requests on stdin.

Quantizers and sessions live here, so that a crash costs one candidate and the process that measures stays small.
"""

from __future__ import annotations

import json
import logging
import sys

import msgspec
import numpy as np

from crossrt.analysis.search.record import SearchJob
from crossrt.analysis.search.workshop import Workshop
from crossrt.core.events import EventStream, read_job, reason_of
from crossrt.exporters.recipes.recipe import OnnxRecipe


def _serve(job: SearchJob, events: EventStream) -> None:
    workshop = Workshop(job)
    events.send("opened", opened=msgspec.to_builtins(workshop.opened()))
    for line in sys.stdin:
        request = json.loads(line)
        try:
            recipe = msgspec.convert(request["recipe"], OnnxRecipe)
            with np.errstate(all="ignore"):
                built = workshop.build(request["name"], recipe, keeps=request["keeps"])
        except Exception as error:
            events.send("failed_one", reason=" ".join(reason_of(error).split()))
        else:
            events.send("built", built=msgspec.to_builtins(built))


def main() -> int:
    """Reads a job, then builds what it is asked for until its input ends."""
    events = EventStream.take_stdout()
    logging.disable(logging.WARNING)  # the quantizer's advice on opsets
    return events.guard(lambda: _serve(read_job(sys.stdin, SearchJob), events))


if __name__ == "__main__":
    sys.exit(main())
