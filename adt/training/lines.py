"""What drawn instruments play in training clips: in steady time, with the kick, with the drums."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.groove import Performance
from ..features import N_BANDS
from ..frames import FRAME_RATE
from ..vocabulary import ARTICULATION_INDEX
from . import augment
from .oneshots import LEAD, POSITIONS

_KICK = ARTICULATION_INDEX["kick"]
#: Chances of the rhythms: steady, the kick's with some notes between, that of any strokes.
_STEADY, _KICKS = 0.45, 0.3


def _steady(rng, frames: int, times: np.ndarray) -> np.ndarray:
    """Notes a step apart, some left out, some between; in the drums' time if there are any."""
    step, start = rng.uniform(12, 80), rng.uniform(0, 40)
    if len(times) > 2 and rng.random() < 0.7:
        start, other = rng.choice(times, 2, replace=False)
        step = max(1.0, abs(start - other))
        while step > 90:
            step /= 2
        while step < 18:
            step *= 2
        start %= step
    notes = np.arange(start, frames, step)
    notes = notes[rng.random(len(notes)) > rng.uniform(0, 0.3)]
    between = notes[rng.random(len(notes)) < rng.uniform(0, 0.3)]
    return np.append(notes, between + step * rng.choice([0.5, 2 / 3]))


def _rhythm(rng, frames: int, performance: Performance) -> np.ndarray:
    """Frames at which notes begin, in order."""
    times = performance.times * FRAME_RATE
    kicks = times[performance.articulations == _KICK]
    way = rng.random()
    if way < _STEADY or not len(times):
        notes = _steady(rng, frames, times)
    elif way < _STEADY + _KICKS and len(kicks):
        notes = np.append(kicks[rng.random(len(kicks)) < rng.uniform(0.5, 1.0)],
                          times[rng.random(len(times)) < rng.uniform(0, 0.2)])
    else:
        notes = times[rng.random(len(times)) < rng.uniform(0.1, 0.6)]
    notes = np.sort(notes + rng.uniform(0, 1.5) * rng.standard_normal(len(notes)))
    return notes[np.diff(notes, prepend=-np.inf) > 5]


def instrument_line(rng: np.random.Generator, notes: Sequence[Sequence[np.ndarray]], frames: int,
                    performance: Performance, voices: int = 1) -> np.ndarray:
    """Band powers of what one instrument plays, loud frames at about 0 dB.

    Parameters
    ----------
    rng : Generator
    notes : sequence
        Pitches of the instrument, lowest first; each a list of one-shots at `POSITIONS`
        (`adt.training.material.load_instruments`).
    frames : int
        Length of the line.
    performance : Performance
        What the drums play to it.
    voices : int
        Most notes at once.

    Returns
    -------
    ndarray of float32, shape (frames, N_BANDS)
    """
    begun = _rhythm(rng, frames, performance)
    still, held = rng.uniform(0, 0.9), rng.uniform(0.3, 1.1)  # a pedal point, or a walk
    fall = rng.uniform(2, 12)  # frames in which a damped note loses 10 dB
    uneven, dull = rng.uniform(0, 4), rng.uniform(0, 4)
    total = np.zeros((frames + LEAD, N_BANDS), np.float32)
    at = rng.integers(len(notes), size=rng.integers(1, voices + 1))
    for time, until in zip(begun, np.append(begun[1:], frames + 100.0)):
        start, position = divmod(round(float(time) * POSITIONS), POSITIONS)
        if not 0 <= start < frames:
            continue
        if rng.random() > still:
            at = np.clip(at + rng.integers(-2, 3, len(at)), 0, len(notes) - 1)
        soft = -abs(rng.normal(0, uneven))  # dB
        colour = augment.low_pass(250, -soft / 6 * dull)  # softer is duller
        for pitch in np.unique(at):
            shot = notes[pitch][position][: frames + LEAD - start]
            age = np.arange(len(shot)) - LEAD - min(held * (until - time), until - time - 1)
            gain = augment.db(soft) * 10 ** (-np.maximum(0, age) / fall)
            total[start:start + len(shot)] += shot * gain[:, None].astype(np.float32) * colour
    return total[LEAD:] * augment.random_eq(rng, 3.0)
