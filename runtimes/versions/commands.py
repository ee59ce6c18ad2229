"""Commands that make environments: run to their end, and logged where processes are."""

from __future__ import annotations

import logging
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from crossrt.core.errors import one_line, shortened

_LOG: Final = logging.getLogger("crossrt.processes")
_LONGEST_LOGGED: Final = 2_000  # the packages stand last


def run(
    command: Sequence[str | Path],
    *,
    given: str = "",
    timeout_s: float | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end.

    Args:
        command: The command.
        given: What it reads.
        timeout_s: After how many seconds it is killed.
        env: Its environment variables, where they are others than this process has.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: It took longer.
    """
    words = list(map(str, command))
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, errors="replace", env=env) as process:
        _LOG.debug("process %d runs %s", process.pid, shortened(one_line(shlex.join(words)), _LONGEST_LOGGED))
        try:
            said, complaint = process.communicate(given, timeout_s)
        except BaseException:
            process.kill()
            raise
        finally:
            status = process.wait()
            _LOG.debug("process %d has ended, exit status %d", process.pid, status)
    return subprocess.CompletedProcess(words, status, said, complaint)
