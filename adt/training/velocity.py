"""Training of the velocities told from levels: `adt train velocity`.

Long clips of whole performances go through the finished bank and detectors; the hits found
are matched with the strokes played, and a small network learns their velocities from
`adt.velocity.features`. Parts of the clips count as songs of their own, some of them with one or
two of the pieces only, so that it learns what a few hits are worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.special import expit

from ..activations import Activations
from ..config import made
from ..decoder import Decoder, decode
from ..decoder.description import logit
from ..errors import ConfigError
from ..frames import FRAME_RATE
from ..hits import pick_hits
from ..levels import levels
from ..network import load_network, pick_device
from ..scoring import WINDOW
from ..toms.pitch import tom_bands
from ..velocity import N_FEATURES, VelocityNet, features
from ..vocabulary import PIECES
from ..weights import save_weights
from . import provenance
from .dataset import first_clips, training_maker, validation_clips
from .listener import Listener, strokes


@dataclass
class MatchedHits:
    """Hits that were found in one clip, and the velocities of the strokes they match.

    Attributes
    ----------
    level : ndarray, shape (frames, sources, groups)
    hits : ndarray, shape (n, 4)
        Time, piece, velocity and confidence.
    truth : ndarray, shape (n,)
        Velocity played, 0..1; NaN for a hit that nobody played.
    """

    level: np.ndarray
    hits: np.ndarray
    truth: np.ndarray

    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Features and velocities of the matched hits."""
        known = np.isfinite(self.truth)
        if not known.any():
            return np.zeros((0, N_FEATURES), np.float32), np.zeros(0)
        times, pieces, velocity, confidence = self.hits.T
        x = features(self.level, times, pieces.astype(np.int64), velocity, confidence)
        return x[known], self.truth[known]

    def part(self, rng: np.random.Generator, settings: dict) -> MatchedHits:
        """A part that is a song of its own.

        One or two of the pieces may be all that is played, with the most frequent velocities
        thinned (`even`), and the detectors' velocities may be too high or too low, as on a kit of
        another sound: levels must tell then.

        Parameters
        ----------
        rng : Generator
        settings : dict
            Section ``train`` of the config.
        """
        seconds = rng.uniform(*settings["crop_seconds"])
        start = rng.uniform(0, max(0.0, len(self.level) / FRAME_RATE - seconds))
        inside = (self.hits[:, 0] >= start) & (self.hits[:, 0] < start + seconds)
        alone = len(self.hits) > 0 and rng.random() < settings["alone"]
        if alone:
            played = np.unique(self.hits[:, 1])
            inside &= np.isin(self.hits[:, 1], rng.choice(
                played, min(len(played), rng.integers(1, 3)), replace=False))
            if rng.random() < settings["even"]:
                inside &= rng.random(len(inside)) < _evening(self.truth, inside)
        hits = self.hits[inside]
        if alone or rng.random() < settings["mistaken"]:
            hits[:, 2] = _mistaken(hits[:, 2], hits[:, 1].astype(np.int64), rng, settings)
        return MatchedHits(self.level, hits, self.truth[inside])


def _mistaken(velocity: np.ndarray, pieces: np.ndarray, rng: np.random.Generator,
              settings: dict) -> np.ndarray:
    """Velocities of the detectors, higher or lower and wider or narrower, by piece and in all."""
    result = logit(velocity)
    for piece in np.unique(pieces):
        mine = pieces == piece
        middle = result[mine].mean()
        wider = np.exp(settings["wider"] * rng.standard_normal())
        higher = settings["mistake"] * rng.standard_normal()
        result[mine] = middle + higher + wider * (result[mine] - middle)
    return expit(result + 0.5 * settings["mistake"] * rng.standard_normal())


def _evening(velocity: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Chances to keep hits so that no eighth of the velocities is more frequent than the median."""
    bins = np.nan_to_num(velocity * 7.99).astype(np.int64)
    counts = np.bincount(bins[inside & np.isfinite(velocity)], minlength=8)
    wanted = np.median(counts[counts > 0]) if counts.any() else 1.0
    chances = np.minimum(1.0, wanted / np.maximum(counts, 1))
    return np.where(np.isfinite(velocity), chances[bins], 1.0)


@torch.inference_mode()
def hear(listener: Listener, decoder: Decoder, clip: dict) -> dict[bool, MatchedHits]:
    """What is heard in a clip with demixing and without."""
    from mir_eval.util import match_events

    mixture = torch.from_numpy(clip["mixture"])[None].to(listener.device)
    stems, heard = listener(clip["mixture"])
    frames, pieces, velocities, _ = strokes(clip)
    result = {}
    for demix, (logits, velocity, offset) in heard.items():
        level = levels(mixture, stems if demix else None)[0].cpu().numpy()
        onset = expit(logits)
        toms = tom_bands(mixture, stems if demix else None)[0].cpu().numpy()
        song = Activations(onset, velocity, offset, len(onset) / FRAME_RATE, levels=level,
                           toms=toms, chance=decode(decoder, onset, level))
        hits = np.array(pick_hits(song).hits).reshape(-1, 4)
        truth = np.full(len(hits), np.nan)
        for piece in range(len(PIECES)):
            ours, theirs = np.flatnonzero(pieces == piece), np.flatnonzero(hits[:, 1] == piece)
            for i, j in match_events(frames[ours] / FRAME_RATE, hits[theirs, 0], WINDOW):
                truth[theirs[j]] = velocities[ours[i]]
        result[demix] = MatchedHits(level, hits, truth)
    return result


def _table(heard: list[MatchedHits], config: dict, rng) -> tuple[np.ndarray, np.ndarray]:
    """Features and velocities of all clips and of parts of them."""
    rows = []
    for clip in heard:
        rows.append(clip.features())
        rows += [clip.part(rng, config).features() for _ in range(config["crops"])]
    return np.concatenate([x for x, _ in rows]), np.concatenate([y for _, y in rows])


def _fit(model: VelocityNet, demix: bool, x: np.ndarray, y: np.ndarray, config: dict) -> None:
    """Train the members for stems or for the mixture, in place, each on its own batches."""
    name = "stems" if demix else "mixture"
    getattr(model, f"{name}_mean").copy_(torch.from_numpy(x.mean(axis=0)))
    getattr(model, f"{name}_scale").copy_(torch.from_numpy(x.std(axis=0) + 0.05))
    settings = config["train"]
    rate, steps = settings["learning_rate"], settings["steps"]
    mean, scale = (getattr(model, f"{name}_{what}") for what in ("mean", "scale"))
    inputs = ((torch.from_numpy(x) - mean) / scale).clamp(-5, 5)
    target = torch.from_numpy(y).float()
    model.train()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for such small tensors more only wait for each other
    for member in getattr(model, name):
        optimiser = torch.optim.AdamW(member.parameters(), rate,
                                      weight_decay=settings["weight_decay"])
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps + 1)
        for _ in range(steps):
            rows = torch.randint(len(inputs), (settings["batch"],))
            loss = torch.nn.functional.smooth_l1_loss(
                member(inputs[rows])[:, 0].sigmoid(), target[rows], beta=config["loss"]["beta"])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    model.eval()
    for member in getattr(model, name):
        _spread(member, inputs, target)
    torch.set_num_threads(threads)


@torch.inference_mode()
def _spread(member: torch.nn.Sequential, inputs: torch.Tensor, target: torch.Tensor) -> None:
    """Let a member's velocities reach as far as those played, in place.

    Where a network is unsure it says what is likely, so that soft strokes come out too hard and
    hard ones too soft: its logits are stretched to mean and deviation of those played.
    """
    told = member(inputs)[:, 0]
    played = torch.logit(target, 0.02)
    factor = played.std() / told.std()
    last = member[-1]
    last.bias.copy_((last.bias - told.mean()) * factor + played.mean())
    last.weight.mul_(factor)


@torch.inference_mode()
def validate(model: VelocityNet, heard: dict[bool, list[MatchedHits]]) -> dict[str, float]:
    """Median over pieces of the correlation of velocities, before (``network``) and after."""
    figures = {}
    for demix, clips in heard.items():
        before, after = [], []
        rows = [clip.features() for clip in clips]
        told = np.concatenate([model(torch.from_numpy(x), demix).numpy() for x, _ in rows])
        guess = np.concatenate([c.hits[np.isfinite(c.truth), 2] for c in clips])
        pieces = np.concatenate([c.hits[np.isfinite(c.truth), 1] for c in clips])
        truth = np.concatenate([y for _, y in rows])
        for piece in range(len(PIECES)):
            mine = pieces == piece
            if mine.sum() >= 3 and truth[mine].std() > 0:
                before.append(np.corrcoef(truth[mine], guess[mine])[0, 1])
                after.append(np.corrcoef(truth[mine], told[mine])[0, 1])
        name = "stems" if demix else "mixture"
        if after:
            figures[f"r_{name}_network"] = float(np.median(before))
            figures[f"r_{name}"] = float(np.median(after))
    return figures


def train_velocity(config: dict, data: Path, out: Path, device: str = "auto") -> Path:
    """Train on what the finished bank and detectors hear, and write weights.

    Parameters
    ----------
    config : dict
        From ``configs/velocity.yaml``.
    data, out : path
    device : str
        ``auto``, ``cpu`` or ``cuda``; of bank and detectors.

    Returns
    -------
    Path
        The weights file.
    """
    target, settings = pick_device(device), config["train"]
    torch.manual_seed(settings["seed"])
    model = made(VelocityNet, config["model"])
    listener = Listener(config, target)
    decoder = load_network(Decoder, "decoder", config["decoder"] or "decoder",
                           torch.device("cpu"))[0]
    maker = training_maker(config, Path(data))
    heard: dict[bool, list[MatchedHits]] = {True: [], False: []}
    for clip in first_clips(maker, config, config["data"]["clips"]):
        for demix, found in hear(listener, decoder, clip).items():
            heard[demix].append(found)
    for demix, clips in heard.items():
        x, y = _table(clips, settings, np.random.default_rng(settings["seed"]))
        if len(y) < 2:
            raise ConfigError(f"data.clips={config['data']['clips']}: no strokes in them were "
                              "found; take more clips")
        _fit(model, demix, x, y, config)
    unseen: dict[bool, list[MatchedHits]] = {True: [], False: []}
    for clip in validation_clips(config, Path(data), config["data"]["validation_clips"]):
        for demix, found in hear(listener, decoder, vars(clip)).items():
            unseen[demix].append(found)
    figures = validate(model, unseen)
    print(figures, flush=True)
    path = Path(out) / f"{config['name']}.safetensors"
    save_weights(path, model.state_dict(), {
        "kind": "velocity", "name": config["name"], "model": config["model"],
        "metrics": {"validation": figures}, **provenance.describe(config, maker),
        **provenance.history(config, None, f"{settings['steps']} steps on the hits of "
                             f"{config['data']['clips']} clips, seed {settings['seed']}")})
    return path
