"""The bar network: which beats begin a bar, from the strokes around each beat.

Strokes are read beat by beat, on twelve places between a beat and the next, so that the
tempo does not matter; convolutions along the beats hear some hundred beats either side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..vocabulary import PIECES
from .layers import GatedLayer

PLACES = 12  #: between a beat and the next
FEATURES = PLACES * 2 * len(PIECES)


def by_beat(times, pieces, velocities, confidences, beats) -> np.ndarray:
    """Strokes by beat and place between the beats.

    Parameters
    ----------
    times : array_like, shape (n,)
        Seconds.
    pieces : array_like of int, shape (n,)
        Indices into `adt.vocabulary.PIECES`.
    velocities, confidences : array_like, shape (n,)
        0..1.
    beats : array_like, shape (m,)
        Seconds, two at least. The first place is centred on the beat.

    Returns
    -------
    ndarray of float32, shape (216, m)
        Confidence, and confidence times velocity, of each place and piece.

    Raises
    ------
    ValueError
        With fewer than two beats.
    """
    beats = np.asarray(beats, np.float64)
    if len(beats) < 2:
        raise ValueError(f"{len(beats)} beats; two at least are needed")
    edges = np.concatenate([[2 * beats[0] - beats[1]], beats, [2 * beats[-1] - beats[-2]]])
    place = np.interp(np.asarray(times, np.float64), edges,
                      np.arange(-1, len(beats) + 1) * PLACES, left=-PLACES, right=1e6)
    place = np.rint(place).astype(np.int64)
    inside = (place >= 0) & (place < len(beats) * PLACES)
    place, piece = place[inside], np.asarray(pieces, np.int64)[inside]
    sure = np.asarray(confidences, np.float32)[inside]
    loud = sure * np.asarray(velocities, np.float32)[inside]
    out = np.zeros((len(beats) * PLACES, 2, len(PIECES)), np.float32)
    np.maximum.at(out, (place, 0, piece), sure)
    np.maximum.at(out, (place, 1, piece), loud)
    return np.ascontiguousarray(out.reshape(len(beats), FEATURES).T)


class BarNetwork(nn.Module):
    """Strokes by beat → logit of a downbeat at each beat.

    Parameters
    ----------
    width : int
        Channels.
    dilations : sequence of int
        Beats; one residual layer for each.
    dropout : float
    """

    def __init__(self, width: int = 64, dilations: Sequence[int] = (1, 2, 3, 4, 6, 8, 12, 16, 32),
                 dropout: float = 0.2):
        super().__init__()
        self.first = nn.Conv1d(FEATURES + 1, width, 1)
        self.layers = nn.Sequential(*[
            GatedLayer(width, d, nn.Dropout(dropout), kernel=3) for d in dilations])
        self.last = nn.Conv1d(width, 1, 1)

    def forward(self, features: torch.Tensor, inside: torch.Tensor | None = None) -> torch.Tensor:
        """Logits of downbeats.

        Parameters
        ----------
        features : Tensor, shape (batch, 216, beats)
        inside : Tensor, shape (batch, beats), optional
            1 for the beats of each song and 0 for what follows them, as if nothing did; by
            default all are of the song.

        Returns
        -------
        Tensor, shape (batch, beats)
        """
        inside = torch.ones_like(features[:, :1]) if inside is None else inside[:, None]
        x = torch.relu(self.first(torch.cat([features, inside], dim=1))) * inside
        for layer in self.layers:
            x = layer(x) * inside
        return self.last(torch.relu(x))[:, 0]

    @torch.inference_mode()
    def downbeats(self, features: np.ndarray) -> np.ndarray:
        """Probability that each beat is a downbeat.

        Parameters
        ----------
        features : ndarray of float32, shape (216, beats)
            From `by_beat`.

        Returns
        -------
        ndarray of float64, shape (beats,)
        """
        logits = self(torch.from_numpy(features)[None].to(self.last.weight.device))[0]
        return logits.cpu().double().sigmoid().numpy()  # Apple's GPUs have no float64
