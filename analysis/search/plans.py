"""What is tried: whole-model recipes, and the same with some units in float or with 16-bit activations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from crossrt.analysis.search.record import Unit
from crossrt.analysis.search.result import NodeSensitivity
from crossrt.core.processor import has_vnni
from crossrt.exporters.recipes.recipe import OnnxDynamic, OnnxRecipe, OnnxStatic

WEIGHTED: Final = ("Conv", "ConvTranspose", "Gemm", "MatMul")
_PRODUCTS: Final = ("Gemm", "MatMul", "LSTM")
_LEAST_COST: Final = 0.002
"""Of a unit that takes no time and no room: what is free to keep in float is not free of conversions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A candidate before it is built.

    Attributes:
        base: The whole-model recipe in words.
        recipe: What is built.
        in_float: Units that stay in float.
        wide: Units whose activations have 16 bits.
        per_channel: Units whose weights have a scale for each channel, where those of others have one.
        of: How many units the base quantizes.
    """

    base: str
    recipe: OnnxStatic | OnnxDynamic
    in_float: tuple[Unit, ...] = ()
    wide: tuple[Unit, ...] = ()
    per_channel: tuple[Unit, ...] = ()
    of: int = 0

    @property
    def name(self) -> str:
        """In words, unique among the candidates."""
        units = (self.in_float, self.wide, self.per_channel)
        return candidate_name(self.base, *([unit.name for unit in each] for each in units))

    def fields(self) -> dict[str, Any]:
        """The recipe as JSON gives it back."""
        return msgspec.json.decode(msgspec.json.encode(self.recipe), type=dict[str, Any])

    def with_float(self, units: Sequence[Unit]) -> Plan:
        """The same with these units in float."""
        nodes = tuple(name for unit in units for name in unit.nodes)
        recipe = msgspec.structs.replace(self.recipe, nodes_to_exclude=nodes)
        return Plan(base=self.base, recipe=recipe, in_float=tuple(units), of=self.of)

    def with_wide(self, units: Sequence[Unit]) -> Plan:
        """The same with 16-bit activations in these units, and none in float."""
        nodes = tuple(name for unit in units for name in unit.nodes)
        recipe = msgspec.structs.replace(self.recipe, nodes_to_exclude=(), nodes_to_16_bit=nodes)
        return Plan(base=self.base, recipe=recipe, wide=tuple(units), of=self.of)

    def with_channels(self, units: Sequence[Unit]) -> Plan:
        """The same with a scale for each channel of the weights of these units, and none in float."""
        nodes = tuple(name for unit in units for name in unit.nodes)
        recipe = msgspec.structs.replace(self.recipe, nodes_to_exclude=(), nodes_per_channel=nodes)
        return Plan(base=self.base, recipe=recipe, per_channel=tuple(units), of=self.of)

    @property
    def is_per_tensor(self) -> bool:
        """Whether weights have one scale each, as a static recipe says."""
        return isinstance(self.recipe, OnnxStatic) and not self.recipe.per_channel

    def covers(self, unit: Unit) -> bool:
        """Whether the base quantizes a unit at all."""
        types = self.recipe.op_types_to_quantize
        if isinstance(self.recipe, OnnxDynamic) and unit.op_type not in (*_PRODUCTS, "Conv"):
            return False
        return not types or unit.op_type in types


def candidate_name(
    base: str, in_float: Sequence[str], wide: Sequence[str] = (), per_channel: Sequence[str] = ()
) -> str:
    """A candidate in words: its whole-model recipe, and the first of the units that are not quantized as it says."""
    parts = [base]
    kinds = ((in_float, "in float"), (wide, "with 16-bit activations"), (per_channel, "per channel"))
    for names, what in kinds:
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            parts.append(f"{', '.join(names[:3])}{more} {what}")
    return "; ".join(parts)


def bases(units: Sequence[Unit]) -> Iterator[Plan]:
    """Whole-model recipes that fit the operators of a model."""
    kinds = {unit.op_type for unit in units}
    per_channel = OnnxStatic(per_channel=True)
    found: list[tuple[str, OnnxStatic | OnnxDynamic]] = [
        ("static, per channel", per_channel),
        ("static, per tensor", OnnxStatic()),
        (
            "static, per channel, percentile",
            OnnxStatic(per_channel=True, calibrate_method="percentile", percentile=99.99),
        ),
    ]
    if not has_vnni():
        found.append(("static, per channel, 7-bit weights", OnnxStatic(per_channel=True, reduce_range=True)))
    if kinds - set(WEIGHTED):
        weighted = OnnxStatic(per_channel=True, op_types_to_quantize=WEIGHTED)
        found.append(("static, per channel, weighted operators only", weighted))
    if kinds & set(_PRODUCTS):
        found.append(("dynamic", OnnxDynamic()))
    for name, recipe in found:
        plan = Plan(base=name, recipe=recipe)
        yield Plan(base=name, recipe=recipe, of=sum(plan.covers(unit) for unit in units))


def alone(plan: Plan, unit: Unit, nodes: Sequence[str]) -> OnnxRecipe:
    """The recipe of a plan with one unit quantized and all other nodes in float."""
    others = tuple(name for name in nodes if name not in unit.nodes)
    return msgspec.structs.replace(plan.recipe, nodes_to_exclude=others)


def merged(units: Sequence[Unit], most: int) -> list[Unit]:
    """Neighbours joined until there are no more than `most` units."""
    if len(units) <= most:
        return list(units)
    size = -(-len(units) // most)
    return [_joined(units[start : start + size]) for start in range(0, len(units), size)]


def _joined(units: Sequence[Unit]) -> Unit:
    first, last = units[0], units[-1]
    return Unit(
        name=first.name if len(units) == 1 else f"{first.name} to {last.name}",
        op_type=first.op_type,
        nodes=tuple(name for unit in units for name in unit.nodes),
        weight_bytes=sum(unit.weight_bytes for unit in units),
        time_share=sum(unit.time_share for unit in units),
    )


def by_worth(found: Sequence[NodeSensitivity], *, counts_bytes: bool) -> list[Unit]:
    """Units by the noise that staying in float saves for what it costs, the most worthwhile first.

    Args:
        found: What each unit does when it alone is quantized.
        counts_bytes: Whether weights cost as much as time does: where a size is asked for.
    """
    total = sum(each.unit.weight_bytes for each in found) or 1

    def worth(each: NodeSensitivity) -> float:
        cost = each.unit.time_share + (each.unit.weight_bytes / total if counts_bytes else 0.0)
        return each.noise / max(cost, _LEAST_COST)

    return [each.unit for each in sorted(found, key=worth, reverse=True) if each.noise > 0]
