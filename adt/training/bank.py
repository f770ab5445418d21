"""Training of the separation bank: `adt train bank`."""

from __future__ import annotations

from pathlib import Path

import torch

from separation import WIENER
from separation.bank import UNetBank, masks, with_residual

from ..config import made
from ..errors import ConfigError
from ..network import pick_device
from ..vocabulary import STEMS
from ..weights import load_weights, save_weights
from . import provenance, ranges
from .dataset import batches, loader, training_maker, validation_clips
from .loop import fit
from .widening import widen


def mask_loss(logits, batch, settings: dict) -> dict[str, torch.Tensor]:
    """Cross-entropy of soft masks against the true shares of power, and SDR.

    The minimum of the first is the expected share of each source, which is the Wiener gain; loud
    bands weigh more (power to ``level_exponent``), silence a little (``quiet_weight``), so that
    masks are sane everywhere. The second has the weight ``sdr``, see `sdr_loss`.
    """
    shares = batch["shares"]
    rest = (1.0 - shares.sum(dim=1, keepdim=True)).clamp(min=0.0)
    target = torch.cat([shares, rest], dim=1)
    log_masks = with_residual(logits).log_softmax(dim=1)
    weight = 10 ** (batch["mixture"] / 10 * settings["level_exponent"]) + settings["quiet_weight"]
    entropy = -(target * log_masks).sum(dim=1)
    best = -(target * target.clamp(min=1e-6).log()).sum(dim=1)
    masked = ((entropy - best) * weight).sum() / weight.sum()
    if not settings["sdr"]:
        return {"total": masked}
    sdr = sdr_loss(logits, batch["mixture"], target)
    return {"total": masked + settings["sdr"] * sdr, "masks": masked, "sdr": sdr}


def sdr_loss(logits: torch.Tensor, mixture: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Negative SDR that stems will have, cut out by masks as `separation.Separator` sharpens them.

    In units of 10 dB, the mean over clips, stems and residual. The sources' phases are taken
    for independent: where a source has the share t of the power P, a gain g leaves the error
    P ((1 − g)² t + g² (1 − t)). What lies 40 dB under the mixture is nothing.

    Parameters
    ----------
    logits : Tensor, shape (batch, stems, frames, bands)
    mixture : Tensor, shape (batch, frames, bands)
        dB.
    target : Tensor, shape (batch, stems + 1, frames, bands)
        True shares of power, the residual's last.
    """
    power = 10 ** (mixture[:, None].float() / 10)
    target = target.float()
    gains = (with_residual(logits) * (WIENER / 2)).softmax(dim=1)
    error = (((1 - gains).square() * target + gains.square() * (1 - target)) * power).sum((2, 3))
    truth = (target * power).sum((2, 3))
    floor = 1e-4 * power.sum((2, 3))
    return ((error + floor) / (truth + floor)).log10().mean()


@torch.inference_mode()
def validate(model: UNetBank, clips, device) -> dict[str, float]:
    """Gain in SDR of band magnitudes over the mixture's, per stem and mean, in dB."""
    gains: list[list[float]] = [[] for _ in STEMS]
    for batch in batches(clips, 8):
        mixture = batch["mixture"].to(device)
        power = 10 ** (mixture / 10)
        estimate = masks(model(mixture))[:, :-1]
        mix = power[:, None].sqrt()
        truth = (batch["shares"].to(device).float() * power[:, None]).sqrt()
        error = (mix * estimate.sqrt() - truth).square().sum((2, 3))
        nothing = (mix - truth).square().sum((2, 3))
        playing = truth.square().sum((2, 3)) > 1e-4 * power.sum((1, 2))[:, None]
        gain = 10 * torch.log10((nothing + 1e-6) / (error + 1e-6))
        for stem in range(len(STEMS)):
            gains[stem] += gain[:, stem][playing[:, stem]].tolist()
    means = {f"nsdr_{s}": sum(g) / len(g) if g else 0.0 for s, g in zip(STEMS, gains)}
    heard = sum(1 for g in gains if g)
    return {"nsdr": sum(means.values()) / max(1, heard), **means}


def begin(model: UNetBank, start: str) -> dict:
    """Give a bank the weights of another with as many channels or fewer.

    Parameters
    ----------
    model : UNetBank
    start : str
        Name of weights in the package, or a file.

    Returns
    -------
    dict
        What the weights say of themselves.

    Raises
    ------
    ConfigError
        If they have more channels, or not as many levels, or are of another network.
    """
    tensors, description = load_weights(start)
    levels = len(description["model"].get("widths", model.widths))
    if levels != len(model.widths):
        raise ConfigError(f"start: {start} are weights of {levels} levels; give "
                          "model.widths as many")
    widen(model, tensors, len(STEMS))
    return description


def train_bank(config: dict, data: Path, out: Path, resume: bool = False,
               device: str = "auto") -> Path:
    """Train the bank and write its weights.

    Parameters
    ----------
    config : dict
        From ``configs/bank.yaml``, see `adt.config.load_config`.
    data : path
        Folder below which the config's ``data`` section looks.
    out : path
        Folder for checkpoint, log, curves and weights.
    resume : bool
    device : str
        ``auto``, ``cpu`` or ``cuda``.

    Returns
    -------
    Path
        The weights file.

    Raises
    ------
    ConfigError
        If it cannot begin with the weights of ``start``, see `begin`.
    """
    target = pick_device(device)
    torch.manual_seed(config["train"]["seed"])
    maker = training_maker(config, Path(data))
    clips = validation_clips(config, Path(data), config["data"]["validation_clips"])
    model = made(UNetBank, config["model"])
    description = None
    if config["start"]:
        description = begin(model, config["start"])
    averaged, figures = fit(
        model, lambda m, batch: mask_loss(m(batch["mixture"]), batch, config["loss"]),
        lambda first: loader(maker, config, first), lambda m: validate(m, clips, target),
        provenance.with_data(config, maker), Path(out), target, resume)
    path = Path(out) / f"{config['name']}.safetensors"
    save_weights(path, averaged.state_dict(), {
        "kind": "bank", "name": config["name"], "model": config["model"],
        "metrics": {"validation renders": figures},
        **provenance.describe(config, maker, description),
        **provenance.history(config, description)}, ranges.on_clips(averaged, clips))
    return path
