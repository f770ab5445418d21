"""The beat network: from strokes to the probability of a beat and of a downbeat.

A temporal convolutional network with dilations that double (Davies & Böck, "Temporal
convolutional networks for musical audio beat tracking", EUSIPCO 2019) reads nothing but
the strokes: it hears some 40 s of the drum part either side.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from ..frames import BEAT_FRAME_RATE
from ..vocabulary import PIECES
from .layers import GatedLayer

CHANNELS = 2 * len(PIECES)


def rasterise(times, pieces, velocities, confidences, n_frames: int) -> np.ndarray:
    """Strokes on a grid of frames, as the network reads them.

    A stroke between two frames is shared between them, the nearer gets more.

    Parameters
    ----------
    times : array_like, shape (n,)
        Seconds.
    pieces : array_like of int, shape (n,)
        Indices into `adt.vocabulary.PIECES`.
    velocities, confidences : array_like, shape (n,)
        0..1.
    n_frames : int
        At `adt.frames.BEAT_FRAME_RATE`.

    Returns
    -------
    ndarray of float32, shape (18, n_frames)
        Confidence of each piece, then confidence times velocity.
    """
    grid = np.zeros((CHANNELS, n_frames), np.float32)
    place = np.asarray(times, np.float64) * BEAT_FRAME_RATE
    pieces = np.asarray(pieces, np.int64)
    sure = np.asarray(confidences, np.float64)
    loud = sure * np.asarray(velocities, np.float64)
    first = np.floor(place).astype(np.int64)
    for frame, share in ((first, 1 - (place - first)), (first + 1, place - first)):
        inside = (frame >= 0) & (frame < n_frames)
        for row, value in ((pieces, sure), (pieces + len(PIECES), loud)):
            np.maximum.at(grid, (row[inside], frame[inside]), (value * share)[inside])
    return grid


class BeatNetwork(nn.Module):
    """Strokes → logits of beat and downbeat.

    Parameters
    ----------
    width : int
        Channels.
    dilations : sequence of int
        Frames; one residual layer for each.
    dropout : float
    """

    def __init__(self, width: int = 32,
                 dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
                 dropout: float = 0.1):
        super().__init__()
        self.margin = 2 + 2 * sum(dilations)  #: frames either side that a frame depends on
        self.first = nn.Conv1d(CHANNELS, width, 5, padding=2)
        self.layers = nn.Sequential(*[
            GatedLayer(width, d, nn.Dropout1d(dropout), kernel=5) for d in dilations])
        self.last = nn.Conv1d(width, 2, 1)

    def forward(self, grid: torch.Tensor) -> torch.Tensor:
        """Logits, shape (batch, 2, frames), of a grid of shape (batch, 18, frames)."""
        return self.last(torch.relu(self.layers(torch.relu(self.first(grid)))))
