"""Student's t distribution from scipy.special: scipy.stats has it too, and takes most of a second to import.

scipy.special takes as long as a command such as `audit` needs for everything else at its start, so that functions
import it, here and in modules beside this one.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

LARGEST_HALF: Final = 600.0
"""Of an interval of logarithms: the bounds of a wider one are no numbers any more."""


@lru_cache(maxsize=1024)
def t_quantile(share: float, degrees: float) -> float:
    """The value below which a share of the distribution lies; infinite degrees of freedom make it the normal one."""
    from scipy import special

    return float(special.stdtrit(degrees, share) if math.isfinite(degrees) else special.ndtri(share))


def t_tail(value: float, degrees: float) -> float:
    """The share of the distribution above a value."""
    from scipy import special

    return float(special.stdtr(degrees, -value) if math.isfinite(degrees) else special.ndtr(-value))
