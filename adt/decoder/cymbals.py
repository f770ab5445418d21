"""Ride or crash: told within the whole song.

What one stroke sounds like leaves it open whether a cymbal is a ride: crashes are ridden, rides are
crashed. But a ride is struck all the time and keeps time; a crash comes now and then. So each
stroke on cymbals is described by how the detector divides it between the two, by how it divides the
others of the song, and those some beats away (`describe_cymbals`); trees tell which it is
(`adt.decoder`).
"""

from __future__ import annotations

import numpy as np

from ..frames import FRAME_RATE
from ..peaks import beats_away
from ..ranks import ranks
from ..vocabulary import STEM_COLUMNS, STEMS

CYMBALS = STEMS.index("cymbals")
RIDE, CRASH = STEM_COLUMNS[CYMBALS]
_NEAR = np.ones(7)  #: frames around a place some beats away that belong to it


def describe_cymbals(onset: np.ndarray, frames: np.ndarray, chances: np.ndarray,
                     lags: list[int]) -> np.ndarray:
    """Numbers that tell rides from crashes.

    Parameters
    ----------
    onset : ndarray, shape (frames, 9)
        Onset activations, 0..1, of a song.
    frames, chances : ndarray, shape (n,)
        Peaks of the stem's activation.
    lags : list of int
        At which the song is like itself, frames.

    Returns
    -------
    ndarray of float32, shape (n, `N_CYMBALS`)
    """
    last = len(onset) - 1
    near = np.max([onset[np.clip(frames + shift, 0, last)] for shift in (-1, 0, 1)], axis=0)
    odds = np.log(near[:, CRASH] + 1e-3) - np.log(near[:, RIDE] + 1e-3)
    weight, crash = chances / max(1e-6, chances.sum()), odds > 0
    mean = weight @ odds
    of_song = [mean, np.sqrt(weight @ (odds - mean) ** 2), weight @ crash,
               *(np.log1p(chances[which].sum() / len(onset) * FRAME_RATE)
                 for which in (crash, ~crash))]
    strength, sums = np.zeros(len(onset)), np.zeros(len(onset))
    strength[frames], sums[frames] = chances, odds * chances
    strength, sums = (np.convolve(a, _NEAR, "same")[:len(onset)] for a in (strength, sums))
    columns = [odds, odds - mean, ranks(odds),
               np.tile(of_song, (len(odds), 1))]
    for lag in lags:
        places, inside = beats_away(frames, lag, len(onset))
        struck = np.where(inside, strength[places], 0).sum(axis=1)
        columns += [np.where(inside, sums[places], 0).sum(axis=1) / (struck + 1e-3), struck]
    return np.column_stack(columns).astype(np.float32)


N_CYMBALS = 16
