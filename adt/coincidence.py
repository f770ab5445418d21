"""Strokes of two stems at once, which may be one stroke that is heard in both.

A ride leaks into the hi-hat's stem, a low tom into the snare's. Where hats and cymbals, or snares
and toms, are heard together, the weaker of the two is there less often than its chance says: by how
much is counted on renders of validation kits (benchmarks/EXPERIMENTS.md, 54).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .vocabulary import STEM_OF_PIECE, STEMS

_NEAR = 0.04  #: seconds
#: By what the odds of a stem's stroke are divided beside a more certain one of another stem.
_ODDS = {("hihat", "cymbals"): 3.0, ("cymbals", "hihat"): 1.5, ("snare", "toms"): 3.0}


def discount(picked: list[tuple], thresholds: Mapping[str, float]) -> list[tuple]:
    """Hits whose chances count what is struck at the same time; those under the threshold are gone.

    Parameters
    ----------
    picked : list of (time, piece index, velocity, chance)
        From `adt.peaks.pick_peaks`, sorted by time.
    thresholds : mapping of stem to float
        Of all stems.

    Returns
    -------
    list
        As `picked`.
    """
    times = np.array([hit[0] for hit in picked])
    stems = [STEMS[STEM_OF_PIECE[hit[1]]] for hit in picked]
    first, last = np.searchsorted(times, times - _NEAR), np.searchsorted(times, times + _NEAR)
    result = []
    for number, (time, piece, velocity, chance) in enumerate(picked):
        stem = stems[number]
        odds = max((_ODDS.get((stem, stems[other]), 1.0)
                    for other in range(first[number], last[number])
                    if picked[other][3] > chance), default=1.0)
        if odds > 1:
            chance = chance / (chance + odds * (1 - chance))
            if chance < thresholds[stem]:
                continue
        result.append((time, piece, velocity, chance))
    return result
