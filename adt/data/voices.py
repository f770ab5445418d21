"""From a performance and a kit to voices: which sample, when, how loud, cut off when.

The audio renderer and the spectral renderer of the training both play voices,
so that round robins, velocity layers and hi-hat choke are decided once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Mapping, Sequence

import numpy as np

from ..frames import SAMPLE_RATE
from ..vocabulary import ARTICULATION_INDEX, ARTICULATION_TO_PIECE, ARTICULATIONS, PIECE_TO_STEM
from .groove import Performance
from .kits import Kit, Sample

#: Time constant with which a closing hi-hat damps the open one, seconds.
CHOKE_DECAY = 0.030

_CHOKES = frozenset(ARTICULATION_INDEX[a] for a in ("hihat_closed", "hihat_pedal"))
_CHOKED = frozenset(ARTICULATION_INDEX[a] for a in ("hihat_open",))


@dataclass(frozen=True, slots=True)
class Voice:
    """One sounding sample.

    Attributes
    ----------
    stroke : int
        Index of the stroke among the strokes that sound (see `voices`).
    onset : float
        Onset in samples at `SAMPLE_RATE` (not rounded).
    sample : Sample
    articulation : int
        Index of the articulation that sounds, a fallback if the kit lacks the stroke's own.
    gain : float
        Amplitude factor.
    choke : float or None
        Where a closing hi-hat begins to damp it, samples.
    """

    stroke: int
    onset: float
    sample: Sample
    articulation: int
    gain: float
    choke: float | None = None


def voices(performance: Performance, kit: Kit | Mapping[str, Kit],
           rng: np.random.Generator | None = None) -> tuple[list[Voice], Performance]:
    """Voices of a performance on a kit.

    Parameters
    ----------
    performance : Performance
    kit : Kit or mapping of stem to Kit
        One kit, or one for each stem (kit swap).
    rng : numpy.random.Generator, optional
        Draws where each round robin starts; they start at the first without it.

    Returns
    -------
    list of Voice
        In order of time.
    Performance
        The strokes that sound, named by what sounds: the labels. A kit of two toms plays the
        middle one's strokes on another, and strokes of what it has no fallback for are left out.
    """
    turns = [int(rng.integers(64)) if rng is not None else 0 for _ in ARTICULATIONS]
    kits: Mapping[str, Kit] | None = None if isinstance(kit, Kit) else kit
    chosen: dict[int, tuple[Kit, str] | None] = {}
    for index in np.unique(performance.articulations).tolist():
        name = ARTICULATIONS[index]
        own = kit if kits is None else kits.get(PIECE_TO_STEM[ARTICULATION_TO_PIECE[name]])
        played = own.articulation_for(name) if own is not None else None
        chosen[index] = (own, played) if played is not None else None
    result: list[Voice] = []
    kept: list[int] = []
    sounding: list[int] = []
    closings = performance.times[np.isin(performance.articulations, list(_CHOKES))]
    rows: Sequence = zip(performance.times.tolist(), performance.articulations.tolist(),
                         performance.velocities.tolist())
    for stroke, (time, index, velocity) in enumerate(rows):
        choice = chosen[index]
        if choice is None:
            continue
        own, played = choice
        sample, gain = own.pick(played, velocity, turns[index])
        turns[index] += 1
        choke = None
        if index in _CHOKED:
            later = np.searchsorted(closings, time, side="right")
            if later < len(closings):
                choke = float(closings[later]) * SAMPLE_RATE
        sounding.append(ARTICULATION_INDEX[played])
        result.append(Voice(len(kept), time * SAMPLE_RATE, sample, sounding[-1], gain, choke))
        kept.append(stroke)
    labels = performance.select(np.array(kept, dtype=np.int64))
    return result, replace(labels, articulations=np.array(sounding, dtype=np.int64))
