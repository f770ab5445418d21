"""Thresholds of the peak picking, chosen on renders of the validation kits."""

from __future__ import annotations

from typing import Sequence

import numpy as np

from ..peaks import pick_peaks
from ..scoring import Scores, events
from ..vocabulary import MIN_HIT_DISTANCE, STEMS, class_names

_GRID = np.round(np.arange(0.15, 0.851, 0.025), 3)
#: Onsets below which a stem gets the pooled best threshold instead of its own.
_ENOUGH = 60


def choose_thresholds(activations: Sequence[np.ndarray], truth: Sequence[dict],
                      window: float = 0.05) -> dict[str, float]:
    """The threshold of each stem with the best pooled F-measure.

    Parameters
    ----------
    activations : sequence of ndarray, shape (3, frames, 9)
        Onset, velocity and offset of each clip.
    truth : sequence of dict
        Reference events of each clip in five classes, see `adt.scoring.events`.
    window : float
        Tolerance in seconds.

    Returns
    -------
    dict of stem to float
        Smoothed over neighbouring thresholds, so that chance in few onsets decides little.
    """
    counts = np.zeros((len(_GRID), len(STEMS), 3))
    for i, threshold in enumerate(_GRID):
        scores = Scores(5, (window,))
        for number, (each, reference) in enumerate(zip(activations, truth)):
            hits = pick_peaks(*each, float(threshold))
            scores.update(str(number), reference, events(
                [h[0] for h in hits], [h[1] for h in hits], 5, MIN_HIT_DISTANCE))
        for k, name in enumerate(class_names(5)):
            counts[i, k] = scores.counts(window, name).sum(axis=0)

    def best(table: np.ndarray) -> float:
        tp, fp, fn = table.T
        f = 2 * tp / np.maximum(1, 2 * tp + fp + fn)
        smooth = np.convolve(np.pad(f, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        return float(_GRID[int(np.argmax(smooth))])

    common = best(counts.sum(axis=1))
    return {stem: best(counts[:, k]) if counts[0, k, 0] + counts[0, k, 2] >= _ENOUGH else common
            for k, stem in enumerate(STEMS)}
