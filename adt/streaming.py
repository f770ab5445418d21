"""Layers over frames for a song that comes in parts.

A layer that reads frames to come says nothing about the last ones of a part until the next
part is there, and keeps of each part what the next one needs. So no frame is computed twice,
memory does not grow with the song, and nothing tells where parts meet.
"""

from __future__ import annotations

from typing import Callable, Sequence

import torch
from torch import nn

Layer = Callable[[torch.Tensor], torch.Tensor]


class Streamed:
    """A layer that takes the parts of one song one after the other.

    Parameters
    ----------
    layer : callable
        Tensor → tensor that has `reach` frames fewer at either end.
    reach : int
        Frames either side that a frame depends on; before and after the song they are zeros.
    axis : int
        Of frames, both in what the layer takes and in what it gives, counted from the last (-1).
    """

    def __init__(self, layer: Layer, reach: int = 0, axis: int = -1):
        self.layer, self.reach, self.axis = layer, reach, axis
        self._held: torch.Tensor | None = None

    def __call__(self, part: torch.Tensor | None, last: bool = False) -> torch.Tensor | None:
        """What is known when a part has come.

        Parameters
        ----------
        part : Tensor, or None
            Any number of frames; None for none.
        last : bool
            There are no more.

        Returns
        -------
        Tensor, or None
            The next frames: as many altogether as those of the parts. None if none is known yet.
        """
        if part is None or not self.reach:
            return None if part is None else self.layer(part)
        whole = part if self._held is None else torch.cat([self._held, part], dim=self.axis)
        edges = self.reach * (self._held is None), self.reach * last
        if any(edges):  # padding keeps the layout in memory
            whole = nn.functional.pad(whole, (0, 0) * (-1 - self.axis) + edges)
        known = whole.shape[self.axis] - 2 * self.reach
        if known <= 0:
            self._held = whole
            return None
        self._held = whole.narrow(self.axis, known, 2 * self.reach).clone()
        return self.layer(whole)


def through(layers: Sequence[Streamed], part: torch.Tensor | None,
            last: bool) -> torch.Tensor | None:
    """What is known of a song behind several layers when a part has come."""
    for layer in layers:
        part = layer(part, last)
    return part
