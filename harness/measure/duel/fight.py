"""The rounds of an A/B comparison."""

from __future__ import annotations

import time
from collections.abc import Callable

from crossrt.harness.errors import ArmFailedError
from crossrt.harness.measure.duel.match import Match
from crossrt.harness.measure.rounds import RoundRunner, RoundSettings
from crossrt.reports.schema.records import Look
from crossrt.reports.statistics.spending import Spending
from crossrt.reports.tables.duel_text import progress_line
from crossrt.reports.text.progress import Display, Silent
from crossrt.reports.verdicts.duel import ALPHA, CONFIRMING_ROUNDS, FEWEST_ROUNDS, Judgement, judge_samples

LOOKS_GROW = 1.25


class Fight:
    """Rounds until a look decides or the budget is spent; then rounds that confirm what was decided."""

    def __init__(self, match: Match, display: Display, after_round: Callable[[], None] = lambda: None) -> None:
        """`after_round` is called when a round is over."""
        self._match = match
        self._display = display
        run = match.state.settings
        how = RoundSettings(effort=run.effort, limits=run.limits, seed=run.seed, after_round=after_round)
        participants = [each for arm in match.arms for each in arm.participants()]
        self._rounds = RoundRunner(participants, how, match.state.measurements)
        self._spending = Spending(ALPHA)
        self._index = 0
        self._started = time.monotonic()

    def run(self) -> None:
        """Measures."""
        self._display.phase("measuring", None)
        verdict = self._decide().verdict
        if verdict in ("A faster", "B faster"):
            self._display.remark(f"{verdict}; measuring {CONFIRMING_ROUNDS} more rounds to see whether it recurs")
            for _ in range(CONFIRMING_ROUNDS):
                self._round()

    def _decide(self) -> Judgement:
        next_look = FEWEST_ROUNDS
        while True:
            self._round()
            is_last = self._share_after_another() > 1 and self._index >= FEWEST_ROUNDS
            if self._index >= next_look or is_last:
                judgement = self._look(is_last=is_last)
                if is_last or self._is_answered(judgement):
                    return judgement
                next_look = round(self._index * LOOKS_GROW) + 1

    def _is_answered(self, judgement: Judgement) -> bool:
        settings = self._match.settings
        return judgement.verdict != "inconclusive" or (settings.is_gate and judgement.b_is_not_slower(settings.margin))

    def _look(self, *, is_last: bool) -> Judgement:
        level = self._spending.next_level(1.0 if is_last else self._share(), self._index)
        self._match.looks.append(Look(rounds=self._index, alpha=level))
        return judge_samples(self._match.samples(), level, self._match.settings.margin)

    def _share(self) -> float:
        """Share of the budget that is spent."""
        return (time.monotonic() - self._started) / self._match.settings.budget_s

    def _share_after_another(self) -> float:
        return self._share() * (self._index + 1) / self._index

    def _round(self) -> None:
        self._rounds.run_round(self._index, Silent())
        self._index += 1
        for arm in self._match.arms:
            if (failure := self._match.failure_of(arm)) is not None:
                raise ArmFailedError(f"{arm.keys[0][0]} failed in round {self._index}: {failure.reason}")
        now = judge_samples(self._match.samples(), ALPHA, self._match.settings.margin)
        self._display.step(progress_line(now, self._match.settings.margin))
