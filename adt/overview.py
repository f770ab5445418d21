"""What there is to know of a whole signal before it is separated."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .frames import SAMPLE_RATE

_APART = 0.5  #: share of the power that is on one side: channels with little in common have more


class Overview(NamedTuple):
    """Known of a signal as a whole.

    Attributes
    ----------
    level : float
        From `adt.features.reference_level`, dB.
    n_samples : int
        At `SAMPLE_RATE`.
    offset : ndarray of float32, shape (channels, 1)
        Constant offset.
    joint : bool
        Whether the channels have so much in common that one mask is for all.
    logits : ndarray of float16, shape (5, frames, N_BANDS), or None
        What the bank of a transcription said of the mean of the channels, so that it need not be
        asked again: mask logits (`separation.bank.UNetBank`).
    bank : str
        Fingerprint (`adt.weights.fingerprint`) of the weights of that bank.
    """

    level: float
    n_samples: int
    offset: np.ndarray
    joint: bool
    logits: np.ndarray | None = None
    bank: str = ""


class Survey:
    """Gathers an `Overview` of a signal that passes by in blocks."""

    def __init__(self):
        self.n_samples, self._total = 0, 0.0
        self._aside = self._everywhere = 0.0

    def add_samples(self, block: np.ndarray) -> None:
        """Samples of the signal as it is, shape (channels, n)."""
        self.n_samples += block.shape[1]
        self._total = self._total + block.sum(axis=1, keepdims=True, dtype=np.float64)

    def add_powers(self, aside: float, everywhere: float) -> None:
        """Sums over some frames: of how far channels are from their mean, and of all power."""
        self._aside += aside
        self._everywhere += everywhere

    def overview(self, level: float) -> Overview:
        """All of it, with the signal's reference level."""
        known = self.n_samples >= SAMPLE_RATE  # the mean of less may be that of a stroke
        offset = np.float32(self._total / self.n_samples if known else 0 * self._total)
        return Overview(level, self.n_samples, offset, self._aside <= _APART * self._everywhere)
