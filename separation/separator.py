"""Separation of audio into stems: masks of the bank on the STFT, mixture phase, overlap-add.

Each channel of the input gets masks of its own, widened from bands to bins, so that
the stereo image is kept. Audio passes through in chunks: memory does not grow with
its length. The residual is what the stems leave of the input, so that stems and
residual sum to the input exactly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Iterable, Iterator

import numpy as np
import torch

from adt import audio as audio_io
from adt.errors import ConfigError
from adt.features import (
    audio_to_bands, band_filters, band_power, reference_level,
    stream_spectra, to_decibel, window,
)
from adt.frames import HOP, N_FFT, SAMPLE_RATE
from adt.network import MARGIN, aligned, load_network, pick_device
from adt.vocabulary import STEMS

from .bank import UNetBank, masks

_PASS = 960  #: frames that are separated at once
RESIDUAL = "residual"


def wiener(shares: np.ndarray, alpha: float) -> np.ndarray:
    """α-Wiener step: sharpen (alpha > 2) or soften (alpha < 2) masks.

    Parameters
    ----------
    shares : ndarray, shape (sources, ...)
        Power shares of all sources, residual included, summing to one.
    alpha : float
        Exponent on magnitudes; 2 leaves the masks as they are.

    Notes
    -----
    Liutkus & Badeau, "Generalized Wiener filtering with fractional power
    spectrograms", ICASSP 2015; used on drum stems by Mezza et al., 2024.
    """
    powered = np.maximum(shares, 1e-8) ** (alpha / 2.0)
    return powered / powered.sum(axis=0, keepdims=True)


def overlap_add(frames: np.ndarray) -> np.ndarray:
    """Windowed sum of inverse transforms, not yet normalised.

    Parameters
    ----------
    frames : ndarray of complex64, shape (..., frames, N_BINS)

    Returns
    -------
    ndarray of float32, shape (..., N_FFT + HOP * (frames - 1))
    """
    from scipy.fft import irfft

    pieces = irfft(frames, n=N_FFT, axis=-1) * window()
    return _add_up(pieces)


def _add_up(pieces: np.ndarray) -> np.ndarray:
    n = pieces.shape[-2]
    out = np.zeros((*pieces.shape[:-2], N_FFT + HOP * (n - 1)), np.float32)
    hops = -(-N_FFT // HOP)  # a window spans this many hops
    rows = np.zeros((*pieces.shape[:-2], n + hops - 1, HOP), np.float32)
    for k in range(hops):
        part = pieces[..., k * HOP: (k + 1) * HOP]
        rows[..., k: k + n, : part.shape[-1]] += part
    flat = rows.reshape(*rows.shape[:-2], -1)
    out[:] = flat[..., : out.shape[-1]]
    return out


class Separator:
    """Five stems of drums from a mixture.

    Parameters
    ----------
    bank : str or path
        Weights of the bank.
    device : str
    wiener : float, optional
        Exponent of the α-Wiener step, see `wiener`.

    Examples
    --------
    >>> stems = Separator()(audio, 44100)        # doctest: +SKIP
    >>> stems["snare"].shape                     # doctest: +SKIP
    (2, 1323000)
    """

    def __init__(self, bank: Path | str = "bank", device: str = "cpu",
                 wiener: float | None = None):
        if wiener is not None and not 0.1 <= wiener <= 10:
            raise ConfigError(f"wiener exponent {wiener} is out of range; choose 0.1 to 10 "
                              "(2 changes nothing)")
        self.device = pick_device(device)
        self.network, self.description = load_network(UNetBank, "bank", bank, self.device)
        self.wiener = wiener

    @torch.inference_mode()
    def logits(self, decibel: np.ndarray) -> np.ndarray:
        """Mask logits of one chunk, shape (5, frames, bands), from its dB bands."""
        x = torch.from_numpy(aligned(decibel))[None].to(self.device)
        return self.network(x)[0, :, : len(decibel)].float().cpu().numpy()

    @torch.inference_mode()
    def shares(self, decibel: np.ndarray) -> np.ndarray:
        """Power shares of stems and residual, shape (6, frames, bands)."""
        shares = masks(torch.from_numpy(self.logits(decibel))[None])[0].numpy()
        return shares if self.wiener is None else wiener(shares, self.wiener)

    def stream(self, blocks: Iterable[np.ndarray], level: float) -> Iterator[np.ndarray]:
        """Separate audio that arrives in blocks, in constant memory.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (channels, n)
            At `SAMPLE_RATE`.
        level : float
            From `adt.features.reference_level` of the whole signal.

        Yields
        ------
        ndarray, shape (5, channels, m)
            Consecutive samples of the stems; all together as long as the input.
        """
        norm = _normaliser()
        total = 0

        def counted():
            nonlocal total
            for block in blocks:
                total += block.shape[1]
                yield block

        tail, given = None, 0
        for spectra, keep, first in _windows(stream_spectra(counted())):
            gains = []
            for channel in spectra:
                shares = self.shares(to_decibel(band_power(channel), level))[:-1, keep]
                gains.append(shares @ band_filters().T)
            # (stems, channels, frames, bins)
            stems = np.stack(gains, axis=1) * spectra[None, :, keep]
            added = overlap_add(stems)
            if tail is not None:
                added[..., : tail.shape[-1]] += tail
            done = (keep.stop - keep.start) * HOP
            ready, tail = added[..., :done], added[..., done:]
            yield from self._trim(ready / norm(first * HOP, done), first * HOP, total)
            given = first * HOP + done
        if tail is not None:
            yield from self._trim(tail / norm(given, tail.shape[-1], last=given), given, total)

    @staticmethod
    def _trim(samples: np.ndarray, at: int, total: int) -> Iterator[np.ndarray]:
        """Cut off the margins before and after the signal."""
        low = max(0, N_FFT // 2 - at)
        high = min(samples.shape[-1], N_FFT // 2 + total - at)
        if high > low:
            yield samples[..., low:high]

    def __call__(self, audio: np.ndarray, sr: int,
                 progress: Callable[[float], None] | None = None) -> dict[str, np.ndarray]:
        """Separate audio in memory.

        Parameters
        ----------
        audio : ndarray, shape (samples,) or (channels, samples)
        sr : int
        progress : callable, optional
            Gets the share done, 0..1.

        Returns
        -------
        dict of str to ndarray of float32, shape (channels, samples)
            Stem → audio at `sr`.
        """
        audio, sr = audio_io.as_audio(audio, sr)
        inner = _resample(audio, sr, SAMPLE_RATE)
        level = reference_level(audio_to_bands([inner]))
        parts, done = [], 0
        for part in self.stream([inner], level):
            parts.append(part)
            done += part.shape[-1]
            if progress is not None:
                progress(done / inner.shape[1])
        stems = np.concatenate(parts, axis=-1)
        return {name: _fit(_resample(stem, SAMPLE_RATE, sr), audio.shape[1])
                for name, stem in zip(STEMS, stems)}


def _normaliser():
    """Sum of squared windows at any place of the padded signal, where frames begin at 0."""
    hops = -(-N_FFT // HOP)
    squares = np.zeros(hops * HOP, np.float32)
    squares[:N_FFT] = window() ** 2

    def norm(at: int, length: int, last: int | None = None) -> np.ndarray:
        place = np.arange(at, at + length)
        total = np.zeros(length, np.float32)
        for k in range(hops):
            frame = place // HOP - k
            live = frame >= 0
            if last is not None:
                live &= frame < last // HOP
            total += np.where(live, squares[(place - frame * HOP) % len(squares)], 0)
        return np.maximum(total, 1e-4)

    return norm


def _windows(spectra: Iterable[np.ndarray]):
    """Regroup streamed frames into passes with margins.

    Yields (spectra with margins, frames to keep, number of the first kept frame).
    """
    held, origin, kept = None, 0, 0  # held[:, 0] is frame `origin`

    def emit(stop):
        nonlocal held, origin, kept
        low = max(0, kept - MARGIN)
        part = held[:, low - origin: min(held.shape[1], stop + MARGIN - origin)]
        result = part, slice(kept - low, stop - low), kept
        kept = stop
        drop = max(0, kept - MARGIN) - origin
        held, origin = held[:, drop:], origin + drop
        return result

    for block in spectra:
        held = block if held is None else np.concatenate([held, block], axis=1)
        while origin + held.shape[1] >= kept + _PASS + MARGIN:
            yield emit(kept + _PASS)
    while held is not None and kept < origin + held.shape[1]:
        yield emit(min(kept + _PASS, origin + held.shape[1]))


def _resample(audio: np.ndarray, source: int, target: int) -> np.ndarray:
    if source == target:
        return audio
    import soxr

    return np.ascontiguousarray(soxr.resample(audio.T, source, target).T, dtype=np.float32)


def _fit(audio: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut or zero-pad to a length (resampling may be off by a sample)."""
    short = n_samples - audio.shape[-1]
    return np.pad(audio, ((0, 0), (0, short))) if short > 0 else audio[..., :n_samples]


def separate(path_or_array, sr: int | None = None, *, residual: bool = False,
             wiener: float | None = None, device: str = "cpu",
             progress: Callable[[float], None] | None = None) -> dict[str, np.ndarray]:
    """Separate a file or an array into stems, in memory.

    Parameters
    ----------
    path_or_array : path or ndarray, shape (samples,) or (channels, samples)
    sr : int, optional
        Sample rate of an array, Hz.
    residual : bool
        Add ``residual``: what is not drums.
    wiener : float, optional
        Exponent of the α-Wiener step.
    device : str
    progress : callable, optional
        Gets the share done, 0..1.

    Returns
    -------
    dict of str to ndarray of float32, shape (channels, samples)
        At the rate, length and channels of the input.

    Raises
    ------
    adt.errors.AudioError
        If the input cannot be used as audio.
    """
    separator = Separator(device=device, wiener=wiener)
    if isinstance(path_or_array, (str, Path)):
        path_or_array, sr = audio_io.load(path_or_array, sample_rate=None)
    audio, sr = audio_io.as_audio(path_or_array, sr)
    stems = separator(audio, sr, progress)
    if residual:
        stems[RESIDUAL] = audio - sum(stems[name] for name in STEMS)
    return stems


def separate_file(path: Path | str, folder: Path | str, *, residual: bool = False,
                  wiener: float | None = None, device: str = "cpu", suffix: str = ".wav",
                  progress: Callable[[float], None] | None = None,
                  separator: Separator | None = None) -> dict[str, Path]:
    """Separate a file into files of the same rate, length and channels, in constant memory.

    Parameters
    ----------
    path : path
    folder : path
        Gets ``kick``, ``snare``, ``toms``, ``hihat``, ``cymbals`` and, if wanted,
        ``residual``, with `suffix`.
    suffix : {'.wav', '.flac'}
    separator : Separator, optional
        A loaded one, for many files; `wiener` and `device` are then its own.

    Returns
    -------
    dict of str to Path
    """
    from contextlib import ExitStack

    path, folder = Path(path), Path(folder)
    separator = separator or Separator(device=device, wiener=wiener)
    info = audio_io.probe(path)
    level, n_inner = _level(audio_io.stream(path))
    folder.mkdir(parents=True, exist_ok=True)
    names = [*STEMS, RESIDUAL] if residual else list(STEMS)
    files = {name: folder / f"{name}{suffix}" for name in names}
    with ExitStack() as stack:
        writers = {name: stack.enter_context(
            audio_io.AudioWriter(file, info.sample_rate, info.channels))
            for name, file in files.items()}
        original = _Taker(audio_io.stream(path, sample_rate=None))
        outwards = [_Outwards(info.sample_rate, info.channels) for _ in STEMS]
        done = 0

        def write(parts: list[np.ndarray]) -> None:
            mixture = original.take(parts[0].shape[1])
            n = mixture.shape[1]
            for name, part in zip(STEMS, parts):
                writers[name].write(part[:, :n])
            if residual:
                writers[RESIDUAL].write(mixture - sum(part[:, :n] for part in parts))

        for stems in separator.stream(audio_io.stream(path), level):
            done += stems.shape[-1]
            write([out(stem) for out, stem in zip(outwards, stems)])
            if progress is not None:
                progress(done / max(1, n_inner))
        write([out(None) for out in outwards])
        left = original.rest()
        if left.shape[1]:  # resampling ended a few samples early
            for name in STEMS:
                writers[name].write(np.zeros_like(left))
            if residual:
                writers[RESIDUAL].write(left)
    return files


def _level(blocks: Iterable[np.ndarray]) -> tuple[float, int]:
    """Reference level and length of streamed audio, keeping one number a frame."""
    loudness, n_samples = [], 0

    def counted():
        nonlocal n_samples
        for block in blocks:
            n_samples += block.shape[1]
            yield block

    for spectra in stream_spectra(counted()):
        loudness.append(band_power(spectra).mean(axis=0).sum(axis=-1, keepdims=True))
    return reference_level(np.concatenate(loudness)), n_samples


class _Outwards:
    """Streaming resampler from the models' rate to the file's."""

    def __init__(self, rate: int, channels: int):
        self.stream = None
        if rate != SAMPLE_RATE:
            import soxr
            self.stream = soxr.ResampleStream(SAMPLE_RATE, rate, channels, dtype="float32")
        self.channels = channels

    def __call__(self, samples: np.ndarray | None) -> np.ndarray:
        """Next output for the next input; None for the end."""
        if self.stream is None:
            return samples if samples is not None else np.zeros((self.channels, 0), np.float32)
        last = samples is None
        block = np.zeros((0, self.channels), np.float32) if last else samples.T
        return self.stream.resample_chunk(np.ascontiguousarray(block), last=last).T


class _Taker:
    """Hands out streamed audio in the amounts asked for."""

    def __init__(self, blocks: Iterable[np.ndarray]):
        self.blocks, self.held = iter(blocks), None

    def take(self, n: int) -> np.ndarray:
        while self.held is None or self.held.shape[1] < n:
            block = next(self.blocks, None)
            if block is None:
                break
            self.held = block if self.held is None else np.concatenate([self.held, block], axis=1)
        part, self.held = self.held[:, :n], self.held[:, n:]
        return part

    def rest(self) -> np.ndarray:
        return np.concatenate([self.held, *self.blocks], axis=1)
