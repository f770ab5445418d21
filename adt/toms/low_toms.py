"""Low toms that are heard as kicks: found by pitch, within the whole song.

A drum machine's low tom is a kick to detectors that do not know the machine. But it is tuned
higher than the song's kick, sounds alike every time, has nothing at the kick's own pitch, and the
detectors think of a tom a little more than they do for the kick. A group of strokes that shows all
of that is on the floor tom. Kicks on a real drum differ more from stroke to stroke, their
overtones come with the kick's own pitch, and where a bass plays along its pitch is measured: such
songs are left as they are.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..frames import FRAME_RATE
from ..vocabulary import PIECES, STEM_COLUMNS, STEMS
from .low_end import added_spectra, leak, pitches

_KICK, _FLOOR = PIECES.index("kick"), PIECES.index("tom_floor")
_TOMS = list(STEM_COLUMNS[STEMS.index("toms")])

_NEAR = 0.05  # s: a kick that comes with a tom is a kick
_REACH = (-2, 3)  # frames around a stroke whose activations belong to it
_SAME = 0.05, 0.04  # octaves between two strokes of the kick, and of the same tom, at most
_KICKS, _STROKES = 5, 3  # that there must be of the kick, and of the tom
_ALONE = 0.9  # share of the stems in the lowest bands under kicks, or a bass is what is measured
_LOWEST = 0  # group of bands
_STEADY = 0.016, 0.014  # octaves: mean deviation of the strokes of kick and tom, at most
_ABOVE, _HIGHEST = 1.15, 150.0  # the tom's pitch in that of the kick, at least, and Hz, at most
_THERE = 0.03  # octaves around the kick's pitch that are its
#: dB under a stroke's own pitch: what it may add at the kick's, and more by how much if a tone of
#: the tom's pitch shows there (`adt.toms.low_end.leak`), but no more than.
_SILENT, _MORE, _LOUD = -14.0, 1.0, -8.0
#: log10 of (toms' activation / kick's): of the tom at least, and by how much over the kick's; where
#: the first is above `_UNSURE`, by how little.
_DOUBT, _EXCESS = -2.3, 0.4
_UNSURE, _LITTLE = -0.8, 0.2
_FLOOR_OF_LOG = 1e-5
_HEARD = (-1, 8)  # frames around a stroke whose levels are its own
_SOUNDING = (1, 11)  # frames after it in which it is measured


class LowToms(NamedTuple):
    """Strokes on a low tom that the detectors heard as kicks.

    Attributes
    ----------
    times : ndarray, shape (n,)
        Seconds.
    pitch : ndarray, shape (n,)
        log2 of Hz.
    """

    times: np.ndarray
    pitch: np.ndarray


NONE_LOW = LowToms(np.zeros(0), np.zeros(0))


def _around(frames: np.ndarray, span: tuple[int, int], length: int) -> np.ndarray:
    """Frames from `span[0]` to before `span[1]` of each, inside the song; shape (n, frames)."""
    return np.clip(frames[:, None] + np.arange(*span), 0, length - 1)


def _doubts(onset: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """How far the detectors think of a tom where a kick was found, as log10 of a ratio."""
    near = onset[_around(frames, _REACH, len(onset))]
    tom, kick = near[..., _TOMS].sum(axis=-1).max(axis=1), near[..., _KICK].max(axis=1)
    return np.log10(tom + _FLOOR_OF_LOG) - np.log10(kick + _FLOOR_OF_LOG)


def _densest(values: np.ndarray, width: float) -> float:
    """The middle of where most values lie within `width` of one of them."""
    ordered = np.sort(values)
    near = (np.searchsorted(ordered, values + width, side="left")
            - np.searchsorted(ordered, values - width, side="right"))
    return np.median(values[np.abs(values - values[near.argmax()]) < width])


def toms_among_kicks(pitch: np.ndarray, doubt: np.ndarray, hertz: np.ndarray,
                     power: np.ndarray) -> np.ndarray:
    """Which strokes on the kick are on a low tom.

    Parameters
    ----------
    pitch : ndarray, shape (n,)
        Hz.
    doubt : ndarray, shape (n,)
        log10 of the toms' activation over the kick's.
    hertz, power : ndarray, shapes (bins,) and (n, bins)
        From `adt.toms.low_end.added_spectra`.

    Returns
    -------
    ndarray of bool, shape (n,)
    """
    found = np.zeros(len(pitch), bool)
    if len(pitch) < _KICKS + _STROKES:
        return found
    octave = np.log2(pitch)
    kick = _densest(octave[doubt <= np.median(doubt)], _SAME[0])
    kicks = np.abs(octave - kick) < _SAME[0]
    if kicks.sum() < _KICKS or np.abs(octave[kicks] - kick).mean() > _STEADY[0]:
        return found
    there = np.abs(np.log2(hertz) - kick)
    there = (there < _THERE) | (there == there.min())
    rest = 10 * np.log10(power[:, there].max(axis=1) / power.max(axis=1))
    of_kick = np.median(doubt[kicks])
    enough = max(_DOUBT, min(of_kick + _EXCESS, max(_UNSURE, of_kick + _LITTLE)))
    left = octave > kick + np.log2(_ABOVE)
    while left.any():
        centre = _densest(octave[left], _SAME[1])
        group = left & (np.abs(octave - centre) < _SAME[1])
        left &= ~group
        leaks = leak(2 ** centre - 2 ** (kick + _THERE)) + _MORE
        found |= group & bool(
            group.sum() >= _STROKES
            and 2 ** centre <= _HIGHEST
            and np.abs(octave[group] - centre).mean() <= _STEADY[1]
            and np.median(rest[group]) <= np.clip(leaks, _SILENT, _LOUD)
            and np.median(doubt[group]) >= enough)
    return found


def drums_alone(level: np.ndarray, times: np.ndarray) -> bool:
    """Whether hardly anything but drums sounds in the lowest bands after these strokes.

    Parameters
    ----------
    level : ndarray, shape (frames, 6 or 1, groups)
        From `adt.levels.levels`. Without the stems nobody knows.
    times : ndarray, shape (n,)
        Seconds; n is at least 1.
    """
    if level.shape[1] == 1:
        return False
    after = _around(np.rint(times * FRAME_RATE).astype(int), _SOUNDING, len(level))
    power = 10 ** (level[after, :, _LOWEST].astype(np.float32) / 10)
    stems, mixture = power[..., :-1].sum(axis=(1, 2)), power[..., -1].sum(axis=1)
    return bool(np.median(stems / mixture) >= _ALONE)


def find_low_toms(low: np.ndarray, level: np.ndarray, onset: np.ndarray,
                  picked: list[tuple]) -> tuple[list[tuple], LowToms]:
    """Call low toms among the kicks floor toms.

    Parameters
    ----------
    low : ndarray, shape (samples,)
        From `adt.toms.low_end.LowEnd`.
    level : ndarray, shape (frames, 6 or 1, groups)
        From `adt.levels.levels`. Without the stems nothing is found: a bass would be mistaken.
    onset : ndarray, shape (frames, 9)
        Onset activations of the detectors.
    picked : list of (time, piece index, velocity, confidence)
        From `adt.peaks.pick_peaks`.

    Returns
    -------
    list of (time, piece index, velocity, confidence)
    LowToms
        The strokes that were kicks before.
    """
    toms = np.array([hit[0] for hit in picked if hit[1] in _TOMS])
    where = [i for i, hit in enumerate(picked) if hit[1] == _KICK
             and not (len(toms) and np.abs(toms - hit[0]).min() < _NEAR)]
    times = np.array([picked[i][0] for i in where])
    frames = np.rint(times * FRAME_RATE).astype(int)
    if not where or not len(low) or not drums_alone(level, times):
        return picked, NONE_LOW
    hertz, power = added_spectra(low, times)
    doubt = _doubts(onset, frames)
    pitch = pitches(hertz, power)
    found = toms_among_kicks(pitch, doubt, hertz, power)
    result = list(picked)
    for i, tom in zip(where, found):
        if tom:
            time, _, velocity, confidence = picked[i]
            result[i] = (time, _FLOOR, velocity, confidence)
    return sorted(result, key=lambda hit: hit[:2]), LowToms(times[found], np.log2(pitch[found]))


def lend_levels(level: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Levels in which the toms' stem has what is in the kick's stem of low toms found there.

    Parameters
    ----------
    level : ndarray, shape (frames, 6, groups)
        From `adt.levels.levels`.
    times : ndarray, shape (n,)
        Of the strokes of `find_low_toms`, seconds.
    """
    if not len(times):
        return level
    level = level.copy()
    frames = _around(np.rint(times * FRAME_RATE).astype(int), _HEARD, len(level))
    kick, toms = STEMS.index("kick"), STEMS.index("toms")
    level[frames, toms] = np.maximum(level[frames, toms], level[frames, kick])
    return level
