"""Several detectors that are asked together: what they agree on is surer than what one hears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..activations import Activations
from ..decoder import decode
from ..inference import Bands, Transcriber
from ..progress import Progress, share

_LEAST = 1e-5  #: probability, so that logarithms are finite


def _log_odds(probability: np.ndarray) -> np.ndarray:
    probability = np.clip(probability, _LEAST, 1 - _LEAST)
    return np.log(probability / (1 - probability))


class Teachers(Transcriber):
    """A transcriber whose onsets have the mean of the log-odds that several detectors give.

    Velocities and offsets are means too; decoder, toms and hats go by those onsets.

    Parameters
    ----------
    detectors : sequence of str or path
        Weights, with demixing.
    device : str
    """

    def __init__(self, detectors: Sequence[Path | str], device: str = "cpu"):
        first, *others = detectors
        super().__init__(device=device, detectors=first, beats=False)
        self.others = [Transcriber(device=device, detectors=other, beats=False)
                       for other in others]

    def bands_to_activations(self, bands: Bands, progress: Progress | None = None) -> Activations:
        """As of `adt.Transcriber`, of all detectors."""
        n = len(self.others) + 1
        own = super().bands_to_activations(bands, share(progress, 0, 1 / n))
        heard = [own, *(other.bands_to_activations(bands, share(progress, k / n, (k + 1) / n))
                        for k, other in enumerate(self.others, start=1))]
        onset = np.mean([_log_odds(one.onset) for one in heard], axis=0)
        onset = (1 / (1 + np.exp(-onset))).astype(np.float32)
        velocity, offset = (np.mean([getattr(one, name) for one in heard], axis=0,
                                    dtype=np.float32) for name in ("velocity", "offset"))
        return replace(own, onset=onset, velocity=velocity, offset=offset,
                       chance=decode(self.decoder, onset, own.levels))
