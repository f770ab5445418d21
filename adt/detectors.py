"""Per-stem onset detectors: bands in, activation, velocity and timing out.

One small network for each stem, side by side as groups: a 2-D convolutional front
end over frames and bands, then dilated 1-D convolutions over frames (a temporal
convolutional network, Bai et al., 2018). Each reads its stem's bands and, if wanted,
those of the mixture or of all stems together beside them; without demixing it reads the
mixture's alone.
"""

from __future__ import annotations

import copy
from operator import index
from typing import Mapping, Sequence

import torch
from torch import nn

from separation.bank import with_residual

from . import integers
from .errors import ConfigError
from .features import DB_RANGE, DECIBEL, scaled
from .grouped import Heads, Shared, Taps, apart, replaced
from .integer_front import IntegerFront
from .streaming import Streamed, through
from .vocabulary import PIECES, STEM_TO_PIECES, STEMS

_MOST = max(len(p) for p in STEM_TO_PIECES.values())

_SHARED = 96  #: channels of what the detectors exchange

#: Where each piece is among the detectors' (stem, slot) outputs.
_SLOTS = [i * _MOST + STEM_TO_PIECES[s].index(p)
          for p in PIECES for i, s in enumerate(STEMS) if p in STEM_TO_PIECES[s]]

#: What detectors can read beside each stem.
BESIDE = ("mixture", "drums", "nothing")


def _conv(inputs, outputs, groups, kernel, stride=(1, 1), padding=None, dilation=(1, 1)):
    if padding is None:
        padding = [(k - 1) // 2 * d for k, d in zip(kernel, dilation)]
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups=groups, bias=False),
        nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Residual(nn.Module):
    """What a first layer finds, back at its input's width, added to the input."""

    def __init__(self, first, groups):
        super().__init__()
        inputs, found = first[0].in_channels, first[0].out_channels
        self.body = nn.Sequential(
            first, nn.Conv2d(found, inputs, 1, groups=groups, bias=False), nn.BatchNorm2d(inputs))
        nn.init.zeros_(self.body[-1].weight)  # begins as nothing: more layers do no harm

    def forward(self, x):
        found = self.body(x)
        reach = (x.shape[-1] - found.shape[-1]) // 2  # without padding frames are lost
        return torch.relu(x[..., reach: x.shape[-1] - reach] + found)


def _dilated(width, groups, dilation):
    return _Residual(_conv(width, width, groups, (1, 3), dilation=(1, dilation)), groups)


def _exchange(channels):
    """What the detectors tell each other: a bottleneck that all of them share."""
    return _Residual(_conv(channels, _SHARED, 1, (1, 1)), 1)


class OnsetDetectors(nn.Module):
    """Five onset detectors.

    Parameters
    ----------
    demix : bool
        Read each stem's bands, or the mixture's.
    front : sequence of int
        Channels of the four 2-D layers of each detector; each halves the bands.
    width : int
        Channels of the 1-D layers of each detector.
    dilations : sequence of int
        One residual 1-D layer for each.
    exchange : sequence of int
        After which 1-D layers, counted from 0, the detectors exchange what they know.
    beside : str
        What they read beside each stem: the ``mixture``, the ``drums`` (the sum of the
        stems, which is the mixture without the band) or ``nothing``.
    blank : float
        Chance that a training clip's detectors do not see what is beside the stems.
    """

    #: What may compute in a shorter format than the last layer.
    inner_layers = ("front", "flatten", "tcn", "exchange")

    def __init__(self, demix: bool = True, front: Sequence[int] = (16, 32, 32, 32),
                 width: int = 128, dilations: Sequence[int] = (1, 2, 4, 8, 16),
                 exchange: Sequence[int] = (), beside: str = "mixture", blank: float = 0.0,
                 n_bands: int = 96):
        super().__init__()
        if beside not in BESIDE:
            raise ConfigError(f"beside {beside!r}; choose one of {', '.join(BESIDE)}")
        if len(front) != 4 or not all(isinstance(c, int) and c > 0 for c in (*front, width)):
            raise ValueError(f"front {list(front)}, width {width}; expected four whole numbers "
                             "from 1, and another")
        self.demix, self.beside, self.blank = demix, beside, blank
        looks = 1 if beside == "nothing" else 2  # at each stem
        self.n_bands = n_bands
        self.look_margin = len(front)  #: frames either side that a frame of `look` depends on
        g = len(STEMS)
        f = [c * g for c in front]
        self.front = nn.Sequential(
            _conv(g * looks if demix else 1, f[0], g if demix else 1, (3, 5), (1, 2)),
            _conv(f[0], f[1], g, (3, 3), (1, 2)),
            _conv(f[1], f[2], g, (3, 3), (1, 2)),
            _conv(f[2], f[3], g, (3, 3), (1, 2)))
        # One kernel over all remaining bands. From here on frames lie along the last axis:
        # convolutions along it are several times faster.
        self.flatten = _conv(f[3], width * g, g, (n_bands // 16, 1), padding=(0, 0))
        self.tcn = nn.Sequential(*[_dilated(width * g, g, d) for d in dilations])
        self.exchange = nn.ModuleDict({str(i): _exchange(width * g) for i in exchange})
        self.heads = nn.Conv2d(width * g, 3 * _MOST * g, 1, groups=g)
        self.dilations = tuple(map(index, dilations))
        self.nets: Sequence[nn.Module] = ()
        self.products: Sequence[nn.Module] = ()
        self.in_integers = False

    def take_apart(self, largest: Mapping[str, torch.Tensor] | None = None) -> None:
        """Run one detector after the other from now on; for inference.

        Parameters
        ----------
        largest : mapping of str to Tensor, optional
            Largest activations of the channels of every layer in `measured`. With them layers
            compute in integers (`adt.integers`).
        """
        nets = apart(self, ("front", "flatten"), len(STEMS))
        products, before = [], "flatten"
        for i, layer in enumerate(self.tcn):
            here = [(f"tcn.{i}", layer, Taps, integers.Taps)]
            if str(i) in self.exchange:
                here.append((f"exchange.{i}", self.exchange[str(i)], Shared, integers.Shared))
            for name, residual, in_floats, in_integers in here:
                convs = residual.body[0][0], residual.body[1]
                products.append(in_integers(*convs, len(STEMS), largest[before],
                                            largest[f"{name}.found"])
                                if largest else in_floats(*convs, len(STEMS)))
                before = name
        self.products = nn.ModuleList([*products, Heads(self.heads, len(STEMS))])
        self.nets = replaced(nets) if not largest else nn.ModuleList(
            IntegerFront(net, {name: values.chunk(len(STEMS))[i]
                               for name, values in largest.items() if name.startswith("front")})
            for i, net in enumerate(nets))
        self.in_integers = bool(largest)

    def measured(self) -> dict[str, nn.Module]:
        """Layers whose largest activations `take_apart` wants, by name."""
        residual = {**{f"tcn.{i}": layer for i, layer in enumerate(self.tcn)},
                    **{f"exchange.{i}": layer for i, layer in self.exchange.items()}}
        return {**{f"front.{i}": layer for i, layer in enumerate(self.front)},
                "flatten": self.flatten, **residual,
                **{f"{name}.found": layer.body[0] for name, layer in residual.items()}}

    def forward(self, mixture: torch.Tensor, stems: torch.Tensor | None = None):
        """Activations of a batch.

        Parameters
        ----------
        mixture : Tensor, shape (batch, frames, bands)
            dB of the mixture, see `adt.features.to_decibel`.
        stems : Tensor, shape (batch, 5, frames, bands), optional
            dB of the stems; needed where `demix`.

        Returns
        -------
        Tensor, shape (batch, 3, frames, 9)
            Onset logits, velocity (0..1 after a sigmoid, as logits), and offset of the
            onset from the frame's centre in frames.
        """
        return self.listen(self.look(mixture, stems))

    def look(self, mixture: torch.Tensor, stems: torch.Tensor | None = None) -> torch.Tensor:
        """What `forward` begins with: each frame and `look_margin` frames around it.

        Returns
        -------
        Tensor, shape (batch, 5 * width, 1, frames)
        """
        x = self._inputs(mixture, stems).to(
            self.front[0][0].weight.dtype, memory_format=torch.channels_last)
        if not self.nets:
            return self.flatten(self.front(x).transpose(2, 3))
        own = x.chunk(len(self.nets), dim=1) if self.demix else [x] * len(self.nets)
        return torch.cat([net(part) if self.in_integers else
                          net.flatten(net.front(part).transpose(2, 3))
                          for net, part in zip(self.nets, own)], dim=1)

    def _inputs(self, mixture, stems):
        """What the first layer reads."""
        if not self.demix:
            return scaled(mixture[:, None])
        if self.beside == "nothing":
            return scaled(stems)
        beside = scaled((mixture if self.beside == "mixture" else summed(stems))[:, None])
        if self.training and self.blank:
            seen = torch.rand(len(beside), 1, 1, 1, device=beside.device) >= self.blank
            beside = beside * seen
        stems = scaled(stems)
        return torch.stack([stems, beside.expand_as(stems)], dim=2).flatten(1, 2)

    def listen(self, x: torch.Tensor) -> torch.Tensor:
        """What `forward` ends with: activations from what `look` saw."""
        if self.products:
            return torch.cat([through(self.streamed(), song[None], last=True) for song in x])
        for i, layer in enumerate(self.tcn):
            x = layer(x)
            if str(i) in self.exchange:
                x = self.exchange[str(i)](x)
        return self._told(x)

    def streamed(self) -> list[Streamed]:
        """The layers of `listen` for one song that comes in parts, one after the other.

        The first takes what `look` saw, shape (1, 5 * width, 1, frames); the last gives
        activations, shape (1, 3, frames, 9).
        """
        if self.products:
            nets = len(STEMS)
            return [Streamed(lambda x: x[0, :, 0].unflatten(0, (nets, -1)).transpose(1, 2)),
                    *(Streamed(layer, layer.reach, axis=-2) for layer in self.products),
                    Streamed(lambda x: _activations(x.transpose(1, 2)[None]))]
        layers = []
        for i, layer in enumerate(self.tcn):
            layer = copy.deepcopy(layer)
            layer.body[0][0].padding = (0, 0)
            layers.append(Streamed(layer, self.dilations[i]))
            if str(i) in self.exchange:
                layers.append(Streamed(self.exchange[str(i)]))
        return [*layers, Streamed(self._told)]

    def _told(self, x: torch.Tensor) -> torch.Tensor:
        x = self.heads(x.to(self.heads.weight.dtype))
        return _activations(x[:, :, 0].unflatten(1, (len(STEMS), -1)))


def _activations(x: torch.Tensor) -> torch.Tensor:
    """Outputs (batch, nets, 3 * slots, frames) of the heads → (batch, 3, frames, 9)."""
    x = x.unflatten(2, (3, _MOST)).transpose(1, 2)
    return x.flatten(2, 3)[:, :, _SLOTS].transpose(2, 3).float()


def summed(stems: torch.Tensor) -> torch.Tensor:
    """Bands of all stems together in dB.

    Parameters
    ----------
    stems : Tensor, shape (batch, stems, frames, bands)
        In dB.

    Returns
    -------
    Tensor, shape (batch, frames, bands)
    """
    return torch.logsumexp(stems.float() * DECIBEL, dim=1) / DECIBEL


def stem_decibel(mixture: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    """Bands of the stems in dB: the mixture's plus the log of each mask.

    Parameters
    ----------
    mixture : Tensor, shape (batch, frames, bands)
    logits : Tensor, shape (batch, stems, frames, bands)
        Of the bank.

    Returns
    -------
    Tensor, shape (batch, stems, frames, bands), clipped at the floor of `DB_RANGE`.
    """
    total = torch.logsumexp(with_residual(logits), dim=1, keepdim=True)
    masked = mixture[:, None] + (1 / DECIBEL) * (logits.float() - total)
    return masked.clamp(min=DB_RANGE[0])
