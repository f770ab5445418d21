"""Separation of audio into stems: masks of the bank on the STFT, mixture phase, overlap-add.

All channels get the same masks, made of the mean of their powers and widened from bands to
bins, so that the stereo image is kept; where they have little in common, each gets masks of
its own. Where hits are given, masks are informed by them and what repeats to the sample is taken
out before. Audio passes through in chunks: memory does not grow with its length, but by what a
transcription before keeps of it. The residual is what the stems leave of the input, so that stems
and residual sum to the input exactly.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Collection, Iterable, Iterator

import numpy as np
import torch

from adt import audio as audio_io
from adt.errors import AudioError, ConfigError, OutputError
from adt.features import (
    N_BANDS,
    N_BINS,
    band_filters,
    band_power,
    lead_in,
    mean_power,
    reference_level,
    spectrum_blocks,
    to_decibel,
    window,
    windows,
    without_offset,
)
from adt.frames import HOP, N_FFT, SAMPLE_RATE, n_frames
from adt.memory import give_back
from adt.network import aligned, in_parallel, load_network, pick_device, workers
from adt.output import same_file
from adt.overview import Overview, Survey
from adt.progress import Progress, share
from adt.transcription import Hit, Transcription
from adt.vocabulary import STEMS
from adt.weights import fingerprint

from . import RESIDUAL, WIENER
from .bank import UNetBank, masks
from .informed import BANDS_TO_GROUPS, GROUP_OF_BIN, N_GROUPS, Strokes, group_power, inform
from .repeats import take_samples

if TYPE_CHECKING:
    from adt.inference import Transcriber

_PASS = 1440  #: frames that are separated at once
_MARGIN = 96  #: frames of context around them, more than the bank sees (86)
_INFORMED_PASS = 2400  #: the same when informed by hits; one may have up to half more
_INFORMED_MARGIN = 192  #: more than strokes are known to ring, and than `_FADE` and the bank's
_FADE = 100  #: frames in which what one pass knows of the strokes gives way to what the next does
#: Of the frames every second is transformed back, which is as good (by .03 dB of nSDR).
_STEP = 2
_HOPS = -(-N_FFT // HOP)  #: hops that a window spans
_HEARING = 0.3  #: share of the work that a transcription is, for progress
_LOUDEST = 1e12  #: sample, as times full scale; powers of more are no floats
#: Floats in wav: a stem may swing further than the mixture, and nothing may be clipped.
_SUBTYPE = {".wav": "FLOAT"}


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
    powered = np.maximum(shares, 1e-8)
    np.power(powered, alpha / 2.0, out=powered)
    powered /= powered.sum(axis=0, keepdims=True)
    return powered


@lru_cache(maxsize=None)
def _places() -> tuple[np.ndarray, np.ndarray]:
    """Lower of the two bands that every bin lies between, and the upper one's weight."""
    low = np.minimum(np.argmax(band_filters() > 0, axis=1), N_BANDS - 2)
    return low, band_filters()[np.arange(N_BINS), low + 1]


def _widen(shares: np.ndarray, out: np.ndarray) -> np.ndarray:
    """``shares @ band_filters().T`` into `out`: two of a bin's weights are not zero."""
    low, weight = _places()
    np.take(shares, low, axis=1, out=out, mode="clip")
    out += np.take(np.diff(shares, axis=1), low, axis=1) * weight
    return out


def _spread(shares: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Every bin gets its group's share."""
    return np.take(shares, GROUP_OF_BIN, axis=1, out=out, mode="clip")


def overlap_add(shares: np.ndarray, padded: np.ndarray) -> np.ndarray:
    """Audio masked: transformed, transformed back and summed, not yet normalised.

    Parameters
    ----------
    shares : ndarray of float32, shape (stems, frames, N_BANDS) or (stems, frames, N_GROUPS)
        Masks on bands, or on groups of bins (`separation.informed`); those of even frames count.
    padded : ndarray of float32, shape (channels, N_FFT + HOP * (frames - 1))
        As `adt.features.spectrum` takes it.

    Returns
    -------
    ndarray of float32, shape (stems, channels, N_FFT + HOP * (frames - 1))
    """
    from scipy.fft import irfft

    every, step = shares[:, ::_STEP], _STEP * HOP
    n_samples = N_FFT + HOP * (shares.shape[1] - 1)
    spans = -(-N_FFT // step)
    rows = np.zeros((len(shares), len(padded), every.shape[1] + spans, step), np.float32)
    widen = _spread if shares.shape[2] == N_GROUPS else _widen
    gains = masked = None
    for part, spectra in spectrum_blocks(padded[:, :n_samples], step):
        if gains is None:
            gains, masked = np.empty(spectra.shape[1:], np.float32), np.empty_like(spectra[0])
        size = part.stop - part.start
        for mask, stem in zip(every, rows):
            widen(mask[part], gains[:size])
            for channel, own in zip(spectra, stem):
                np.multiply(channel, gains[:size], out=masked[:size])
                pieces = irfft(masked[:size], n=N_FFT, axis=-1)
                pieces *= window()
                for k in range(spans):
                    piece = pieces[:, k * step: (k + 1) * step]
                    own[part.start + k: part.stop + k, : piece.shape[1]] += piece
    return rows.reshape(*rows.shape[:2], -1)[..., :n_samples]


class Separator:
    """Five stems of drums from a mixture.

    Parameters
    ----------
    bank : str or path
        Weights of the bank.
    device : str
    wiener : float
        Exponent of the α-Wiener step, see `wiener`; 2 leaves the masks as they are.
    samples : bool
        Where hits are given, take out what repeats to the sample before masks share out the rest
        (`separation.repeats`).

    Raises
    ------
    adt.errors.ConfigError
        If `wiener` is not between 0.1 and 10, or there is no such device.
    adt.errors.WeightsError
        If the weights cannot be read.

    Examples
    --------
    >>> stems = Separator()("song.mp3", residual=True)     # doctest: +SKIP
    >>> stems["snare"].shape                               # doctest: +SKIP
    (2, 1323000)
    """

    def __init__(self, bank: Path | str = "bank", device: str = "cpu",
                 wiener: float = WIENER, samples: bool = True):
        if not 0.1 <= wiener <= 10:
            raise ConfigError(f"wiener exponent {wiener} is out of range; choose 0.1 to 10 "
                              "(2 changes nothing)")
        self.device = pick_device(device)
        self.network, self.description = load_network(UNetBank, "bank", bank, self.device)
        self._bank_is = fingerprint(bank)
        self.wiener, self.samples = wiener, samples

    @torch.inference_mode()
    def logits(self, decibel: np.ndarray) -> np.ndarray:
        """Mask logits of one chunk, shape (5, frames, bands), from its dB bands."""
        x = torch.from_numpy(aligned(decibel))[None].to(self.device)
        return self.network(x)[0, :, : len(decibel)].float().cpu().numpy()

    @torch.inference_mode()
    def shares(self, decibel: np.ndarray) -> np.ndarray:
        """Power shares of stems and residual, shape (6, frames, bands)."""
        return self._sharpened(_masks(self.logits(decibel)).numpy())

    def informed_shares(self, logits: np.ndarray, power: np.ndarray,
                        strokes: Strokes) -> np.ndarray:
        """The same told by strokes (`separation.informed.inform`).

        Parameters
        ----------
        logits : ndarray of float32, shape (5, frames, bands)
            See `logits`.
        power : ndarray, shape (frames, N_GROUPS)
            From `separation.informed.group_power`.
        strokes : Strokes

        Returns
        -------
        ndarray of float32, shape (6, frames, N_GROUPS)
        """
        shares = (_masks(logits) @ torch.from_numpy(BANDS_TO_GROUPS)).numpy()
        return self._sharpened(inform(shares, power, strokes))

    def _sharpened(self, shares: np.ndarray) -> np.ndarray:
        return shares if self.wiener == 2.0 else wiener(shares, self.wiener)

    def stream(self, blocks: Iterable[np.ndarray], level: float, joint: bool = True,
               hits: Iterable[Hit] | None = None, *, n_samples: int | None = None,
               logits: np.ndarray | None = None) -> Iterator[np.ndarray]:
        """Separate audio that arrives in blocks, in constant memory.

        Parameters
        ----------
        blocks : iterable of ndarray, shape (channels, n)
            At `SAMPLE_RATE`.
        level : float
            From `adt.features.reference_level` of the whole signal.
        joint : bool
            One mask for all channels; otherwise each gets its own, which takes longer and
            suits channels with little in common.
        hits : iterable of Hit, optional
            All that is played, of nine, seven or five classes: strokes that fall together are
            told apart by what their pieces sound like elsewhere (`separation.informed`), and
            samples that repeat are taken out whole (`separation.repeats`).
        n_samples : int, optional
            Of all blocks, where that is known: passes informed by hits are as long as each other
            then.
        logits : ndarray, shape (5, frames, bands), optional
            What the bank says of the mean of the channels, where it was asked before; of use with
            `hits` and if `joint`.

        Yields
        ------
        ndarray, shape (5, channels, m)
            Consecutive samples of the stems; all together as long as the input.
        """
        total = 0

        def counted():
            nonlocal total
            for block in blocks:
                total += block.shape[1]
                yield block

        strokes = None if hits is None else Strokes.of(hits)

        def work(job):
            padded, keep, first = job
            origin = first - keep.start
            n = (padded.shape[1] - N_FFT) // HOP + 1
            informed = strokes is not None
            said = _part_of(logits, origin, n) if informed and joint else None
            power, groups = _powers(padded, said is None, informed)
            if said is None:
                if not origin:  # it is what the signal begins with
                    power = np.concatenate([lead_in(power[0]), power])
                decibel = to_decibel(power, level)
            if not informed:
                shares = self.shares(decibel)[:, -n:]
                return overlap_add(shares[:-1, keep], _audio_of(padded, keep))
            if said is None:
                said = self.logits(decibel)[:, -n:]
            within = strokes.within(origin, origin + n)
            shares, samples = self.informed_shares(said, groups, within), {}
            if self.samples:
                samples, padded = take_samples(padded, shares, groups, within)
            return _informed_stems(padded, shares, samples, keep)

        def of_each_channel(job):
            padded, *rest = job
            return np.concatenate([work((own, *rest)) for own in padded[:, None]], axis=1)

        def of_pass(job):
            _, keep, first = job
            return first, keep.stop - keep.start, (work if joint else of_each_channel)(job)

        sizes = (_PASS, _MARGIN) if strokes is None else _informed_sizes(n_samples)
        tail, given = None, 0
        with workers(self.device) as pool:
            # passes are large: none waits for a thread
            for first, frames, added in in_parallel(
                    of_pass, _passes(counted(), *sizes), pool, ahead=0):
                if tail is not None:
                    added[..., : tail.shape[-1]] += tail
                ready, tail = added[..., :frames * HOP], added[..., frames * HOP:].copy()
                ready /= _normaliser(first, first + frames)
                yield from self._trim(ready, first * HOP, total)
                given = (first + frames) * HOP
        if tail is not None:
            frames = given // HOP
            tail /= _normaliser(frames, frames + _HOPS, frames)[: tail.shape[-1]]
            yield from self._trim(tail, given, total)

    def said(self, overview: Overview) -> np.ndarray | None:
        """What this bank, and no other, said of a signal, if it was asked before."""
        return overview.logits if overview.bank == self._bank_is else None

    @staticmethod
    def _trim(samples: np.ndarray, at: int, total: int) -> Iterator[np.ndarray]:
        """Cut off the margins before and after the signal."""
        low = max(0, N_FFT // 2 - at)
        high = min(samples.shape[-1], N_FFT // 2 + total - at)
        if high > low:
            yield samples[..., low:high]

    def __call__(self, path_or_array: audio_io.AudioLike, sr: int | None = None, *,
                 residual: bool = False, hits: Iterable[Hit] | None = None,
                 overview: Overview | None = None,
                 progress: Progress | None = None) -> dict[str, np.ndarray]:
        """Separate a file or an array into stems, in memory.

        Parameters, result and errors as of `separate`, but that it is the bank alone that tells
        stems apart where no hits are given. `overview` is that of the input, where there is one.
        """
        audio, sr = audio_io.as_audio(path_or_array, sr)
        inner = audio_io.resample(audio, sr, SAMPLE_RATE)
        if not inner.shape[1]:  # less than a sample at the models' rate
            inner = np.zeros((len(audio), 1), np.float32)
        overview = overview or _overview([inner])
        inner = inner - overview.offset  # which is no drum
        parts, done = [], 0
        for part in self.stream([inner], overview.level, overview.joint, hits,
                                n_samples=inner.shape[1],
                                logits=self.said(overview)):
            parts.append(part)
            done += part.shape[-1]
            if progress is not None:
                progress(done / inner.shape[1])
        stems = np.concatenate(parts, axis=-1)
        stems = {name: _fit(audio_io.resample(stem, SAMPLE_RATE, sr), audio.shape[1])
                 for name, stem in zip(STEMS, stems)}
        if residual:
            stems[RESIDUAL] = audio - sum(stems[name] for name in STEMS)
        return stems


def _masks(logits: np.ndarray) -> torch.Tensor:
    """Shares as the bank gives them, shape (6, frames, bands), from its logits."""
    return masks(torch.from_numpy(logits)[None])[0]


def _part_of(logits: np.ndarray | None, first: int, frames: int) -> np.ndarray | None:
    """Logits of some frames, where there are any of this audio."""
    if logits is None:
        return None
    part = logits[:, first: first + frames].astype(np.float32)
    short = frames - part.shape[1]  # by the frame that `_passes` may add to the last ones
    if short > 1 or not part.size:
        return None
    return np.pad(part, ((0, 0), (0, short), (0, 0)), mode="edge")


def _powers(padded: np.ndarray, on_bands: bool,
            on_groups: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Powers of the frames of a pass on bands and on groups, if wanted, mean over channels."""
    bands, groups = [], []
    for _, spectra in spectrum_blocks(padded):
        if on_bands:
            bands.append(band_power(spectra).mean(axis=0))
        if on_groups:
            groups.append(group_power(spectra))
    return tuple(np.concatenate(found) if found else None for found in (bands, groups))


def _audio_of(padded: np.ndarray, frames: slice) -> np.ndarray:
    """The audio of some frames."""
    return padded[:, frames.start * HOP: (frames.stop - 1) * HOP + N_FFT]


def _informed_stems(padded: np.ndarray, shares: np.ndarray, samples: dict[int, np.ndarray],
                    keep: slice) -> np.ndarray:
    """Stems of the frames of a pass, not yet normalised, and of those behind in which they fade.

    Parameters
    ----------
    padded : ndarray of float32, shape (channels, N_FFT + HOP * (frames - 1))
        What the samples leave.
    shares : ndarray of float32, shape (6, frames, N_GROUPS)
    samples : dict of int to ndarray
        Stem → its samples (`separation.repeats.take_samples`).
    keep : slice
        Frames of the pass itself.
    """
    keep, fade = _fade(shares.shape[1], keep)
    stems = overlap_add(shares[:-1, keep] * fade[:, None], _audio_of(padded, keep))
    fade[1::_STEP] = 0
    fade = _squares(fade)[: stems.shape[-1]]
    for stem, sample in samples.items():
        stems[stem] += sample[:, keep.start * HOP:][:, : stems.shape[-1]] * fade
    return stems


def _fade(n: int, keep: slice) -> tuple[slice, np.ndarray]:
    """Let a pass of `n` frames rise where it begins and fall behind it, where there are others.

    Returns
    -------
    slice
        Its frames and those behind it in which it falls while the next one rises.
    ndarray of float32
        Factors of these frames.
    """
    rise = (np.arange(_FADE, dtype=np.float32) + 0.5) / _FADE
    factors = np.ones(n, np.float32)
    if keep.start:
        factors[keep.start: keep.start + _FADE] *= rise[: keep.stop - keep.start]
    if keep.stop < n:
        factors[keep.stop: keep.stop + _FADE] *= 1.0 - rise
        keep = slice(keep.start, keep.stop + _FADE)
    return keep, factors[keep]


def _squares(factors: np.ndarray) -> np.ndarray:
    """Sum of the squared windows of frames, each times its factor, one sample each."""
    squares = np.zeros(_HOPS * HOP, np.float32)
    squares[:N_FFT] = window() ** 2
    out = np.zeros((len(factors) + _HOPS - 1, HOP), np.float32)
    for k, part in enumerate(squares.reshape(_HOPS, HOP)):
        out[k: k + len(factors)] += factors[:, None] * part
    return out.reshape(-1)


def _normaliser(first: int, stop: int, frames: int | None = None) -> np.ndarray:
    """Sum of squared windows at hops `first` to `stop` of the padded signal.

    Even frames count, from hop 0 on and, if `frames` is given, before that.
    """
    at = np.arange(first - _HOPS + 1, stop)
    live = (at >= 0) & (at % _STEP == 0)
    if frames is not None:
        live &= at < frames
    squares = _squares(live.astype(np.float32))[(_HOPS - 1) * HOP: (_HOPS - 1 + stop - first) * HOP]
    return np.maximum(squares, 1e-4)


def _informed_sizes(n_samples: int | None) -> tuple[int, int, int]:
    """`size`, `margin` and `least` of `_passes` that are informed by hits."""
    if n_samples is None:
        return _INFORMED_PASS, _INFORMED_MARGIN, max(_INFORMED_PASS // 2, _INFORMED_MARGIN)
    frames = n_frames(n_samples) + 1  # `_passes` may add one
    passes = max(1, round(frames / _INFORMED_PASS))
    passes += passes > 1 and passes % 2  # so that two threads come to the end together
    return _STEP * -(-frames // (passes * _STEP)), _INFORMED_MARGIN, 0


def _passes(blocks: Iterable[np.ndarray], size: int = _PASS, margin: int = _MARGIN,
            least: int = 0) -> Iterator[tuple[np.ndarray, slice, int]]:
    """Regroup streamed audio into passes with margins.

    Parameters
    ----------
    blocks : iterable of ndarray of float32, shape (channels, n)
    size, margin : int
        Frames.
    least : int
        Fewest frames of the last pass, where there is another before it: it has `size` and so
        many at most. All of these are even.

    Yields
    ------
    ndarray of float32, shape (channels, N_FFT + HOP * (frames - 1))
        The frames of a pass and its margins, as `adt.features.spectrum` takes them.
    slice
        Frames to keep.
    int
        Number of the first of these.
    """
    held: list[np.ndarray] = []
    origin, there, kept = 0, 0, 0  # frames that are held: from `origin` to before `there`

    def emit(stop):
        nonlocal held, origin, kept
        every = np.concatenate([*held, rest], axis=1)
        low, high = max(0, kept - margin), min(there, stop + margin)
        part = every[:, (low - origin) * HOP: (high - 1 - origin) * HOP + N_FFT]
        result = part, slice(kept - low, stop - low), kept
        kept = stop
        drop = max(0, kept - margin) - origin
        held, origin = [every[:, drop * HOP: -rest.shape[1]]], origin + drop
        return result

    for padded in windows(blocks):
        frames = (padded.shape[1] - N_FFT) // HOP + 1
        held.append(padded[:, : frames * HOP])
        rest = padded[:, frames * HOP:]  # of the last window; the next block begins with it
        there += frames
        while there >= kept + size + max(margin, least):
            yield emit(kept + size)
    if there and there % _STEP == 0:  # the last frame counts
        rest, there = np.pad(rest, ((0, 0), (0, HOP))), there + 1
    while kept < there:
        yield emit(min(kept + size + least, there))


def _fit(audio: np.ndarray, n_samples: int) -> np.ndarray:
    """Cut or zero-pad to a length (resampling may be off by a sample)."""
    short = n_samples - audio.shape[-1]
    return np.pad(audio, ((0, 0), (0, short))) if short > 0 else audio[..., :n_samples]


def separate(path_or_array: audio_io.AudioLike, sr: int | None = None, *, residual: bool = False,
             wiener: float = WIENER, informed: bool = True, hits: Iterable[Hit] | None = None,
             device: str = "cpu", progress: Progress | None = None) -> dict[str, np.ndarray]:
    """Separate a file or an array into stems, in memory.

    Parameters
    ----------
    path_or_array : path or ndarray, shape (samples,) or (channels, samples)
    sr : int, optional
        Sample rate of an array, Hz.
    residual : bool
        Add ``residual``: what is not drums.
    wiener : float
        Exponent of the α-Wiener step; 2 leaves the masks as they are.
    informed : bool
        Transcribe first: strokes that fall together are told apart by what their pieces sound
        like elsewhere (`separation.informed`), and samples that repeat are taken out whole
        (`separation.repeats`). Audio beyond 100 times full scale is refused then. Otherwise the
        bank alone tells stems apart, in half the time.
    hits : Transcription or iterable of Hit, optional
        All that is played, heard or corrected, of nine, seven or five classes, to be informed by
        in place of what is heard.
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
    adt.errors.ConfigError
        If `wiener` or `device` cannot be, or `hits` are no hits of these classes.
    """
    separator, overview = Separator(device=device, wiener=wiener), None
    if hits is None and informed:
        hits, overview = _hear(path_or_array, sr, separator.device, None,
                               share(progress, 0.0, _HEARING))
        progress = share(progress, _HEARING, 1.0)
    return separator(path_or_array, sr, residual=residual, hits=hits, overview=overview,
                     progress=progress)


def _hear(path_or_array: audio_io.AudioLike, sr: int | None, device: torch.device,
          transcriber: Transcriber | None, progress: Progress | None
          ) -> tuple[Transcription, Overview | None]:
    """Hits to be informed by, and what else is known then."""
    if transcriber is None:
        from adt.inference import Transcriber
        transcriber = Transcriber(device=device, beats=False)
    activations = transcriber.activations(path_or_array, sr, progress=progress, for_stems=True)
    return transcriber.hits(activations), activations.overview


def separate_file(path: Path | str, folder: Path | str, *, residual: bool = False,
                  wiener: float = WIENER, informed: bool = True,
                  hits: Iterable[Hit] | None = None, device: str = "cpu", suffix: str = ".wav",
                  progress: Progress | None = None, separator: Separator | None = None,
                  transcriber: Transcriber | None = None, overview: Overview | None = None,
                  only: Collection[str] | None = None) -> dict[str, Path]:
    """Separate a file into files of the same rate, length and channels.

    Memory does not grow with its length but for what the transcription keeps of it, some 3 MB a
    minute, and up to 20 minutes 6 MB a minute more of what the bank said.

    Parameters
    ----------
    path : path
    folder : path
        Gets ``kick``, ``snare``, ``toms``, ``hihat``, ``cymbals`` and, if wanted,
        ``residual``, with `suffix`.
    informed, hits
        See `separate`.
    suffix : {'.wav', '.flac'}
    separator : Separator, optional
        A loaded one, for many files; `wiener` and `device` are then its own.
    transcriber : adt.Transcriber, optional
        A loaded one that hears the hits, for many files.
    overview : adt.overview.Overview, optional
        Of this file, where it was transcribed before (`adt.Activations.overview`): it need not be
        read once more, nor, after ``Transcriber.activations(..., for_stems=True)``, the bank asked.
    only : collection of str, optional
        Names to write, of those above; all by default.

    Returns
    -------
    dict of str to Path
        Of the files written.

    Raises
    ------
    adt.errors.AudioError
        If the input cannot be used as audio.
    adt.errors.OutputError
        If the files cannot be written, or one of them is the input.
    adt.errors.ConfigError
        If `wiener`, `device` or `hits` cannot be, or `only` has other names.
    """
    from contextlib import ExitStack

    path, folder = Path(path), Path(folder)
    separator = separator or Separator(device=device, wiener=wiener)
    info = audio_io.probe(path)
    names = [*STEMS, RESIDUAL] if residual else list(STEMS)
    wanted = set(names if only is None else [only] if isinstance(only, str) else only)
    if wanted - set(names):
        raise ConfigError(f"only: there is no {', '.join(sorted(wanted - set(names)))} to write; "
                          f"choose of {', '.join(names)}")
    files = {name: folder / f"{name}{suffix}" for name in names if name in wanted}
    for file in files.values():
        if same_file(file, path):
            raise OutputError(f"{file}: is the input itself; choose another folder")
    made = {name: audio_io.AudioWriter(
        file, info.sample_rate, info.channels, _SUBTYPE.get(suffix),
        None if info.estimated else info.n_samples) for name, file in files.items()}
    if hits is None and informed:
        hits, overview = _hear(path, None, separator.device, transcriber,
                               share(progress, 0.0, _HEARING))
        progress = share(progress, _HEARING, 1.0)
    overview = overview or _overview(audio_io.stream(path), path)
    give_back()
    with ExitStack() as stack:
        writers = {name: stack.enter_context(writer) for name, writer in made.items()}
        pool = stack.enter_context(ThreadPoolExecutor(torch.get_num_threads()))
        # as long as the stems, unless these are resampled
        original = _Taker(audio_io.stream(path, sample_rate=None)) \
            if RESIDUAL in writers or info.sample_rate != SAMPLE_RATE else None
        outwards = [_Outwards(info.sample_rate, info.channels) for _ in STEMS]
        done = 0

        def write(parts: list[np.ndarray]) -> None:
            n = parts[0].shape[1]
            if original is not None:
                mixture = original.take(n)
                n = mixture.shape[1]
            files = {name: part[:, :n] for name, part in zip(STEMS, parts) if name in writers}
            if RESIDUAL in writers:
                if _SUBTYPE.get(suffix) != "FLOAT":  # beyond ±1 the files lack it
                    parts = [np.clip(part, -1.0, 1.0) for part in parts]
                files[RESIDUAL] = mixture - sum(part[:, :n] for part in parts)
            for written in [pool.submit(writers[name].write, part)
                            for name, part in files.items()]:
                written.result()

        for stems in separator.stream(
                (block - overview.offset for block in audio_io.stream(path)), overview.level,
                overview.joint, hits, n_samples=overview.n_samples,
                logits=separator.said(overview)):
            done += stems.shape[-1]
            write([out(stem) for out, stem in zip(outwards, stems)])
            if progress is not None:
                progress(done / max(1, overview.n_samples))
        write([out(None) for out in outwards])
        if original is not None and (left := original.rest()).shape[1]:  # resampling ended early
            for name, writer in writers.items():
                writer.write(left if name == RESIDUAL else np.zeros_like(left))
    return files


def _overview(blocks: Iterable[np.ndarray], source: Path | str = "audio") -> Overview:
    """What there is to know of streamed audio beforehand.

    Raises
    ------
    adt.errors.AudioError
        If samples are far beyond full scale.
    """
    survey, loudness = Survey(), []

    def counted():
        for block in blocks:
            survey.add_samples(block)
            peak = np.abs(block).max(initial=0.0)
            if peak > _LOUDEST:
                raise AudioError(f"{source}: its samples reach {peak:.3g}, where 1 is "
                                 "full scale; divide them")
            yield block

    def listen(padded):
        power, *apart = mean_power(padded)
        return power.sum(axis=-1, keepdims=True), apart

    with workers(torch.device("cpu")) as pool:
        for loud, apart in in_parallel(listen, windows(without_offset(counted())), pool):
            loudness.append(loud)
            survey.add_powers(*apart)
    return survey.overview(reference_level(np.concatenate(loudness)))


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
