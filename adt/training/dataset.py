"""Training clips of drums as batches, and the fixed clips of validation."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Iterator

import numpy as np
import torch

from ..data.groove import Performance, read_groove
from ..data.kits import Kit, read_kits
from ..data.stemgmd import TEST_KITS, read_stemgmd
from ..data.stemgmd import Clip as StemClip
from ..errors import ConfigError, DataError
from . import endless
from .material import load_accompaniment, load_instruments, load_percussion, load_songs
from .oneshots import OneShots
from .pseudo_labels import Recording, read_recordings
from .spectral import Clip, ClipMaker
from .student import StudentMaker


def loader(maker: ClipMaker, config: dict, first: int = 0) -> torch.utils.data.DataLoader:
    """Batches of training clips, beginning with clip number `first`."""
    return endless.loader(lambda rng: vars(maker(rng)), config, first)


def first_clips(maker: ClipMaker, config: dict, count: int) -> Iterator[dict[str, np.ndarray]]:
    """The first clips of a run, one after the other, with a progress bar on a terminal."""
    from tqdm import tqdm

    clips = endless.loader(lambda rng: vars(maker(rng)), config, stop=count, batch=False)
    for clip in tqdm(clips, desc="listening", total=count, disable=None):
        yield {name: value.numpy() for name, value in clip.items()}


def training_maker(config: dict, data: Path) -> ClipMaker:
    """Clip maker of the training split: Groove's ``train`` and the training kits.

    Raises
    ------
    ConfigError
        If there would be nothing to validate on, or kits to train on are held out.
    DataError
        If the data is not what it should be.
    """
    read_kits(data / config["data"]["kits"], "validation")  # before anything that takes minutes
    _check_count(config["data"]["validation_clips"])
    kits = read_kits(data / config["data"]["kits"], "train")
    recordings = _unlabelled(config, data) if config["data"]["unlabelled"] else []
    if config["data"]["synthetic"]:
        kits += read_kits(data / config["data"]["synthetic"], "train")
    band = load_accompaniment([data / f for f in config["data"]["accompaniment"] or ()],
                              progress=True)
    recorded = _recorded(config, data) if config["data"]["stemgmd"] else []
    songs = load_songs(data / config["data"]["songs"], progress=True) \
        if config["data"]["songs"] else []
    rendered = config["data"]["percussion"]
    percussion = load_percussion(data / rendered if rendered else None,
                                 config["data"]["random_percussion"])
    instruments = load_instruments(config["data"]["random_instruments"], progress=True)
    make = partial(StudentMaker, recordings, config["student"]) if recordings else ClipMaker
    return make(_performances(config, data, "train"), kits, OneShots(kits, progress=True),
                band, config["randomise"], recorded, songs, percussion, instruments)


def _unlabelled(config: dict, data: Path) -> list[Recording]:
    """Recordings that nobody annotated, for trainings that can learn from such."""
    if "student" not in config:
        raise ConfigError("data.unlabelled: the stems and all strokes of these recordings are not "
                          "known, so detectors alone can learn from them; set it to null")
    return read_recordings(data / config["data"]["unlabelled"])


def _check_count(clips: int) -> None:
    if clips < 1:
        raise ConfigError("data.validation_clips: nothing to validate on; set 1 or more")


def _performances(config: dict, data: Path, split: str) -> list[Performance]:
    """Groove's performances of a split; at least one."""
    groove = data / config["data"]["groove"]
    performances = read_groove(groove, split)
    if not performances:
        raise DataError(f"{groove / 'info.csv'}: no performances of the split {split}; give the "
                        "whole Groove MIDI Dataset")
    return performances


def _recorded(config: dict, data: Path) -> list[StemClip]:
    """StemGMD's clips of the training split on kits that are not held out; at least one."""
    root, kits = data / config["data"]["stemgmd"], config["data"]["stemgmd_kits"]
    held_out = {*TEST_KITS, *(kit.name for kit in
                              read_kits(data / config["data"]["kits"], "validation"))}
    refused = sorted(held_out & set(kits or ()))
    if refused:
        raise ConfigError(f"data.stemgmd_kits: {', '.join(refused)} must not train, for models "
                          "are validated or tested on them; leave them out")
    clips = [clip for clip in read_stemgmd(root, data / config["data"]["groove"], split="train",
                                           kits=kits) if clip.kit not in held_out]
    if not clips:
        raise DataError(f"{root}: no clips of the split train on kits that may train; see "
                        "data.stemgmd_kits, or set data.stemgmd=null")
    return clips


def validation_clips(config: dict, data: Path, count: int) -> list[Clip]:
    """The first `count` fixed clips of Groove's ``validation`` split on the validation kits.

    No patterns are among them. The accompaniment is that of training: it has no drums.
    """
    _check_count(count)
    kits: list[Kit] = read_kits(data / config["data"]["kits"], "validation")
    band = load_accompaniment([data / f for f in (config["data"]["accompaniment"] or ())[:1]])
    settings = dict(config["randomise"], pattern=0.0, vary=0.3, accompaniment=0.5, absent=0.0,
                    silent=0.0, alone=0.0, rumble=0.0, tuning=0.0, stretch=0.0, layer=0.0)
    maker = ClipMaker(_performances(config, data, "validation"), kits, OneShots(kits), band,
                      settings)
    return [maker(np.random.default_rng([99, n])) for n in range(count)]


def batches(clips: list[Clip], size: int):
    """Stack fixed clips into batches."""
    for i in range(0, len(clips), size):
        part = clips[i:i + size]
        yield {name: torch.from_numpy(np.stack([getattr(c, name) for c in part]))
               for name in vars(part[0])}
