"""Levels of stems and mixture in a few groups of bands, and how far a stroke raises them.

What is kept of a recording beside the activations: a few numbers a frame, from which velocities
are told (`adt.velocity`) and peaks are judged (`adt.decoder.sound`).
"""

from __future__ import annotations

import numpy as np
import torch

from .features import DECIBEL, N_BANDS

GROUPS = 8  #: groups of bands whose levels are kept
_BEFORE, _AFTER = 4, 5  #: frames around an onset in which its rise is looked for
_FLOOR = -60.0  #: dB; less is nothing


def levels(mixture: torch.Tensor, stems: torch.Tensor | None) -> torch.Tensor:
    """Levels in groups of bands, of the stems and, last, of the mixture.

    Parameters
    ----------
    mixture : Tensor, shape (batch, frames, bands)
        dB.
    stems : Tensor, shape (batch, 5, frames, bands), optional
        dB; without demixing there are none.

    Returns
    -------
    Tensor of float16, shape (batch, frames, 6 or 1, GROUPS)
        dB.
    """
    sources = mixture[:, None]
    if stems is not None:
        sources = torch.cat([stems, sources], dim=1)
    power = (sources * DECIBEL).exp()
    power = power.unflatten(-1, (GROUPS, N_BANDS // GROUPS)).sum(dim=-1)
    return (10 * power.log10()).transpose(1, 2).half()


def rises(level: np.ndarray, frames: np.ndarray,
          source: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
    """Powers that onsets add in each group and, last, in all; and what was there before.

    Parameters
    ----------
    level : ndarray, shape (frames, sources, GROUPS)
        From `levels`.
    frames : ndarray of int, shape (n,)
    source : ndarray of int, shape (n,), or int
        Stem or mixture that each onset is looked for in.

    Returns
    -------
    rise, before : ndarray of float32, shape (n, GROUPS + 1)
    """
    padded = np.pad(level, ((_BEFORE, _AFTER), (0, 0), (0, 0)), mode="edge")
    near = np.stack([padded[frames + i, source] for i in range(_BEFORE + _AFTER)])
    power = 10 ** (near.astype(np.float32) / 10)
    power = np.concatenate([power, power.sum(axis=-1, keepdims=True)], axis=-1)
    before = power[:_BEFORE - 1].min(axis=0)
    return np.maximum(power[_BEFORE - 1:].max(axis=0) - before, 0), before


def decibel(power: np.ndarray) -> np.ndarray:
    """Of powers, no less than −60 dB."""
    return np.maximum(10 * np.log10(power + 1e-9), _FLOOR)
