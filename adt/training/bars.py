"""Training of the bar network: `adt train bars`.

The same performances as for the beat network, heard with the same errors, with beats
that are a little out of place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from ..beats.bar_network import BarNetwork, by_beat
from ..config import made
from ..data.rhythms import Rhythm, cut, generate, stretch
from ..errors import ConfigError
from ..network import pick_device
from ..weights import save_weights
from .beats import ATTEMPTS, described, heard, long_enough, none_fits, rhythms
from .endless import loader
from .loop import fit

_SHORTEST = 8  #: beats


class BarClips:
    """Draws training clips: ``features`` (216, beats), ``target`` and ``inside`` (beats,).

    Parameters
    ----------
    groove, midi : sequence of Rhythm
        Whole performances and songs.
    config : dict
        From ``configs/bars.yaml``.
    """

    def __init__(self, groove, midi, config: dict):
        self.sources = {"groove": list(groove), "midi": list(midi)}
        self.settings, self.shares = config["randomise"], config["data"]["shares"]
        if self.settings["beats"][1] < _SHORTEST:
            raise ConfigError(f"randomise.beats={self.settings['beats']}: clips of {_SHORTEST} "
                              "beats are the shortest to learn from")

    def _whole(self, rng: np.random.Generator) -> Rhythm:
        kind = rng.random()
        for name, among in self.sources.items():
            if kind < self.shares[name] and among:
                factor = np.exp(rng.uniform(*np.log(self.settings["stretch"])))
                return stretch(among[rng.integers(len(among))], factor)
            kind -= self.shares[name]
        return generate(rng, rng.uniform(20, 90))

    def __call__(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        low, high = self.settings["beats"]
        features = None
        for _ in range(ATTEMPTS):
            whole = self._whole(rng)
            count = int(rng.integers(low, high + 1))
            start = 0 if rng.random() < self.settings["begin"] else int(
                rng.integers(0, max(1, len(whole.beats) - low)))
            times = whole.beats.times[start:start + count]
            slow, fast = self.settings["tempo"]
            if len(times) < _SHORTEST or not slow <= 60 / np.median(np.diff(times)) <= fast:
                continue
            part = cut(whole, times[0] - 0.05, times[-1] + 0.05)
            if len(part.times) < 8:
                continue
            strokes = heard(part, rng, {**self.settings, "seconds": times[-1] - times[0] + 0.1})
            beats = part.beats.times + rng.uniform(0, 0.012) * rng.standard_normal(len(part.beats))
            if (np.diff(beats) > 0.05).all():
                features = by_beat(*strokes, beats)
                break
        if features is None:
            raise none_fits(self.settings)
        n = features.shape[1]
        out = {"features": np.zeros((features.shape[0], high), np.float32),
               "target": np.zeros(high, np.float32), "inside": np.zeros(high, np.float32)}
        out["features"][:, :n] = features
        out["target"][:n] = part.beats.positions == 1
        out["inside"][:n] = 1
        return out


def validate(model: BarNetwork, checked, settings: dict) -> dict[str, float]:
    """F-measure of downbeats among known beats, and share of songs of the right metre."""
    from ..beats.tracking import bar_positions

    scores, right = [], []
    for number, rhythm in enumerate(checked):
        rng = np.random.default_rng([78, number])
        rhythm = cut(rhythm, 0.0, settings["seconds"])
        if not long_enough(rhythm):
            continue
        features = by_beat(*heard(rhythm, rng, settings), rhythm.beats.times)
        found = bar_positions(model.downbeats(features)) == 1
        truth = rhythm.beats.positions == 1
        scores.append(2 * (found & truth).sum() / max(1, found.sum() + truth.sum()))
        right.append(np.diff(np.flatnonzero(found)).tolist()[:1] == [rhythm.beats.metre])
    return {"downbeat_f": float(np.mean(scores)), "metre": float(np.mean(right))}


def train_bars(config: dict, data: Path, out: Path, resume: bool = False,
               device: str = "auto") -> Path:
    """Train the bar network and write its weights.

    Parameters
    ----------
    config : dict
        From ``configs/bars.yaml``.
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
    torch.manual_seed(config["train"]["seed"])
    groove, songs, checked = rhythms(config, Path(data))

    make = BarClips(groove, songs, config)

    def loss(model, batch):
        each = bce(model(batch["features"], batch["inside"]), batch["target"], reduction="none")
        return {"total": (each * batch["inside"]).sum() / batch["inside"].sum()}

    averaged, figures = fit(
        made(BarNetwork, config["model"]), loss, lambda first: loader(make, config, first),
        lambda model: validate(model, checked, config["randomise"]),
        config, Path(out), target, resume)
    path = Path(out) / f"{config['name']}.safetensors"
    save_weights(path, averaged.state_dict(), {
        "kind": "bars", "metrics": {"validation": figures},
        **described(config, groove, songs)})
    return path
