"""Grouped convolutions taken apart, for processors that multiply float32 best.

Grouped convolutions run the nets of all stems at once, which suits a GPU and short floats.
In float32 a processor is faster with one net after the other, whose layers stay in its cache.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import nn


class Paired(nn.Module):
    """A convolution that takes every second band, as one of pairs of bands.

    Of one or two channels it makes two or four, which is what processors need.

    Parameters
    ----------
    conv : nn.Conv2d
        Of one group, over frames and bands, with a stride of two bands and a padding of an even
        number of them, half its kernel.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        (high, wide), (self.down, _) = conv.padding, conv.stride
        self.padding = high, wide // 2
        weight = nn.functional.pad(conv.weight, (0, 1)).unflatten(3, (-1, 2))
        self.weight = nn.Parameter(weight.permute(0, 1, 4, 2, 3).flatten(1, 2).contiguous(
            memory_format=torch.channels_last))
        self.bias = conv.bias

    @staticmethod
    def suits(conv: nn.Conv2d) -> bool:
        """Whether a convolution is one that can be taken so, and is faster then."""
        return (conv.groups == 1 and conv.in_channels <= 2 and conv.stride[1] == 2
                and conv.padding[1] % 2 == 0 and conv.kernel_size[1] == 2 * conv.padding[1] + 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.unflatten(3, (-1, 2)).permute(0, 2, 3, 1, 4).flatten(3).permute(0, 3, 1, 2)
        return nn.functional.conv2d(x, self.weight, self.bias, (self.down, 1), self.padding)


class Places(nn.Module):
    """A convolution of single places as a product of matrices.

    Parameters
    ----------
    conv : nn.Conv2d
        Of one group, without stride.
    """

    def __init__(self, conv: nn.Conv2d):
        super().__init__()
        self.weight = nn.Parameter(conv.weight.flatten(1).T.contiguous())
        self.bias = conv.bias

    @staticmethod
    def suits(conv: nn.Conv2d) -> bool:
        """Whether a convolution is one of single places."""
        return conv.groups == 1 and conv.kernel_size == conv.stride == (1, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, channels, rows, columns = x.shape
        x = x.permute(0, 2, 3, 1).reshape(-1, channels)
        x = x @ self.weight if self.bias is None else torch.addmm(self.bias, x, self.weight)
        return x.view(batch, rows, columns, -1).permute(0, 3, 1, 2)  # channels last


class Taps(nn.Module):
    """A residual layer over frames, of every net, as products of matrices.

    One for each of the frames that it reads and one back. As a convolution it is slower, the
    more so the wider it is dilated.

    Parameters
    ----------
    first, last : nn.Conv2d
        Of all nets, as many groups: over frames along the last axis, and of single places.
    groups : int

    Attributes
    ----------
    reach : int
        Frames either side that a frame depends on.
    """

    def __init__(self, first: nn.Conv2d, last: nn.Conv2d, groups: int):
        super().__init__()
        self.step = first.dilation[1]
        self.reach = first.kernel_size[1] // 2 * self.step
        self.taps = nn.Parameter(by_net(first, groups).permute(3, 0, 2, 1).contiguous())
        self.back = nn.Parameter(by_net(last, groups)[..., 0].transpose(1, 2).contiguous())
        self.bias = nn.Parameter(first.bias.view(groups, -1).clone())
        self.offset = nn.Parameter(last.bias.view(groups, 1, -1).clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Frames (nets, frames + 2 * reach, channels) → (nets, frames, channels)."""
        n = x.shape[1] - 2 * self.reach
        out = x.new_empty(len(x), n, x.shape[2])
        for i, own in enumerate(x):
            found = torch.addmm(self.bias[i], own[:n], self.taps[0, i])
            for k, tap in enumerate(self.taps[1:, i], 1):
                found.addmm_(own[k * self.step: k * self.step + n], tap)
            torch.addmm(own[self.reach: self.reach + n], found.relu_(), self.back[i], out=out[i])
            out[i].add_(self.offset[i]).relu_()
        return out


class Shared(nn.Module):
    """A bottleneck that all nets share, added to what they have, as products of matrices.

    Parameters
    ----------
    first, last : nn.Conv2d
        Of single places: from all nets' channels to those shared, and back.
    groups : int
    """

    reach = 0

    def __init__(self, first: nn.Conv2d, last: nn.Conv2d, groups: int):
        super().__init__()
        self.enter = nn.Parameter(
            first.weight.flatten(1).T.unflatten(0, (groups, -1)).contiguous())
        self.back = nn.Parameter(by_net(last, groups)[..., 0].transpose(1, 2).contiguous())
        self.bias = nn.Parameter(first.bias.clone())
        self.offset = nn.Parameter(last.bias.view(groups, 1, -1).clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Frames (nets, frames, channels) → the same shape."""
        shared, out = self.bias.expand(x.shape[1], -1), torch.empty_like(x)
        for own, weight in zip(x, self.enter):
            shared = torch.addmm(shared, own, weight)
        shared = shared.relu_()
        for i, own in enumerate(x):
            torch.addmm(own, shared, self.back[i], out=out[i])
        return out.add_(self.offset).relu_()


class Heads(nn.Module):
    """A last layer of single places, of every net, as a product of matrices.

    Parameters
    ----------
    conv : nn.Conv2d
        Of all nets, as many groups.
    groups : int
    """

    reach = 0

    def __init__(self, conv: nn.Conv2d, groups: int):
        super().__init__()
        self.weight = nn.Parameter(by_net(conv, groups)[..., 0].transpose(1, 2).contiguous())
        self.bias = nn.Parameter(conv.bias.view(groups, 1, -1).clone())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Frames (nets, frames, channels) → (nets, frames, outputs)."""
        return torch.baddbmm(self.bias, x, self.weight)


def by_net(conv: nn.Conv2d, groups: int) -> torch.Tensor:
    """Weights of a convolution along the last axis, shape (nets, outputs, inputs, kernel)."""
    return conv.weight[:, :, 0].contiguous().unflatten(0, (groups, -1))


def replaced(layers: nn.Module) -> nn.Module:
    """Put `Paired` and `Places` in the place of convolutions that they are faster than."""
    for name, layer in layers.named_children():
        if not isinstance(layer, nn.Conv2d):
            replaced(layer)
        for kind in (Paired, Places):
            if isinstance(layer, nn.Conv2d) and kind.suits(layer):
                setattr(layers, name, kind(layer))
    return layers


def parts(x: torch.Tensor, groups: int) -> list[torch.Tensor]:
    """Channels of each group of a tensor (batch, channels, rows, columns), channels last."""
    return [part.contiguous(memory_format=torch.channels_last)
            for part in x.chunk(groups, dim=1)]


def apart(model: nn.Module, names: Sequence[str], groups: int) -> nn.ModuleList:
    """Layers of a model for each of its groups, their convolutions as they are.

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
            setattr(net, name, _own(getattr(model, name), i, groups))
        nets.append(net)
    return nets


def _own(layer: nn.Module, i: int, groups: int) -> nn.Module:
    """The part of a layer that is the `i`-th group's; what has no weights is shared."""
    layer = copy.copy(layer)
    layer._modules = {name: _own(inner, i, groups) for name, inner in layer._modules.items()}
    if isinstance(layer, nn.Conv2d):
        layer._parameters = dict(layer._parameters)
        own = layer.weight.detach().chunk(groups)[i]
        layer.weight = nn.Parameter(own.contiguous(memory_format=torch.channels_last))
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.detach().chunk(groups)[i].clone())
        layer.out_channels, layer.in_channels, layer.groups = *own.shape[:2], 1
    return layer
