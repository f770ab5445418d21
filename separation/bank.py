"""The bank: five U-Nets side by side, one mask per stem.

The design of LarsNet (Mezza et al., "Toward Deep Drum Source Separation", 2024),
one U-Net for each stem, made fast: the nets read one mel-band spectrogram instead of
the full STFT, run as the groups of grouped convolutions, and share a softmax, in
which "everything else" (the residual) takes part as a sixth, constant logit. So
the masks of five stems and residual sum to one.
"""

from __future__ import annotations

from typing import Mapping, Sequence

import torch
from torch import nn

from adt.features import scaled
from adt.grouped import apart, parts, replaced
from adt.vocabulary import STEMS


class _Conv(nn.Sequential):
    """Grouped convolution, batch norm and ReLU."""

    def __init__(self, inputs, outputs, groups, stride=(1, 1), kernel=(3, 3), dilation=1):
        padding = ((kernel[0] - 1) // 2 * dilation, (kernel[1] - 1) // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, (dilation, 1),
                      groups=groups, bias=False),
            nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Exchange(nn.Module):
    """What the nets tell each other at their deepest: a bottleneck that all of them share."""

    def __init__(self, channels, shared):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, shared, 1, bias=False), nn.BatchNorm2d(shared),
            nn.ReLU(inplace=True), nn.Conv2d(shared, channels, 1, bias=False),
            nn.BatchNorm2d(channels))
        nn.init.zeros_(self.body[-1].weight)  # begins as nothing: weights without it still fit

    def forward(self, x):
        return torch.relu(x + self.body(x))


class UNetBank(nn.Module):
    """Parallel U-Nets from mixture bands to mask logits.

    Parameters
    ----------
    widths : sequence of int
        Channels of each net at its levels, of which there are two to four; every level halves
        the bands, every level but the first halves the frames too.
    exchange : int
        Channels that the nets exchange at the deepest level; 0 for none.
    stems : sequence of str
    n_bands : int
        Divisible by 16.

    Attributes
    ----------
    margin : int
        Frames either side that a frame depends on.

    Raises
    ------
    ValueError
        If there are fewer than two or more than four widths, or one is no number of channels.
    """

    #: What may compute in a shorter format than the last layer.
    inner_layers = ("enter", "down", "deep", "exchange", "narrow", "up")

    def __init__(self, widths: Sequence[int] = (16, 32, 64, 96), exchange: int = 0,
                 stems: Sequence[str] = STEMS, n_bands: int = 96):
        super().__init__()
        if not 2 <= len(widths) <= 4:
            raise ValueError(f"a bank of {len(widths)} levels; expected 2 to 4 widths")
        if not all(isinstance(width, int) and width > 0 for width in widths):
            raise ValueError(f"widths {list(widths)}; expected whole numbers from 1")
        self.margin = 11 * 2 ** (len(widths) - 1) - 2
        self.stems, self.n_bands, self.widths = tuple(stems), n_bands, tuple(widths)
        g = len(stems)
        w = [width * g for width in widths]
        self.enter = nn.Sequential(
            _Conv(1, w[0], 1, stride=(1, 2), kernel=(3, 5)), _Conv(w[0], w[0], g))
        self.down = nn.ModuleList(
            nn.Sequential(_Conv(a, b, g, stride=(2, 2)), _Conv(b, b, g))
            for a, b in zip(w, w[1:]))
        self.deep = nn.Sequential(_Conv(w[-1], w[-1], g, dilation=2),
                                  _Conv(w[-1], w[-1], g, dilation=4))
        self.exchange = _Exchange(w[-1], exchange) if exchange else nn.Identity()
        self.narrow = nn.ModuleList(
            nn.Conv2d(b, a, 1, groups=g, bias=False) for a, b in zip(w, w[1:]))
        self.up = nn.ModuleList(_Conv(a, a, g) for a in w[:-1])
        self.leave = nn.Conv2d(w[0], 2 * g, 3, padding=1, groups=g)
        self.nets: Sequence[nn.Module] = ()
        self.in_integers = False

    def take_apart(self, largest: Mapping[str, torch.Tensor] | None = None) -> None:
        """Run one net after the other from now on; for inference.

        Parameters
        ----------
        largest : mapping of str to Tensor, optional
            Largest activations of the channels of every layer in `measured`. With them layers
            compute in integers (`separation.integer_net`).
        """
        nets = apart(self, ("enter", "down", "deep", "narrow", "up", "leave"), len(self.stems))
        if largest:
            from .integer_net import IntegerNet
            self.in_integers = True
            self.nets = nn.ModuleList(IntegerNet(net, {
                name: values.chunk(len(nets))[i] for name, values in largest.items()})
                for i, net in enumerate(nets))
        else:
            self.nets = replaced(nets)

    def measured(self) -> dict[str, nn.Module]:
        """Layers whose largest activations `take_apart` wants, by name; none to exchange with."""
        if isinstance(self.exchange, _Exchange):
            return {}
        lists = {"enter": self.enter, "deep": self.deep, "narrow": self.narrow, "up": self.up,
                 **{f"down.{i}": down for i, down in enumerate(self.down)}}
        return {f"{name}.{i}": layer for name, layers in lists.items()
                for i, layer in enumerate(layers)}

    def forward(self, decibel: torch.Tensor) -> torch.Tensor:
        """Mask logits.

        Parameters
        ----------
        decibel : Tensor, shape (batch, frames, bands)
            Output of `adt.features.to_decibel`; frames divisible by `adt.network.MULTIPLE`.

        Returns
        -------
        Tensor, shape (batch, stems, frames, bands)
        """
        x = scaled(decibel[:, None])
        x = x.to(self.enter[0][0].weight.dtype, memory_format=torch.channels_last)
        nets = self.nets or (self,)
        if self.in_integers:
            found = [net(x) for net in nets]
        elif isinstance(self.exchange, _Exchange):
            passed = [_descend(net, x) for net in nets]
            x = self.exchange(torch.cat([skips.pop() for skips in passed], dim=1))
            found = [_ascend(net, part, skips)
                     for net, part, skips in zip(nets, parts(x, len(nets)), passed)]
        else:  # net after net keeps the skips of one alone
            found = [_ascend(net, (skips := _descend(net, x)).pop(), skips) for net in nets]
        x = torch.cat(found, dim=1)  # (batch, stems * 2, frames, bands / 2)
        batch, _, frames, half = x.shape
        x = x.reshape(batch, len(self.stems), 2, frames, half)
        return x.permute(0, 1, 3, 4, 2).reshape(batch, len(self.stems), frames, 2 * half)


def _descend(net: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """What a net, or all of them, makes of the mixture at every level."""
    found = [net.enter(x)]
    for down in net.down:
        found.append(down(found[-1]))
    found[-1] = found[-1] + net.deep(found[-1])
    return found


def _ascend(net: nn.Module, x: torch.Tensor, skips: list[torch.Tensor]) -> torch.Tensor:
    """From the deepest level to mask logits."""
    for narrow, up in zip(reversed(net.narrow), reversed(net.up)):
        skip = skips.pop()
        x = nn.functional.interpolate(narrow(x), size=skip.shape[2:], mode="nearest")
        x = up(x + skip)
    return net.leave(x.to(net.leave.weight.dtype))


def with_residual(logits: torch.Tensor) -> torch.Tensor:
    """Logits of the stems and, last, of the residual: the constant zero; float32."""
    return torch.cat([logits, torch.zeros_like(logits[:, :1])], dim=1).float()


def masks(logits: torch.Tensor) -> torch.Tensor:
    """Soft masks of the stems and the residual: softmax over `with_residual`.

    Parameters
    ----------
    logits : Tensor, shape (batch, stems, frames, bands)

    Returns
    -------
    Tensor, shape (batch, stems + 1, frames, bands)
        Shares of the mixture's power, in 0..1, summing to one; the residual is last.
    """
    return with_residual(logits).softmax(dim=1)
