"""Training of the onset detectors: `adt train detectors`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from separation.bank import UNetBank

from ..config import made
from ..detectors import OnsetDetectors, stem_decibel
from ..errors import ConfigError
from ..network import aligned, load_network, pick_device
from ..weights import load_weights, save_weights
from . import provenance, ranges
from .dataset import batches, loader, training_maker, validation_clips
from .loop import fit, precision
from .validation import real_tracks, score

_THRESHOLD = 0.4  #: of validation, before the decoder


def onset_loss(outputs, batch, settings: dict) -> dict[str, torch.Tensor]:
    """Cross-entropy of soft onsets, and velocity and timing errors around onsets.

    Hits that cannot be heard (low weight) teach little.
    """
    weight, target = batch["weight"], batch["onset"]
    onset = (bce(outputs[:, 0], target, reduction="none") * weight).sum() / weight.sum()
    near = weight * (target > 0.3) * target
    count = near.sum().clamp(min=1.0)
    velocity = (near * (outputs[:, 1].sigmoid() - batch["velocity"]).square()).sum() / count
    offset = (near * (outputs[:, 2] - batch["offset"]).abs()).sum() / count
    total = 100 * onset + settings["velocity"] * 10 * velocity + settings["offset"] * offset
    return {"total": total, "onset": onset, "velocity": velocity, "offset": offset}


class BankAndDetectors:
    """Bank and detectors as one function of the mixture's bands."""

    def __init__(self, bank: UNetBank | None, dtype: torch.dtype = torch.bfloat16):
        self.bank, self.dtype = bank, dtype

    def stems(self, mixture: torch.Tensor) -> torch.Tensor | None:
        """Stem bands in dB, without gradient, None without a bank."""
        if self.bank is None:
            return None
        with torch.no_grad():
            return stem_decibel(mixture, self.bank(mixture))

    def activations(self, model: OnsetDetectors, mixture: torch.Tensor) -> np.ndarray:
        """Onset, velocity and offset, shape (batch, 3, frames, 9)."""
        with torch.no_grad(), torch.autocast(
                mixture.device.type, self.dtype, enabled=self.dtype != torch.float32):
            out = model(mixture, self.stems(mixture)).float()
        out[:, :2] = out[:, :2].sigmoid()
        return out.cpu().numpy()


def validate(model, heard: BankAndDetectors, clips, real, device) -> dict[str, float]:
    """F-measures (±50 ms, pooled) at one threshold, on renders and recordings."""
    def on_renders():
        for batch in batches(clips, 8):
            yield from heard.activations(model, batch["mixture"].to(device))

    def on_recordings():
        for kind, name, decibel, truth in real:
            mixture = torch.from_numpy(aligned(decibel))[None].to(device)
            yield kind, name, truth, heard.activations(model, mixture)[0][:, : len(decibel)]

    return score(zip(clips, on_renders()), on_recordings(), _THRESHOLD)


def warm_start(model: OnsetDetectors, tensors: dict) -> None:
    """Begin with the weights of other detectors of the same width.

    Detectors that also read stems begin as those that read the mixture alone: the
    filters on the stems are zero at first. Those that read stems alone lose the filters on
    the mixture. Dilated layers that the others lack begin as the identity.
    """
    own = model.state_dict()
    for name, tensor in tensors.items():
        if name not in own:
            raise ConfigError(f"start: the model has no {name}; its layers are others than those "
                              "of the weights: set model.dilations and model.exchange as there, or "
                              "give a --config that has them (detectors_long.yaml for the "
                              "packaged ones)")
        if own[name].shape == tensor.shape:
            own[name].copy_(tensor)
        elif own[name].ndim == 4 and own[name].shape[1] == 2 and tensor.shape[1] == 1:
            own[name][:, :1].zero_()
            own[name][:, 1:].copy_(tensor)
        elif (model.demix and model.beside == "nothing" and own[name].ndim == 4
              and (own[name].shape[1], tensor.shape[1]) == (1, 2)):
            own[name].copy_(tensor[:, :1])
        else:
            raise ConfigError(f"start: {name} has shape {tuple(tensor.shape)}, "
                              f"the model wants {tuple(own[name].shape)}")


def train_detectors(config: dict, data: Path, out: Path, resume: bool = False,
                    device: str = "auto") -> Path:
    """Train the detectors on a frozen bank's stems (or on the mixture) and write weights.

    Parameters
    ----------
    config : dict
        From ``configs/detectors.yaml``.
    data, out : path
    resume : bool
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    Path
        The weights file.
    """
    target = pick_device(device)
    data = Path(data)
    torch.manual_seed(config["train"]["seed"])
    bank = None
    if config["model"]["demix"]:
        bank = load_network(UNetBank, "bank", config["bank"] or "bank", target)[0]
    heard = BankAndDetectors(bank, precision(config["train"]))
    maker = training_maker(config, data)
    clips = validation_clips(config, data, config["data"]["validation_clips"])
    real = real_tracks(config, data)
    model = made(OnsetDetectors, config["model"])
    description = None
    if config["start"]:
        tensors, description = load_weights(config["start"])
        if description.get("kind") != "detectors":
            raise ConfigError(f"start: {config['start']} are weights of "
                              f"{description.get('kind')!r}, not of detectors")
        warm_start(model, tensors)

    def loss(m, batch):
        outputs = m(batch["mixture"], heard.stems(batch["mixture"]))
        return onset_loss(outputs, batch, config["loss"])

    averaged, figures = fit(
        model, loss, lambda first: loader(maker, config, first),
        lambda m: validate(m, heard, clips, real, target),
        provenance.with_data(config, maker), Path(out), target, resume)
    path = Path(out) / f"{config['name']}.safetensors"
    save_weights(path, averaged.state_dict(), {
        "kind": "detectors", "name": config["name"], "model": config["model"],
        "metrics": {"validation": figures},
        **provenance.describe(config, maker, description),
        **provenance.history(config, description)}, ranges.on_clips(averaged, clips, bank))
    return path
