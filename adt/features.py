"""Band powers: the shared short-time spectrum that bank and detectors read.

One STFT (Hann window of `N_FFT`, hop `HOP`, centred frames, see `adt.frames`)
is summed into `N_BANDS` mel-spaced triangular bands. Neighbouring triangles add
up to one in every bin, so that the transpose of the filter bank widens a mask on
bands back to a mask on bins (see `band_filters`).
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Callable, Iterable, Iterator

import numpy as np

from .frames import HOP, N_FFT, SAMPLE_RATE, n_frames

if TYPE_CHECKING:
    from .overview import Survey

N_BANDS = 96  #: bands between F_MIN and F_MAX
F_MIN, F_MAX = 30.0, 19_000.0  #: centre of first and last band, Hz
N_BINS = N_FFT // 2 + 1

DB_RANGE = (-80.0, 20.0)  #: what a model sees, dB around the reference level
DECIBEL = math.log(10) / 10  #: natural logarithm of the power ratio of one dB
_LEVEL_PERCENTILE = 95.0  #: loud frames of a track set its reference level
_SILENT = 60.0  #: dB under the loudest frame: nothing plays, and does not count
_LEVEL_FLOOR_DB = -30.0  #: reference of (near) silence, dB of band power
LEAD = 48  #: frames of silence that are put before a signal, see `lead_in`
_TINY = 1e-12
_OFFSET_HZ = 5.0  #: what is slower is no sound but the offset of a converter
_SUMMED = 8192  # samples, of which the first fades to .3 % in the mean
_OFFSET_FROM = SAMPLE_RATE // 2  # samples whose mean is the offset to begin with
_BLOCK = 64  # frames that are transformed at once
_GROWTH = 30_000  # frames that are made room for, or converted, at a time


def _mel(hertz):
    return np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)


def band_centres() -> np.ndarray:
    """Centre frequencies in Hz, shape (N_BANDS,): equal steps on the mel scale (HTK)."""
    return 700.0 * np.expm1(np.linspace(_mel(F_MIN), _mel(F_MAX), N_BANDS))


@lru_cache(maxsize=None)
def band_filters() -> np.ndarray:
    """Filter bank, shape (N_BINS, N_BANDS) float32; every row sums to one."""
    bins = np.arange(N_BINS) * SAMPLE_RATE / N_FFT
    place = np.interp(bins, band_centres(), np.arange(N_BANDS))
    weights = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(N_BANDS)[None]))
    weights = weights.astype(np.float32)
    weights.setflags(write=False)
    return weights


@lru_cache(maxsize=None)
def _filter_tensor():
    """`band_filters` for torch, whose products, unlike numpy's, keep to the thread they are in."""
    import torch
    return torch.from_numpy(band_filters().copy())


@lru_cache(maxsize=None)
def window() -> np.ndarray:
    """Analysis window, shape (N_FFT,) float32: periodic Hann."""
    n = np.arange(N_FFT)
    values = (0.5 - 0.5 * np.cos(2 * np.pi * n / N_FFT)).astype(np.float32)
    values.setflags(write=False)
    return values


def spectrum(padded: np.ndarray) -> np.ndarray:
    """STFT of a signal that already carries its margins.

    Parameters
    ----------
    padded : ndarray of float32, shape (..., N_FFT + HOP * (frames - 1) + r), r < HOP

    Returns
    -------
    ndarray of complex64, shape (..., frames, N_BINS)
    """
    n = (padded.shape[-1] - N_FFT) // HOP + 1
    out = np.empty((*padded.shape[:-1], n, N_BINS),
                   np.result_type(padded.dtype, np.complex64))
    for part, block in spectrum_blocks(padded):
        out[..., part, :] = block
    return out


def spectrum_blocks(padded: np.ndarray, hop: int = HOP) -> Iterator[tuple[slice, np.ndarray]]:
    """The same in blocks that stay in the processor's cache.

    Parameters
    ----------
    padded : ndarray of float32
        As `spectrum` takes it.
    hop : int
        Samples between the frames.

    Yields
    ------
    slice
        Of the frames.
    ndarray of complex64, shape (..., frames, N_BINS)
    """
    from scipy.fft import rfft

    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT, axis=-1)[..., ::hop, :]
    for start in range(0, frames.shape[-2], _BLOCK):
        part = slice(start, min(frames.shape[-2], start + _BLOCK))
        yield part, rfft(frames[..., part, :] * window(), axis=-1)


def band_power(spectra: np.ndarray) -> np.ndarray:
    """Band powers of STFT frames, shape (..., frames, N_BANDS) float32."""
    import torch

    power = spectra.real ** 2
    power += spectra.imag ** 2
    power = torch.from_numpy(power.astype(np.float32, copy=False))
    return (power @ _filter_tensor()).numpy()


def without_offset(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same audio through a one-pole high-pass at 5 Hz, in constant memory.

    A constant offset would be the lowest band's, and of a quiet recording the loudest of all.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (channels, n)
        At `SAMPLE_RATE`, n may vary.

    Yields
    ------
    ndarray of float32, shape (channels, m)
        As many samples altogether, the same however the signal is cut into blocks.
    """
    blocks, first, n = iter(blocks), [], 0
    while n < _OFFSET_FROM and (block := next(blocks, None)) is not None:
        first.append(block)
        n += block.shape[1]
    if not n:
        return
    first = np.concatenate(first, axis=1)
    mean = first[:, :_OFFSET_FROM].mean(axis=1, keepdims=True, dtype=np.float64)
    state = mean, np.zeros_like(mean), 0
    for block in chain([first], blocks):
        block, state = _from_mean(block, *state)
        yield block


def _from_mean(block: np.ndarray, mean: np.ndarray, total: np.ndarray,
               at: int) -> tuple[np.ndarray, tuple]:
    """Samples without their running mean (one pole at `_OFFSET_HZ`), and what the next ones need.

    Sums of `_SUMMED` samples: the mean before them, their sum so far and their number.
    ``scipy.signal.lfilter`` is as fast, but takes most of a second to import.
    """
    pole = np.exp(-2 * np.pi * _OFFSET_HZ / SAMPLE_RATE)
    fades = pole ** np.arange(_SUMMED + 1)
    out, start = np.empty(block.shape, np.float32), 0
    while start < block.shape[1]:
        part = block[:, start:start + _SUMMED - at].astype(np.float64)
        stop = at + part.shape[1]
        sums = np.cumsum(np.hstack([total, part / fades[at + 1:stop + 1]]), axis=1)
        means = mean + (1 - pole) * sums
        out[:, start:start + stop - at] = part - means[:, :-1] * fades[at:stop]
        start, at, total = start + stop - at, stop, sums[:, -1:]
        if at == _SUMMED:
            mean, total, at = means[:, -1:] * fades[at], np.zeros_like(total), 0
    return out, (mean, total, at)


def windows(blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """Audio that arrives in blocks → the same as `spectrum` takes it, in constant memory.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (channels, n)
        At `SAMPLE_RATE`, n may vary.

    Yields
    ------
    ndarray of float32, shape (channels, N_FFT + HOP * (frames - 1))
        All together the ``n_frames(total)`` centred frames of the signal, the same
        however it is cut into blocks.
    """
    held, total, done = None, 0, 0
    for block in blocks:
        if held is None:
            held = np.zeros((block.shape[0], N_FFT // 2), np.float32)
        total += block.shape[1]
        held = np.concatenate([held, block], axis=1)
        ready = (held.shape[1] - N_FFT) // HOP + 1
        if ready > 0:
            yield held[:, : N_FFT + (ready - 1) * HOP]
            held = held[:, ready * HOP:]
            done += ready
    if held is None or total == 0:
        return
    left = n_frames(total) - done
    if left > 0:
        need = N_FFT + (left - 1) * HOP
        yield np.pad(held, ((0, 0), (0, max(0, need - held.shape[1]))))[:, :need]


def mean_power(padded: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Band powers of what `windows` yields, and what `adt.overview.Survey` asks of them.

    Returns
    -------
    ndarray of float32, shape (frames, N_BANDS)
        Mean over the channels.
    float
        Sum over frames, bands and channels of how far they are from it.
    float
        Sum of the powers.
    """
    means, aside, everywhere = [], 0.0, 0.0
    for _, spectra in spectrum_blocks(padded):
        power = band_power(spectra)
        means.append(power.mean(axis=0))
        aside += float(np.abs(power - means[-1]).sum(dtype=np.float64))
        everywhere += float(power.sum(dtype=np.float64))
    return np.concatenate(means), aside, everywhere


def audio_to_bands(blocks: Iterable[np.ndarray], mapped: Callable = map,
                   survey: Survey | None = None) -> np.ndarray:
    """Band powers of a signal, mean over its channels.

    The mean of powers, not the power of the mean: instruments out of phase between
    the channels do not cancel. A constant offset is taken away before, see `without_offset`.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (channels, n)
    mapped : callable
        In place of ``map``, such as one of several threads.
    survey : adt.overview.Survey, optional
        Gets what it asks of powers.

    Returns
    -------
    ndarray of float32, shape (frames, N_BANDS)
    """
    bands, frames = np.zeros((0, N_BANDS), np.float32), 0
    for part, *apart in mapped(mean_power, windows(without_offset(blocks))):
        if survey is not None:
            survey.add_powers(*apart)
        if frames + len(part) > len(bands):  # grows in place: no second copy of a long song
            bands.resize((frames + max(len(part), _GROWTH), N_BANDS), refcheck=False)
        bands[frames:frames + len(part)] = part
        frames += len(part)
    bands.resize((frames, N_BANDS), refcheck=False)
    return bands


def pack(bands: np.ndarray, lead: int = 0) -> np.ndarray:
    """Band powers as float16 magnitudes: half the memory, exact to 0.01 dB.

    Parameters
    ----------
    bands : ndarray of float32, shape (frames, N_BANDS)
    lead : int
        Frames to put before them, see `lead_in`.
    """
    packed = np.zeros((lead + len(bands), bands.shape[1]), np.float16)
    for start in range(0, len(bands), _GROWTH):
        part = slice(start, start + _GROWTH)
        packed[lead:][part] = np.minimum(np.sqrt(bands[part]), np.finfo(np.float16).max)
    if lead and len(bands):
        packed[:lead] = np.sqrt(lead_in(unpack(packed[lead]), lead))
    return packed


def lead_in(first: np.ndarray, frames: int = LEAD) -> np.ndarray:
    """Frames before the first, of silence: a signal may begin on a stroke.

    The networks would pad with a level that is no silence. The windows of the last of these
    frames reach into the signal; they get what a steady sound that begins with it would give.

    Parameters
    ----------
    first : ndarray, shape (N_BANDS,)
        Powers of the signal's first frame.
    frames : int

    Returns
    -------
    ndarray of float32, shape (frames, N_BANDS)
    """
    before = np.zeros((frames, len(first)), np.float32)
    energy = window()[N_FFT // 2:] ** 2
    for back in range(1, min(frames, (len(energy) - 1) // HOP) + 1):
        before[-back] = first * (energy[back * HOP:].sum() / energy.sum())
    return before


def unpack(packed: np.ndarray) -> np.ndarray:
    """Band powers (float32) from what `pack` made of them."""
    return packed.astype(np.float32) ** 2


def reference_level(bands: np.ndarray) -> float:
    """Level in dB of the loud frames of a track, the zero of what a model sees.

    Frames in which nothing plays do not count: one fill in a long silent track is as loud
    as it would be alone.

    Parameters
    ----------
    bands : ndarray, shape (frames, bands)
        Powers.
    """
    if len(bands) == 0:
        return _LEVEL_FLOOR_DB
    loudness = 10 * np.log10(bands.sum(axis=-1) + _TINY)
    loudness = loudness[loudness > loudness.max() - _SILENT]
    return float(max(np.percentile(loudness, _LEVEL_PERCENTILE), _LEVEL_FLOOR_DB))


def to_decibel(bands: np.ndarray, level: float) -> np.ndarray:
    """Band powers in dB around `level`, clipped to `DB_RANGE`.

    Parameters
    ----------
    bands : ndarray, shape (..., bands)
    level : float
        From `reference_level`.

    Returns
    -------
    ndarray of float32, shape (..., bands)
    """
    decibel = 10 * np.log10(bands + _TINY) - level
    return np.clip(decibel, *DB_RANGE).astype(np.float32)


def scaled(decibel):
    """dB, an array or a tensor, as networks take them: some -2 to 3."""
    return (decibel + 40.0) / 20.0
