"""Strokes that repeat to the sample, as those of drum machines, samplers and drum libraries do.

Where a song plays one recording of a drum again and again, its strokes differ in level alone, and
what sounds beside it differs each time. So that recording can be had from the mixture: strokes
whose beginnings are the same but for a gain are gathered and brought into line to a quarter of a
sample; in every bin of their frames those count most beside which least else sounds, as the
masks tell it. What such samples explain is taken out of the mixture, with its own phase, before
the masks share out what is left. Masks that keep the mixture's phase, ideal ones too, cannot take
apart what overlaps in a bin; this can.

What does not repeat stays the masks': of each bin of a sample only what its strokes have in
common is taken, and nothing of samples whose strokes have too little in common, such as those
of most drummers.

The mean of what repeats is the idea of REPET (Rafii & Pardo, "REpeating Pattern Extraction
Technique (REPET): a simple method for music/voice separation", 2013), there of magnitudes at a
fixed period; here of spectra with their phases, at the strokes of a transcription.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from adt.features import N_BINS
from adt.frames import HOP, N_FFT
from adt.peaks import apart
from adt.vocabulary import STEMS

from .informed import GROUP_OF_BIN, Strokes

_LEAST = 2  #: strokes that make a sample
_APART = 3  #: frames between strokes of a stem, at least
# Which beginnings are the same.
_BEFORE = 256  #: samples before the onset from which they are compared
_COMPARED = 2048  #: samples that are compared
_SLACK = 441  #: samples by which an onset may be told wrong
_N = 4096  #: of the transform of what is compared and the slack on either side
_NEAR = np.arange(-1, 5)  #: frames whose masks tell what of a beginning is the stem's
_WHITE = 0.6  #: exponent of the power spectrum by which they are whitened
_ALIKE = 0.6  #: correlation of beginnings that may be the same
_SEEDS = 40  #: beginnings that others are compared with, at most
# What a sample sounds like.
_STEP = N_FFT // 2  #: samples between its frames
#: Its frames, at most; what rings on is the masks' to tell.
_LENGTHS = {"kick": 30, "snare": 20, "toms": 36, "hihat": 18, "cymbals": 44}
_FINE = 4  #: parts of a sample to which strokes are brought into line
_REACH = 60  #: samples by which they are moved for that, at most
_FIRST = 4  #: frames by which they are brought into line
_FAINT = 1e-2  #: gain, as a part of the largest, of a stroke that is not there
_SOON = 600  #: samples within which a stroke of the stem is not yet the next
_BESIDE = 1e-2  #: least power of all else in a bin, as a part of what there is
_SMOOTHED = 15  #: bins over which what there is is told
_LOW = 0.1  #: least of what there is, as a part of what the stroke has there at first
_OWN = 0.15  #: share of a bin that the masks give to the stem, if all of it is the sample's
_BEGIN = 6  #: frames by which strokes are judged to be the same
_SURE = 0.3  #: share of the bins that judge
#: Part of their energy that strokes have in common, median over bins and beyond chance: with
#: the first nothing is taken, with the second everything.
_SAME = (0.6, 0.8)
_CANCELLED = 0.1  #: energy of the mean, as a part of the loudest channel's, that is too little
_TINY = 1e-12
#: Its square is one together with that of the window half a length later.
_WINDOW = np.sin(np.pi * (np.arange(N_FFT) + 0.5) / N_FFT).astype(np.float32)
#: Spectra of a window times these are those of a window later by parts of a sample.
_LATER = np.exp(-2j * np.pi * np.arange(_FINE)[:, None] / _FINE * np.arange(N_BINS) / N_FFT
                ).astype(np.complex64)


@dataclass(eq=False)
class _Sample:
    """Strokes of one recording.

    Attributes
    ----------
    stem : int
    starts : ndarray of int, shape (n,)
        Where its frames begin, in parts (`_FINE`) of a sample from the beginning of the signal.
    gains : ndarray of float32, shape (n,)
    ends : ndarray of int, shape (n,)
        Frames of each stroke before the next of the stem begins.
    power : ndarray of float32, shape (_FIRST, N_BINS), or None
        Of its first frames, about.
    """

    stem: int
    starts: np.ndarray
    gains: np.ndarray
    ends: np.ndarray
    power: np.ndarray | None = None

    def move(self, spectra: np.ndarray, source: np.ndarray, target: np.ndarray) -> None:
        """Take all strokes of what the sample sounds like from one signal, add them to another."""
        from scipy.fft import irfft

        places, parts = np.divmod(self.starts, _FINE)
        for part in np.unique(parts):
            pieces = irfft(spectra * _LATER[part], n=N_FFT, axis=-1) * _WINDOW
            wave = np.zeros((len(pieces), pieces.shape[1] + 1, _STEP), np.float32)
            wave[:, :-1] += pieces[..., :_STEP]
            wave[:, 1:] += pieces[..., _STEP:]
            wave = wave.reshape(len(wave), -1)
            own = parts == part
            for at, gain in zip(places[own].tolist(), self.gains[own]):
                low, high = max(0, -at), min(wave.shape[1], source.shape[1] - at)
                if high > low:
                    stroke = gain * wave[:, low:high]
                    source[:, at + low: at + high] -= stroke
                    target[:, at + low: at + high] += stroke


class _Beside:
    """What sounds beside the strokes of each stem, by the masks.

    Parameters
    ----------
    shares : ndarray of float32, shape (6, frames, N_GROUPS)
    """

    def __init__(self, shares: np.ndarray):
        self._others = 1.0 - shares[:-1]

    def __call__(self, stem: int, start: int, frames: int) -> np.ndarray:
        """Share of all else in the frames of a stroke, shape (frames, N_BINS)."""
        at = np.rint((start / _FINE + _STEP * np.arange(frames)) / HOP).astype(int)
        at = np.clip(at, 0, self._others.shape[1] - 1)
        return np.take(self._others[stem, at], GROUP_OF_BIN, axis=1)


def _power(spectra: np.ndarray) -> np.ndarray:
    return spectra.real ** 2 + spectra.imag ** 2


def _mono(signal: np.ndarray) -> np.ndarray:
    """Mean of the channels, or the loudest where they cancel each other, shape (1, samples)."""
    mean = signal.mean(axis=0, keepdims=True)
    energy = np.square(signal).sum(axis=1)
    if np.square(mean).sum() < _CANCELLED * energy.max():
        return signal[energy.argmax()][None]
    return mean


def _cut(signal: np.ndarray, start: int, length: int) -> np.ndarray:
    """Part of a signal, zero beyond its ends."""
    low, high = max(0, start), min(signal.shape[-1], start + length)
    if high - low == length:
        return signal[..., low:high]
    out = np.zeros((*signal.shape[:-1], length), np.float32)
    if high > low:
        out[..., low - start: high - start] = signal[..., low:high]
    return out


def _frames(signal: np.ndarray, start: int, frames: int) -> np.ndarray:
    """Spectra of a signal from a part of a sample on, shape (channels, frames, N_BINS)."""
    from scipy.fft import rfft

    at, part = divmod(start, _FINE)
    cut = _cut(signal, at, N_FFT + (frames - 1) * _STEP)
    cut = np.lib.stride_tricks.sliding_window_view(cut, N_FFT, axis=-1)[..., ::_STEP, :]
    return rfft(cut * _WINDOW, axis=-1) * np.conj(_LATER[part])


def _smooth(values: np.ndarray) -> np.ndarray:
    return np.convolve(values, np.full(5, 0.2, np.float32), mode="same")


def _beginnings(mono: np.ndarray, shares: np.ndarray, power: np.ndarray,
                frames: np.ndarray) -> np.ndarray:
    """How strokes of a stem begin, whitened, shape (n, _COMPARED + 2 * _SLACK).

    Parameters
    ----------
    mono : ndarray, shape (samples,)
    shares, power : ndarray, shape (frames, N_GROUPS)
        The stem's, and of all.
    frames : ndarray of int, shape (n,)
    """
    from scipy.fft import irfft, rfft

    near = np.clip(frames[:, None] + _NEAR, 0, len(power) - 1)
    own, every = (shares * power)[near].sum(axis=1), power[near].sum(axis=1)
    usual = _smooth(own.mean(axis=0))
    weight = usual / np.maximum(_smooth(every.mean(axis=0)), _TINY)
    weight /= np.maximum(usual, 1e-6 * usual.max() + _TINY) ** (_WHITE / 2)
    weight = own / np.maximum(every, _TINY) * weight
    bins = GROUP_OF_BIN[np.rint(np.arange(_N // 2 + 1) * (N_FFT / _N)).astype(int)]
    length = _COMPARED + 2 * _SLACK
    cut = np.stack([_cut(mono, N_FFT // 2 + frame * HOP - _BEFORE - _SLACK, length)
                    for frame in frames.tolist()])
    return irfft(rfft(cut, n=_N, axis=1) * weight[:, bins], n=_N, axis=1)[:, :length]


def _alike(cut: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Which beginnings are the same but for a gain and a lag.

    Returns
    -------
    list of (members, lags, gains)
    """
    from scipy.fft import irfft, rfft

    spectra = rfft(cut, n=_N, axis=1)
    sums = np.pad(np.cumsum(cut.astype(np.float64) ** 2, axis=1), ((0, 0), (1, 0)))
    energy = np.maximum(sums[:, _COMPARED:] - sums[:, :-_COMPARED], _TINY)
    loudness = energy[:, _SLACK]
    free, tried, found = np.ones(len(cut), bool), np.zeros(len(cut), bool), []
    for _ in range(_SEEDS):
        left, rows = np.flatnonzero(free & ~tried), np.flatnonzero(free)
        if not left.size or rows.size < _LEAST:
            break
        seed = left[np.argsort(loudness[left], kind="stable")[left.size * 3 // 4]]
        tried[seed] = True
        mean = cut[seed, _SLACK: _SLACK + _COMPARED]
        for _ in range(2):
            size = max(float((mean.astype(np.float64) ** 2).sum()), _TINY)
            product = irfft(spectra[rows] * np.conj(rfft(mean, n=_N)), n=_N, axis=1)
            like = product[:, : 2 * _SLACK + 1] / np.sqrt(energy[rows] * size)
            lags = like.argmax(axis=1)
            same = like[np.arange(len(rows)), lags] > _ALIKE
            members, lags = rows[same], lags[same]
            if members.size < _LEAST:
                break
            gains = (product[same, lags] / size).astype(np.float32)
            mean = sum(gain * cut[row, lag: lag + _COMPARED] for row, lag, gain
                       in zip(members, lags, gains)) / (gains ** 2).sum()
        else:
            free[members] = False
            found.append((members, lags - _SLACK, gains / gains.max()))
    return found


def _aligned(sample: _Sample, mono: np.ndarray, beside: _Beside) -> _Sample:
    """The strokes brought into line by what is surely theirs, without those that are not there."""
    from scipy.fft import irfft

    reach = _FINE * _REACH
    for _ in range(2):
        heard = np.stack([_frames(mono, start, _FIRST)[0] for start in sample.starts.tolist()])
        trust = np.stack([beside(sample.stem, start, _FIRST) for start in sample.starts.tolist()])
        power = _power(heard)
        np.square(trust, out=trust)
        trust += np.float32(_BESIDE)
        trust *= power
        trust += 1e-5 * power.mean(axis=(1, 2), keepdims=True) + np.float32(_TINY)
        np.reciprocal(trust, out=trust)
        heard *= trust
        gains = sample.gains[:, None, None]
        mean = (gains * heard).sum(axis=0) / (gains ** 2 * trust).sum(axis=0)
        heard *= np.conj(mean)
        cross = heard.sum(axis=1)
        trust *= _power(mean)
        sample.gains[:] = cross.real.sum(axis=1) / np.maximum(trust.sum(axis=(1, 2)), _TINY)
        for i, product in enumerate(irfft(cross, n=_FINE * N_FFT, axis=1)):
            sample.starts[i] += np.roll(product, reach)[: 2 * reach + 1].argmax() - reach
    there = sample.gains > _FAINT * sample.gains.max()
    return _Sample(sample.stem, sample.starts[there], sample.gains[there], sample.ends[there],
                   _power(mean))


class _Heard(NamedTuple):
    """What the strokes of a sample say of its frames.

    Attributes
    ----------
    mean : ndarray of complex64, shape (channels, frames, N_BINS)
        Spectra of the sample, from all strokes.
    common, energy : ndarray of float32, of that shape
        Weighted energy that they have in common, and all of it.
    own : ndarray of float32, shape (frames, N_BINS)
        Share of the bin that the masks give to the stem.
    count : ndarray of float32, shape (frames, 1)
        Strokes that last so long.
    """

    mean: np.ndarray
    common: np.ndarray
    energy: np.ndarray
    own: np.ndarray
    count: np.ndarray


def _hear(sample: _Sample, left: np.ndarray, beside: _Beside, frames: int) -> _Heard:
    """Listen to so many frames of all strokes of a sample."""
    from scipy.ndimage import uniform_filter1d

    weight, own = (np.zeros((frames, N_BINS), np.float32) for _ in range(2))
    energy = np.zeros((len(left), frames, N_BINS), np.float32)
    total = np.zeros(energy.shape, np.complex64)
    count, gains = (np.zeros((frames, 1), np.float32) for _ in range(2))
    least = sample.power[np.minimum(np.arange(frames), _FIRST - 1)]
    for start, gain, end in zip(sample.starts.tolist(), sample.gains, sample.ends.tolist()):
        end = min(frames, end)
        part, spectra = np.s_[:, :end], _frames(left, start, end)
        power, others = _power(spectra), beside(sample.stem, start, end)
        # of a stroke's own bins, those where it happens to be weak are not surer than others
        expected = uniform_filter1d(power.mean(axis=0), _SMOOTHED, axis=-1)
        np.maximum(expected, np.float32(_LOW) * gain ** 2 * least[:end], out=expected)
        trust = 1 / (expected * (others ** 2 + np.float32(_BESIDE)) + np.float32(_TINY))
        weight[:end] += trust * gain ** 2
        power *= trust
        energy[part] += power
        spectra *= gain * trust
        total[part] += spectra
        own[:end] += gain * (1 - others)
        count[:end] += 1
        gains[:end] += gain
    mean = total / np.maximum(weight, _TINY)
    return _Heard(mean, weight * _power(mean), energy, own / np.maximum(gains, _TINY), count)


def _repeats(heard: _Heard, n: int) -> float:
    """Whether `n` strokes are the same by how they begin: nothing is to be taken, or all (0..1)."""
    judged = heard.own[:_BEGIN] > _SURE
    if not judged.any():
        return 0.0
    same = heard.common[:, :_BEGIN] / np.maximum(heard.energy[:, :_BEGIN], _TINY)
    # strokes that have nothing in common seem to have one part in n
    same = (n * np.median(same[:, judged]) - 1) / (n - 1)
    low, high = _SAME
    return float(np.clip((same - low) / (high - low), 0, 1))


def _sounds(sample: _Sample, left: np.ndarray, beside: _Beside) -> np.ndarray | None:
    """What a sample sounds like, as far as its strokes have it in common; None if they have not.

    Returns
    -------
    ndarray of complex64, shape (channels, frames, N_BINS), or None
    """
    n = len(sample.starts)
    taken = _repeats(_hear(sample, left, beside, _BEGIN), n)
    if not taken:
        return None
    heard = _hear(sample, left, beside, _LENGTHS[STEMS[sample.stem]])
    chance = np.maximum(heard.energy - heard.common, 0) / np.maximum(heard.count - 1, 1)
    return heard.mean * (
        np.float32(taken) * np.maximum(0, 1 - chance / np.maximum(heard.common, _TINY))
        * np.minimum(1, heard.own / np.float32(_OWN)) * (heard.count >= _LEAST))


def take_samples(signal: np.ndarray, shares: np.ndarray, power: np.ndarray,
                 strokes: Strokes) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Take out of a signal the samples that repeat in it.

    Parameters
    ----------
    signal : ndarray of float32, shape (channels, N_FFT + HOP * (frames - 1))
        Frame k of what follows is that of the `N_FFT` samples from ``k * HOP`` on.
    shares : ndarray of float32, shape (6, frames, N_GROUPS)
        Power shares of stems and residual.
    power : ndarray of float32, shape (frames, N_GROUPS)
        Of the signal, see `separation.informed.group_power`.
    strokes : Strokes

    Returns
    -------
    dict of int to ndarray of float32, shape of `signal`
        Stem → its samples, each time that they are struck.
    ndarray of float32, shape of `signal`
        What they leave.
    """
    level = float(np.sqrt(np.square(signal, dtype=np.float64).mean()))
    if not level:
        return {}, signal
    left, power = signal / np.float32(level), power / np.float32(level ** 2)
    beside, mono = _Beside(shares), _mono(left)
    stems = strokes.stems
    samples = []
    for stem, name in enumerate(STEMS):
        rows = np.flatnonzero(stems == name)
        rows = rows[apart(strokes.frames[rows], strokes.velocities[rows], _APART)]
        if len(rows) < _LEAST:
            continue
        frames = strokes.frames[rows]
        onsets = np.append(N_FFT // 2 + np.sort(frames) * HOP, 2 ** 40)
        cut = _beginnings(mono[0], shares[stem], power, frames)
        for members, lags, gains in _alike(cut):
            starts = N_FFT // 2 + frames[members] * HOP + lags - _BEFORE - _STEP
            onset = starts + _STEP + _BEFORE
            following = onsets[np.searchsorted(onsets, onset + _SOON)]
            ends = np.maximum((following - _BEFORE - N_FFT - starts) // _STEP + 1, 2)
            sample = _aligned(_Sample(stem, starts * _FINE, gains, ends), mono, beside)
            if len(sample.gains) >= _LEAST:
                samples.append(sample)
    taken: dict[int, np.ndarray] = {}
    # the surest first, that is those of most strokes
    for sample in sorted(samples, key=lambda sample: -(sample.gains ** 2).sum()):
        spectra = _sounds(sample, left, beside)
        if spectra is not None:
            target = taken.setdefault(sample.stem, np.zeros_like(signal))
            sample.move(spectra, left, target)
    if not taken:
        return {}, signal
    for part in (left, *taken.values()):
        part *= np.float32(level)
    return taken, left
