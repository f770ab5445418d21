"""One-shots as band powers: the sound bank of the spectral renderer.

Every sample of every kit is turned once into its band-power spectrogram, at a few
positions of its onset between two frames. Rendering a clip then means adding up
arrays of (frames, bands): hundreds of times faster than mixing audio and
transforming it, which is what makes endless on-the-fly renders affordable on two
cores. The price is that powers add where amplitudes would interfere;
`adt.training.augment.interfere` puts the fluctuation back.
"""

from __future__ import annotations

from typing import Iterable, Sequence

import numpy as np

from ..data.kits import Kit, Sample
from ..features import N_BANDS, mean_power
from ..frames import HOP, N_FFT

POSITIONS = 4  #: onset positions between two frames
LEAD = 3  #: frames of a one-shot before the frame of its onset
_SILENCE_DB = -80.0  #: tail below this, relative to the loudest frame, is cut off
_LONGEST = 400  #: frames


def one_shot(audio: np.ndarray, onset: int, position: int) -> np.ndarray:
    """Band powers of a sample, shape (frames, N_BANDS) float32.

    Parameters
    ----------
    audio : ndarray, shape (channels, samples)
    onset : int
        Place of the onset in `audio`, samples.
    position : int
        Onset at frame ``LEAD + position / POSITIONS``.
    """
    margin = N_FFT // 2 + LEAD * HOP + round(position * HOP / POSITIONS) - onset
    audio = audio[:, max(0, -margin):]
    frames = min(_LONGEST, LEAD + 3 + (audio.shape[1] + N_FFT) // HOP)
    padded = np.zeros((audio.shape[0], N_FFT + (frames - 1) * HOP), np.float32)
    start = max(0, margin)
    stop = min(padded.shape[1], start + audio.shape[1])
    padded[:, start:stop] = audio[:, : stop - start]
    power = mean_power(padded)[0]
    if len(audio) == 1:  # panned at constant power, see `adt.data.render`
        power /= 2
    loud = power.sum(axis=1)
    last = np.nonzero(loud > loud.max() * 10 ** (_SILENCE_DB / 10))[0]
    return power[: last[-1] + 1 if len(last) else 1].copy()


class OneShots:
    """Band-power one-shots of all samples of some kits.

    Examples
    --------
    >>> shots = OneShots(kits)                              # doctest: +SKIP
    >>> shots.get(sample, position=2).shape                 # doctest: +SKIP
    (87, 96)
    """

    def __init__(self, kits: Sequence[Kit], progress: bool = False):
        samples: Iterable[Sample] = [
            s for kit in kits for layers in kit.layers.values() for layer in layers for s in layer]
        if progress:
            from tqdm import tqdm
            samples = tqdm(samples, desc="one-shots", unit="sample", disable=None)
        self._shots: dict = {}
        for sample in samples:
            audio = sample.audio
            self._shots[sample.path, sample.onset] = [
                one_shot(audio, sample.onset, p) for p in range(POSITIONS)]
            sample.__dict__.pop("audio", None)  # the audio itself is not needed again

    def get(self, sample: Sample, position: int) -> np.ndarray:
        """Powers of a sample at an onset position, shape (frames, N_BANDS)."""
        return self._shots[sample.path, sample.onset][position]

    def __len__(self) -> int:
        return len(self._shots)


def warp_matrix(semitones: float) -> np.ndarray:
    """Matrix (N_BANDS, N_BANDS) that moves band powers by a pitch interval.

    ``powers @ warp_matrix(s)`` approximates the bands of the sound pitched by `s`
    semitones without change of duration.
    """
    from ..features import band_centres

    centres = band_centres()
    place = np.interp(centres / 2 ** (semitones / 12), centres, np.arange(N_BANDS),
                      left=-1.0, right=N_BANDS)
    weights = np.maximum(0.0, 1.0 - np.abs(place[None, :] - np.arange(N_BANDS)[:, None]))
    return weights.astype(np.float32)
