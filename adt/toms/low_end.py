"""The low end: audio below 300 Hz, in which drums are told apart by pitch.

Windows of 46 ms and bands of 26 Hz (`adt.features`) tell when a drum is struck but hardly how it
is tuned: a kick of 58 Hz and a low tom of 74 Hz fill the same bands. So the low end is kept as
audio, at a sixty-fourth of the rate, to be looked at through longer windows where something was
struck.
"""

from __future__ import annotations

import numpy as np

from ..frames import SAMPLE_RATE

RATE = SAMPLE_RATE / 64  #: samples per second of the low end (689)
_WINDOW = 0.13  # s, of audio that is looked at: resolves about 15 Hz
_HANN = np.hanning(int(_WINDOW * RATE) + 2)[1:-1]
_AFTER, _BEFORE = 0.012, 0.004  # s between a stroke and what is looked at after and before it
_N_FFT = 1024  # with zeros: bins of .7 Hz
_CANCELLED = 0.05  # energy of the mean in that of channels turned round: below, it is these
_GAIN = 256.0  # so that half precision is as good for quiet audio
_RANGE = (38.0, 180.0)  # Hz
_TINY = 1e-15
_AT_ONCE = 256  # strokes, so that memory does not grow with their number


class LowEnd:
    """Collects the low end of audio that arrives in blocks: the mean of its channels.

    Where those cancel each other, it is their mean with every other one turned round. The same
    comes out however the signal is cut into blocks.
    """

    def __init__(self):
        self._mean, self._turned = _Low(), None

    def add(self, block: np.ndarray) -> None:
        """Take the next block, shape (channels, n) at `SAMPLE_RATE`."""
        self._mean.add(block.mean(axis=0, dtype=np.float32))
        if len(block) > 1:
            self._turned = self._turned or _Low()
            turned = block[::2].sum(axis=0) - block[1::2].sum(axis=0)
            self._turned.add((turned / len(block)).astype(np.float32, copy=False))

    def finish(self) -> np.ndarray:
        """What was collected.

        Returns
        -------
        ndarray of float16, shape (n,)
            At `RATE`; sample 0 is sample 0 of the audio. 256 is full scale.
        """
        mean = self._mean.finish()
        if self._turned is None:
            return mean
        turned = self._turned.finish()
        return mean if self._mean.energy >= _CANCELLED * self._turned.energy else turned


class _Low:
    """Collects the low end of one channel."""

    def __init__(self):
        import soxr
        self._resampler = soxr.ResampleStream(SAMPLE_RATE, RATE, 1, dtype="float32")
        self._parts: list[np.ndarray] = []
        self.energy = 0.0

    def add(self, mono: np.ndarray, last: bool = False) -> None:
        low = _GAIN * self._resampler.resample_chunk(mono, last=last)
        self.energy += float(np.square(low, dtype=np.float64).sum())
        most = np.finfo(np.float16).max
        self._parts.append(np.clip(low, -most, most).astype(np.float16))

    def finish(self) -> np.ndarray:
        self.add(np.zeros(0, np.float32), last=True)
        return np.concatenate(self._parts)


def added_spectra(low: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Power that strokes add to what rang before, in 38 to 180 Hz.

    Parameters
    ----------
    low : ndarray, shape (samples,)
        From `LowEnd`.
    times : ndarray, shape (n,)
        Of the strokes, seconds.

    Returns
    -------
    hertz : ndarray, shape (bins,)
    power : ndarray of float32, shape (n, bins)
        Above 0.
    """
    length = len(_HANN)
    hertz = np.fft.rfftfreq(_N_FFT, 1 / RATE)
    inside = (hertz >= _RANGE[0]) & (hertz <= _RANGE[1])
    padded = np.pad(low, (length, length))

    def power(starts: np.ndarray) -> np.ndarray:
        starts = np.clip(np.rint(starts).astype(int) + length, 0, len(padded) - length)
        parts = padded[starts[:, None] + np.arange(length)] * _HANN
        return np.abs(np.fft.rfft(parts, _N_FFT)[:, inside]) ** 2

    added = np.empty((len(times), inside.sum()), np.float32)
    for start in range(0, len(times), _AT_ONCE):
        some = times[start:start + _AT_ONCE]
        after = power((some + _AFTER) * RATE)
        before = power((some - _BEFORE) * RATE - length)
        added[start:start + _AT_ONCE] = np.maximum(after - before, _TINY)
    return hertz[inside], added


def leak(hertz: float) -> float:
    """Level at which a tone shows this far beside its own frequency, dB under it.

    The window makes it so: a tone of 74 Hz is at 63 Hz as well, 14 dB lower (one that fades, 12).
    """
    there = _HANN @ np.exp(2j * np.pi * hertz / RATE * np.arange(len(_HANN)))
    return float(20 * np.log10(max(abs(there) / _HANN.sum(), 1e-6)))


def pitches(hertz: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Frequency of the highest peak of each spectrum, between bins by a parabola.

    Parameters
    ----------
    hertz, power : ndarray
        From `added_spectra`.

    Returns
    -------
    ndarray, shape (n,)
        Hz.
    """
    rows, best = np.arange(len(power)), power.argmax(axis=1)
    middle = np.clip(best, 1, len(hertz) - 2)
    left, top, right = (np.log(power[rows, middle + k]) for k in (-1, 0, 1))
    bend = left - 2 * top + right
    peak = (best == middle) & (bend < 0)
    shift = np.where(peak, 0.5 * (left - right) / np.where(peak, bend, 1.0), 0.0)
    return hertz[best] + np.clip(shift, -1.0, 1.0) * (hertz[1] - hertz[0])
