"""Activations → strokes: peaks of the stems, one stroke once, open hats, low toms among the kicks,
and which tom.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from . import hats
from .activations import Activations
from .coincidence import discount
from .peaks import all_thresholds, pick_peaks
from .toms import naming
from .toms.low_toms import NONE_LOW, find_low_toms


class Picked(NamedTuple):
    """Strokes of a song.

    Attributes
    ----------
    hits : list of (time in seconds, piece index, velocity 0..1, confidence 0..1)
        Sorted by time, then piece; velocities are those of the detectors.
    low_toms : ndarray, shape (n,)
        Times of those on a low tom that the detectors heard as kicks.
    """

    hits: list[tuple[float, int, float, float]]
    low_toms: np.ndarray


def pick_hits(activations: Activations,
              thresholds: Mapping[str, float] | None = None) -> Picked:
    """Pick strokes from the activations of a whole song.

    Parameters
    ----------
    activations : Activations
        Where ``toms`` are missing the detectors name the toms, without the ``levels`` of stems the
        hats; where these or ``low`` are missing no low tom is looked for among the kicks.
    thresholds : mapping of stem to float, optional
        As in `adt.peaks.pick_peaks`; with demixing by default `adt.peaks.STEM_THRESHOLDS`.
    """
    least = all_thresholds(thresholds, activations.demixed)
    hits = pick_peaks(activations.judged, activations.velocity, activations.offset, least)
    if activations.chance is not None:
        hits = discount(hits, least)
    low = NONE_LOW
    if activations.demixed:  # the odds of hats in a mixture say less
        hits = hats.by_song(activations.onset, hits)
    if activations.demixed and activations.low is not None:
        hits, low = find_low_toms(activations.low, activations.levels, activations.onset, hits)
    if activations.toms is not None:
        hits = naming.by_song(activations.toms, activations.judged, hits, low,
                              audio=activations.low, level=activations.levels)
    return Picked(hits, low.times)
