"""Quantisation: hits moved to the nearest place of a grid between the beats."""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping

import numpy as np

from .errors import ConfigError
from .transcription import Hit, Transcription

#: Places in a beat (a quarter note) of each grid; T is for triplets.
GRIDS: Mapping[str, int] = MappingProxyType(
    {"1/4": 1, "1/8": 2, "1/8T": 3, "1/16": 4, "1/16T": 6, "1/32": 8})


def quantize(transcription: Transcription, grid: str = "1/16") -> Transcription:
    """The same hits on a grid that follows the transcription's beats.

    Of hits of one piece that fall on the same place, the loudest stays. Hits before the
    first beat go onto the grid of the first beats, continued backwards, but not before 0.

    Parameters
    ----------
    transcription : Transcription
        With beats.
    grid : str
        One of `GRIDS`.

    Returns
    -------
    Transcription

    Raises
    ------
    ConfigError
        If there is no such grid, or the transcription has no beats.
    """
    if grid not in GRIDS:
        raise ConfigError(f"no grid {grid!r}; choose one of {', '.join(GRIDS)}")
    beats = transcription.beats
    if beats is None or len(beats) < 2:
        raise ConfigError("quantising needs beats; give a tempo, or a file of beats")
    if not len(transcription):
        return transcription
    places = GRIDS[grid]
    times = np.array([hit.time for hit in transcription])
    slots = np.rint(beats.position_of(times) * places)
    slots = np.maximum(slots, np.ceil(float(beats.position_of(0.0)) * places - 1e-6))
    moved = np.maximum(0.0, beats.time_of(slots / places))
    loudest: dict[tuple[int, str], Hit] = {}
    for hit, slot, time in zip(transcription, slots.astype(int).tolist(), moved.tolist()):
        best = loudest.get((slot, hit.piece))
        if best is None or hit.velocity > best.velocity:
            loudest[slot, hit.piece] = Hit(time, hit.piece, hit.velocity, hit.confidence)
    return Transcription(list(loudest.values()), transcription.duration, transcription.source,
                         transcription.classes, beats=beats)
