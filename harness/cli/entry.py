"""Where the `crossrt` command starts: nothing heavy is imported before an interrupt is looked after."""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> int:
    """Runs the command; an interrupt while its modules are still being imported is exit code 130 as well."""
    try:
        from crossrt.harness.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        print("crossrt: interrupted", file=sys.stderr)  # click may not be there yet
        return INTERRUPTED
