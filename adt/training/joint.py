"""Training of bank and detectors side by side: `adt train joint`.

Every clip teaches both: the bank learns to separate it, the detectors to read the stems
that the bank makes of it at that moment. Where making clips takes longer than learning from
them, as on a large GPU, this is both trainings for the price of one; and detectors hear the stems
of a bank that keeps changing, not the habits of one.
"""

from __future__ import annotations

from pathlib import Path

import torch

from separation.bank import UNetBank

from ..config import made
from ..detectors import OnsetDetectors, stem_decibel
from ..network import pick_device
from ..vocabulary import STEMS
from ..weights import load_weights, save_weights
from . import bank as banks
from . import detectors, provenance, ranges
from .dataset import loader, training_maker, validation_clips
from .loop import fit, precision
from .validation import real_tracks
from .widening import widen


class Joint(torch.nn.Module):
    """Bank and detectors; the detectors' errors do not reach the bank.

    Parameters
    ----------
    bank : UNetBank
    detectors : OnsetDetectors
        With demixing.
    """

    def __init__(self, bank: UNetBank, detectors: OnsetDetectors):
        super().__init__()
        self.bank, self.detectors = bank, detectors

    def forward(self, mixture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mask logits and activations, see the two networks."""
        logits = self.bank(mixture)
        return logits, self.detectors(mixture, stem_decibel(mixture, logits.detach()))


def train_joint(config: dict, data: Path, out: Path, resume: bool = False,
                device: str = "auto") -> Path:
    """Train bank and detectors on the same clips and write both weights.

    Parameters
    ----------
    config : dict
        From ``configs/joint.yaml``.
    data, out : path
    resume : bool
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    Path
        The folder of the weights files, ``bank.safetensors`` and ``detectors.safetensors``.
    """
    target = pick_device(device)
    data, out = Path(data), Path(out)
    torch.manual_seed(config["train"]["seed"])
    model = Joint(made(UNetBank, config["model"]["bank"], "model.bank"),
                  made(OnsetDetectors, config["model"]["detectors"], "model.detectors"))
    before = {}
    if config["start"]["bank"]:
        before["bank"] = banks.begin(model.bank, config["start"]["bank"])
    if config["start"]["detectors"]:
        tensors, before["detectors"] = load_weights(config["start"]["detectors"])
        widen(model.detectors, tensors, len(STEMS))
    maker = training_maker(config, data)
    clips = validation_clips(config, data, config["data"]["validation_clips"])
    real = real_tracks(config, data)

    def loss(m, batch):
        logits, activations = m(batch["mixture"])
        masks = banks.mask_loss(logits, batch, config["loss"])["total"]
        onsets = detectors.onset_loss(activations, batch, config["loss"])
        return {**onsets, "total": onsets["total"] + config["loss"]["bank"] * masks,
                "masks": masks}

    def validate(m):
        heard = detectors.BankAndDetectors(m.bank, precision(config["train"]))
        return {**banks.validate(m.bank, clips, target),
                **detectors.validate(m.detectors, heard, clips, real, target)}

    averaged, figures = fit(model, loss, lambda first: loader(maker, config, first), validate,
                            provenance.with_data(config, maker), out, target, resume)
    for name, network in averaged.named_children():
        save_weights(out / f"{name}.safetensors", network.state_dict(), {
            "kind": name, "name": name, "model": config["model"][name],
            "metrics": {"validation": figures},
            **provenance.describe(config, maker, before.get(name)),
            **provenance.history(config, before.get(name))},
            ranges.on_clips(network, clips, averaged.bank if name == "detectors" else None))
    return out
