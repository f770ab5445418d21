"""One channel of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

#: Energy of the mean in that of the loudest channel: below, the channels cancel each other.
_CANCELLED = 0.05


def mix_down(read: Callable[[], Iterable[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The mean of the channels, or the loudest one where they cancel each other.

    Parameters
    ----------
    read : callable
        Gives the audio as blocks of shape (channels, samples), from the beginning whenever
        it is called.

    Returns
    -------
    mono : ndarray of float32, shape (samples,)
    shares : ndarray of float32, shape (channels,)
        Of each channel in it.
    """
    mixed, loud, loud_mean = [], 0.0, 0.0
    for block in read():
        mixed.append(block.mean(axis=0))
        loud = loud + np.square(block, dtype=np.float64).sum(axis=1)
        loud_mean += np.square(mixed[-1], dtype=np.float64).sum()
    channels = np.size(loud)
    if loud_mean >= _CANCELLED * np.max(loud):
        return np.concatenate(mixed), np.full(channels, 1 / channels, np.float32)
    mixed.clear()
    shares = np.zeros(channels, np.float32)
    shares[np.argmax(loud)] = 1.0
    return np.concatenate([block[np.argmax(loud)] for block in read()]), shares
