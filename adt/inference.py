"""The staircase: audio → bands → stems → activations → hits.

Each step is callable alone; `transcribe` climbs them all:

- `adt.audio.stream`: file → blocks of audio
- `Transcriber.bands`: audio → `Bands`, by `adt.features.audio_to_bands`
- `Transcriber.stems`: bands → stems' bands (no audio is synthesised)
- `Transcriber.bands_to_activations`: `Bands` → `Activations`
- `Transcriber.hits`: activations → `adt.Transcription`
- `Transcriber.with_beats`: the same with beats and bars
"""

from __future__ import annotations

import os
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Mapping, NamedTuple

import numpy as np
import torch

from separation.bank import UNetBank

from . import audio as audio_io
from .activations import Activations
from .decoder import Decoder, decode
from .detectors import OnsetDetectors
from .errors import AudioError, WeightsError
from .features import DB_RANGE, LEAD, N_BANDS, audio_to_bands, pack, reference_level
from .frames import SAMPLE_RATE
from .hits import pick_hits
from .listening import Ear, Heard
from .network import aligned, in_parallel, load_network, pick_device, workers
from .overview import Overview, Survey
from .peaks import check_thresholds
from .progress import Progress, share
from .toms.low_end import LowEnd
from .toms.low_toms import lend_levels
from .transcription import Hit, Transcription
from .velocity import VelocityNet, refine
from .vocabulary import PIECES, STEMS
from .weights import fingerprint

if TYPE_CHECKING:
    from .beats.tracking import BeatTracker

#: Share of the work that decoding and the STFT are, for progress.
_LISTENING = 0.35
_LOUDEST = 100.0  #: sample, as times full scale: bands are kept as short floats
_LEAST_RATE = 20_000  #: Hz; below, hats and cymbals are cut off


class Bands(NamedTuple):
    """What is kept of the audio.

    Attributes
    ----------
    power : ndarray of float32, shape (frames, N_BANDS)
        Band powers, see `adt.features`.
    duration : float
        Seconds.
    source : str
        Where the audio came from.
    low : ndarray of float16, shape (samples,), or None
        The audio below 300 Hz, see `adt.toms.low_end`; none without demixing.
    overview : adt.overview.Overview, or None
        For stems of the same audio; none without demixing.
    """

    power: np.ndarray
    duration: float
    source: str = ""
    low: np.ndarray | None = None
    overview: Overview | None = None


def _check_bands(values: np.ndarray, least: float, most: float, what: str) -> None:
    """Raise ValueError unless values are those of bands."""
    if values.ndim != 2 or values.shape[1] != N_BANDS or not np.isfinite(values).all():
        raise ValueError(f"bands of shape {values.shape}: expected finite ones of shape (frames, "
                         f"{N_BANDS})")
    if values.size and not (least <= values.min() and values.max() <= most):
        raise ValueError(f"bands from {values.min():g} to {values.max():g}: expected {what}")


class Transcriber:
    """Bank and detectors, loaded once for many songs.

    Parameters
    ----------
    demix : bool
        Separate the drums before detecting onsets, or listen to the mixture alone.
    device : str
        ``cpu``, ``cuda``, ``mps`` or ``auto``.
    thresholds : mapping of stem to float, optional
        Strokes with less activation are no hits; by default, and for stems that it lacks,
        `adt.peaks.STEM_THRESHOLDS` or, without demixing, `adt.peaks.DEFAULT_THRESHOLD`.
    bank, detectors, decoder, velocity : str or path, optional
        Weights, by the name of a packaged model or a file.
    beats : bool or adt.BeatTracker
        Track beats too, when called as a whole; with a tracker of one's own, such as one of
        other weights.

    Examples
    --------
    >>> transcriber = Transcriber()                              # doctest: +SKIP
    >>> transcriber("song.mp3").save("song.mid")                 # doctest: +SKIP
    """

    def __init__(self, demix: bool = True, device: str = "cpu", *,
                 thresholds: Mapping[str, float] | None = None,
                 bank: Path | str | None = None, detectors: Path | str | None = None,
                 decoder: Path | str | None = None, velocity: Path | str | None = None,
                 beats: bool | BeatTracker = True):
        self.demix, self.beats = demix, beats is not False
        self._tracker = None if isinstance(beats, bool) else beats
        self.device = pick_device(device)
        name = detectors or ("detectors" if demix else "detectors_mixture")
        self.network, self.description = load_network(
            OnsetDetectors, "detectors", name, self.device)
        if self.network.demix != demix:
            raise WeightsError(f"{name}: weights of detectors for demix={self.network.demix}, "
                               f"not for demix={demix}; choose others with detectors=")
        self.bank, self._bank_is = None, ""
        if demix:
            self.bank = load_network(UNetBank, "bank", bank or "bank", self.device)[0]
            self._bank_is = fingerprint(bank or "bank")
        self.decoder = load_network(Decoder, "decoder", decoder or "decoder",
                                    torch.device("cpu"))[0]
        self.dynamics = load_network(VelocityNet, "velocity", velocity or "velocity",
                                     torch.device("cpu"))[0]
        check_thresholds(thresholds)
        self.thresholds = {s: float(t) for s, t in (thresholds or {}).items()}

    @property
    def ear(self) -> Ear:
        """Bank and detectors, see `adt.listening`."""
        return Ear(self.bank, self.network, self.device)

    def bands(self, path_or_array: audio_io.AudioLike, sr: int | None = None,
              progress: Progress | None = None) -> Bands:
        """Audio → band powers, and the low end if stems will tell what is in it.

        Parameters and errors as in `activations`.
        """
        if isinstance(path_or_array, (str, os.PathLike)):
            source = str(path_or_array)
            info = audio_io.probe(source)
            blocks, sr = audio_io.stream(source), info.sample_rate
            expected = info.n_samples * SAMPLE_RATE / sr if info.n_samples else None
        else:
            source = ""
            array, sr = audio_io.as_audio(path_or_array, sr)
            array = audio_io.resample(array, sr, SAMPLE_RATE)
            step = 10 * SAMPLE_RATE
            blocks = (array[:, i:i + step] for i in range(0, array.shape[1], step))
            expected = array.shape[1]
        if sr < _LEAST_RATE:
            warnings.warn(f"{source or 'audio'}: at {sr} Hz there are no hats or cymbals to be "
                          f"heard; give a recording of {_LEAST_RATE} Hz or more", stacklevel=2)
        low, survey = LowEnd() if self.demix else None, Survey()

        def counted():
            for block in blocks:
                survey.add_samples(block)
                peak = np.abs(block).max(initial=0.0)
                if peak > _LOUDEST:
                    raise AudioError(f"{source or 'audio'}: its samples reach {peak:.0f}, where 1 "
                                     "is full scale; divide them (16-bit ones by 32768)")
                if low is not None:
                    low.add(block)
                yield block
                if progress and expected:
                    progress(min(1.0, survey.n_samples / expected))

        with workers(torch.device("cpu")) as pool:
            power = audio_to_bands(counted(), partial(in_parallel, pool=pool), survey)
        overview = survey.overview(reference_level(power)) if self.demix else None
        return Bands(power, survey.n_samples / SAMPLE_RATE, source, low and low.finish(), overview)

    @torch.inference_mode()
    def stems(self, decibel: np.ndarray) -> np.ndarray:
        """Bands in dB → the five stems' bands in dB, shape (5, frames, bands).

        Parameters
        ----------
        decibel : ndarray, shape (frames, bands)
            dB around the song's level: ``to_decibel(power, reference_level(power))``, both of
            `adt.features`, of the powers that `bands` gives.

        Raises
        ------
        ValueError
            Without demixing there is no bank to ask; or these are no such bands.
        """
        if self.bank is None:
            raise ValueError("this Transcriber was made with demix=False: it has no bank")
        _check_bands(decibel, *DB_RANGE, "dB, as of adt.features.to_decibel(power, "
                     "adt.features.reference_level(power))")
        if not len(decibel):
            return np.zeros((len(STEMS), 0, N_BANDS), np.float32)
        _, stems = self.ear.stems(aligned(decibel)[None])
        return stems[0, :, : len(decibel)].cpu().numpy()

    def bands_to_activations(self, bands: Bands, progress: Progress | None = None) -> Activations:
        """Band powers and low end → activations.

        See `adt.listening` for how.

        Raises
        ------
        ValueError
            If the bands are none.
        """
        _check_bands(bands.power, 0, np.inf, "powers")
        heard = self.ear(pack(bands.power, LEAD), reference_level(bands.power), progress)
        return self._judge(heard, *bands[1:])

    def _judge(self, heard: Heard, duration: float, source: str, low: np.ndarray | None,
               overview: Overview | None) -> Activations:
        """Activations from what was heard of bands after `LEAD`."""
        out, levels = heard.out[:, LEAD:], heard.levels[LEAD:]
        chance = decode(self.decoder, out[0], levels)
        return Activations(out[0], out[1], out[2], duration, source, levels, heard.toms[LEAD:],
                           chance, low, overview)

    def activations(self, path_or_array: audio_io.AudioLike, sr: int | None = None,
                    progress: Progress | None = None, *, for_stems: bool = False) -> Activations:
        """Audio → activations.

        Parameters
        ----------
        path_or_array : path or ndarray, shape (samples,) or (channels, samples)
        sr : int, optional
            Sample rate of an array, Hz.
        progress : callable, optional
            Gets the share done, 0..1.
        for_stems : bool
            Keep in the overview what the bank says, some 6 MB a minute of songs of up to 20
            minutes: with it `separation.separate_file` need not ask the bank again.

        Raises
        ------
        adt.errors.AudioError
            If the input cannot be used as audio.
        """
        power, *rest, overview = self.bands(path_or_array, sr, share(progress, 0.0, _LISTENING))
        level, power = reference_level(power), pack(power, LEAD)  # the largest of all
        heard = self.ear(power, level, share(progress, _LISTENING, 1.0), for_stems)
        del power
        if heard.logits is not None:
            overview = overview._replace(logits=heard.logits[:, LEAD:], bank=self._bank_is)
        return self._judge(heard, *rest, overview)

    def hits(self, activations: Activations,
             thresholds: Mapping[str, float] | None = None) -> Transcription:
        """Activations → hits: peak picking, names of hats and toms, velocities.

        Parameters
        ----------
        activations : Activations
        thresholds : mapping of stem to float, optional
            In place of those of the transcriber.

        Raises
        ------
        adt.errors.ConfigError
            If there is no such stem, or a threshold is not within 0 to 1.
        """
        picked, low_toms = pick_hits(activations,
                                     self.thresholds if thresholds is None else thresholds)
        if activations.levels is not None:
            picked = refine(self.dynamics, lend_levels(activations.levels, low_toms), picked)
        hits = [Hit(min(time, activations.duration), PIECES[piece],
                    int(np.clip(round(velocity * 127), 1, 127)), confidence)
                for time, piece, velocity, confidence in picked]
        return Transcription(hits, activations.duration, activations.source)

    def with_beats(self, hits: Transcription, metre: int | None = None,
                   first_beat: float | None = None,
                   tempo_range: tuple[float, float] | None = None,
                   compound: bool = False) -> Transcription:
        """Hits → the same hits with beats, where something regular is struck.

        Parameters
        ----------
        hits : Transcription
            Of nine pieces.
        metre : int, optional
            Beats a bar, where it is known.
        first_beat : float, optional
            Time of a downbeat in seconds, where one is known.
        tempo_range : (float, float), optional
            Slowest and fastest tempo, beats per minute; `adt.beats.tracking.TEMPO_RANGE` by
            default.
        compound : bool
            Beats of three eighths: 6/8 for ``metre=2``, 9/8 for 3, 12/8 for 4.
        """
        from .beats.tracking import TEMPO_RANGE, BeatTracker
        if self._tracker is None:
            self._tracker = BeatTracker(device=self.device)
        beats = self._tracker(hits, metre, first_beat, tempo_range or TEMPO_RANGE, compound)
        return hits.replace(beats=beats if len(beats) > 1 else None)

    def __call__(self, path_or_array: audio_io.AudioLike, sr: int | None = None,
                 progress: Progress | None = None) -> Transcription:
        """Audio → hits, with beats unless made with ``beats=False``."""
        hits = self.hits(self.activations(path_or_array, sr, progress))
        return self.with_beats(hits) if self.beats else hits


def transcribe(path_or_array: audio_io.AudioLike, sr: int | None = None, demix: bool = True, *,
               beats: bool = True, device: str = "cpu",
               progress: Progress | None = None) -> Transcription:
    """Transcribe the drums of a recording.

    Parameters
    ----------
    path_or_array : path or ndarray, shape (samples,) or (channels, samples)
    sr : int, optional
        Sample rate of an array, Hz.
    demix : bool
        Separate the drums before detecting onsets.
    beats : bool
        Track beats and bars too.
    device : str
    progress : callable, optional
        Gets the share done, 0..1.

    Returns
    -------
    Transcription

    Raises
    ------
    adt.errors.AudioError
        If the input cannot be used as audio.

    Examples
    --------
    >>> adt.transcribe("song.mp3").save("song.mid")     # doctest: +SKIP
    """
    return Transcriber(demix, device, beats=beats)(path_or_array, sr, progress)
