"""Strokes on toms, gathered in as many groups as there are toms in a song.

A tom keeps its pitch, but the pitch of a single stroke is unsure: kick or snare are struck along,
another tom still rings. Whether the detectors hear a high or a floor tom says little about an
unknown kit; but what they hear is much the same for all strokes of one tom. So both count at
once: a group of strokes has a pitch and odds of what was heard, which some of them miss by far.
Where nothing but drums sounds there is a finer pitch too, of the low end (`adt.toms.low_end`),
which more of the strokes miss: it tells toms apart that the bands confuse.
One to three groups are fitted by expectation maximisation (Dempster et al., "Maximum likelihood
from incomplete data via the EM algorithm", 1977) from several beginnings.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOST = 3  #: toms

_SURE = 10.0  # strokes that what is known of most songs weighs as much as
_WITHIN = np.array([0.8, 1.0])  # deviation of one tom's odds: floor or another, high or mid
_MISHEARD, _WIDER = 0.05, 4.0  # strokes with other odds, and how many times theirs deviate
_FAINT = 0.003  # activation, of 1, that is nothing
_APART = 0.06  # octaves between two toms at least
#: Log likelihood that another group must explain: once, and for every stroke a second and a third.
_PRICE, _SHARES = 1.0, (0.6, 0.5)
_FINE_COUNTS = 0.5  # of the finer pitch beside the first, for they err together
_AS_MANY = 8.0  # strokes that speak for equal shares of the groups
_ROUNDS = 12
#: Shares of strokes, in rising order, at whose borders two or three groups begin; they begin at the
#: widest gaps as well, or a tom that is hardly struck would not be found.
_BEGINNINGS = {2: ((0.2,), (0.5,), (0.8,)), 3: ((0.33, 0.67), (0.2, 0.8), (0.2, 0.5), (0.5, 0.8))}


class _Kind(NamedTuple):
    """What is known of one kind of pitch, octaves: deviation of one tom's strokes in most songs,
    and at least; the share of strokes that miss it, log density where these are most common, and
    their deviation."""

    usual: float
    least: float
    missed: float
    density: float
    wide: float


_PITCH = _Kind(0.06, 0.02, 0.15, np.log(0.15 / 0.6), 0.6)
_FINE = _Kind(0.04, 0.02, 0.4, np.log(0.4 * np.sqrt(2 * np.pi) / 2.25), np.inf)  # of 2.25, anywhere


class Groups(NamedTuple):
    """Strokes in groups, the highest first.

    Attributes
    ----------
    member : ndarray of int, shape (n,)
        Group of each stroke.
    centres : ndarray, shape (groups,)
        Pitch, log2 of Hz.
    fit : float
        Log likelihood of all strokes, less the price of the groups.
    """

    member: np.ndarray
    centres: np.ndarray
    fit: float


def groups(pitch: np.ndarray, heard: np.ndarray, fine: np.ndarray | None = None) -> list[Groups]:
    """Strokes in one group, and in two and three where there may be as many.

    Parameters
    ----------
    pitch : ndarray, shape (n,)
        log2 of Hz; n is at least 1.
    heard : ndarray, shape (n, 3)
        Activations of high, mid and floor tom.
    fine : ndarray, shape (n,), optional
        log2 of Hz, of the low end; NaN where it is not known.
    """
    odds = _odds(heard)
    fine = np.full(len(pitch), np.nan) if fine is None else fine
    found = (_fitted(pitch, odds, fine, count) for count in range(1, min(MOST, len(pitch)) + 1))
    return [each for each in found if each is not None]


def _odds(heard: np.ndarray) -> np.ndarray:
    """Log odds of floor tom against the others and of high against mid, shape (n, 2)."""
    high, mid, floor = (heard / np.maximum(heard.sum(axis=1, keepdims=True), 1e-9)).T
    return np.log(np.stack([(floor + _FAINT) / (high + mid + _FAINT),
                            (high + _FAINT) / (mid + _FAINT)], axis=1))


def _begun(pitch: np.ndarray, odds: np.ndarray, count: int) -> np.ndarray:
    """Groups to begin with, shape (beginnings, n): by pitch, by what was heard, and by both."""
    if count == 1:
        return np.zeros((1, len(pitch)), np.int64)
    begun = []
    for key in (-pitch, odds[:, 0], odds[:, 0] / 1.5 - pitch / 0.2):
        order = np.argsort(key, kind="stable")
        rank, rising = np.argsort(order, kind="stable"), key[order]
        begun += [np.searchsorted(np.array(shares) * len(pitch), rank, side="right")
                  for shares in _BEGINNINGS[count]]
        gaps = np.argsort(-np.diff(rising), kind="stable")[:count - 1]
        begun.append(np.searchsorted(np.sort(rising[gaps]), key, side="left"))
    return np.array(begun)


class _Pitch:
    """One kind of pitch: where the groups have it, and how far their strokes deviate."""

    def __init__(self, kind: _Kind, values: np.ndarray, begun: np.ndarray, count: int):
        known = np.isfinite(values)
        middle = np.median(values[known]) if known.any() else 0.0

        def begin(group):
            of = [values[(group == k) & known] for k in range(count)]
            return [np.median(each) if len(each) else middle for each in of]

        self.kind, self.known = kind, known[None, :, None]
        self.values = np.where(known, values, 0.0)[None, :, None]
        self.centres = np.array([begin(group) for group in begun])  # (beginnings, groups)
        self.spread = np.full((len(begun), 1, 1), kind.usual)
        self._measure()

    def _measure(self) -> None:
        """Log densities of strokes that are of a group, and of those that miss its pitch."""
        squares = (self.values - self.centres[:, None]) ** 2
        self._hit = (np.log((1 - self.kind.missed) / self.spread)
                     - squares / (2 * self.spread ** 2))
        self._missed = self.kind.density - squares / (2 * self.kind.wide ** 2)

    def density(self) -> np.ndarray:
        """Log density of each stroke in each group, shape (beginnings, n, groups)."""
        return np.logaddexp(self._hit, self._missed)

    def fit(self, chance: np.ndarray) -> None:
        """Centres and deviation by the strokes that are of a group and do not miss its pitch."""
        sure = self.known * chance / (1 + np.exp(np.clip(self._missed - self._hit, -50, 50)))
        weight = sure.sum(axis=1)
        self.centres = (((sure * self.values).sum(axis=1) + 1e-3 * self.centres)
                        / (weight + 1e-3))
        squares = (sure * (self.values - self.centres[:, None]) ** 2).sum(axis=(1, 2))
        deviation = np.sqrt((_SURE * self.kind.usual ** 2 + squares)
                            / (_SURE + weight.sum(axis=1)))
        self.spread = np.maximum(deviation, self.kind.least)[:, None, None]
        self._measure()


def _fitted(values: np.ndarray, odds: np.ndarray, finer: np.ndarray, count: int) -> Groups | None:
    """The likeliest groups; None if they are not as many, or not one below the other."""
    n, begun = len(values), _begun(values, odds, count)
    chance = np.eye(count)[begun]  # (beginnings, n, groups)
    pitch = _Pitch(_PITCH, values, begun, count)
    fine = _Pitch(_FINE, finer, begun, count)
    for _ in range(_ROUNDS):
        pitch.fit(chance)
        fine.fit(chance)
        size = chance.sum(axis=1)
        means = np.swapaxes(chance, 1, 2) @ odds / (size[:, :, None] + 1e-3)
        likely = (pitch.density() + _heard(odds, means)
                  + _FINE_COUNTS * fine.known * fine.density()
                  + np.log((size + _AS_MANY / count) / (n + _AS_MANY))[:, None])
        top = likely.max(axis=2, keepdims=True)
        chance = np.exp(likely - top)
        total = chance.sum(axis=2, keepdims=True)
        chance /= total
    price = (count - 1) * _PRICE + sum(_SHARES[:count - 1]) * n
    fit = (top + np.log(total)).sum(axis=(1, 2)) - price
    member = chance.argmax(axis=2)
    fit[(np.diff(pitch.centres, axis=1) > -_APART).any(axis=1)] = -np.inf
    fit[[len(np.unique(each)) < count for each in member]] = -np.inf
    best = int(fit.argmax())
    if not np.isfinite(fit[best]):
        return None
    return Groups(member[best], pitch.centres[best], float(fit[best]))


def _heard(odds: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Log density of odds in groups of these means."""
    squares = (((odds[None, :, None] - means[:, None]) / _WITHIN) ** 2).sum(axis=3)
    return np.logaddexp(np.log(1 - _MISHEARD) - squares / 2,
                        np.log(_MISHEARD / _WIDER ** 2) - squares / (2 * _WIDER ** 2))
