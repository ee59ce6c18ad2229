"""Names of tensors in tables."""

from __future__ import annotations


def short_name(name: str, model: str) -> str:
    """A tensor's name without what all of them share: the first of those that a converter fused, without the model."""
    first = name.partition(";")[0].removesuffix(":0")
    head, _, rest = first.partition("/")
    return rest if rest and head.startswith(model) else first
