"""Training of the beat network: `adt train beats`.

Beats are learned from strokes alone. Performances with known beats (Groove, MIDI songs,
generated parts) are read with the errors of a transcription: strokes missed, invented,
confused and out of place.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits as bce

from .. import __version__
from ..beats.bar_network import BarNetwork
from ..beats.beat_network import BeatNetwork, rasterise
from ..beats.tracking import BeatTracker
from ..config import made
from ..data.groove import read_groove
from ..data.rhythms import Rhythm, cut, generate, read_midi_songs, rhythm_of_groove, stretch
from ..errors import ConfigError, DataError
from ..frames import BEAT_FRAME_RATE
from ..network import pick_device
from ..vocabulary import PIECES
from ..weights import save_weights
from .endless import loader
from .loop import fit

ATTEMPTS = 1000  #: rhythms that are drawn for a clip
#: Pieces that a detector takes each piece for.
_CONFUSED = {"tom_high": ("tom_mid", "snare"), "tom_mid": ("tom_high", "tom_floor"),
             "tom_floor": ("tom_mid", "kick"), "hihat_closed": ("hihat_open", "ride"),
             "hihat_open": ("hihat_closed", "crash"), "ride": ("hihat_closed", "crash"),
             "crash": ("ride", "hihat_open"), "snare": ("hihat_closed", "tom_mid"),
             "kick": ("tom_floor", "tom_floor")}
_TAKEN_FOR = np.array([[PIECES.index(q) for q in _CONFUSED[p]] for p in PIECES])


def heard(rhythm: Rhythm, rng: np.random.Generator, settings: dict) -> tuple[np.ndarray, ...]:
    """(times, pieces, velocities, confidences) of a rhythm as detectors would hear it."""
    times, pieces = rhythm.times, rhythm.pieces.copy()
    velocities = rhythm.velocities
    n = len(times)
    missing = rng.uniform(*settings["miss"], len(PIECES)) * (rng.random(len(PIECES)) < 0.7)
    if rng.random() < 0.25:
        missing[rng.integers(len(PIECES))] = rng.uniform(0.6, 1.0)
    # Quiet strokes are missed first.
    chance = missing[pieces] * (1.6 - 1.2 * velocities)
    keep = rng.random(n) >= chance
    wrong = rng.random(n) < rng.uniform(0, settings["confuse"])
    pieces[wrong] = _TAKEN_FOR[pieces[wrong], rng.integers(0, 2, int(wrong.sum()))]
    times = times + rng.uniform(*settings["jitter"]) * rng.standard_normal(n)
    sure = np.clip(rng.normal(rng.uniform(0.7, 0.97), 0.12, n), 0.15, 1.0)
    loud = np.clip(velocities * rng.uniform(0.7, 1.2) + rng.uniform(0, 0.2)
                   * rng.standard_normal(n), 0.03, 1)
    times, pieces, loud, sure = times[keep], pieces[keep], loud[keep], sure[keep]
    seconds = settings["seconds"]
    count = rng.poisson(rng.uniform(0, settings["invent"]) * seconds)
    false = rng.uniform(0, seconds, count)
    if len(times) and rng.random() < 0.6:  # many false strokes fall on true ones
        false = rng.choice(times, count) + 0.005 * rng.standard_normal(count)
    times = np.concatenate([times, false])
    pieces = np.concatenate([pieces, rng.choice(len(PIECES), count,
                                                p=rng.dirichlet(np.full(len(PIECES), 0.5)))])
    loud = np.concatenate([loud, rng.uniform(0.05, 0.8, count)])
    sure = np.concatenate([sure, rng.uniform(0.15, 0.9, count)])
    return times, pieces, loud, sure


def targets(rhythm: Rhythm, n_frames: int) -> np.ndarray:
    """Beats and downbeats of every frame, shape (2, n_frames): 1 at a beat, .5 beside it."""
    out = np.zeros((2, n_frames), np.float32)
    for row, times in enumerate((rhythm.beats.times, rhythm.beats.downbeats)):
        frames = np.rint(times * BEAT_FRAME_RATE).astype(np.int64)
        for shift, value in ((-1, 0.5), (1, 0.5), (0, 1.0)):
            at = frames + shift
            at = at[(at >= 0) & (at < n_frames)]
            out[row, at] = np.maximum(out[row, at], value)
    return out


class BeatClips:
    """Draws training clips: ``grid`` (18, frames) and ``target`` (2, frames).

    Parameters
    ----------
    groove, midi : sequence of Rhythm
        Whole performances and songs.
    config : dict
        From ``configs/beats.yaml``.
    """

    def __init__(self, groove, midi, config: dict):
        self.groove, self.midi = list(groove), list(midi)
        self.settings, self.shares = config["randomise"], config["data"]["shares"]

    def _rhythm(self, rng: np.random.Generator) -> Rhythm:
        seconds = self.settings["seconds"]
        kind = rng.random()
        for name, among in (("groove", self.groove), ("midi", self.midi)):
            if kind < self.shares[name] and among:
                whole = among[rng.integers(len(among))]
                factor = np.exp(rng.uniform(*np.log(self.settings["stretch"])))
                whole = stretch(whole, factor)
                last = float(whole.beats.times[-1]) if len(whole.beats) else 0.0
                start = rng.uniform(0, max(0.0, last - seconds))
                start -= rng.uniform(0, 3) * (start == 0)
                return cut(whole, start, start + seconds)
            kind -= self.shares[name]
        return generate(rng, seconds)

    def __call__(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        low, high = self.settings["tempo"]
        for _ in range(ATTEMPTS):
            rhythm = self._rhythm(rng)
            if len(rhythm.times) >= 8 and low <= rhythm.beats.tempo <= high:
                break
        else:
            raise none_fits(self.settings)
        frames = int(self.settings["seconds"] * BEAT_FRAME_RATE)
        return {"grid": rasterise(*heard(rhythm, rng, self.settings), frames),
                "target": targets(rhythm, frames)}


def none_fits(settings: dict) -> ConfigError:
    """What ends a search for a clip that has no end."""
    return ConfigError(f"randomise.tempo={settings['tempo']}: none of {ATTEMPTS} rhythms has such "
                       "a tempo and enough strokes; set a wider range")


def long_enough(rhythm: Rhythm) -> bool:
    """Whether a rhythm has as many strokes and beats as validation takes."""
    return len(rhythm.times) >= 8 and len(rhythm.beats) >= 8


def validate(model: BeatNetwork, rhythms, settings: dict) -> dict[str, float]:
    """Mean F-measure (±70 ms) of beats on rhythms with simulated errors."""
    import mir_eval

    tracker = BeatTracker(beats=model, bars=BarNetwork(4, (1,)))
    scores = []
    for number, rhythm in enumerate(rhythms):
        rng = np.random.default_rng([77, number])
        rhythm = cut(rhythm, 0.0, settings["seconds"])
        if not long_enough(rhythm):
            continue
        found = tracker.decode(tracker.activations(
            *heard(rhythm, rng, settings), settings["seconds"])[:, 0])
        scores.append(mir_eval.beat.f_measure(rhythm.beats.times, found))
    return {"beat_f": float(np.mean(scores))}


def rhythms(config: dict, data: Path) -> tuple[list[Rhythm], list[Rhythm], list[Rhythm]]:
    """Performances of Groove and MIDI songs to train on, and both kinds to validate on.

    Raises
    ------
    DataError
        If Groove should train but has none to train on, or there are none to validate on.
    """
    root = data / config["data"]["groove"]
    groove, checked = ([rhythm_of_groove(p) for p in read_groove(root, split)
                        if p.beat_type == "beat" and p.duration > shortest]
                       for split, shortest in (("train", 6), ("validation", 20)))
    if not groove and config["data"]["shares"]["groove"]:
        raise DataError(f"{root / 'info.csv'}: no long performances of the split train; give the "
                        "whole Groove MIDI Dataset, or set data.shares.groove=0")
    songs = [s for folder in config["data"]["midi"] or () for s in read_midi_songs(data / folder)]
    order = np.random.default_rng(0).permutation(len(songs))
    held = order[: int(config["data"]["held_out"] * len(songs))]
    rest = np.sort(order[len(held):])
    checked += [songs[i] for i in held]
    if not any(long_enough(cut(r, 0.0, config["randomise"]["seconds"])) for r in checked):
        raise DataError(f"{root / 'info.csv'}: no long performances of the split validation, and "
                        "no MIDI songs are held out; give the whole Groove MIDI Dataset, or set "
                        "data.held_out higher")
    return groove, [songs[i] for i in rest], checked


def described(config: dict, groove, songs) -> dict:
    """Hyper-parameters, settings, training data and licence, for the metadata of weights."""
    return {
        "name": config["name"], "model": config["model"], "licence": config["licence"],
        "adt_version": __version__, "train": config["train"], "randomise": config["randomise"],
        "data": config["data"], "loss": config["loss"],
        "training_data": {
            "performances": f"Groove MIDI Dataset, split train ({len(groove)})",
            "songs": f"{len(songs)} MIDI songs with drums "
                     f"({', '.join(map(str, config['data']['midi'] or ()))})",
            "generated": "drum parts of adt.data.rhythms"}}


def train_beats(config: dict, data: Path, out: Path, resume: bool = False,
                device: str = "auto") -> Path:
    """Train the beat network and write its weights.

    Parameters
    ----------
    config : dict
        From ``configs/beats.yaml``.
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

    make = BeatClips(groove, songs, config)

    def loss(model, batch):
        logits = model(batch["grid"])
        beat = bce(logits[:, 0], batch["target"][:, 0])
        downbeat = bce(logits[:, 1], batch["target"][:, 1])
        return {"total": 10 * (beat + config["loss"]["downbeat"] * downbeat), "beat": beat,
                "downbeat": downbeat}

    averaged, figures = fit(
        made(BeatNetwork, config["model"]), loss, lambda first: loader(make, config, first),
        lambda model: validate(model, checked, config["randomise"]),
        config, Path(out), target, resume)
    path = Path(out) / f"{config['name']}.safetensors"
    save_weights(path, averaged.state_dict(), {
        "kind": "beats", "metrics": {"validation": figures},
        **described(config, groove, songs)})
    return path
