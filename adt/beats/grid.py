"""Grids: which division of each beat the hits fall on, and how much they swing.

Every beat takes the grid that explains its hits at the least cost: squared distances to
the grid, plus a price for its complexity, in the manner of minimum description length
(Cemgil and Kappen, "Monte Carlo Methods for Tempo Tracking and Rhythm Quantization",
JAIR 2003). Swing is a property of the song: the second of two eighths, or of two
sixteenths, comes late by the same share throughout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

__all__ = ["Swing", "Placement", "place", "late"]

#: Slots a beat → price of the grid. 2 eighths, 4 sixteenths, 3 triplets, 6 sextuplets.
GRIDS = {1: 0.0, 2: 0.5, 4: 1.5, 3: 3.5, 6: 16.0, 8: 20.0}
#: The same for a beat of three eighths (6/8, 12/8): 3 eighths, 6 sixteenths, 2 duplets.
COMPOUND = {1: 0.0, 3: 0.5, 6: 1.5, 2: 4.0, 12: 14.0}
SPREAD = 0.022  #: standard deviation of a player's timing, seconds
SPREADS = (0.012, 0.030)  #: least and most that a song's own may be
SOME = 50  #: hits that weigh as much as SPREAD when a song's own spread is found
FAR = 4.0  #: standard deviations from which on a hit's price grows with the distance alone
COLLISION = 8.0  #: price of two hits of one piece in one slot
HABIT = 12.0  #: further price of triplets in a song of sixteenths alone, and the reverse
RATIOS = np.arange(0.54, 0.7251, 0.01)  #: shares of the first of two swung notes
SWING = 6.0  #: price of a song that swings
LEAST_SWUNG = 6  #: beats that must swing
SWUNG_SHARE = 0.5  #: and share of the beats divided so finely or more so
LEAST_SHARE = 0.15  #: and share of all divided beats
_ON = 1 / 16  #: hits this close behind a beat, in beats, are on it
_NEAR = 0.12  #: hits this close to a beat, in beats, tell how late the player is


@dataclass(frozen=True)
class Swing:
    """The second of two notes of `level` (8 eighths, 16 sixteenths) begins after `ratio`."""

    level: int
    ratio: float


@dataclass(frozen=True)
class Placement:
    """Hits on their grids.

    Attributes
    ----------
    written : list of Fraction
        Place of each hit in beats, as one writes it: swung notes as even ones.
    sounding : ndarray
        Place of each hit in beats, as it sounds: swung notes late.
    swing : Swing or None
    swung : ndarray of bool
        Hits of beats that follow the swing.
    """

    written: list[Fraction]
    sounding: np.ndarray
    swing: Swing | None
    swung: np.ndarray


def late(places, swing: Swing, pairs: int | None = None):
    """Even places in beats as they sound with swing, `pairs` of notes a beat.

    By default the beats are quarters.
    """
    pairs = pairs or (1 if swing.level == 8 else 2)
    whole, rest = np.divmod(np.asarray(places, dtype=np.float64) * pairs, 1)
    rest = np.interp(rest, [0, 0.5, 1], [0, swing.ratio, 1])
    return (whole + rest) / pairs


def place(places, pieces: Sequence[str], velocities: Sequence[int], periods, *,
          compound: bool = False, swing: Swing | float | None = None) -> Placement:
    """Recognise the grid of every beat, and the swing of the song.

    Parameters
    ----------
    places : array_like, shape (n,)
        Beats since some beat, fractional, ascending.
    pieces : sequence of str
        Hits of one piece (or line) do not share a slot willingly.
    velocities : sequence of int
        Soft hits count less.
    periods : array_like
        Seconds a beat, at each hit.
    compound : bool
        Beats of three eighths, as in 6/8: no swing.
    swing : Swing or float, optional
        Swing that is known, or its ratio alone; 0.5 for none: then pairs of notes are even,
        and triplets only where their second note is struck. Recognised by default.

    Returns
    -------
    Placement
    """
    x = np.asarray(places, dtype=np.float64)
    if not len(x):
        return Placement([], x, None, np.zeros(0, bool))
    x = np.maximum(x - _lag(x), np.floor(x[0]))
    prices = COMPOUND if compound else GRIDS
    periods = np.broadcast_to(periods, x.shape)
    beats = _Beats(x, pieces, velocities, periods, SPREAD)
    beats = _Beats(x, pieces, velocities, periods, beats.spread(beats.fit(prices, {})))
    straight = beats.fit(prices, {})
    habits = _habits(beats, straight, compound)
    straight = beats.fit(prices, habits, even=swing == 0.5 and not compound)
    best, chosen = straight, None
    if isinstance(swing, Swing):
        candidates = [swing]
    elif swing is not None:
        candidates = [Swing(level, swing) for level in (8, 16)]
    else:
        candidates = [Swing(level, float(r)) for level in (8, 16) for r in RATIOS]
    if not compound:
        candidates = [c for c in candidates if c.ratio != 0.5]
        fits = [(beats.fit(prices, habits, c, even=swing is not None), c) for c in candidates]
        if fits:
            if swing is not None:  # of eighths or of sixteenths: of what there is
                fits = [f for f in fits if beats.placement(*f).swung.any()] or fits
            best, chosen = min(fits, key=lambda f: f[0].cost)
            if swing is None and not _swings(beats, straight, best, chosen):
                best, chosen = straight, None
    return beats.placement(best, chosen)


def _lag(x: np.ndarray) -> float:
    """How far behind the beats (ahead, if negative) the hits on the beats are, in beats."""
    errors = (x + 0.5) % 1 - 0.5
    near = errors[np.abs(errors) < _NEAR]
    return float(np.median(near)) if len(near) >= 8 else 0.0


@dataclass
class _Fit:
    cost: float
    grids: np.ndarray  #: of each beat
    steps: dict[int, np.ndarray]  #: grid → step of each hit


class _Beats:
    """Hits by the beat they are in."""

    def __init__(self, x: np.ndarray, pieces, velocities, periods, spread: float):
        self.floor = np.floor(x)
        self.x = x - self.floor
        _, self.index = np.unique(self.floor, return_inverse=True)
        self.count = int(self.index.max()) + 1
        self.line = np.unique(np.asarray(pieces, dtype=str), return_inverse=True)[1]
        self.weight = 0.3 + np.asarray(velocities, dtype=np.float64) / 127
        self.scale = np.asarray(periods, dtype=np.float64) / spread
        on_beat = set(zip(self.floor[self.x < _ON].tolist(), self.line[self.x < _ON].tolist()))
        #: whether the same piece is struck on the next beat, where the last slot is
        self.again = np.array([(floor + 1, line) in on_beat for floor, line
                               in zip(self.floor.tolist(), self.line.tolist())])
        self._spread = spread
        self._known: dict = {}

    def spread(self, fit: _Fit) -> float:
        """Standard deviation of the hits from their grids, seconds."""
        errors = np.empty(len(self.x))
        for grid, steps in fit.steps.items():
            own = fit.grids[self.index] == grid
            errors[own] = self.x[own] - steps[own] / grid
        found = np.median(np.abs(errors * self.scale)) * self._spread / 0.6745
        trust = len(errors) / (len(errors) + SOME)
        return float(np.clip(trust * found + (1 - trust) * SPREAD, *SPREADS))

    def fit(self, prices: dict, further: dict, swing: Swing | None = None,
            even: bool = False) -> _Fit:
        """Grid of least cost for each beat; if `even`, pairs of notes have the swing given."""
        grids = np.array(list(prices))
        costs, steps = np.empty((len(grids), self.count)), {}
        for row, grid in enumerate(grids.tolist()):
            steps[grid], cost = self._measure(grid, slots(grid, swing))
            costs[row] = cost + prices[grid] + further.get(grid, 0.0)
            if even and grid % 3 == 0:
                costs[row, ~self._in_threes(grid, steps[grid])] = np.inf
            if even and swing and swing.level == 8 and grid in (4, 8):
                costs[row, ~self._in_sixteenths(grid, steps[grid])] = np.inf
        best = costs.argmin(axis=0)
        return _Fit(float(costs[best, np.arange(self.count)].sum()), grids[best], steps)

    def _measure(self, grid: int, slots: np.ndarray):
        key = (grid, *slots)
        if key not in self._known:
            step = np.abs(self.x[:, None] - slots).argmin(axis=1)
            error = np.abs((self.x - slots[step]) * self.scale)
            cost = np.bincount(
                self.index, self.weight * np.where(error < FAR, error ** 2, FAR ** 2 + error - FAR),
                self.count)
            seen = np.unique(np.stack([self.index, self.line, step]), axis=1)[0]
            crowded = (np.bincount(self.index, minlength=self.count)
                       - np.bincount(seen, minlength=self.count)
                       + np.bincount(self.index, self.again & (step == grid), self.count))
            self._known[key] = step, cost + COLLISION * crowded
        return self._known[key]

    def _in_threes(self, grid: int, steps: np.ndarray) -> np.ndarray:
        """Beats whose notes on a grid of three or six cannot be pairs that swing."""
        close = np.abs(self.x - steps / grid) < 1 / 12  # to a third; a lone half is half of a pair
        first, third, second, last = (
            np.bincount(self.index, (steps == step) & (close | (grid != 3)), self.count) > 0
            for step in (1, 3, 4, 5))
        return first if grid == 3 else first | second & (third | last)

    def _in_sixteenths(self, grid: int, steps: np.ndarray) -> np.ndarray:
        """Beats with notes on a grid of four or eight that are no eighths."""
        return np.bincount(self.index, steps % (grid // 2) != 0, self.count) > 0

    def placement(self, fit: _Fit, swing: Swing | None) -> Placement:
        grids = fit.grids[self.index]
        written, sounding = [], np.empty(len(self.x))
        for k, grid in enumerate(grids.tolist()):
            step = int(fit.steps[grid][k])
            written.append(int(self.floor[k]) + Fraction(step, grid))
            sounding[k] = self.floor[k] + slots(grid, swing)[step]
        swung = (np.isin(grids, _follow(swing)) if swing else np.zeros(len(grids), bool))
        return Placement(written, sounding, swing, swung)


def _follow(swing: Swing) -> tuple[int, ...]:
    """Grids that swing: in swung eighths, sixteenths stay even."""
    return (2,) if swing.level == 8 else (4,)


def slots(grid: int, swing: Swing | None = None) -> np.ndarray:
    """Places of a grid in a beat, its end included."""
    even = np.arange(grid + 1) / grid
    return late(even, swing) if swing and grid in _follow(swing) else even


def _habits(beats: _Beats, fit: _Fit, compound: bool) -> dict[int, float]:
    """Further price of the grids that the song seldom uses: triplets or sixteenths."""
    if compound:
        return {}
    ternary = int(np.isin(fit.grids, (3, 6)).sum())
    binary = int(np.isin(fit.grids, (4, 8)).sum())
    total = ternary + binary
    return {grid: HABIT * (binary if grid % 3 == 0 else ternary) / total
            for grid in (3, 4, 6, 8)} if total else {}


def _swings(beats: _Beats, straight: _Fit, swung: _Fit, swing: Swing) -> bool:
    """Whether a song swings: enough beats do, at a better price."""
    following = np.isin(swung.grids, _follow(swing))
    used = np.zeros(beats.count, bool)  # beats with a hit that comes late
    for grid in _follow(swing):
        odd = swung.steps[grid] % 2 == 1
        used |= np.bincount(beats.index, odd, beats.count) > 0
    divided = swung.grids > (1 if swing.level == 8 else 2)
    count = int((following & used).sum())
    return (swung.cost + SWING < straight.cost and count >= LEAST_SWUNG
            and count >= max(SWUNG_SHARE * divided.sum(), LEAST_SHARE * (swung.grids > 1).sum()))
