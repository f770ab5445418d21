"""From activations to hits: one stroke at a time.

The pieces of a stem compete: a stroke on the hi-hat is certain long before it is
certain whether the hat was open. So a *stroke* is a local maximum of the summed
onset activations of a stem's pieces above the stem's threshold; it belongs to the
piece with the highest activation there. Another piece of the stem is struck with it
only if its own activation is at least `SECOND_THRESHOLD` (two toms, ride and crash;
never closed and open hi-hat). Its time is the frame's centre plus the detector's
offset; hits of one piece are at least `MIN_HIT_DISTANCE` apart.
"""

from __future__ import annotations

import bisect
from numbers import Real
from typing import Mapping, Sequence

import numpy as np

from .errors import ConfigError
from .frames import frames_to_time, time_to_frames
from .vocabulary import MIN_HIT_DISTANCE, STEM_COLUMNS, STEMS

#: Stems of whose pieces at most one is struck at a time.
EXCLUSIVE = ("hihat",)

#: More likely a stroke than not: activations are chances once they are judged (`adt.decoder`).
DEFAULT_THRESHOLD = 0.5
#: Of stems: soft kicks and snares are missed more often than others are invented.
STEM_THRESHOLDS = {**dict.fromkeys(STEMS, DEFAULT_THRESHOLD), "kick": 0.4, "snare": 0.4}
#: Seconds: hits of one piece are no closer. Frames are no binary fractions of a second.
LEAST_APART = MIN_HIT_DISTANCE - 1e-9
#: Activation from which a second piece of a stem is struck at the same time.
SECOND_THRESHOLD = 0.5


def highest_near(onset: np.ndarray, times: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """Highest activations of some pieces within a frame of each time.

    Parameters
    ----------
    onset : ndarray, shape (frames, 9)
    times : ndarray, shape (n,)
        Seconds.
    columns : sequence of int
        Indices of the pieces.

    Returns
    -------
    ndarray, shape (n, columns)
    """
    frames = np.rint(time_to_frames(times)).astype(int)
    near = np.clip(frames[:, None] + (-1, 0, 1), 0, len(onset) - 1)
    return onset[near][..., list(columns)].max(axis=1)


def apart(times: np.ndarray, strength: np.ndarray, least: float = LEAST_APART) -> np.ndarray:
    """Indices, ascending, of the strongest events that are at least `least` apart."""
    order = np.argsort(-strength, kind="stable")
    kept: list[float] = []
    chosen = []
    for index in order.tolist():
        time = float(times[index])
        at = bisect.bisect(kept, time)
        if (at and time - kept[at - 1] < least) or (
                at < len(kept) and kept[at] - time < least):
            continue
        kept.insert(at, time)
        chosen.append(index)
    return np.array(sorted(chosen), dtype=np.int64)


def stem_peaks(onset: np.ndarray, columns: Sequence[int], threshold: float):
    """Summed activations of a stem's pieces, and the frames of their peaks."""
    total = np.minimum(1.0, onset[:, columns].sum(axis=1))
    padded = np.concatenate([[0.0], total, [0.0]])
    peaks = local_maxima(padded)
    return total, peaks[padded[peaks] >= max(threshold, 1e-6)] - 1


def local_maxima(x: np.ndarray) -> np.ndarray:
    """Places higher than what is before and after them, the middles of level ones.

    As ``scipy.signal.find_peaks`` has them, which takes most of a second to import.
    """
    ends = np.flatnonzero(np.diff(x))  # of runs of one value
    first, last = np.append(0, ends + 1), np.append(ends, len(x) - 1)
    rises = np.diff(x[first])
    inside = np.flatnonzero((rises[:-1] > 0) & (rises[1:] < 0)) + 1
    return (first[inside] + last[inside]) // 2


def beats_away(frames: np.ndarray, lag: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames four to one lags before and one to four after others, and which are in the song."""
    places = frames[:, None] + lag * np.array([-4, -3, -2, -1, 1, 2, 3, 4])
    return np.clip(places, 0, length - 1), (places >= 0) & (places < length)


def _strokes(onset: np.ndarray, columns: list[int], threshold: float,
             exclusive: bool) -> list[tuple[int, int, float]]:
    """(frame, piece, confidence) of the strokes on one stem."""
    total, frames = stem_peaks(onset, columns, threshold)
    found = []
    for frame in frames.tolist():
        low = max(0, frame - 1)
        near = onset[low:frame + 2, columns]
        best = int(near.max(axis=0).argmax())
        for i, piece in enumerate(columns):
            own = float(near[:, i].max())
            if i == best or (not exclusive and own >= SECOND_THRESHOLD):
                at = frame if i == best else low + int(near[:, i].argmax())
                found.append((at, piece, float(total[frame]) if i == best else own))
    return found


def _is_threshold(value) -> bool:
    return isinstance(value, Real) and 0 <= value <= 1


def check_thresholds(given: Mapping[str, float] | None) -> None:
    """Raise `ConfigError` if there is no such stem, or a threshold is not within 0 to 1."""
    if given is not None and not isinstance(given, Mapping):
        raise ConfigError(f"thresholds {given!r}: expected a mapping of stem to threshold, such as "
                          '{"hihat": 0.6}')
    for stem, threshold in (given or {}).items():
        if stem not in STEMS:
            raise ConfigError(f"no stem {stem!r} to give a threshold; there are "
                              f"{', '.join(STEMS)}")
        if not _is_threshold(threshold):
            raise ConfigError(f"threshold of {stem} is {threshold!r}; expected 0 to 1")


def all_thresholds(given: Mapping[str, float] | None = None,
                   demixed: bool = False) -> dict[str, float]:
    """Threshold of every stem: the one given, or `STEM_THRESHOLDS` with demixing,
    `DEFAULT_THRESHOLD` without. Those given are checked (`check_thresholds`).
    """
    check_thresholds(given)
    usual = STEM_THRESHOLDS if demixed else dict.fromkeys(STEMS, DEFAULT_THRESHOLD)
    return {**usual, **(given or {})}


def pick_peaks(onset: np.ndarray, velocity: np.ndarray, offset: np.ndarray,
               thresholds: Mapping[str, float] | float | None = None,
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
    thresholds : float, or mapping of stem to float, optional
        A peak of a stem's summed activations below is no hit. By default, and for stems
        that the mapping lacks, `DEFAULT_THRESHOLD`.

    Returns
    -------
    list of (time in seconds, piece index, velocity 0..1, confidence 0..1)
        Sorted by time, then piece. The confidence is that of the stroke on the stem.

    Raises
    ------
    ConfigError
        If there is no such stem, or a threshold is not within 0 to 1.
    """
    if thresholds is None or isinstance(thresholds, Mapping):
        thresholds = all_thresholds(thresholds)
    else:
        if not _is_threshold(thresholds):
            raise ConfigError(f"threshold {thresholds!r}; expected 0 to 1")
        thresholds = dict.fromkeys(STEMS, float(thresholds))
    last = max(0, len(onset) - 1)
    hits = []
    for stem, columns in zip(STEMS, STEM_COLUMNS):
        exclusive = stem in EXCLUSIVE
        found = _strokes(onset, columns, thresholds[stem], exclusive)
        for group in [columns] if exclusive else [[c] for c in columns]:
            own = [f for f in found if f[1] in group]
            if not own:
                continue
            frames, pieces, confidence = (np.array(column) for column in zip(*own))
            shift = np.clip(offset[frames, pieces], -1.0, 1.0)
            times = frames_to_time(np.clip(frames + shift, 0.0, last))
            for i in apart(times, confidence):
                hits.append((float(times[i]), int(pieces[i]),
                             float(np.clip(velocity[frames[i], pieces[i]], 0, 1)),
                             float(np.clip(confidence[i], 0, 1))))
    return sorted(hits, key=lambda hit: hit[:2])
