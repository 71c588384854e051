"""How frequent landslides of an area are: an inverse gamma law, by maximum likelihood.

The density of areas A is

    p(A) = 1 / (a Gamma(rho)) (a / (A - s))^(rho + 1) exp(-a / (A - s))

(Malamud, B. D., Turcotte, D. L., Guzzetti, F., Reichenbach, P., 2004. Landslide inventories and
their statistical properties. Earth Surface Processes and Landforms 29, 687-711.
https://doi.org/10.1002/esp.1064), cut off below the area from which on the inventory is complete;
the most frequent area, a / (rho + 1) + s, is not negative.
That area is the least one above which the law is not refuted, as in Clauset, A., Shalizi, C. R.,
Newman, M. E. J., 2009. Power-law distributions in empirical data. SIAM Review 51, 661-703.
https://doi.org/10.1137/070710111, who take the one with the best agreement.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from core.errors import TooFewSamples

LEAST = 30
"""Landslides that a law is fitted to."""
SHARES = tuple(k / 20 for k in range(17))
"""Parts of the inventory that are left out below, one after the other, until the law holds."""
REFUTED = 0.8
"""Largest difference between law and inventory, over the root of their number, above which the law
is refuted.  About 5 % of inventories that follow a law fitted to themselves reach it (of
drawn ones 95 % stay under .75, .83 and .74 with 50, 300 and 2000 landslides)."""

NEVER = 1e9
"""Cost of what is no law; a number, for differences between costs are taken."""
WIDEST, STEEPEST = 12.0, 3.0
"""Largest logarithms of the law's parameters over the median area, and of rho: no inventory's lies
outside .5 to 4."""
NOUGHT = -6.0
"""Logarithm of the most frequent area over the median, below which it is nought."""

Areas = NDArray[np.float64]


@dataclass(frozen=True)
class Frequency:
    """The law of the areas of an inventory.

    Parameters
    ----------
    count
        Landslides that it was fitted to.
    complete_m2
        Least area of these.
    rho, a_m2, s_m2
        Of the law.
    rho_low, rho_high
        Interval of rho that holds the true one with 95 %, from the curvature of the likelihood; NaN
        where that has no peak.
    rollover_m2
        The most frequent area; it may lie below the least one that counts.
    difference
        The largest between the shares of law and inventory (Kolmogorov and Smirnov).
    holds
        Whether the law is not refuted.
    """

    count: int
    complete_m2: float
    rho: float
    a_m2: float
    s_m2: float
    rho_low: float
    rho_high: float
    rollover_m2: float
    difference: float
    holds: bool

    @property
    def exponent(self) -> float:
        """The density of large areas falls as the area to minus this."""
        return self.rho + 1

    def density(self, area_m2: Areas) -> Areas:
        """Of an area among all above the least, per m2; 0 below."""
        law = np.exp(_log_density(np.asarray(area_m2, np.float64), self.rho, self.a_m2, self.s_m2))
        above = special.gammainc(self.rho, self.a_m2 / (self.complete_m2 - self.s_m2))
        return np.where(area_m2 >= self.complete_m2, law / above, 0.0)


def frequency(area_m2: Areas) -> Frequency:
    """The law of the areas of an inventory.

    Parameters
    ----------
    area_m2
        Of its landslides.

    Raises
    ------
    TooFewSamples
        There are fewer than :data:`LEAST`.
    """
    area = np.sort(np.asarray(area_m2, np.float64))
    if area.size < LEAST:
        raise TooFewSamples(
            f"The law of areas was not fitted: the inventory has {area.size} landslides.",
            value=int(area.size),
            allowed=f"at least {LEAST}",
        )
    best = None
    for share in SHARES:
        least = area[int(share * area.size)]
        above = area[area >= least]
        if above.size < LEAST:
            break
        found = _fitted(above)
        if found.holds:
            return found
        scaled = found.difference * math.sqrt(found.count)
        if best is None or scaled < best.difference * math.sqrt(best.count):
            best = found
    assert best is not None
    return best


def _fitted(area: Areas) -> Frequency:
    """The law cut off below the least of some areas, sorted."""
    least, scale = float(area[0]), float(np.median(area))

    def parameters(at: NDArray[np.float64]) -> tuple[float, float, float]:
        rho, a, rollover = math.exp(at[0]), scale * math.exp(at[1]), scale * math.exp(at[2])
        return rho, a, rollover - a / (rho + 1)

    def cost(at: NDArray[np.float64]) -> float:
        if np.abs(at).max() > WIDEST or abs(at[0]) > STEEPEST:
            return NEVER
        rho, a, s = parameters(at)
        whole = special.gammainc(rho, a / (least - s)) if s < least else 0.0
        if not whole > 0:
            return NEVER
        return float(-_log_density(area, rho, a, s).mean() + math.log(whole))

    options = {"xatol": 1e-7, "fatol": 1e-12, "maxiter": 4000, "maxfev": 4000}
    starts = ((0.0, 0.0, -0.5), (0.0, -1.0, -2.0), (0.5, 1.0, -1.0))
    ends = [optimize.minimize(cost, start, method="Nelder-Mead", options=options)
            for start in starts]  # fmt: skip
    end = min(ends, key=lambda one: float(one.fun))
    rho, a, s = parameters(end.x)
    # Where the rollover is at nought, the limit of what it may be, it has no error of its own.
    free = 2 if end.x[2] < NOUGHT else 3
    spread = _deviation(cost, end.x, free, area.size)
    share = 1 - special.gammainc(rho, a / (area - s)) / special.gammainc(rho, a / (least - s))
    difference = _difference(area, share)
    return Frequency(
        count=area.size,
        complete_m2=least,
        rho=rho,
        a_m2=a,
        s_m2=s,
        rho_low=rho * math.exp(-stats.norm.ppf(0.975) * spread),
        rho_high=rho * math.exp(stats.norm.ppf(0.975) * spread),
        rollover_m2=a / (rho + 1) + s,
        difference=difference,
        holds=difference * math.sqrt(area.size) <= REFUTED,
    )


def _log_density(area: Areas, rho: float, a: float, s: float) -> Areas:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(area > s, a / (area - s), np.nan)
        law = (rho + 1) * np.log(ratio) - ratio - math.log(a) - special.gammaln(rho)
    return np.where(area > s, law, -np.inf)


def _difference(area: Areas, share: Areas) -> float:
    """Areas are whole pixels: the step of each value is compared at its middle."""
    values, first, count = np.unique(area, return_index=True, return_counts=True)
    middle = (first + count / 2) / area.size
    if values.size == area.size:
        upper, lower = np.arange(1, area.size + 1) / area.size, np.arange(area.size) / area.size
        return float(max((upper - share).max(), (share - lower).max()))
    return float(np.abs(share[first] - middle).max())


def _deviation(
    cost: Callable[[NDArray[np.float64]], float], at: NDArray[np.float64], size: int, count: int
) -> float:
    """Standard deviation of the first of so many parameters, from the curvature of the cost."""
    step = 1e-3
    curvature = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            total = 0.0
            for one in (-1, 1):
                for other in (-1, 1):
                    moved = at.copy()
                    moved[i] += one * step
                    moved[j] += other * step
                    total += one * other * cost(moved)
            curvature[i, j] = total / (4 * step**2) * count
    if not (np.abs(curvature) < NEVER).all() or np.linalg.eigvalsh(curvature).min() <= 0:
        return math.nan
    return float(math.sqrt(np.linalg.inv(curvature)[0, 0]))
