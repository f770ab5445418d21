"""Which hats are open: told within the whole song.

How sure a detector is that a hat was open depends on the kit: what rings like an open hat on one
is a closed one of another, and the open hat of a drum machine that it does not know is hardly ever
more likely open than not. But a song's closed hats sound alike, and so do its open ones, so that
the odds of all its hats gather around two values, wherever these are. They are told apart where
both are equally likely: two normal distributions of one width, whose means and shares are those
of most songs unless the song's own hats say otherwise (maximum a posteriori, by expectation
maximisation).
"""

from __future__ import annotations

import numpy as np

from .peaks import highest_near
from .vocabulary import PIECES

_CLOSED, _OPEN = PIECES.index("hihat_closed"), PIECES.index("hihat_open")
#: Log odds of open against closed of closed and of open hats: mean of songs, and its deviation.
_MEANS, _OF_MEANS = np.array([-3.3, 2.0]), np.array([1.2, 2.0])
_WITHIN = 1.3  #: deviation within a song
_SHARE, _AS_MANY = 0.15, 6.0  #: of the hats are open, with the weight of so many hats
_APART = 3.0  #: means that are nearer are of one kind of hats
_RANGE = -2.5, 1.0  #: where the two may be told apart
_ROUNDS = 60
_FAINT = 1e-3


def border(odds: np.ndarray) -> float | None:
    """Log odds from which the hats of a song are open; None if there is one kind of them.

    Parameters
    ----------
    odds : ndarray, shape (n,)
        Of each hat: logarithm of the activation of open hats over that of closed ones.
    """
    (closed, opened), share = _MEANS, _SHARE
    sure = (_WITHIN / _OF_MEANS) ** 2  # what is known of other songs, in hats
    for _ in range(_ROUNDS):
        at = _between(closed, opened, share)
        chance = 1 / (1 + np.exp(np.clip((at - odds) * (opened - closed) / _WITHIN ** 2, -50, 50)))
        weights = np.stack([1 - chance, chance])
        closed, opened = (weights @ odds + sure * _MEANS) / (weights.sum(axis=1) + sure)
        share = (chance.sum() + _SHARE * _AS_MANY) / (len(odds) + _AS_MANY)
        if opened - closed < _APART:
            return None
    return float(np.clip(_between(closed, opened, share), *_RANGE))


def _between(closed: float, opened: float, share: float) -> float:
    """Log odds that are equally likely those of either kind."""
    return (closed + opened) / 2 + _WITHIN ** 2 * np.log((1 - share) / share) / (opened - closed)


def by_song(onset: np.ndarray, picked: list[tuple]) -> list[tuple]:
    """Hits as `adt.peaks.pick_peaks` gives them, the hats named open or closed anew.

    Parameters
    ----------
    onset : ndarray, shape (frames, 9)
        Onset activations of the detectors.
    picked : list of (time, piece index, velocity, confidence)
    """
    where = [i for i, hit in enumerate(picked) if hit[1] in (_CLOSED, _OPEN)]
    if not where:
        return picked
    times = np.array([picked[i][0] for i in where])
    near = highest_near(onset, times, (_CLOSED, _OPEN)) + _FAINT
    odds = np.log(near[:, 1] / near[:, 0])
    least = border(odds)
    if least is None:
        return picked
    result = list(picked)
    for i, opened in zip(where, odds >= least):
        time, _, velocity, confidence = picked[i]
        result[i] = (time, _OPEN if opened else _CLOSED, velocity, confidence)
    return sorted(result, key=lambda hit: hit[:2])
