"""Frame-wise targets of onsets, with velocities and sub-frame times."""

from __future__ import annotations

import numpy as np

from ..vocabulary import PIECES

#: weight of frames around a hit that nobody could hear: context may still tell of it
INAUDIBLE_WEIGHT = 0.8
#: width of an onset target in frames: neighbours count, the nearest frame most
TARGET_WIDTH = 0.75


def labels(times, pieces, velocities, audible, frames: int):
    """Frame-wise targets of onsets.

    Parameters
    ----------
    times : ndarray, shape (n,)
        Fractional frames.
    pieces : ndarray of int, shape (n,)
    velocities : ndarray, shape (n,)
        1..127.
    audible : ndarray of bool, shape (n,)

    Returns
    -------
    onset, velocity, offset, weight : ndarray of float32, shape (frames, 9)
    """
    onset = np.zeros((frames, len(PIECES)), np.float32)
    velocity, offset = np.zeros_like(onset), np.zeros_like(onset)
    weight = np.ones_like(onset)
    for time, piece, vel, heard in zip(times, pieces, velocities, audible):
        nearest = int(round(time))
        low, high = max(0, nearest - 2), min(frames, nearest + 3)
        if low >= high:
            continue
        distance = time - np.arange(low, high)
        target = np.exp(-0.5 * (distance / TARGET_WIDTH) ** 2)
        span = slice(low, high)
        better = target > onset[span, piece]
        onset[span, piece] = np.where(better, target, onset[span, piece])
        velocity[span, piece] = np.where(better, vel / 127.0, velocity[span, piece])
        offset[span, piece] = np.where(better, distance, offset[span, piece])
        weight[span, piece] = np.where(better, 1.0 if heard else INAUDIBLE_WEIGHT,
                                       weight[span, piece])
    return onset, velocity, offset, weight
