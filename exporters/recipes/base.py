"""What all recipes have in common."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Percent = Annotated[float, Meta(gt=50, le=100)]
Seed = Annotated[int, Meta(ge=0, lt=2**32)]
Samples = Annotated[int, Meta(ge=1, le=1_000_000)]
Names = tuple[str, ...]


class RecipeBase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What all recipes are."""

    @property
    def calibrated_with(self) -> tuple[int, int] | None:
        """Number of samples and seed of their order, or None where nothing is calibrated."""
        return None

    @property
    def needs(self) -> tuple[str, ...]:
        """Packages that carry it out, as they are installed, beside those of every export."""
        return ()
