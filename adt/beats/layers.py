"""The layer that the beat and the bar network are made of."""

from __future__ import annotations

import torch
from torch import nn


class GatedLayer(nn.Module):
    """A dilated convolution with a gate, added to its input.

    As in WaveNet (van den Oord et al., "WaveNet: a generative model for raw audio", 2016).

    Parameters
    ----------
    width : int
        Channels.
    dilation : int
    dropout : Module
        What is dropped of the gate's output while training.
    kernel : int
    """

    def __init__(self, width: int, dilation: int, dropout: nn.Module, kernel: int):
        super().__init__()
        self.filter = nn.Conv1d(width, 2 * width, kernel, padding=kernel // 2 * dilation,
                                dilation=dilation)
        self.mix = nn.Conv1d(width, width, 1)
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """From and to shape (batch, width, n)."""
        a, b = self.filter(x).chunk(2, dim=1)
        return x + self.mix(self.dropout(torch.tanh(a) * torch.sigmoid(b)))
