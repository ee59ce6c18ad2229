"""How a duel may look at its rounds again and again without being fooled more often."""

from __future__ import annotations

import math

import numpy as np
from scipy import integrate, optimize, special

EXPONENT = 3
_GRID = 1001
_FARTHEST = 8.0


class Spending:
    """Hands out the chance of error on one side, look by look.

    What may be spent until a share `t` of the budget has gone is `alpha * t ** 3` (Lan and DeMets 1983; the power
    family of Kim and DeMets 1987): little at first, where only a great difference is clear, and all of it at the end.
    How much of it each look may use beyond the looks before follows from their correlation, by the recursion of
    Armitage, McPherson and Rowe (1969).
    """

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self._spent = 0.0
        self._rounds = 0
        self._sums = np.zeros(1)
        self._density = np.ones(1)

    def next_level(self, share: float, rounds: int) -> float:
        """The level of a look on its own, such as the one of its t interval.

        Args:
            share: Share of the budget that is spent; 1 at the last look.
            rounds: Rounds so far, more than at the look before.
        """
        allowance = max(self._alpha * min(share, 1.0) ** EXPONENT - self._spent, self._alpha * 1e-3)
        self._spent += allowance
        step = math.sqrt(rounds - self._rounds)
        bound = self._bound(allowance, step, rounds)
        self._go_on(bound * math.sqrt(rounds), step, rounds)
        return float(special.ndtr(-bound))

    def _bound(self, allowance: float, step: float, rounds: int) -> float:
        """The z value whose first crossing now has the chance `allowance`."""

        def excess(bound: float) -> float:
            return self._crossing(bound * math.sqrt(rounds), step) - allowance

        return float(optimize.brentq(excess, 0.0, _FARTHEST, xtol=1e-6))

    def _crossing(self, limit: float, step: float) -> float:
        beyond = special.ndtr((self._sums - limit) / step)
        if len(self._sums) == 1:
            return float(beyond[0])
        return float(integrate.simpson(self._density * beyond, x=self._sums))

    def _go_on(self, limit: float, step: float, rounds: int) -> None:
        """The density of the sum of all rounds where no look has crossed yet."""
        sums = np.linspace(-_FARTHEST * math.sqrt(rounds), limit, _GRID)
        kernel = np.exp(-(((sums[:, None] - self._sums[None, :]) / step) ** 2) / 2) / (step * math.sqrt(2 * math.pi))
        if len(self._sums) == 1:
            self._density = kernel[:, 0]
        else:
            self._density = integrate.simpson(kernel * self._density[None, :], x=self._sums, axis=1)
        self._sums, self._rounds = sums, rounds
