"""Which tom was struck: told by pitch, within the whole song.

A tom of 130 Hz is the high tom of one kit and the floor tom of another, so that a detector,
which hears one kit at a time and a few seconds of it, can only guess. But a drummer's toms
keep their pitch and their order. So the pitch of every stroke on a tom is measured, the pitches
of a song are gathered in one to three clusters (the fewest that explain them), and the clusters
are named in falling order: the naming that is likeliest for toms in general (`_CENTRES`), for the
sets of toms that drummers play (`_SETS`), and for what the detector heard. A song of two toms
so never gets three.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations

import numpy as np
import torch

from ..features import band_centres
from ..frames import FRAME_RATE
from ..peaks import highest_near
from ..vocabulary import MIN_HIT_DISTANCE, STEM_COLUMNS, STEMS

BANDS = 16  #: lowest bands of the toms' stem, which pitches are measured in (30 to 530 Hz)

_TOMS = list(STEM_COLUMNS[STEMS.index("toms")])
_LOWEST = 1  # band; below is rumble
_DROP = 10.0  # dB; the lowest peak that is less than this below the highest is the pitch
_BEFORE, _AFTER = (5, 1), (2, 10)  # frames around the onset: what rang before, the tone
#: Octaves over 1 Hz of high, mid and floor tom: mean of the sampled kits, deviation of a kit
#: as a whole and of each of its toms.
_CENTRES, _KIT, _TOM = np.log2([155.0, 128.0, 98.0]), 0.30, 0.22
#: How often songs have which toms, counted in Groove's training performances.
_SETS = {(0,): 0.13, (1,): 0.02, (2,): 0.11, (0, 1): 0.07, (0, 2): 0.30, (1, 2): 0.04,
         (0, 1, 2): 0.33}
_SPREAD = 0.06  # octaves: deviation of one tom's strokes
_PRICE = 2.0  # what another cluster must explain, in units of log likelihood …
_SHARE = 0.30  # … and this share of it for every stroke: stray pitches do not make a tom
_APART = 0.10  # octaves between two toms at least
_STRAYS = 3, 0.12  # strokes, and share of all: clusters of no more, and of less, are no toms
_HEARD = 0.07  # weight of what the detector heard, a stroke
_MOST_HEARD = 6  # strokes of a cluster that count for that


def tom_bands(stems: torch.Tensor) -> torch.Tensor:
    """What pitches are measured in: the lowest bands of the toms' stem.

    Parameters
    ----------
    stems : Tensor, shape (batch, 5, frames, bands)
        dB.

    Returns
    -------
    Tensor of float16, shape (batch, frames, BANDS)
        dB.
    """
    return stems[:, STEMS.index("toms"), :, :BANDS].half()


def pitches(bands: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Pitch of strokes on toms.

    Parameters
    ----------
    bands : ndarray, shape (frames, BANDS)
        From `tom_bands`.
    times : ndarray, shape (n,)
        Seconds.

    Returns
    -------
    ndarray, shape (n,)
        log2 of Hz.
    """
    octaves = np.log2(band_centres()[:BANDS])
    result = np.empty(len(times))
    for i, frame in enumerate(np.rint(times * FRAME_RATE).astype(int).tolist()):
        frame = min(frame, len(bands) - 1)
        before, after = (bands[max(0, frame - _BEFORE[0]):max(1, frame - _BEFORE[1])],
                         bands[min(frame + _AFTER[0], len(bands) - 1):frame + _AFTER[1]])
        tone = (10 ** (after.astype(np.float64) / 10)).mean(axis=0)
        tone = np.maximum(tone - (10 ** (before.astype(np.float64) / 10)).min(axis=0), 1e-12)
        enough = tone >= tone[_LOWEST:].max() * 10 ** (-_DROP / 10)
        peaks = np.r_[True, tone[1:] >= tone[:-1]] & np.r_[tone[:-1] >= tone[1:], True] & enough
        peak = _LOWEST + int(np.argmax(peaks[_LOWEST:]))
        near = slice(max(0, peak - 1), peak + 2)
        result[i] = (tone[near] * octaves[near]).sum() / tone[near].sum()
    return result


def clusters(pitch: np.ndarray, most: int = 3) -> np.ndarray:
    """Cluster of every pitch, the highest first: the fewest clusters that explain them.

    Parameters
    ----------
    pitch : ndarray, shape (n,)
        log2 of Hz.
    most : int

    Returns
    -------
    ndarray of int, shape (n,)
    """
    order = np.argsort(-pitch, kind="stable")
    x = pitch[order]
    n = len(x)
    best, chosen = np.inf, []
    starts = [i for i in range(1, n) if x[i - 1] - x[i] > 0]
    if len(starts) > 60:  # borders only where pitches are farthest apart
        starts = sorted(sorted(starts, key=lambda i: x[i] - x[i - 1])[:60])

    @cache
    def part(start: int, stop: int) -> tuple[float, float]:
        """Median of pitches next to each other, and how badly it fits them."""
        centre = float(0.5 * (x[(start + stop - 1) // 2] + x[(start + stop) // 2]))
        return centre, float(np.minimum(np.abs(x[start:stop] - centre) / _SPREAD, 4.0).sum())

    for count in range(1, most + 1):
        for borders in combinations(starts, count - 1):
            parts = [part(*edges) for edges in zip((0, *borders), (*borders, n))]
            if any(a - b < _APART for (a, _), (b, _) in zip(parts, parts[1:])):
                continue
            misfit = sum(m for _, m in parts) + (count - 1) * (_PRICE + _SHARE * n)
            if misfit < best - 1e-9:
                best, chosen = misfit, list(borders)
    result = np.empty(n, np.int64)
    result[order] = np.searchsorted(chosen, np.arange(n), side="right")
    return _without_strays(pitch, result)


def _without_strays(pitch: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Clusters that are few strokes of many (`_STRAYS`), each stroke given to the nearest other."""
    count = np.bincount(cluster)
    toms = np.flatnonzero((count > _STRAYS[0]) | (count >= _STRAYS[1] * len(pitch)))
    centres = np.array([np.median(pitch[cluster == k]) for k in toms])
    nearest = np.abs(pitch[:, None] - centres).argmin(axis=1)
    return np.where(np.isin(cluster, toms), np.searchsorted(toms, cluster), nearest)


def _likelihood(centres: np.ndarray, names: tuple[int, ...]) -> float:
    """Log density of toms of these pitches, common deviation of the kit and each tom's own."""
    away = centres - _CENTRES[list(names)]
    covariance = _KIT ** 2 + _TOM ** 2 * np.eye(len(names))
    return float(-0.5 * away @ np.linalg.solve(covariance, away)
                 - 0.5 * np.linalg.slogdet(covariance)[1])


def name_toms(pitch: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Which tom each stroke is on.

    Parameters
    ----------
    pitch : ndarray, shape (n,)
        From `pitches`.
    heard : ndarray, shape (n, 3)
        Activations of high, mid and floor tom.

    Returns
    -------
    ndarray of int, shape (n,)
        0 high, 1 mid, 2 floor.
    """
    if len(pitch) == 0:
        return np.zeros(0, np.int64)
    cluster = clusters(pitch)
    count = cluster.max() + 1
    centres = np.array([np.median(pitch[cluster == k]) for k in range(count)])
    belief = np.log((heard + 0.02) / (heard + 0.02).sum(axis=1, keepdims=True))
    belief = np.array([belief[cluster == k].mean(axis=0)
                       * min(_MOST_HEARD, (cluster == k).sum()) for k in range(count)])
    best = max(combinations(range(3), int(count)), key=lambda names: (
        np.log(_SETS[names]) + _likelihood(centres, names)
        + _HEARD * belief[np.arange(count), list(names)].sum()))
    return np.array(best)[cluster]


def by_pitch(bands: np.ndarray, onset: np.ndarray, picked: list[tuple]) -> list[tuple]:
    """Hits as `adt.peaks.pick_peaks` gives them, those on toms named by pitch.

    Of two strokes on toms at one time, which the detector told apart, the order is kept if
    they would get one name.

    Parameters
    ----------
    bands : ndarray, shape (frames, BANDS)
        From `tom_bands`.
    onset : ndarray, shape (frames, 9)
        Onset activations.
    picked : list of (time, piece index, velocity, confidence)
    """
    where = [i for i, hit in enumerate(picked) if hit[1] in _TOMS]
    if not where:
        return picked
    times = np.array([picked[i][0] for i in where])
    names = name_toms(pitches(bands, times), highest_near(onset, times, _TOMS))
    result = list(picked)
    for i, name in zip(where, names):
        time, _, velocity, confidence = picked[i]
        result[i] = (time, _TOMS[name], velocity, confidence)
    last: dict[int, int] = {}
    for i in sorted(where, key=lambda i: picked[i][0]):
        twin = last.get(result[i][1])
        if twin is not None and result[i][0] - result[twin][0] < MIN_HIT_DISTANCE:
            result[i], result[twin] = picked[i], picked[twin]  # both of a pair got one name
        last[result[i][1]] = i
    return sorted(result, key=lambda hit: hit[:2])
