"""Finished bank and detectors listening to training clips: what later networks learn from."""

from __future__ import annotations

import numpy as np
import torch

from separation.bank import UNetBank

from ..detectors import OnsetDetectors, stem_decibel
from ..network import aligned, load_network

#: With demixing or without → name of the detectors' weights, in the package and in configs.
DETECTORS = {True: "detectors", False: "detectors_mixture"}


class Listener:
    """Bank and both detectors, as they are used for transcribing.

    Parameters
    ----------
    config : dict
        ``bank``, ``detectors`` and ``detectors_mixture`` are weights, null: the package's.
    device : torch.device
    """

    def __init__(self, config: dict, device: torch.device):
        self.device = device
        self.bank = load_network(UNetBank, "bank", config["bank"] or "bank", device)[0]
        self.detectors = {
            demix: load_network(OnsetDetectors, "detectors", config[name] or name, device)[0]
            for demix, name in DETECTORS.items()}

    @torch.inference_mode()
    def __call__(self, mixture: np.ndarray) -> tuple[torch.Tensor, dict[bool, np.ndarray]]:
        """Bands of a clip in dB → the stems' bands, and what the detectors say.

        Returns
        -------
        stems : Tensor, shape (1, 5, frames, bands)
            dB.
        heard : dict of bool to ndarray, shape (3, frames, 9)
            With demixing and without: logits of onsets, velocity and offset.
        """
        n = len(mixture)
        bands = torch.from_numpy(aligned(mixture))[None].to(self.device)
        stems = stem_decibel(bands, self.bank(bands))
        heard = {}
        for demix, network in self.detectors.items():
            out = network(bands, stems if demix else None)[0, :, :n]
            out[1] = out[1].sigmoid()
            heard[demix] = out.cpu().numpy()
        return stems[:, :, :n], heard


def strokes(clip: dict) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Strokes of a clip, from its frame-wise labels.

    Returns
    -------
    frames, pieces, velocities, weights : ndarray, shape (n,)
        Fractional frames; velocities 0..1.
    """
    near = (clip["offset"] > -0.5) & (clip["offset"] <= 0.5) & (clip["onset"] > 0.75)
    at, pieces = np.nonzero(near)
    frames = at + clip["offset"][at, pieces]
    return frames, pieces, clip["velocity"][at, pieces], clip["weight"][at, pieces]
