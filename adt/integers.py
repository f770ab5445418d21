"""Layers in integers of eight bits, for processors that multiply those faster than floats.

Activations are whole steps, 0 to 127, of a size of their channel's own; weights are -127 to 127
steps of a size of their output's own. So two products fit into the 16 bits in which processors
without VNNI add them, sums are exact, and every processor gets the same. The sizes of steps come
with the weights: from the largest activation of each channel in validation clips
(`adt.training.ranges`). Jacob et al., "Quantization and training of neural networks for efficient
integer-arithmetic-only inference", 2018; steps for each channel as in Nagel et al., "Data-free
quantization through weight equalization and bias correction", 2019.
"""

from __future__ import annotations

import copy
from functools import lru_cache

import torch
from torch import nn

from .grouped import by_net

TOP = 127  #: steps of the largest activation
HALF = TOP // 2  #: steps of the largest weight beside activations of up to 255 steps
_TINY = 1e-6


def capable(name: str) -> bool:
    """Whether the processor has these instructions, by torch's name of them."""
    if not hasattr(torch.cpu, "get_capabilities"):  # before torch 2.9
        return False
    return bool(torch.cpu.get_capabilities().get(name))


@lru_cache(maxsize=None)
def usable() -> bool:
    """Whether this processor and this torch multiply integers of eight bits fast."""
    there = torch.backends.mkldnn.is_available() and all(
        hasattr(torch.ops.onednn, name) for name in
        ("qconv_pointwise", "qconv_prepack", "qlinear_pointwise", "qlinear_prepack"))
    return there and capable("avx2")


def steps(*largest: torch.Tensor) -> torch.Tensor:
    """Size of a channel's step, from its largest activations; shape (channels,)."""
    return torch.stack(largest).amax(dim=0).clamp(min=_TINY) / TOP


def counted(x: torch.Tensor) -> torch.Tensor:
    """Floats in steps, which are changed → the nearest whole ones, 0 to `TOP`."""
    x = x.clamp_(0, TOP).round_()
    return x.to(torch.int8).view(torch.uint8)  # to uint8 at once is seven times slower


@torch.no_grad()
def in_steps(conv: nn.Conv2d, given: torch.Tensor) -> nn.Conv2d:
    """A convolution of floats whose outputs are in steps of these sizes."""
    conv = copy.deepcopy(conv)
    conv.weight /= given.view(-1, 1, 1, 1)
    conv.bias /= given
    return conv


class _Layer(nn.Module):
    """Weights, rounded to `most` steps, and biases of a layer that takes and gives steps."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None, given, most: int):
        super().__init__()
        beside = [1] * (weight.ndim - 1)
        if given is not None:
            weight = weight / given.view(-1, *beside)
            bias = None if bias is None else bias / given
        size = weight.abs().flatten(1).amax(dim=1).clamp(min=_TINY) / most
        self.rounded = (weight.detach() / size.view(-1, *beside)).round().to(torch.int8)
        self.size, self.bias = size.detach(), None if bias is None else bias.detach()
        self.none = torch.zeros(len(size), dtype=torch.int32)
        self.type = torch.float32 if given is None else torch.uint8

    def _pack(self) -> torch.Tensor:
        """The rounded weights in the order in which the processor wants them."""
        raise NotImplementedError

    def __getstate__(self):  # what is packed cannot be copied or pickled
        return {**self.__dict__, "packed": None}

    def __setstate__(self, state):
        super().__setstate__(state)
        self.packed = self._pack()


class Convolution(_Layer):
    """A convolution and, where it gives steps, ReLU.

    Parameters
    ----------
    conv : nn.Conv2d
        Of one group.
    taken : Tensor, shape (inputs,)
        Sizes of the steps that it takes.
    given : Tensor, shape (outputs,), optional
        Sizes of the steps that it gives; floats otherwise.
    most : int
        Steps of the largest weight.
    zero : int
        What stands for zero in what it takes.
    centre : int
        What stands for zero in what it gives. If that is not zero, neither is what lies below:
        there is no ReLU, and what it gives reaches from 0 to twice as much.
    """

    def __init__(self, conv: nn.Conv2d, taken: torch.Tensor, given: torch.Tensor | None = None,
                 most: int = TOP, zero: int = 0, centre: int = 0):
        super().__init__(conv.weight * taken.view(1, -1, 1, 1), conv.bias, given, most)
        self.zero, self.centre = zero, centre
        self.where = [list(v) for v in (conv.stride, conv.padding, conv.dilation)]
        self.after = "none" if given is None or centre else "relu"
        self.packed = self._pack()

    def _pack(self) -> torch.Tensor:
        return torch.ops.onednn.qconv_prepack(
            self.rounded, self.size, 1.0, self.zero, *self.where, 1, None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = torch.ops.onednn.qconv_pointwise(
            x, 1.0, self.zero, self.packed, self.size, self.none, self.bias, *self.where, 1,
            1.0, self.centre, self.type, self.after, [], "")
        return out if out.is_floating_point() else out.clamp_(max=2 * self.centre or TOP)


class Product(_Layer):
    """A product with a matrix.

    Parameters
    ----------
    weight : Tensor, shape (outputs, inputs)
    bias : Tensor, shape (outputs,)
    taken, given : Tensor
        As of `Convolution`.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, taken: torch.Tensor,
                 given: torch.Tensor | None = None):
        super().__init__(weight * taken, bias, given, TOP)
        self.packed = self._pack()

    def _pack(self) -> torch.Tensor:
        return torch.ops.onednn.qlinear_prepack(self.rounded, None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Steps (rows, inputs) → steps, or floats, (rows, outputs) after ReLU."""
        out = torch.ops.onednn.qlinear_pointwise(
            x, 1.0, 0, self.packed, self.size, self.none, self.bias, 1.0, 0, self.type,
            "relu", [], "")
        return out if out.is_floating_point() else out.clamp_(max=TOP)

    def add(self, x: torch.Tensor, to: torch.Tensor) -> None:
        """Steps (rows, inputs) → what is added to floats (rows, outputs) in place, before ReLU."""
        torch.ops.onednn.qlinear_pointwise.binary(
            x, 1.0, 0, self.packed, self.size, self.none, to, self.bias, 1.0, 0, torch.float32,
            1.0, 0, "sum", 1.0, "relu", [], "")


class Taps(nn.Module):
    """`adt.grouped.Taps` in integers.

    Parameters
    ----------
    first, last, groups
        As there.
    taken, found : Tensor, shape (nets * channels,)
        Largest activations of what it takes and of what `first` gives.
    """

    def __init__(self, first: nn.Conv2d, last: nn.Conv2d, groups: int, taken: torch.Tensor,
                 found: torch.Tensor):
        super().__init__()
        self.step, self.kernel = first.dilation[1], first.kernel_size[1]
        self.reach = self.kernel // 2 * self.step
        taken, found = steps(taken), steps(found)
        self.scales = (1 / taken).view(groups, -1)
        self.first, self.last = nn.ModuleList(), nn.ModuleList()
        parts = zip(by_net(first, groups), first.bias.chunk(groups), by_net(last, groups),
                    last.bias.chunk(groups), taken.chunk(groups), found.chunk(groups))
        for there, bias, back, offset, own, inner in parts:
            self.first.append(Product(there.transpose(1, 2).flatten(1), bias,
                                      own.repeat(self.kernel), inner))
            self.last.append(Product(back[..., 0], offset, inner))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Frames (nets, frames + 2 * reach, channels) → (nets, frames, channels)."""
        n = x.shape[1] - 2 * self.reach
        out = x[:, self.reach: self.reach + n].clone()
        for i, own in enumerate(x):
            own = counted(own * self.scales[i])
            rows = torch.cat([own[k * self.step: k * self.step + n]
                              for k in range(self.kernel)], dim=1)
            self.last[i].add(self.first[i](rows), out[i])
        return out


class Shared(nn.Module):
    """`adt.grouped.Shared` in integers.

    Parameters
    ----------
    first, last, groups
        As there.
    taken, found : Tensor
        As of `Taps`.
    """

    reach = 0

    def __init__(self, first: nn.Conv2d, last: nn.Conv2d, groups: int, taken: torch.Tensor,
                 found: torch.Tensor):
        super().__init__()
        taken, found = steps(taken), steps(found)
        self.scales = (1 / taken).view(groups, -1)
        self.enter = Product(first.weight.flatten(1), first.bias, taken, found)
        self.back = nn.ModuleList(
            Product(weight[..., 0], bias, found)
            for weight, bias in zip(by_net(last, groups), last.bias.chunk(groups)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Frames (nets, frames, channels) → the same shape."""
        rows = torch.cat([counted(own * scale) for own, scale in zip(x, self.scales)], dim=1)
        shared = self.enter(rows)
        out = x.clone()
        for own, back in zip(out, self.back):
            back.add(shared, own)
        return out
