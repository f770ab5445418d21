"""Largest activations of networks' layers: what `adt.integers` needs beside weights.

Trainings measure them on their validation clips when they end; `adt train ranges` does for weights
that are there already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Iterable, Sequence

import torch

from separation.bank import UNetBank

from ..config import made
from ..detectors import OnsetDetectors, stem_decibel
from ..errors import ConfigError
from ..network import load_network, pick_device
from ..weights import load_weights, save_weights
from .dataset import batches, validation_clips
from .spectral import Clip

_KINDS = {"bank": UNetBank, "detectors": OnsetDetectors}
_BATCH = 4  #: clips at a time


@torch.inference_mode()
def largest(model: UNetBank | OnsetDetectors,
            inputs: Iterable[tuple[torch.Tensor, ...]]) -> dict[str, torch.Tensor]:
    """Largest activation of every channel of the layers that a network names in ``measured``.

    Parameters
    ----------
    model : UNetBank or OnsetDetectors
        Not taken apart.
    inputs : iterable of tuple of Tensor
        What it is called with.

    Returns
    -------
    dict of str to Tensor, shape (channels,)
    """
    found: dict[str, torch.Tensor] = {}

    def keep(name):
        def hook(layer, given, out):
            most = out.float().abs().amax(dim=(0, 2, 3))
            found[name] = torch.maximum(found[name], most) if name in found else most
        return hook

    hooks = [layer.register_forward_hook(keep(name))
             for name, layer in model.measured().items()]
    training = model.training
    model.eval()
    for given in inputs:
        model(*given)
    model.train(training)
    for hook in hooks:
        hook.remove()
    return {name: values.cpu() for name, values in found.items()}


@torch.inference_mode()
def on_clips(model: UNetBank | OnsetDetectors, clips: list[Clip],
             bank: UNetBank | None = None) -> dict[str, torch.Tensor]:
    """`largest` on clips, whose stems are those of a bank where detectors read stems."""
    device = next(model.parameters()).device
    mixtures = (batch["mixture"].to(device, torch.float32) for batch in batches(clips, _BATCH))
    if bank is None:
        return largest(model, ((mixture,) for mixture in mixtures))
    return largest(model, ((mixture, stem_decibel(mixture, bank(mixture)))
                           for mixture in mixtures))


def measure_ranges(paths: Sequence[Path | str], config: dict, data: Path, out: Path,
                   device: str = "auto") -> list[Path]:
    """Write weights anew, with the largest activations on a config's validation clips.

    Parameters
    ----------
    paths : sequence of path
        Weights of banks and detectors, or names of packaged models.
    config : dict
        Its ``data``, ``randomise`` and, for detectors that read stems, ``bank`` count.
    data : path
    out : path
        The folder to write to.
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    list of Path
        The weights files, of the same names.

    Raises
    ------
    ConfigError
        If weights are of another kind, or two have one name.
    """
    target = pick_device(device)
    loaded = {Path(path).stem: load_weights(path) for path in paths}
    if len(loaded) < len(paths):
        raise ConfigError("two of the weights have one name, and so one file to write to; give "
                          "them one after the other, with an --out each")
    for name, (_, description) in loaded.items():
        if description.get("kind") not in _KINDS:
            raise ConfigError(f"{name}: weights of {description.get('kind')!r}, which compute in "
                              f"floats; give weights of {' or '.join(_KINDS)}")
    clips = validation_clips(config, Path(data), config["data"]["validation_clips"])
    written = []
    for name, (tensors, description) in loaded.items():
        model = made(_KINDS[description["kind"]], description["model"])
        model.load_state_dict(tensors, strict=False)
        bank = load_network(UNetBank, "bank", config["bank"] or "bank", target)[0] \
            if getattr(model, "demix", False) else None
        found = on_clips(model.to(target), clips, bank)
        written.append(Path(out) / f"{name}.safetensors")
        save_weights(written[-1], tensors, description, found)
    return written
