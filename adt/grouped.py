"""Grouped convolutions taken apart, for processors that multiply float32 best.

Grouped convolutions run the nets of all stems at once, which suits a GPU and short floats.
In float32 a processor is faster with one net after the other, whose layers stay in its cache.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn

_FEW = 2  #: input channels for which a convolution is a matrix product of patches


class Patches(nn.Module):
    """A convolution as the matrix product of all its patches.

    Faster where there are few input channels or patches are single places.

    Parameters
    ----------
    conv : nn.Conv2d
        Of one group, without dilation.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.kernel, self.stride, self.padding = conv.kernel_size, conv.stride, conv.padding
        self.weight = nn.Parameter(conv.weight.flatten(1).T.contiguous())
        self.bias = conv.bias

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        (high, wide), (down, across) = self.padding, self.stride
        if high or wide:
            x = nn.functional.pad(x, (wide, wide, high, high))
        x = x.unfold(2, self.kernel[0], down).unfold(3, self.kernel[1], across)
        batch, _, rows, columns = x.shape[:4]
        x = x.permute(0, 2, 3, 1, 4, 5).reshape(batch * rows * columns, -1)
        x = x @ self.weight if self.bias is None else torch.addmm(self.bias, x, self.weight)
        return x.view(batch, rows, columns, -1).permute(0, 3, 1, 2)  # channels last


def patched(layers: nn.Module) -> nn.Module:
    """Put `Patches` in the place of convolutions that they are faster than."""
    for name, layer in layers.named_children():
        if isinstance(layer, nn.Conv2d) and layer.groups == 1 and (
                layer.in_channels <= _FEW or layer.kernel_size == (1, 1)):
            setattr(layers, name, Patches(layer))
        else:
            patched(layer)
    return layers


def parts(x: torch.Tensor, groups: int) -> list[torch.Tensor]:
    """Channels of each group of a tensor (batch, channels, rows, columns), channels last."""
    return [part.contiguous(memory_format=torch.channels_last)
            for part in x.chunk(groups, dim=1)]


def apart(model: nn.Module, names: Sequence[str], groups: int) -> nn.ModuleList:
    """Layers of a model for each of its groups.

    Parameters
    ----------
    model : Module
    names : sequence of str
        Attributes; all their convolutions have that many groups, or one group whose
        outputs are those of the groups in turn.
    groups : int

    Returns
    -------
    ModuleList of Module
        Each with the attributes `names`.
    """
    nets = nn.ModuleList()
    for i in range(groups):
        net = nn.Module()
        for name in names:
            setattr(net, name, copy.deepcopy(getattr(model, name)))
        for conv in net.modules():
            if isinstance(conv, nn.Conv2d):
                own = conv.weight.chunk(groups)[i]
                conv.weight = nn.Parameter(own.contiguous(memory_format=torch.channels_last))
                if conv.bias is not None:
                    conv.bias = nn.Parameter(conv.bias.chunk(groups)[i].clone())
                conv.out_channels, conv.in_channels, conv.groups = *own.shape[:2], 1
        nets.append(patched(net))
    return nets
