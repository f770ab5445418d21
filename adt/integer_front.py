"""What one onset detector looks with, in integers of eight bits, see `adt.integers`."""

from __future__ import annotations

from typing import Mapping

import torch
from torch import nn

from .grouped import replaced
from .integers import Convolution, Product, counted, in_steps, steps


class IntegerFront(nn.Module):
    """The layers over frames and bands of one detector, to within rounding.

    Parameters
    ----------
    net : Module
        With ``front`` and ``flatten`` of `adt.detectors.OnsetDetectors`, of one group.
    largest : mapping of str to Tensor
        Largest activations of the channels of the layers of ``front``, of this net.
    """

    def __init__(self, net: nn.Module, largest: Mapping[str, torch.Tensor]):
        super().__init__()
        given = [steps(largest[f"front.{i}"]) for i in range(len(net.front))]
        self.enter = replaced(nn.Sequential(in_steps(net.front[0][0], given[0])))
        self.front = nn.Sequential(*(Convolution(layer[0], *sizes) for layer, *sizes in
                                     zip(net.front[1:], given, given[1:])))
        flat = net.flatten[0]
        self.flatten = Product(flat.weight[..., 0].transpose(1, 2).flatten(1), flat.bias,
                               given[-1].repeat(flat.kernel_size[0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scaled bands (batch, inputs, frames, bands) → floats (batch, width, 1, frames)."""
        x = self.front(counted(self.enter(x)))
        seen = self.flatten(x.permute(0, 2, 3, 1).flatten(0, 1).flatten(1))
        return seen.view(len(x), x.shape[2], -1).transpose(1, 2)[:, :, None]
