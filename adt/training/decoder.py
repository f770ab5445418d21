"""Training of the decoder: `adt train decoder`.

Long clips go through the finished bank and detectors once, and what these say is kept beside the
strokes played (``heard.npz``). Windows of it, in which each stem's peaks are raised or lowered and
strokes leak from stem to stem as recordings of another kind would make them (`unsettle`), are
songs of their own; their peaks are what the trees learn from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ..decoder import Decoder, decode, describe, logit
from ..errors import ConfigError
from ..frames import FRAME_RATE
from ..network import pick_device
from ..output import atomic_path
from ..vocabulary import STEM_COLUMNS, STEMS
from ..weights import save_weights
from . import provenance
from .dataset import first_clips, training_maker, validation_clips
from .listener import Listener, strokes
from .validation import real_tracks, score

#: Stems that detectors take for one another, true and heard.
_CONFUSED = (("hihat", "cymbals"), ("cymbals", "hihat"), ("cymbals", "hihat"), ("snare", "toms"),
             ("toms", "snare"), ("kick", "toms"), ("toms", "kick"))
_BASE = -6.0  #: logits below are no peaks of anything
_CLOSE = 4  #: frames between a stroke and its peak, at most


@dataclass
class Heard:
    """What the detectors say of a clip, and what was played.

    Attributes
    ----------
    logits : ndarray of float16, shape (2, frames, 9)
        Of onsets, with demixing and without.
    strokes : ndarray, shape (n, 4)
        Frame, piece, velocity and weight of each stroke.
    """

    logits: np.ndarray
    strokes: np.ndarray


def _hear(listener: Listener, clip: dict) -> Heard:
    heard = listener(clip["mixture"])[1]
    return Heard(np.stack([heard[True][0], heard[False][0]]).astype(np.float16),
                 np.column_stack(strokes(clip)).astype(np.float32))


def listen(listener: Listener, config: dict, data: Path, path: Path) -> tuple[list[Heard], dict]:
    """What is heard in all training clips, from `path` if it is there, or else written to it.

    Returns
    -------
    list of Heard
    dict
        Description of the training data, see `provenance.describe`.
    """
    maker = training_maker(config, data)
    description = provenance.describe(config, maker)
    if path.is_file():
        with np.load(path) as kept:
            logits = np.split(kept["logits"], np.cumsum(kept["frames"])[:-1], axis=1)
            played = np.split(kept["strokes"], np.cumsum(kept["counts"])[:-1])
        return [Heard(*pair) for pair in zip(logits, played)], description
    heard = [_hear(listener, clip)
             for clip in first_clips(maker, config, config["data"]["clips"])]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, logits=np.concatenate([h.logits for h in heard], axis=1),
                 frames=[h.logits.shape[1] for h in heard],
                 strokes=np.concatenate([h.strokes for h in heard]),
                 counts=[len(h.strokes) for h in heard])
    return heard, description


def _chance(logit: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logit))


def _shares(rng: np.random.Generator, frames: int, most: float) -> np.ndarray:
    """Shares of 0 to `most`: one level for the song, other shares from stroke to stroke."""
    strokes = rng.random(frames // 12 + 1) ** rng.uniform(0.1, 2)
    return np.repeat(strokes, 12)[:frames] * rng.uniform(0.1, 1) * most


def unsettle(logits: np.ndarray, rng: np.random.Generator, settings: dict) -> np.ndarray:
    """What detectors might have said in a recording of another kind.

    Parameters
    ----------
    logits : ndarray, shape (frames, 9)
    rng : Generator
    settings : dict
        Section ``unsettle`` of the config.
    """
    logits, n = logits.copy(), len(logits)
    if rng.random() < settings["confuse"]:  # some of each stroke is heard in another stem
        source, target = (STEMS.index(s) for s in _CONFUSED[rng.integers(len(_CONFUSED))])
        source, piece = STEM_COLUMNS[source], rng.choice(STEM_COLUMNS[target])
        share, chance = _shares(rng, n, settings["confuse_share"]), _chance(logits[:, source])
        moved = logit(share * np.minimum(1.0, chance.sum(axis=1)))
        kept = logit((1 - share[:, None]) * chance)
        logits[:, source] = np.where(logits[:, source] > _BASE, kept, logits[:, source])
        logits[:, piece] = np.maximum(logits[:, piece], moved)
    if rng.random() < settings["leak"]:  # strokes of one stem are heard in another too
        for _ in range(rng.integers(1, 3)):
            source, target = rng.choice(len(STEMS), 2, replace=False)
            piece = rng.choice(STEM_COLUMNS[target])
            heard = _chance(logits[:, STEM_COLUMNS[source]].max(axis=1))
            leaked = logit(_shares(rng, n, settings["leak_share"]) * heard)
            logits[:, piece] = np.maximum(logits[:, piece], leaked)
    knots = np.arange(0, n + 60, 60)
    for columns in STEM_COLUMNS:
        if rng.random() < settings["scaled"]:  # the stem's peaks are lower or higher
            slow = np.interp(np.arange(n), knots, rng.normal(0, settings["drift"], len(knots)))
            masked = np.abs(np.repeat(rng.standard_normal(n // 12 + 1), 12)[:n])
            slow -= masked * rng.uniform(0, settings["uneven"])
            scale = np.exp(rng.uniform(*settings["scale"]) + slow)[:, None]
            part = logits[:, columns]
            logits[:, columns] = np.where(part > _BASE, _BASE + (part - _BASE) * scale, part)
    return logits


def _found(frames: np.ndarray, stem: int, played: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which peaks of a stem are strokes, and what each counts."""
    right, weight = np.zeros(len(frames), bool), np.ones(len(frames))
    for frame, piece, _, audible in played:
        if len(frames) and int(piece) in STEM_COLUMNS[stem]:
            nearest = int(np.abs(frames - frame).argmin())
            if abs(frames[nearest] - frame) <= _CLOSE:
                right[nearest], weight[nearest] = True, audible
    return right, weight


def table(heard: list[Heard], demix: bool, member: int, config: dict) -> tuple[np.ndarray, ...]:
    """Features, truth and weights of the peaks of one window of each clip.

    Parameters
    ----------
    member : int
        Each member of the decoder learns from windows of its own.

    Returns
    -------
    x : ndarray, shape (n, N_FEATURES)
    y : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
    """
    settings, rows = config["unsettle"], []
    for number, clip in enumerate(heard):
        rng = np.random.default_rng([config["train"]["seed"], member, number])
        logits = clip.logits[0 if demix else 1].astype(np.float32)
        if rng.random() < settings["chance"]:
            logits = unsettle(logits, rng, settings)
        seconds = rng.uniform(*config["train"]["seconds"])
        length = min(len(logits), round(seconds * FRAME_RATE))
        start = int(rng.integers(len(logits) - length + 1))
        onset = _chance(logits[start:start + length])
        played = clip.strokes - np.array([start, 0, 0, 0])
        for stem, (frames, _, features) in enumerate(describe(onset)):
            rows.append((features, *_found(frames, stem, played)))
    return tuple(np.concatenate(column) for column in zip(*rows))


def grow(model: Decoder, demix: bool, tables: Iterable[tuple], config: dict) -> None:
    """Grow the trees for stems or for the mixture, in place.

    They are scikit-learn's (`HistGradientBoostingClassifier`), kept as plain arrays; the
    decoder is the mean of members that have seen different windows (bagging: Breiman, 1996).

    Parameters
    ----------
    tables : iterable of (x, y, weight)
        One for each member.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    settings, kind = config["model"], "stems" if demix else "mixture"
    members, first = settings["members"], 0
    getattr(model, f"{kind}_base").zero_()
    for member, (x, y, weight) in enumerate(tables):
        if len(np.unique(y)) < 2:
            raise ConfigError("the clips have no strokes to tell from others; take more clips")
        grown = HistGradientBoostingClassifier(
            max_iter=settings["trees"], max_leaf_nodes=settings["leaves"],
            max_depth=settings["depth"], min_samples_leaf=settings["least"],
            learning_rate=settings["learning_rate"], l2_regularization=settings["l2"],
            max_features=settings["features"], early_stopping=False,
            random_state=config["train"]["seed"] + member).fit(x, y, weight)
        getattr(model, f"{kind}_base").add_(float(grown._baseline_prediction.item()) / members)
        for tree, (predictor,) in enumerate(grown._predictors, first):
            nodes = predictor.nodes
            own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
            columns = {"feature": np.where(leaf, 0, nodes["feature_idx"]),
                       "threshold": _rounded_down(np.where(leaf, 0.0, nodes["num_threshold"])),
                       "left": np.where(leaf, own, nodes["left"]),
                       "right": np.where(leaf, own, nodes["right"]),
                       "value": np.where(leaf, nodes["value"], 0.0) / members}
            for name, column in columns.items():
                getattr(model, f"{kind}_{name}")[tree, :len(nodes)] = torch.from_numpy(column)
        first += settings["trees"]


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """float32 values that are not above the given ones: features are float32 themselves."""
    short = values.astype(np.float32)
    return np.where(short > values, np.nextafter(short, np.float32(-np.inf)), short)


def _judged(model: Decoder, heard: np.ndarray) -> np.ndarray:
    """What a `Listener` heard with demixing, shape (3, frames, 9), after the decoder."""
    return np.stack([decode(model, _chance(heard[0]), demix=True), *heard[1:]])


def train_decoder(config: dict, data: Path, out: Path, resume: bool = False,
                  device: str = "auto") -> Path:
    """Train on what the finished bank and detectors hear, and write weights.

    Parameters
    ----------
    config : dict
        From ``configs/decoder.yaml``.
    data, out : path
    resume : bool
        Without meaning here: what was heard is kept in any case (``heard.npz``), and growing the
        trees takes minutes.
    device : str
        ``auto``, ``cpu`` or ``cuda``; of bank and detectors.

    Returns
    -------
    Path
        The weights file.
    """
    from tqdm import tqdm

    data, out = Path(data), Path(out)
    listener = Listener(config, pick_device(device))
    heard, description = listen(listener, config, data, out / "heard.npz")
    settings = config["model"]
    shape = {"trees": settings["members"] * settings["trees"], "nodes": 2 * settings["leaves"] - 1,
             "depth": settings["depth"]}
    model = Decoder(**shape)
    for demix in (True, False):
        tables = (table(heard, demix, member, config) for member in range(settings["members"]))
        grow(model, demix, tqdm(tables, desc="growing", total=settings["members"], disable=None),
             config)
    clips = validation_clips(config, data, config["data"]["validation_clips"])
    figures = score(
        ((clip, _judged(model, listener(clip.mixture)[1][True])) for clip in clips),
        ((kind, name, truth, _judged(model, listener(decibel)[1][True]))
         for kind, name, decibel, truth in real_tracks(data / config["data"]["real"])))
    print(figures, flush=True)
    path = out / f"{config['name']}.safetensors"
    save_weights(path, model.state_dict(), {
        "kind": "decoder", "name": config["name"], "model": shape, "grown": settings,
        "metrics": {"validation": figures}, **description})
    return path
