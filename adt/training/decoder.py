"""Training of the decoder: `adt train decoder`.

Long clips go through the finished bank and detectors once, and what these say is kept beside the
strokes played (``heard.npz``). Windows of it, in which each stem's peaks are raised or lowered and
strokes leak from stem to stem, sound and all, as recordings of another kind would make them
(`unsettle`), are songs of their own; from their peaks trees learn, and transformers
(`adt.training.attention`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import expit

from ..config import made
from ..decoder.attention import in_order
from ..decoder.cymbals import CRASH, CYMBALS
from ..decoder.decoder import KINDS, Decoder, decode
from ..decoder.description import Peaks, describe, logit
from ..decoder.trees import Trees
from ..errors import ConfigError
from ..frames import FRAME_RATE
from ..levels import GROUPS, decibel, levels
from ..network import load_network, pick_device
from ..output import atomic_path
from ..vocabulary import STEM_COLUMNS, STEMS
from ..weights import fingerprint, save_weights
from . import HEARD, provenance
from .attention import Window, train_attention
from .dataset import first_clips, training_maker, validation_clips
from .listener import Listener, strokes
from .loop import precision
from .validation import real_tracks, score

#: Stems that detectors take for one another, true and heard.
_CONFUSED = (("hihat", "cymbals"), ("cymbals", "hihat"), ("cymbals", "hihat"), ("snare", "toms"),
             ("toms", "snare"), ("kick", "toms"), ("toms", "kick"))
_BASE = -6.0  #: logits below are no peaks of anything
_CLOSE = 4  #: frames between a stroke and its peak, at most
#: Trees of a decoder → section of the config.
_SECTIONS = {"strokes": "model", "cymbals": "cymbals"}


@dataclass
class HeardClip:
    """What the detectors say of a clip, and what was played.

    Attributes
    ----------
    logits : ndarray of float16, shape (2, frames, 9)
        Of onsets, with demixing and without.
    level : ndarray of float16, shape (frames, 6, GROUPS)
        From `adt.levels.levels`.
    strokes : ndarray, shape (n, 4)
        Frame, piece, velocity and weight of each stroke.
    """

    logits: np.ndarray
    level: np.ndarray
    strokes: np.ndarray


@torch.inference_mode()
def _heard(listener: Listener, mixture: np.ndarray) -> tuple[dict[bool, np.ndarray], np.ndarray]:
    """What a `Listener` hears, and levels of stems and mixture."""
    stems, heard = listener(mixture)
    bands = torch.from_numpy(mixture)[None].to(listener.device)
    return heard, levels(bands, stems)[0].cpu().numpy()


def _hear(listener: Listener, clip: dict) -> HeardClip:
    heard, level = _heard(listener, clip["mixture"])
    return HeardClip(np.stack([heard[True][0], heard[False][0]]).astype(np.float16), level,
                 np.column_stack(strokes(clip)).astype(np.float32))


def _settings(config: dict) -> list[dict]:
    """Configs of the parts that the clips are made in, each with its own seed and settings."""
    louder = config["louder"]
    return [config, {**config, "train": {**config["train"], "seed": louder["seed"]},
                     "data": {**config["data"], "clips": louder["clips"]},
                     "randomise": {**config["randomise"], **louder["randomise"]}}]


#: Weights and settings that decide what is heard, with some of the data's.
_LISTENING = ("bank", "detectors", "detectors_mixture")
_HEARD_WITH = ("randomise", "louder")


def listen(listener: Listener, config: dict, data: Path, path: Path,
           before: dict | None = None) -> tuple[list[HeardClip], dict]:
    """What is heard in all training clips, from `path` if it is there, or else written to it.

    `before` describes the weights of the trees, where they were grown before.

    Returns
    -------
    list of HeardClip
    dict
        Description of the training data, see `provenance.describe`.
    """
    maker = training_maker(config, data)
    description = {**provenance.describe(config, maker, before), "louder": config["louder"]}
    data_settings = {name: value for name, value in config["data"].items()
                     if name not in ("workers", "validation_clips", "real")}
    settings = json.dumps({**{name: fingerprint(config[name] or name) for name in _LISTENING},
                           **{name: config[name] for name in _HEARD_WITH},
                           "data": data_settings, "seed": config["train"]["seed"],
                           "training_data": provenance.with_data(config, maker)["training_data"]},
                          sort_keys=True, default=str)
    if path.is_file():
        with np.load(path) as kept:
            if "settings" not in kept or str(kept["settings"]) != settings:
                raise ConfigError(f"{path}: was heard with other settings or weights, or by an "
                                  "earlier version; remove it, or give another --out")
            frames, counts = np.cumsum(kept["frames"])[:-1], np.cumsum(kept["counts"])[:-1]
            return [HeardClip(*parts) for parts in zip(
                np.split(kept["logits"], frames, axis=1), np.split(kept["level"], frames),
                np.split(kept["strokes"], counts))], description
    heard = []
    for part in _settings(config):
        maker.settings = part["randomise"]
        heard += [_hear(listener, clip) for clip in first_clips(maker, part, part["data"]["clips"])]
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, settings=settings,
                 logits=np.concatenate([h.logits for h in heard], axis=1),
                 level=np.concatenate([h.level for h in heard]),
                 frames=[len(h.level) for h in heard],
                 strokes=np.concatenate([h.strokes for h in heard]),
                 counts=[len(h.strokes) for h in heard])
    return heard, description


def _shares(rng: np.random.Generator, frames: int, most: float) -> np.ndarray:
    """Shares of 0 to `most`: one level for the song, other shares from stroke to stroke."""
    strokes = rng.random(frames // 12 + 1) ** rng.uniform(0.1, 2)
    return np.repeat(strokes, 12)[:frames] * rng.uniform(0.1, 1) * most


def unsettle(logits: np.ndarray, level: np.ndarray, rng: np.random.Generator,
             settings: dict) -> tuple[np.ndarray, np.ndarray]:
    """What bank and detectors might have said in a recording of another kind.

    Parameters
    ----------
    logits : ndarray, shape (frames, 9)
    level : ndarray, shape (frames, 6, GROUPS)
    rng : Generator
    settings : dict
        Section ``unsettle`` of the config.

    Returns
    -------
    logits, level : ndarray
        Of the same shapes.
    """
    logits, n = logits.copy(), len(logits)
    power = 10 ** (level.astype(np.float32) / 10)
    if rng.random() < settings["confuse"]:  # some of each stroke is heard in another stem
        source, target = (STEMS.index(s) for s in _CONFUSED[rng.integers(len(_CONFUSED))])
        columns, piece = STEM_COLUMNS[source], rng.choice(STEM_COLUMNS[target])
        share, chance = _shares(rng, n, settings["confuse_share"]), expit(logits[:, columns])
        moved = logit(share * np.minimum(1.0, chance.sum(axis=1)))
        kept = logit((1 - share[:, None]) * chance)
        logits[:, columns] = np.where(logits[:, columns] > _BASE, kept, logits[:, columns])
        logits[:, piece] = np.maximum(logits[:, piece], moved)
        sound = rng.uniform(0.3, 1.0) * share[:, None] * power[:, source]
        power[:, target] += sound
        power[:, source] -= sound
    if rng.random() < settings["leak"]:  # strokes of one stem are heard in another too
        for _ in range(rng.integers(1, 3)):
            source, target = rng.choice(len(STEMS), 2, replace=False)
            piece = rng.choice(STEM_COLUMNS[target])
            heard = expit(logits[:, STEM_COLUMNS[source]].max(axis=1))
            share = _shares(rng, n, settings["leak_share"])
            logits[:, piece] = np.maximum(logits[:, piece], logit(share * heard))
            power[:, target] += 10 ** rng.uniform(-2, 0) * share[:, None] * power[:, source]
    knots = np.arange(0, n + 60, 60)
    for columns in STEM_COLUMNS:
        if rng.random() < settings["scaled"]:  # the stem's peaks are lower or higher
            slow = np.interp(np.arange(n), knots, rng.normal(0, settings["drift"], len(knots)))
            masked = np.abs(np.repeat(rng.standard_normal(n // 12 + 1), 12)[:n])
            slow -= masked * rng.uniform(0, settings["uneven"])
            scale = np.exp(rng.uniform(*settings["scale"]) + slow)[:, None]
            part = logits[:, columns]
            logits[:, columns] = np.where(part > _BASE, _BASE + (part - _BASE) * scale, part)
    gain = rng.normal(0, settings["level_db"], (len(STEMS) + 1, 1))
    colour = rng.normal(0, settings["colour_db"], (len(STEMS) + 1, GROUPS))
    return logits, decibel(power) + (gain + colour).astype(np.float32)


def _found(frames: np.ndarray, stem: int, played: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which piece was struck at each peak of a stem, or −1, and what the peak counts."""
    struck, weight = np.full(len(frames), -1), np.ones(len(frames))
    for frame, piece, _, audible in played:
        if len(frames) and int(piece) in STEM_COLUMNS[stem]:
            nearest = int(np.abs(frames - frame).argmin())
            if abs(frames[nearest] - frame) <= _CLOSE:
                struck[nearest], weight[nearest] = piece, audible
    return struck, weight


class Table(NamedTuple):
    """What trees learn from.

    Attributes
    ----------
    x : ndarray of float32, shape (n, features)
    y : ndarray of bool, shape (n,)
    weight : ndarray, shape (n,)
    """

    x: np.ndarray
    y: np.ndarray
    weight: np.ndarray


def _window(clip: HeardClip, demix: bool, rng: np.random.Generator,
            config: dict) -> tuple[list[Peaks], np.ndarray]:
    """Peaks of a window of a clip, unsettled, and the strokes played in it."""
    settings = config["unsettle"]
    logits, level = clip.logits[0 if demix else 1].astype(np.float32), clip.level
    if rng.random() < settings["chance"]:
        logits, level = unsettle(logits, level, rng, settings)
    level = level if demix else level[:, -1:]
    seconds = rng.uniform(*config["train"]["seconds"])
    length = min(len(logits), round(seconds * FRAME_RATE))
    start = int(rng.integers(len(logits) - length + 1))
    window = slice(start, start + length)
    return (describe(expit(logits[window]), level[window]),
            clip.strokes - np.array([start, 0, 0, 0]))


def tables(heard: list[HeardClip], demix: bool, member: int, config: dict) -> tuple[Table, Table]:
    """Peaks of one window of each clip.

    Parameters
    ----------
    member : int
        Each member of the decoder learns from windows of its own.

    Returns
    -------
    strokes : Table
        Which peaks are strokes.
    cymbals : Table
        Which strokes on cymbals are crashes.
    """
    strokes, cymbals = [], []
    for number, clip in enumerate(heard):
        rng = np.random.default_rng([config["train"]["seed"], member, number])
        described, played = _window(clip, demix, rng, config)
        for stem, peaks in enumerate(described):
            struck, weight = _found(peaks.frames, stem, played)
            strokes.append(Table(peaks.features, struck >= 0, weight))
            if stem == CYMBALS:
                known = (struck >= 0) & (weight == 1)
                x = np.column_stack([peaks.features, peaks.division])
                cymbals.append(Table(x[known], struck[known] == CRASH, weight[known]))
    return tuple(Table(*map(np.concatenate, zip(*rows))) for rows in (strokes, cymbals))


def windows(heard: list[HeardClip], demix: bool, config: dict) -> list[Window]:
    """Windows of each clip, as many as section ``attention`` of the config says."""
    result = []
    for number, clip in enumerate(heard):
        for turn in range(config["attention"]["windows"]):
            seed = [config["train"]["seed"], number, turn, len(KINDS)]  # none of the trees'
            described, played = _window(clip, demix, np.random.default_rng(seed), config)
            struck, weight = map(np.concatenate, zip(*(
                _found(peaks.frames, stem, played) for stem, peaks in enumerate(described))))
            order, frames, features = in_order(described)
            result.append(Window(features.astype(np.float16), frames, struck[order] >= 0,
                                 weight[order], described[0].beat))
    return result


def grow(trees: Trees, member: int, learned: Table, settings: dict, seed: int) -> None:
    """Grow one member's trees, in their place among those of the others.

    They are scikit-learn's (`HistGradientBoostingClassifier`), kept as plain arrays. The
    whole is the mean of members that have seen different windows (bagging: Breiman, 1996).

    Parameters
    ----------
    trees : Trees
        Of all members.
    member : int
    learned : Table
    settings : dict
        Section ``model`` or ``cymbals`` of the config: parameters of the classifier.
    seed : int
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    if len(np.unique(learned.y)) < 2:
        raise ConfigError("what the trees should tell apart is not in the clips; take more clips")
    grown = HistGradientBoostingClassifier(
        **settings, early_stopping=False, random_state=seed + member).fit(*learned)
    _keep(grown, trees, member, len(trees.value) // settings["max_iter"])


def _keep(grown, trees: Trees, member: int, members: int) -> None:
    """Write trees of scikit-learn into arrays, each value a share of the mean of members."""
    first = member * len(trees.value) // members
    trees.base.add_(float(grown._baseline_prediction.item()) / members)
    for tree, (predictor,) in enumerate(grown._predictors, first):
        nodes = predictor.nodes
        own, leaf = np.arange(len(nodes)), nodes["is_leaf"].astype(bool)
        columns = {"feature": np.where(leaf, 0, nodes["feature_idx"]),
                   "threshold": _rounded_down(np.where(leaf, 0.0, nodes["num_threshold"])),
                   "left": np.where(leaf, own, nodes["left"]),
                   "right": np.where(leaf, own, nodes["right"]),
                   "value": np.where(leaf, nodes["value"], 0.0) / members}
        for name, column in columns.items():
            getattr(trees, name)[tree, :len(nodes)] = torch.from_numpy(column)


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """float32 values that are not above the given ones: features are float32 themselves."""
    short = values.astype(np.float32)
    return np.where(short > values, np.nextafter(short, np.float32(-np.inf)), short)


def _judged(model: Decoder, listener: Listener, mixture: np.ndarray) -> np.ndarray:
    """Onset, velocity and offset with demixing, shape (3, frames, 9), after the decoder."""
    heard, level = _heard(listener, mixture)
    onset, *others = heard[True]
    return np.stack([decode(model, expit(onset), level), *others])


def _grow_all(model: Decoder, heard: list[HeardClip], config: dict) -> None:
    """Grow the trees of all members, in their places."""
    from tqdm import tqdm

    for kind in KINDS:
        for member in tqdm(range(config["train"]["members"]), desc=f"growing ({kind})",
                           disable=None):
            learned = tables(heard, kind == "stems", member, config)
            for (part, section), table in zip(_SECTIONS.items(), learned):
                grow(getattr(model, part)[kind], member, table, config[section],
                     config["train"]["seed"])


def _attend_all(model: Decoder, heard: list[HeardClip], config: dict, device: torch.device) -> None:
    """Train the transformers, in place."""
    for kind in KINDS:
        learned = windows(heard, kind == "stems", config)
        for member, network in enumerate(model.attention[kind]):
            seed = config["train"]["seed"] + member
            loss = train_attention(network, learned, config["attention"], seed, device)
            print(f"attention ({kind}), member {member + 1}: loss {loss:.4f}", flush=True)


def train_decoder(config: dict, data: Path, out: Path, device: str = "auto") -> Path:
    """Train on what the finished bank and detectors hear, and write weights.

    What was heard is kept (``heard.npz``) and read again. Trees take minutes, a transformer ten
    on a CPU core.

    Parameters
    ----------
    config : dict
        From ``configs/decoder.yaml``.
    data, out : path
    device : str
        ``auto``, ``cpu`` or ``cuda``; of bank, detectors and transformers.

    Returns
    -------
    Path
        The weights file.
    """
    data, out, attention = Path(data), Path(out), config["attention"]
    shape = {part: {"trees": config["train"]["members"] * config[section]["max_iter"],
                    "nodes": 2 * config[section]["max_leaf_nodes"] - 1}
             for part, section in _SECTIONS.items()}
    grown, kept = {part: config[section] for part, section in _SECTIONS.items()}, {}
    described: dict | None = None
    if config["trees"]:
        trees, described = load_network(Decoder, "decoder", config["trees"], torch.device("cpu"))
        kept = {name: tensor for name, tensor in trees.state_dict().items()
                if name.split(".")[0] in _SECTIONS}
        shape = {part: described["model"][part] for part in _SECTIONS}
        grown = described.get("grown", {})
    if attention["members"]:
        precision(attention)  # what cannot be is said before an hour of listening
        shape["attention"] = {"members": attention["members"], **attention["model"]}
    torch.manual_seed(config["train"]["seed"])
    model = made(Decoder, shape, "model, cymbals, attention")
    listener = Listener(config, pick_device(device))
    heard, description = listen(listener, config, data, out / HEARD, described)
    if kept:
        model.load_state_dict(kept, strict=False)
    else:
        _grow_all(model, heard, config)
    if attention["members"]:
        _attend_all(model, heard, config, listener.device)
    clips = validation_clips(config, data, config["data"]["validation_clips"])
    figures = score(
        ((clip, _judged(model, listener, clip.mixture)) for clip in clips),
        ((kind, name, truth, _judged(model, listener, bands))
         for kind, name, bands, truth in real_tracks(config, data)))
    print(figures, flush=True)
    path = out / f"{config['name']}.safetensors"
    save_weights(path, model.state_dict(), {
        "kind": "decoder", "name": config["name"], "model": shape,
        "grown": grown, "attention": attention,
        "metrics": {"validation": figures}, **description,
        **provenance.history(config, described, _stage(config))})
    return path


def _stage(config: dict) -> str:
    """What this training did, for the history of its weights."""
    parts = [] if config["trees"] else ["trees grown"]
    if config["attention"]["members"]:
        parts.append(f"{config['attention']['members']} transformers, "
                     f"{config['attention']['steps']} steps")
    clips, louder = config["data"]["clips"], config["louder"]
    return (f"{', '.join(parts) or 'nothing new'}; {clips} and {louder['clips']} clips, "
            f"seeds {config['train']['seed']} and {louder['seed']}")
