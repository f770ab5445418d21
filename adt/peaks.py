"""From activations to hits: peak picking, sub-frame timing, one stroke at a time.

A hit is a local maximum of a piece's onset activation above the piece's threshold.
Its time is the frame's centre plus the detector's offset; hits of one piece are at
least `MIN_HIT_DISTANCE` apart, and pieces that one stroke cannot sound together
(closed and open hi-hat) compete.
"""

from __future__ import annotations

import bisect
from typing import Mapping, Sequence

import numpy as np

from .frames import frames_to_time
from .vocabulary import MIN_HIT_DISTANCE, PIECES

#: Pieces of which at most one is struck at a time.
EXCLUSIVE = (("hihat_closed", "hihat_open"),)

DEFAULT_THRESHOLD = 0.4


def _apart(times: np.ndarray, strength: np.ndarray, gap: float) -> np.ndarray:
    """Indices, ascending, of a selection of strongest events at least `gap` apart."""
    gap -= 1e-9  # frames are no binary fractions of a second
    order = np.argsort(-strength, kind="stable")
    kept: list[float] = []
    chosen = []
    for index in order.tolist():
        time = float(times[index])
        at = bisect.bisect(kept, time)
        if (at and time - kept[at - 1] < gap) or (at < len(kept) and kept[at] - time < gap):
            continue
        kept.insert(at, time)
        chosen.append(index)
    return np.array(sorted(chosen), dtype=np.int64)


def pick_peaks(onset: np.ndarray, velocity: np.ndarray, offset: np.ndarray,
               thresholds: Sequence[float] | Mapping[str, float] | float = DEFAULT_THRESHOLD,
               ) -> list[tuple[float, int, float, float]]:
    """Pick hits from activations.

    Parameters
    ----------
    onset : ndarray, shape (frames, 9)
        Onset activations, 0..1.
    velocity : ndarray, shape (frames, 9)
        0..1.
    offset : ndarray, shape (frames, 9)
        Onset minus frame centre, in frames.
    thresholds : float, or one per piece
        A peak below is no hit.

    Returns
    -------
    list of (time in seconds, piece index, velocity 0..1, confidence 0..1)
        Sorted by time, then piece.
    """
    from scipy.signal import find_peaks

    if isinstance(thresholds, Mapping):
        thresholds = [thresholds.get(p, DEFAULT_THRESHOLD) for p in PIECES]
    limits = np.broadcast_to(np.maximum(np.asarray(thresholds, float), 1e-6), (len(PIECES),))
    times, pieces, velocities, confidences = [], [], [], []
    for piece in range(onset.shape[1]):
        column = np.concatenate([[0.0], onset[:, piece], [0.0]])
        peaks = find_peaks(column, height=limits[piece])[0] - 1
        if not len(peaks):
            continue
        shift = np.clip(offset[peaks, piece], -1.0, 1.0)
        when = frames_to_time(np.clip(peaks + shift, 0, len(onset) - 1))
        keep = _apart(when, onset[peaks, piece], MIN_HIT_DISTANCE)
        times.append(when[keep])
        pieces.append(np.full(len(keep), piece))
        velocities.append(velocity[peaks[keep], piece])
        confidences.append(onset[peaks[keep], piece])
    if not times:
        return []
    time, piece = np.concatenate(times), np.concatenate(pieces)
    vel, confidence = np.concatenate(velocities), np.concatenate(confidences)
    alive = np.ones(len(time), bool)
    for group in EXCLUSIVE:
        members = np.nonzero(np.isin(piece, [PIECES.index(p) for p in group]))[0]
        # how far above its own threshold decides
        lead = confidence[members] / limits[piece[members]]
        alive[members] = False
        alive[members[_apart(time[members], lead, MIN_HIT_DISTANCE)]] = True
    order = [i for i in np.lexsort((piece, time)) if alive[i]]
    return [(float(time[i]), int(piece[i]), float(np.clip(vel[i], 0, 1)),
             float(np.clip(confidence[i], 0, 1))) for i in order]
