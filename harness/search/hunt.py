"""The order in which candidates are tried: whole-model recipes, then as few units in float as the budget needs.

Units are ranked by the noise that each adds when it alone is quantized, over what it costs in float (noise of units
adds up where it is small and independent: Lin, Talathi and Annapureddy 2016). Along that ranking the number
of float units is doubled until the budget holds and then bisected; at last each of them is tried as integers again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from crossrt.analysis.search.plans import Plan, alone, bases, by_worth, merged
from crossrt.analysis.search.record import Opened, Unit
from crossrt.analysis.search.result import Candidate, NodeSensitivity, Speed
from crossrt.core.errors import CrossrtError
from crossrt.exporters.recipes.recipe import OnnxStatic
from crossrt.harness.search.builder import Builder, NotBuiltError
from crossrt.harness.search.ledger import Ledger
from crossrt.harness.search.timing import EFFORT, Stopwatch
from crossrt.harness.search.trying import Trier
from crossrt.reports.text.progress import Display

SENSITIVITY_SHARE: Final = 0.3
"""Of the time that is left: more than that is better spent on candidates."""

ALIKE_DB: Final = 3.0
"""Ratios closer than this say little about which recipe is better."""

TIMING_SHARE: Final = 0.2
LAST_TIMING_SHARE: Final = 0.6
"""Once all candidates are there: nothing but confirming is left to do."""

MOST_TIMED: Final = 4
_MARGIN: Final = 1.5


class Hunt:
    """Finds candidates; what is confirmed afterwards is for `confirm_all`."""

    def __init__(
        self,
        builder: Builder,
        opened: Opened,
        trier: Trier,
        watch: Stopwatch,
        ledger: Ledger,
        display: Display,
        reserve_s: float,
        least_s: float,
    ) -> None:
        """So much time is left for confirming: `reserve_s` once something keeps its accuracy, else `least_s`."""
        self._builder, self._opened, self._trier = builder, opened, trier
        self._watch, self._ledger, self._display = watch, ledger, display
        self._reserve_s, self._least_s = reserve_s, min(least_s, reserve_s)
        self._timed: dict[str, Speed] = {}
        self._grown: tuple[Plan, Sequence[Unit], int] | None = None

    def try_bases(self) -> list[Plan]:
        """Whole-model recipes, the least noisy first; those that are left in the running."""
        plans = list(bases(self._opened.units))
        self._display.phase("whole-model recipes", len(plans))
        sieved: list[tuple[Plan, Candidate]] = []
        for plan in plans:
            scoring_s = self._trier.score_s if sieved else 0.0  # what was built is of no use without a score
            if self._has_time(self._trier.build_s + scoring_s, "whole-model recipes"):
                sieved.append((plan, self._trier.sieve(plan)))
            self._display.step(plan.name)
        usable = [(plan, found) for plan, found in sieved if found.problem is None]
        usable.sort(key=lambda pair: -round(_db(pair[1]) / ALIKE_DB) if pair[1].sqnr_db is not None else -1e9)
        self._display.phase("scoring recipes", len(usable))
        for _, found in usable:
            self._score(found)
            self._display.step(found.name)
        return [plan for plan, _ in usable]

    def time_fitting(self, others: Sequence[Plan] = (), share: float = TIMING_SHARE) -> None:
        """Times what keeps its accuracy and size beside the float file, else some others; nothing twice.

        Args:
            others: What is timed where nothing keeps its accuracy yet.
            share: Of the time that is left.
        """
        keeping = self._ledger.keeping
        known = {each.name: each for each in self._ledger.report.candidates}
        fitting = [
            each
            for each in known.values()
            if keeping.accuracy(each.loss) and keeping.size(each.size_bytes) and self._trier.has_plan(each)
        ]
        fitting.sort(key=lambda each: (not keeping.surely(each), each.size_bytes))
        if not fitting and keeping.budget.min_speedup is not None:  # which recipe is worth growing on
            fitting = [known[plan.name] for plan in others if plan.name in known]
        wanted = [each for each in dict.fromkeys(each.name for each in fitting) if known[each].speed is None]
        chosen = [known[name] for name in wanted[:MOST_TIMED]]
        budget_s = share * max(self._left(), 0.0)
        if not chosen or not self._has_time(4.0, "timing"):
            return
        files = {each.name: self._trier.file(each) for each in chosen}
        speeds = self._watch.time(list(files.values()), EFFORT, budget_s, self._display)
        for each in chosen:
            speed = speeds.get(files[each.name].id)
            problem = each.problem if speed is not None else "it failed while it was timed"
            self._ledger.add(msgspec.structs.replace(each, speed=speed, problem=problem), files[each.name])
        if (best := self._ledger.report.best) is not None and keeping.is_slower(self._named(best)):
            self._replace_best()

    def grow(self, plans: Sequence[Plan]) -> None:
        """Keeps units in float until the accuracy holds: on the most promising recipe, then on one of another kind."""
        self._mix_channels(plans)
        first = self._base_of(plans)
        if first is None or self._grow_on(first):
            return
        others = [plan for plan in plans if type(plan.recipe) is not type(first.recipe)]
        if others and self._has_time(self._trier.score_s, "a second recipe with units in float"):
            self._grow_on(others[0])

    def _mix_channels(self, plans: Sequence[Plan]) -> None:
        """Gives as few units as it takes a scale per channel, where all of them have enough accuracy so, and none not.

        Scales per tensor are what the fastest kernels take.
        """
        keeping = self._ledger.keeping
        static = [plan for plan in plans if isinstance(plan.recipe, OnnxStatic)]
        base = next((plan for plan in static if plan.is_per_tensor), None)
        holds = {plan.is_per_tensor: keeping.accuracy(self._named(plan.name).loss) for plan in reversed(static)}
        if base is None or holds.get(True) or not holds.get(False):
            return
        units = by_worth(self._sensitivities(base), counts_bytes=False)
        units = [unit for unit in units if unit.weight_bytes]
        if units:
            self._display.phase("units with scales per channel", None)
            self._fewest(base.with_channels, units)

    def _grow_on(self, base: Plan) -> bool:
        """As few units in float as it takes, then the same with 16 bits; whether anything keeps its accuracy."""
        found = self._sensitivities(base)
        units = by_worth(found, counts_bytes=self._ledger.keeping.budget.max_size is not None)
        units = units[: len(found) - 1]  # with all of them in float nothing would be quantized
        if not units:
            return False
        self._display.phase("units in float", None)
        count = self._fewest(base.with_float, units)
        if count is None:
            return False
        self._grown = base, units, count
        chosen = self._refined(base, units[:count])
        if _has_narrow_activations(base):
            self._score(self._sieved(base.with_wide(chosen)))
        if base.is_per_tensor:
            self._score(self._sieved(base.with_channels(chosen)))
        if count < len(units):  # one step safer, should the first not hold on other samples
            self._score(self._sieved(base.with_float(units[: count + 1])))
        return True

    def grow_safer(self, plans: Sequence[Plan]) -> None:
        """Makes a file with half the noise of the one that lost too much on the samples kept aside.

        All activations get 16 bits, where a file may be slower than float, as it will be; else, and where that does not
        do, more units stay in float.
        """
        keeping, report = self._ledger.keeping, self._ledger.report
        lost = [each.candidate for each in report.confirmations if not keeping.accuracy(each.loss)]
        if not lost:
            return
        noise_db = max(_db(self._named(name)) for name in lost)
        if keeping.budget.min_speedup is None:
            self._widen(plans)
        is_safe = any(keeping.is_safer(each, noise_db) for each in self._ledger.report.candidates)
        if is_safe or self._grown is None:
            return
        base, units, count = self._grown
        while not is_safe and count < len(units) and self._has_time(self._trier.score_s, "a safer candidate"):
            count = min(count + (count + 1) // 2, len(units))
            is_safe = keeping.is_safer(self._score(self._sieved(base.with_float(units[:count]))), noise_db)

    def _widen(self, plans: Sequence[Plan]) -> None:
        """Scores the least noisy recipe with 16 bits for all activations."""
        static = [plan for plan in plans if _has_narrow_activations(plan)]
        found = [
            self._sieved(plan.with_wide([unit for unit in self._opened.units if plan.covers(unit)])) for plan in static
        ]
        usable = [each for each in found if each.problem is None]
        if usable:
            self._score(max(usable, key=_db))

    def _base_of(self, plans: Sequence[Plan]) -> Plan | None:
        """The least noisy recipe among those that are fast and small enough, or else of all; of equals the fastest."""
        keeping = self._ledger.keeping
        least = keeping.budget.min_speedup or 0.0
        fitting = [plan for plan in plans if keeping.size(self._named(plan.name).size_bytes)]
        fast = [plan for plan in fitting if (speed := self._named(plan.name).speed) is None or speed.ratio >= least]
        left = fast or fitting or list(plans)
        if not left:
            return None
        noise = _db(self._named(left[0].name))
        alike = [plan for plan in left if abs(_db(self._named(plan.name)) - noise) < ALIKE_DB]
        speeds = [speed.ratio if (speed := self._named(plan.name).speed) is not None else 0.0 for plan in alike]
        return alike[speeds.index(max(speeds))]

    def _sensitivities(self, base: Plan) -> list[NodeSensitivity]:
        units = [unit for unit in self._opened.units if base.covers(unit)]
        affordable = max(2, int(SENSITIVITY_SHARE * self._left() / max(self._trier.build_s, 0.02)))
        joined = merged(units, affordable)
        if len(joined) < len(units):
            self._ledger.note(
                f"to fit the time, {len(units)} units were ranked in {len(joined)} groups of neighbours; --time allows"
                " more"
            )
        known = self._ledger.report
        if known.sensitivity_base == base.base and not self._are_other(joined):
            return list(known.sensitivities)
        self._display.phase("sensitivity", len(joined))
        found = []
        for unit in joined:
            if self._has_time(self._trier.build_s, "the sensitivity of all units"):
                found.append(self._sensitivity(base, unit))
            self._display.step(unit.name)
        ranked = tuple(sorted(found, key=lambda each: -each.noise))
        self._ledger.sensitivities(ranked, base.base)
        return list(ranked)

    def _are_other(self, units: Sequence[Unit]) -> bool:
        return {each.unit.nodes for each in self._ledger.report.sensitivities} != {unit.nodes for unit in units}

    def _sensitivity(self, base: Plan, unit: Unit) -> NodeSensitivity:
        try:
            built = self._builder.build("alone", alone(base, unit, self._opened.nodes), keeps=False)
        except NotBuiltError:
            return NodeSensitivity(unit=unit, sqnr_db=None, noise=0.0)
        noise = 0.0 if built.sqnr_db is None else 10 ** (-built.sqnr_db / 10)
        return NodeSensitivity(unit=unit, sqnr_db=built.sqnr_db, noise=noise if built.has_signal else 1e12)

    def _fewest(self, change: Callable[[Sequence[Unit]], Plan], units: Sequence[Unit]) -> int | None:
        """How many of the first units have to be changed, as into float, or None where no number does."""
        failing, count = 0, 1
        while not self._holds(change(units[:count])):
            if count >= len(units) or not self._has_time(self._trier.score_s, "more units that are changed"):
                return None
            failing, count = count, min(2 * count, len(units))
        while count - failing > 1 and self._has_time(self._trier.score_s, "fewer units that are changed"):
            middle = (failing + count) // 2
            failing, count = (failing, middle) if self._holds(change(units[:middle])) else (middle, count)
        return count

    def _refined(self, base: Plan, units: Sequence[Unit]) -> list[Unit]:
        """The same without those whose integers do no harm after all, the least worthwhile tried first."""
        kept = list(units)
        for unit in reversed(units):
            if len(kept) == 1 or not self._has_time(self._trier.score_s, "fewer units in float"):
                break
            others = [each for each in kept if each is not unit]
            if self._holds(base.with_float(others)):
                kept = others
        return kept

    def _holds(self, plan: Plan) -> bool:
        found = self._score(self._sieved(plan))
        self._display.step(found.name)
        return found.problem is None and self._ledger.keeping.surely(found)

    def _sieved(self, plan: Plan) -> Candidate:
        return self._trier.sieve(plan)

    def _score(self, found: Candidate) -> Candidate:
        if not self._has_time(self._trier.score_s, "scoring candidates"):
            return found
        return self._trier.score(found)

    def _replace_best(self) -> None:
        """The saved file turned out to be slower than the float file: the next best takes its place, or nothing."""
        best = self._ledger.keeping.best(
            [each for each in self._ledger.report.candidates if self._trier.has_plan(each)]
        )
        if best is None:
            self._ledger.drop_best()
            return
        try:
            self._ledger.keep(best, self._trier.file(best))
        except (NotBuiltError, CrossrtError):
            self._ledger.drop_best()

    def keep_nearest(self) -> None:
        """Saves the file that misses the budget least, or none where that one is slower than float."""
        report, keeping = self._ledger.report, self._ledger.keeping
        nearest = keeping.nearest([each for each in report.candidates if self._trier.has_plan(each)])
        if nearest is None or nearest.name == report.best:
            return
        if keeping.is_slower(nearest):
            self._ledger.drop_best()
            return
        with suppress(NotBuiltError, CrossrtError):
            self._ledger.keep(nearest, self._trier.file(nearest))

    def _named(self, name: str) -> Candidate:
        found = self._ledger.report.candidate(name)
        assert found is not None
        return found

    def _left(self) -> float:
        return self._trier.left_s - self._kept_s()

    def _kept_s(self) -> float:
        keeping = self._ledger.keeping
        is_near = any(keeping.accuracy(each.loss) for each in self._ledger.report.candidates)
        return self._reserve_s if is_near else self._least_s

    def _has_time(self, needed_s: float, what: str) -> bool:
        """Whether something can be begun and confirming still has its time; what is cut is noted once."""
        if self._left() > _MARGIN * needed_s:
            return True
        self._ledger.note(
            f"no time was left for {what} beside what is kept for confirming: --time allows more, and --resume goes on"
            " from here"
        )
        return False


def _db(candidate: Candidate) -> float:
    return 0.0 if candidate.sqnr_db is None else candidate.sqnr_db


def _has_narrow_activations(plan: Plan) -> bool:
    return isinstance(plan.recipe, OnnxStatic) and plan.recipe.activation_type == "uint8"
