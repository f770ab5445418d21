"""Which tom was struck: told within the whole song.

A tom of 130 Hz is the high tom of one kit and the floor tom of another, so that a detector,
which hears one kit at a time and a few seconds of it, can only guess. But a drummer's toms
keep their pitch, their sound and their order. So the strokes of a song are gathered in groups
(`adt.toms.groups`), which are named in falling order of pitch. There are as many groups, with the
names, that are likeliest for the strokes, for toms in general (`_CENTRES`), for the sets of toms
that drummers play (`_SETS`), and for what the detector heard. So a song of two toms gets no third.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..peaks import LEAST_APART, highest_near
from ..vocabulary import STEM_COLUMNS, STEMS
from .groups import groups
from .low_end import added_spectra
from .low_end import pitches as fine_pitches
from .low_toms import NONE_LOW, LowToms, drums_alone
from .pitch import pitches

_TOMS = list(STEM_COLUMNS[STEMS.index("toms")])
_FLOOR = 2  # of them
#: Octaves over 1 Hz of high, mid and floor tom: mean of the sampled kits, deviation of a kit
#: as a whole and of each of its toms.
_CENTRES, _KIT, _TOM = np.log2([155.0, 128.0, 98.0]), 0.30, 0.22
#: How often songs have which toms, counted in Groove's training performances.
_SETS = {(0,): 0.13, (1,): 0.02, (2,): 0.11, (0, 1): 0.07, (0, 2): 0.30, (1, 2): 0.04,
         (0, 1, 2): 0.33}
_HEARD = 0.12  # weight of what the detector heard, a stroke
_MOST_HEARD = 6  # strokes of a group that count for that
_SURELY = (45.0, 175.0)  # Hz: at the ends of the low end a peak may be that of something else


def _likelihood(centres: np.ndarray, names: tuple[int, ...]) -> float:
    """Log density of toms of these pitches, common deviation of the kit and each tom's own."""
    away = centres - _CENTRES[list(names)]
    covariance = _KIT ** 2 + _TOM ** 2 * np.eye(len(names))
    return float(-0.5 * away @ np.linalg.solve(covariance, away)
                 - 0.5 * np.linalg.slogdet(covariance)[1])


def name_toms(pitch: np.ndarray, heard: np.ndarray,
              fine: np.ndarray | None = None) -> np.ndarray:
    """Which tom each stroke is on.

    Parameters
    ----------
    pitch : ndarray, shape (n,)
        From `adt.toms.pitch.pitches`.
    heard : ndarray, shape (n, 3)
        Activations of high, mid and floor tom.
    fine : ndarray, shape (n,), optional
        Pitch of the low end, log2 of Hz; NaN where it is not known.

    Returns
    -------
    ndarray of int, shape (n,)
        0 high, 1 mid, 2 floor.
    """
    if len(pitch) == 0:
        return np.zeros(0, np.int64)
    belief = np.log((heard + 0.02) / (heard + 0.02).sum(axis=1, keepdims=True))
    best, named = -np.inf, np.zeros(len(pitch), np.int64)
    for member, centres, fit in groups(pitch, heard, fine):
        count = len(centres)
        believed = np.array([belief[member == k].mean(axis=0)
                             * min(_MOST_HEARD, (member == k).sum()) for k in range(count)])
        for names in combinations(range(3), count):
            likely = (fit + np.log(_SETS[names]) + _likelihood(centres, names)
                      + _HEARD * believed[np.arange(count), list(names)].sum())
            if likely > best:
                best, named = likely, np.array(names)[member]
    return named


def _fine(audio: np.ndarray | None, level: np.ndarray | None,
          times: np.ndarray) -> np.ndarray | None:
    """Pitches of the low end where drums are alone in it, log2 of Hz; NaN beyond `_SURELY`."""
    if audio is None or level is None or not len(audio) or not drums_alone(level, times):
        return None
    hertz = fine_pitches(*added_spectra(audio, times))
    inside = (hertz > _SURELY[0]) & (hertz < _SURELY[1])
    return np.where(inside, np.log2(hertz), np.nan)


def by_song(bands: np.ndarray, onset: np.ndarray, picked: list[tuple],
            low: LowToms = NONE_LOW, *, audio: np.ndarray | None = None,
            level: np.ndarray | None = None) -> list[tuple]:
    """Hits as `adt.peaks.pick_peaks` gives them, those on toms named anew.

    Strokes on toms at about one time, which the detector told apart, keep its names if two of
    them would get one.

    Parameters
    ----------
    bands : ndarray, shape (frames, BANDS)
        From `adt.toms.pitch.tom_bands`.
    onset : ndarray, shape (frames, 9)
        Onset activations.
    picked : list of (time, piece index, velocity, confidence)
    low : LowToms, optional
        Those of `picked` that were found among the kicks: floor toms, whose pitch counts when the
        others are named.
    audio : ndarray, shape (samples,), optional
        The low end, from `adt.toms.low_end.LowEnd`, in which pitches are told more finely.
    level : ndarray, shape (frames, 6 or 1, groups), optional
        From `adt.levels.levels`: whether a bass sounds there as well.
    """
    where = [i for i, hit in enumerate(picked) if hit[1] in _TOMS]
    if not where:
        return picked
    times = np.array([picked[i][0] for i in where])
    pitch, heard = pitches(bands, times), highest_near(onset, times, _TOMS)
    of_kicks = np.isin(times, low.times)
    pitch[of_kicks], heard[of_kicks] = low.pitch, np.eye(3)[_FLOOR]
    fine = _fine(audio, level, times)
    if fine is not None:
        fine[of_kicks] = low.pitch
    names = np.where(of_kicks, _FLOOR, name_toms(pitch, heard, fine))
    result = list(picked)
    for i, name in zip(where, names):
        time, _, velocity, confidence = picked[i]
        result[i] = (time, _TOMS[name], velocity, confidence)
    apart = np.flatnonzero(np.diff(times) >= LEAST_APART) + 1
    for run in np.split(np.arange(len(where)), apart):
        if any(names[i] == names[j] and times[j] - times[i] < LEAST_APART
               for i, j in combinations(run.tolist(), 2)):  # two of one piece at one time
            for i in run.tolist():
                result[where[i]] = picked[where[i]]
    return sorted(result, key=lambda hit: hit[:2])
