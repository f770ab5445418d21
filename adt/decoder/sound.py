"""How the peaks of activations sound, beside the other strokes of their song.

A hat that nobody played has the sound of the snare that it was taken from; cymbals that a guitar
made do not rise as the others do. So each peak is described by how far its stem and the mixture
rise there, in a few groups of bands; by how that compares with the usual stroke of its stem in
this song and with those of the other stems; and by how fast it decays.
"""

from __future__ import annotations

import numpy as np

from ..levels import GROUPS, decibel, rises
from ..ranks import ranks

_DECAY = ((1, 5), (8, 13), (20, 31))  # frames after a peak that are compared


def _usual(chances: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Mean of what strokes are like, in which sure ones count most."""
    weight = chances ** 2
    return weight @ values / max(1e-6, weight.sum())


def _heights(level: np.ndarray, frames: np.ndarray, source: int) -> tuple[np.ndarray, ...]:
    """dB: how far peaks rise, and in each group beside that; the same of what was before."""
    result = []
    for power in rises(level, frames, source):
        power = decibel(power)
        result += [power[:, -1], power[:, :-1] - power[:, -1:]]
    return tuple(result)


def _decay(level: np.ndarray, frames: np.ndarray) -> list[np.ndarray]:
    """How far the level falls within 0.1 and 0.25 s, dB."""
    total = decibel((10 ** (level.astype(np.float64) / 10)).sum(axis=-1))
    summed = np.concatenate([[0.0], np.cumsum(total)])
    means = []
    for first, last in _DECAY:
        start, stop = (np.minimum(frames + edge, len(level)) for edge in (first, last))
        means.append((summed[stop] - summed[start]) / np.maximum(1, stop - start))
    return [means[0] - later for later in means[1:]]


def describe_sound(level: np.ndarray, found: list[tuple]) -> list[np.ndarray]:
    """Numbers that describe how the peaks of each stem sound.

    Parameters
    ----------
    level : ndarray, shape (frames, 6 or 1, GROUPS)
        From `adt.levels.levels`. Where there are no stems, the mixture stands for each.
    found : list of (frames, chances)
        For each stem: where its activation has a peak, and how high that is.

    Returns
    -------
    list of ndarray, shape (peaks, `N_SOUND`)
        For each stem.
    """
    last = level.shape[1] - 1
    mixed = [_heights(level, frames, last) for frames, _ in found]
    shapes = np.stack([_usual(c, m[1]) for (_, c), m in zip(found, mixed)])
    height = np.array([_usual(c, m[0]) for (_, c), m in zip(found, mixed)])
    result = []
    for stem, (frames, chances) in enumerate(found):
        own, shape, before, _ = _heights(level, frames, min(stem, last))
        loud, mixture, noise, colour = mixed[stem]
        result.append(np.column_stack([
            own, shape, loud, mixture, before - own, noise - loud, colour, own - loud,
            own - _usual(chances, own), np.abs(shape - _usual(chances, shape)).mean(axis=1),
            np.abs(mixture[:, None] - shapes).mean(axis=2), loud[:, None] - height,
            np.tile(height - height[stem], (len(own), 1)),
            *_decay(level[:, min(stem, last)], frames), ranks(own)]).astype(np.float32))
    return result


N_SOUND = 3 * GROUPS + 25
