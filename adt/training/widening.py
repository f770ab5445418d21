"""Wider networks that begin as narrower ones: what these know is not learned again.

Chen et al., "Net2Net: Accelerating learning via knowledge transfer", ICLR 2016, but new channels
are drawn at random instead of copied: nothing that was there hears them at first.
"""

from __future__ import annotations

import torch

from ..errors import ConfigError


def widen(model: torch.nn.Module, tensors: dict[str, torch.Tensor], groups: int) -> None:
    """Give a network the weights of one of its kind with fewer channels, or as many.

    It computes what the other does. Layers that the other lacks stay as they are.

    Parameters
    ----------
    model : Module
        Of convolutions and batch norms only.
    tensors : dict of str to Tensor
        State of the narrower network.
    groups : int
        Networks side by side that either is made of.

    Raises
    ------
    ConfigError
        If the other has layers that this one lacks, more channels, or an exchange (in which
        channels of all networks meet) and other channels.
    """
    own = model.state_dict()
    for name, tensor in tensors.items():
        if name not in own:
            raise ConfigError(f"start: the network has no {name}")
        new = own[name]
        if new.shape == tensor.shape:
            new.copy_(tensor)
            continue
        if new.ndim != tensor.ndim or any(len(x) % groups for x in (new, tensor)) \
                or any(a < b for a, b in zip(new.shape, tensor.shape)) \
                or new.shape[2:] != tensor.shape[2:] or name.startswith("exchange."):
            raise ConfigError(f"start: {name} has shape {tuple(tensor.shape)}, "
                              f"the network wants {tuple(new.shape)}")
        wide = new.unflatten(0, (groups, -1))
        old = tensor.unflatten(0, (groups, -1))
        outputs = old.shape[1]
        if new.ndim > 1:
            inputs = old.shape[2]
            wide[:, :outputs, inputs:] = 0
            wide[:, :outputs, :inputs] = old
        else:
            wide[:, :outputs] = old
