"""How the tensors of a TFLite file say to which step they belong."""

from __future__ import annotations

import re

from crossrt.exporters.tf.serving import plain_names


def scope_of(number: int, name: str) -> str:
    """The scope of a step: names of the file's tensors start with it, and it says which step it is."""
    return f"{plain_names([name])[0]}__{number}"


def step_number(tensor: str) -> int | None:
    """The number of the step that a tensor of the file belongs to, by its name."""
    found = re.match(r"[^/;]+__(\d+)(?:_1)?/", tensor)
    return int(found[1]) if found else None
