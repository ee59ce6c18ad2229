"""The command that installs a package that is missing."""

from __future__ import annotations

import importlib.util
import shlex
import sys
from pathlib import Path


def install_command(*packages: str) -> str:
    """The exact command that installs packages into the running environment.

    An environment without a pip borrows the one of the Python that it was made from: `python3` may be the environment's
    own, as it is where that has been activated.
    """
    python, wanted = shlex.quote(sys.executable), shlex.join(packages)
    if importlib.util.find_spec("pip") is not None:
        return f"{python} -m pip install {wanted}"
    base = Path(sys.base_prefix, "bin", f"python{sys.version_info.major}.{sys.version_info.minor}")
    borrowed = shlex.quote(str(base)) if base.exists() else "python3"
    return f"{borrowed} -m pip --python {python} install {wanted}"
