"""One U-Net of the bank in integers of eight bits, see `adt.integers`.

What is added must be in steps of one size. So the size for a level is that of its skip, or of what
comes from the deeper level if that needs larger ones; sums of two have eight bits, and the
weights of the layer that takes them seven.
"""

from __future__ import annotations

from typing import Mapping

import torch
from torch import nn

from adt.grouped import replaced
from adt.integers import HALF, TOP, Convolution, counted, in_steps, steps

_CENTRE = (TOP + 1) // 2  #: zero of what comes from the deeper level, which may be negative


class IntegerNet(nn.Module):
    """A U-Net that computes as one of the bank's does, to within rounding.

    Parameters
    ----------
    net : Module
        With the layers of `separation.bank.UNetBank`, of one group.
    largest : mapping of str to Tensor
        Largest activations of the channels of `UNetBank.measured`, of this net.
    """

    def __init__(self, net: nn.Module, largest: Mapping[str, torch.Tensor]):
        super().__init__()
        depth = len(net.narrow)
        ends = [largest["enter.1"]] + [largest[f"down.{i}.1"] for i in range(depth)]
        levels = [steps(end, largest[f"narrow.{i}"] * (TOP / _CENTRE))
                  for i, end in enumerate(ends[:-1])]
        levels.append(steps(ends[-1], largest["deep.1"]))
        outs = [steps(largest[f"up.{i}"]) for i in range(depth)]

        entered = steps(largest["enter.0"])
        self.enter = replaced(nn.Sequential(in_steps(net.enter[0][0], entered)))
        self.down = nn.ModuleList([Convolution(net.enter[1][0], entered, levels[0])])
        for i, (down, taken, given) in enumerate(zip(net.down, levels, levels[1:])):
            inner = steps(largest[f"down.{i}.0"])
            self.down.append(nn.Sequential(Convolution(down[0][0], taken, inner),
                                           Convolution(down[1][0], inner, given)))
        inner = steps(largest["deep.0"])
        self.deep = nn.Sequential(Convolution(net.deep[0][0], levels[-1], inner),
                                  Convolution(net.deep[1][0], inner, levels[-1]))
        below = [*outs[1:], levels[-1]]
        self.narrow = nn.ModuleList(
            Convolution(narrow, below[i], levels[i], HALF if i == depth - 1 else TOP,
                        centre=_CENTRE)
            for i, narrow in enumerate(net.narrow))
        self.up = nn.ModuleList(
            Convolution(up[0], levels[i], outs[i], HALF, zero=_CENTRE)
            for i, up in enumerate(net.up))
        self.leave = Convolution(net.leave, outs[0])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scaled bands (batch, 1, frames, bands) → mask logits (batch, 2, frames, bands / 2)."""
        x = counted(self.enter(x))
        found = []
        for down in self.down:
            x = down(x)
            found.append(x)
        x = found.pop()
        x = x + self.deep(x)
        for narrow, up in zip(reversed(self.narrow), reversed(self.up)):
            skip = found.pop()
            x = nn.functional.interpolate(narrow(x), size=skip.shape[2:], mode="nearest")
            x = up(x.add_(skip))
        return self.leave(x)
