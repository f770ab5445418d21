"""The pitch of each stroke on a tom, from the lowest bands of the toms' stem or of the mixture."""

from __future__ import annotations

import numpy as np
import torch

from ..features import band_centres
from ..frames import FRAME_RATE
from ..vocabulary import STEMS

BANDS = 16  #: lowest bands, which pitches are measured in (30 to 530 Hz)

_LOWEST = 2  # band, of 82 Hz: below are rumble and what the bank leaves of kicks
_DROP = 6.0  # dB; the lowest peak that is less than this below the highest is the pitch
_BEFORE, _AFTER = (5, 1), (2, 10)  # frames around the onset: what rang before, the tone


def tom_bands(mixture: torch.Tensor, stems: torch.Tensor | None) -> torch.Tensor:
    """What pitches are measured in: the lowest bands of the toms' stem, or of the mixture.

    Parameters
    ----------
    mixture : Tensor, shape (batch, frames, bands)
        dB.
    stems : Tensor, shape (batch, 5, frames, bands), or None
        dB; None without demixing.

    Returns
    -------
    Tensor of float16, shape (batch, frames, BANDS)
        dB.
    """
    toms = mixture if stems is None else stems[:, STEMS.index("toms")]
    return toms[..., :BANDS].half()


def pitches(bands: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Pitch of strokes on toms.

    Parameters
    ----------
    bands : ndarray, shape (frames, BANDS)
        From `tom_bands`.
    times : ndarray, shape (n,)
        Seconds.

    Returns
    -------
    ndarray, shape (n,)
        log2 of Hz; of toms lower than some 80 Hz that of the lowest band that counts.
    """
    octaves = np.log2(band_centres()[:BANDS])
    result = np.empty(len(times))
    for i, frame in enumerate(np.rint(times * FRAME_RATE).astype(int).tolist()):
        frame = min(frame, len(bands) - 1)
        before, after = (bands[max(0, frame - _BEFORE[0]):max(1, frame - _BEFORE[1])],
                         bands[min(frame + _AFTER[0], len(bands) - 1):frame + _AFTER[1]])
        tone = (10 ** (after.astype(np.float64) / 10)).mean(axis=0)
        tone = np.maximum(tone - (10 ** (before.astype(np.float64) / 10)).min(axis=0), 1e-12)
        enough = tone >= tone[_LOWEST:].max() * 10 ** (-_DROP / 10)
        peaks = np.r_[True, tone[1:] >= tone[:-1]] & np.r_[tone[:-1] >= tone[1:], True] & enough
        peak = _LOWEST + int(np.argmax(peaks[_LOWEST:]))
        near = slice(max(0, peak - 1), peak + 2)
        result[i] = (tone[near] * octaves[near]).sum() / tone[near].sum()
    return result
