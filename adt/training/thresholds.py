"""Thresholds of the peak picking, chosen on renders of the validation kits."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from ..peaks import pick_peaks
from ..scoring import events
from ..vocabulary import PIECES

_GRID = np.round(np.arange(0.10, 0.81, 0.025), 3)
#: Onsets below which a piece gets the pooled best threshold instead of its own.
_ENOUGH = 60


def choose_thresholds(activations: Sequence[np.ndarray], truth: Sequence[dict],
                      window: float = 0.05) -> dict[str, float]:
    """The threshold of each piece with the best pooled F-measure.

    Parameters
    ----------
    activations : sequence of ndarray, shape (3, frames, 9)
        Onset, velocity and offset of each clip.
    truth : sequence of dict
        Reference events of each clip in nine classes, see `adt.scoring.events`.
    window : float
        Tolerance in seconds.

    Returns
    -------
    dict of piece to float
        Smoothed over neighbouring thresholds, so that chance in few onsets decides little.
    """
    from ..scoring import Scores

    counts = np.zeros((len(_GRID), len(PIECES), 3))
    for i, threshold in enumerate(_GRID):
        scores = Scores(9, (window,))
        for number, (onset, reference) in enumerate(zip(activations, truth)):
            hits = pick_peaks(*onset, float(threshold))
            scores.update(str(number), reference,
                          events([h[0] for h in hits], [h[1] for h in hits], 9))
        for p, piece in enumerate(PIECES):
            counts[i, p] = scores.counts(window, piece).sum(axis=0)

    def best(table: np.ndarray) -> float:
        tp, fp, fn = table.T
        f = 2 * tp / np.maximum(1, 2 * tp + fp + fn)
        smooth = np.convolve(np.pad(f, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        return float(_GRID[int(np.argmax(smooth))])

    common = best(counts.sum(axis=1))
    return {piece: best(counts[:, p]) if counts[0, p, 0] + counts[0, p, 2] >= _ENOUGH else common
            for p, piece in enumerate(PIECES)}
