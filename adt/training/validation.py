"""How good detectors and decoder are, on fixed renders and on annotated recordings."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Iterable

import numpy as np

from ..features import audio_to_bands, reference_level, to_decibel
from ..frames import FRAME_RATE
from ..peaks import pick_peaks
from ..scoring import WINDOW, Scores, events, rates
from ..transcription import Hit, Transcription
from ..vocabulary import PIECES
from .listener import strokes


def real_tracks(config: dict, data: Path) -> list[tuple]:
    """Kind, name, bands in dB and reference events of annotated recordings, if there are any."""
    from ..audio import stream
    from ..data.mdb import read_mdb

    tracks, name = [], config["data"]["real"]
    there = bool(name) and (data / name).is_dir()
    if name and not there:
        warnings.warn(f"{data / name}: no such folder, so no recording is validated on; set "
                      "data.real, to null if there is none", stacklevel=2)
    for track in read_mdb(data / name) if there else ():
        truth = events(track.times, track.pieces, 5)
        for kind, path in (("drums", track.drums), ("song", track.mix)):
            if path is not None:
                bands = audio_to_bands(stream(path))
                tracks.append((kind, track.name, to_decibel(bands, reference_level(bands)), truth))
    return tracks


def score(renders: Iterable[tuple], recordings: Iterable[tuple],
          threshold: float | None = None) -> dict[str, float]:
    """F-measures (±50 ms, pooled) of activations.

    Parameters
    ----------
    renders : iterable of (Clip, ndarray of shape (3, frames, 9))
        With the onset, velocity and offset heard in each.
    recordings : iterable of (kind, name, reference events, ndarray of shape (3, frames, 9))
    threshold : float, optional
    """
    nine, five, by_kind = Scores(9), Scores(5), {}
    for i, (clip, activations) in enumerate(renders):
        found = _found(forgiven(activations, clip), threshold)
        for scores, n in ((nine, 9), (five, 5)):
            scores.update(str(i), clip_events(clip, n), found.events(n))
    for kind, name, truth, activations in recordings:
        found = _found(activations, threshold)
        by_kind.setdefault(kind, Scores(5)).update(name, truth, found.events(5))
    return {"f9_renders": pooled(nine), "f5_renders": pooled(five),
            **{f"f5_real_{kind}": pooled(scores) for kind, scores in by_kind.items()}}


def _found(activations: np.ndarray, threshold: float | None) -> Transcription:
    """Hits of activations, shape (3, frames, 9)."""
    return Transcription([Hit(time, PIECES[piece], max(1, round(127 * velocity)), confidence)
                          for time, piece, velocity, confidence in
                          pick_peaks(*activations, threshold)],
                         activations.shape[1] / FRAME_RATE)


def pooled(scores: Scores, window: float = WINDOW) -> float:
    """Pooled F-measure over all classes and tracks, 0 if there is nothing."""
    return rates(*scores.counts(window).sum(axis=0).tolist())["f_measure"] or 0.0


def forgiven(activations: np.ndarray, clip) -> np.ndarray:
    """Activations with those silenced where nobody could tell whether there is a hit."""
    return np.concatenate([activations[:1] * (clip.weight == 1), activations[1:]])


def clip_events(clip, classes: int):
    """Reference events of a clip that can be heard, from its frame-wise labels."""
    frames, pieces, _, weight = strokes(vars(clip))
    heard = weight == 1
    return events(frames[heard] / FRAME_RATE, [PIECES[p] for p in pieces[heard]], classes)
