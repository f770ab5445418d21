"""Training of the onset detectors: `adt train detectors`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from separation.bank import UNetBank

from ..detectors import OnsetDetectors, stem_decibel
from ..errors import ConfigError
from ..features import audio_to_bands, reference_level, to_decibel
from ..frames import FRAME_RATE
from ..network import aligned, load_network, pick_device
from ..peaks import pick_peaks
from ..scoring import Scores, events
from ..vocabulary import MIN_HIT_DISTANCE, PIECES
from ..weights import load_weights, save_weights
from . import provenance
from .dataset import batches, loader, training_maker, validation_clips
from .loop import fit

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


class Heard:
    """Bank and detectors as one function of the mixture's bands."""

    def __init__(self, bank: UNetBank | None):
        self.bank = bank

    def stems(self, mixture: torch.Tensor) -> torch.Tensor | None:
        """Stem bands in dB, without gradient, None without a bank."""
        if self.bank is None:
            return None
        with torch.no_grad():
            return stem_decibel(mixture, self.bank(mixture))

    def activations(self, model: OnsetDetectors, mixture: torch.Tensor) -> np.ndarray:
        """Onset, velocity and offset, shape (batch, 3, frames, 9)."""
        with torch.no_grad(), torch.autocast(mixture.device.type, torch.bfloat16):
            out = model(mixture, self.stems(mixture)).float()
        out[:, :2] = out[:, :2].sigmoid()
        return out.cpu().numpy()


def _real_tracks(folder: Path):
    """(name, bands in dB, reference events) of annotated recordings, songs and drums."""
    from ..audio import stream
    from ..data.mdb import read_mdb

    tracks = []
    for track in read_mdb(folder):
        truth = events(track.times, track.pieces, 5)
        for kind, path in (("drums", track.drums), ("song", track.mix)):
            if path is not None:
                bands = audio_to_bands(stream(path))
                tracks.append((kind, track.name, to_decibel(bands, reference_level(bands)), truth))
    return tracks


def _hits(activations: np.ndarray, n_classes: int):
    hits = pick_peaks(*activations, _THRESHOLD)
    return events([h[0] for h in hits], [PIECES[h[1]] for h in hits], n_classes, MIN_HIT_DISTANCE)


def validate(model, heard: Heard, clips, real, device) -> dict[str, float]:
    """F-measures (±50 ms, pooled) at one threshold, on renders and recordings."""
    nine, five = Scores(9), Scores(5)
    i = 0
    for batch in batches(clips, 8):
        out = heard.activations(model, batch["mixture"].to(device))
        for activations in out:
            clip = clips[i]
            hits = pick_peaks(*forgiven(activations, clip), _THRESHOLD)
            for scores, n in ((nine, 9), (five, 5)):
                scores.update(str(i), clip_events(clip, n),
                              events([h[0] for h in hits], [PIECES[h[1]] for h in hits], n))
            i += 1
    figures = {"f9_renders": pooled(nine), "f5_renders": pooled(five)}
    by_kind: dict[str, Scores] = {}
    for kind, name, decibel, truth in real:
        mixture = torch.from_numpy(aligned(decibel))[None].to(device)
        out = heard.activations(model, mixture)[0][:, : len(decibel)]
        by_kind.setdefault(kind, Scores(5)).update(name, truth, _hits(out, 5))
    return {**figures, **{f"f5_real_{k}": pooled(s) for k, s in by_kind.items()}}


def pooled(scores: Scores, window: float = 0.05) -> float:
    """Pooled F-measure over all classes and tracks."""
    tp, fp, fn = scores.counts(window).sum(axis=0)
    return float(2 * tp / max(1e-9, 2 * tp + fp + fn))


def forgiven(activations: np.ndarray, clip) -> np.ndarray:
    """Activations with those silenced where nobody could tell whether there is a hit."""
    return np.concatenate([activations[:1] * (clip.weight == 1), activations[1:]])


def clip_events(clip, n_classes: int):
    """Reference events of a clip that can be heard, from its frame-wise labels."""
    times, pieces = [], []
    for piece in range(len(PIECES)):
        column = clip.onset[:, piece] * (clip.weight[:, piece] == 1)
        near = (clip.offset[:, piece] > -0.5) & (clip.offset[:, piece] <= 0.5)
        for frame in np.nonzero((column > 0.75) & near)[0]:
            times.append((frame + clip.offset[frame, piece]) / FRAME_RATE)
            pieces.append(PIECES[piece])
    return events(times, pieces, n_classes)


def warm_start(model: OnsetDetectors, tensors: dict) -> None:
    """Begin with the weights of other detectors of the same width.

    Detectors that also read stems begin as those that read the mixture alone: the
    filters on the stems are zero at first. Dilated layers that the others lack begin as
    the identity.
    """
    own = model.state_dict()
    for name, tensor in tensors.items():
        if name not in own:
            raise ConfigError(f"start: the model has no {name}; use weights of the same width")
        if own[name].shape == tensor.shape:
            own[name].copy_(tensor)
        elif own[name].ndim == 4 and own[name].shape[1] == 2 and tensor.shape[1] == 1:
            own[name][:, :1].zero_()
            own[name][:, 1:].copy_(tensor)
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
    heard = Heard(bank)
    maker = training_maker(config, data)
    clips = validation_clips(config, data, config["data"]["validation_clips"])
    folder = data / config["data"]["real"]
    real = _real_tracks(folder) if folder.is_dir() else []
    model = OnsetDetectors(**config["model"])
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
        config["train"], Path(out), target, resume)
    path = Path(out) / f"{config['name']}.safetensors"
    save_weights(path, averaged.state_dict(), {
        "kind": "detectors", "name": config["name"], "model": config["model"],
        "metrics": {"validation": figures},
        **provenance.describe(config, maker), **provenance.history(config, description)})
    return path
