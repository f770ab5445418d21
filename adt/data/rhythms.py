"""Drum parts with known beats, in every metre, for training the beat tracker.

Groove is nearly all 4/4, to a click, and begins on the first beat. These parts are made
of phrases of four or eight bars with a groove each, fills at their ends and crashes at
their beginnings, in metres of 2 to 7 beats, straight or in triplets, with swing, drifting
tempo and bars of rest.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..beats import Beats
from ..errors import DataError
from ..vocabulary import PIECES
from .groove import Performance
from .songs import drums_of

_P = {name: i for i, name in enumerate(PIECES)}
_METRES, _METRE_SHARES = (4, 3, 2, 5, 6, 7), (0.64, 0.15, 0.04, 0.05, 0.07, 0.05)
_TOPS = ("hihat_closed", "ride", "hihat_open", "crash", "tom_floor")
_TOP_SHARES = (0.6, 0.2, 0.1, 0.06, 0.04)


@dataclass(frozen=True, eq=False)
class Rhythm:
    """Strokes and the beats they were played to.

    Attributes
    ----------
    times : ndarray of float64, shape (n,)
        Seconds, ascending.
    pieces : ndarray of int, shape (n,)
        Indices into `adt.vocabulary.PIECES`.
    velocities : ndarray of float64, shape (n,)
        0..1.
    beats : Beats
    """

    times: np.ndarray
    pieces: np.ndarray
    velocities: np.ndarray
    beats: Beats


def _snares(rng: np.random.Generator, metre: int, steps: int) -> np.ndarray:
    """Steps of the bar with a snare: the backbeat, in most."""
    if metre == 4:
        feel = rng.choice(["back", "half", "double", "four", "none", "two-four-and", "random"],
                          p=[0.6, 0.1, 0.08, 0.04, 0.06, 0.06, 0.06])
        if feel == "back":
            return np.array([1, 3]) * steps
        if feel == "half":
            return np.array([2]) * steps
        if feel == "double" and steps % 2 == 0:
            return np.arange(4) * steps + steps // 2
        if feel == "four":
            return np.arange(4) * steps
        if feel == "two-four-and":
            return np.array([steps, 3 * steps, 4 * steps - max(1, steps // 2)])
        if feel != "random":
            return np.array([], int)
    elif metre == 3:
        return np.array([[1, 2], [2], [1]][rng.choice(3, p=[0.45, 0.35, 0.2])]) * steps
    elif metre == 6:
        return np.array([[3], [2, 5], [1, 3, 5]][rng.choice(3, p=[0.6, 0.2, 0.2])]) * steps
    elif metre == 2:
        return np.array([1]) * steps
    places = 1 + np.flatnonzero(rng.random(metre - 1) < 0.4)
    return (places if len(places) else np.array([metre - 1])) * steps


def _kicks(rng: np.random.Generator, metre: int, steps: int, snares: np.ndarray) -> np.ndarray:
    """Steps of the bar with a kick."""
    n = metre * steps
    kind = rng.choice(["usual", "floor", "busy", "drop"], p=[0.66, 0.16, 0.13, 0.05])
    if kind == "floor":
        return np.arange(metre) * steps
    if kind == "drop":
        return snares
    chance = np.full(n, 0.30 if kind == "busy" else 0.06)
    chance[::steps] = 0.35
    if steps % 2 == 0:
        chance[steps // 2::steps] = 0.28
    chance[0] = 0.96
    if metre == 4:
        chance[2 * steps] = 0.55
    chance[snares] *= 0.15
    return np.flatnonzero(rng.random(n) < chance)


def _phrase(rng: np.random.Generator, metre: int, steps: int, bars: int, start: bool):
    """(steps from the phrase's start, piece, velocity) of one groove over some bars."""
    n = metre * steps
    snares = _snares(rng, metre, steps)
    bar_kicks = [_kicks(rng, metre, steps, snares) for _ in range(rng.choice([1, 2]))]
    top = _P[str(rng.choice(_TOPS, p=_TOP_SHARES))]
    every = [d for d in (1, 2, 3, 4, 6) if steps % d == 0 or d == steps]
    step = int(rng.choice(every))
    tops = np.arange(0, n, step)
    style = rng.random()
    if style < 0.08 and steps % 2 == 0:
        tops = np.arange(steps // 2, n, steps)  # off the beat only
    elif style < 0.16 and steps == 3:
        tops = np.sort(np.r_[np.arange(0, n, 3), np.arange(2, n, 3)])  # shuffle
    elif style < 0.24:
        tops = np.array([], int)
    accent = rng.uniform(0, 0.35)
    opened = rng.random() < 0.25
    ghosts = rng.random() < 0.3
    side = rng.random() < 0.35
    strokes: list[tuple[float, int, float]] = []
    fill = rng.choice([0, 1, 2, metre], p=[0.35, 0.25, 0.25, 0.15])
    for bar in range(bars):
        at = bar * n
        stop = n - min(fill, metre) * steps if bar == bars - 1 else n
        if rng.random() < 0.02:
            continue
        kicks = bar_kicks[bar % len(bar_kicks)]
        kicks = kicks[rng.random(len(kicks)) > 0.04]
        strokes += [(at + k, _P["kick"], rng.uniform(0.7, 1)) for k in kicks if k < stop]
        strokes += [(at + k, _P["snare"], rng.uniform(0.75, 1)) for k in snares if k < stop]
        strokes += [(at + k, top, rng.uniform(0.5, 0.6) + accent * (k % steps == 0))
                    for k in tops if k < stop and rng.random() > 0.02]
        if opened and steps % 2 == 0:
            strokes.append((at + n - steps // 2, _P["hihat_open"], 0.7))
        if ghosts:
            strokes += [(at + k, _P["snare"], rng.uniform(0.1, 0.35)) for k in range(stop)
                        if k not in snares and rng.random() < 0.15]
        if side:
            strokes += [(at + k, _P["hihat_closed"], 0.4) for k in range(steps, stop, 2 * steps)]
        if bar == bars - 1 and fill:
            dense = 0.9 if rng.random() < 0.6 else 0.5
            places = np.arange(stop, n, int(rng.choice([1, 1, every[min(1, len(every) - 1)]])))
            drums = np.array([_P["snare"], _P["tom_high"], _P["tom_mid"], _P["tom_floor"]])
            order = np.minimum(np.arange(len(places)) * 4 // max(1, len(places)), 3)
            if rng.random() < 0.5:
                order = rng.integers(0, 4, len(places))
            strokes += [(at + k, int(drums[o]), rng.uniform(0.6, 1))
                        for k, o in zip(places, order) if rng.random() < dense]
            strokes += [(at + k, _P["kick"], 0.8) for k in places[::2] if rng.random() < 0.3]
    if start:
        strokes += [(0, _P["crash"], 0.95), (0, _P["kick"], 0.95)]
    return strokes


def generate(rng: np.random.Generator, seconds: float) -> Rhythm:
    """A drum part of some length, which begins anywhere in a bar.

    Parameters
    ----------
    rng : numpy.random.Generator
    seconds : float

    Returns
    -------
    Rhythm
    """
    metre = int(rng.choice(_METRES, p=_METRE_SHARES))
    low, high = (60, 190) if metre <= 4 else (80, 210)
    tempo = float(np.clip(np.exp(rng.normal(np.log(115), 0.28)), low, high))
    steps = int(rng.choice([2, 4, 3, 6], p=[0.25, 0.5, 0.2, 0.05] if tempo < 140
                           else [0.5, 0.3, 0.2, 0.0]))
    count = int(seconds * tempo / 60 / metre) + 3
    strokes, bar, crashes = [], 0, rng.random()
    while bar < count:
        length = int(rng.choice([1, 2, 4, 8], p=[0.05, 0.15, 0.5, 0.3]))
        base = bar * metre * steps
        strokes += [(base + k, p, v) for k, p, v in
                    _phrase(rng, metre, steps, length, rng.random() < crashes)]
        bar += length
    places = np.array([s[0] for s in strokes], np.float64) / steps  # in beats
    if steps in (2, 4) and rng.random() < 0.2:  # swing of eighths or of sixteenths
        unit = 1.0 if steps == 2 or rng.random() < 0.5 else 0.5
        swing = rng.uniform(0.54, 0.68)
        phase = places % unit / unit
        places += unit * (np.where(phase < 0.5, phase * 2 * swing,
                                   swing + (phase - 0.5) * 2 * (1 - swing)) - phase)
    beats = np.arange(bar * metre + 1)
    clock = _clock(rng, len(beats), 60 / tempo)
    start = rng.uniform(0, 60 / tempo * metre)
    times = np.interp(places, beats, clock) - start
    times = times + rng.uniform(0.001, 0.012) * rng.standard_normal(len(times))
    return cut(Rhythm(times, np.array([s[1] for s in strokes]),
                      np.clip([s[2] for s in strokes], 0.05, 1.0),
                      Beats(clock - start, beats % metre + 1)), 0.0, seconds)


def _clock(rng: np.random.Generator, n: int, beat: float) -> np.ndarray:
    """Times of n beats at a tempo that is steady, wanders, or changes once."""
    lengths = np.full(n, beat)
    kind = rng.random()
    if kind > 0.5:
        walk = np.cumsum(rng.standard_normal(n)) * rng.uniform(0.001, 0.006)
        lengths *= np.exp(np.clip(walk - walk.mean(), -0.15, 0.15))
    if kind > 0.93:
        lengths[rng.integers(n):] *= rng.uniform(0.85, 1.18)
    return np.concatenate([[0.0], np.cumsum(lengths)[:-1]])


def cut(rhythm: Rhythm, start: float, stop: float) -> Rhythm:
    """The part of a rhythm within ``[start, stop)``, times counted from `start`."""
    order = np.argsort(rhythm.times, kind="stable")
    order = order[(rhythm.times[order] >= start) & (rhythm.times[order] < stop)]
    beats = (rhythm.beats.times >= start) & (rhythm.beats.times < stop)
    return Rhythm(rhythm.times[order] - start, rhythm.pieces[order], rhythm.velocities[order],
                  Beats(rhythm.beats.times[beats] - start, rhythm.beats.positions[beats]))


def stretch(rhythm: Rhythm, factor: float) -> Rhythm:
    """A rhythm with all times multiplied."""
    return Rhythm(rhythm.times * factor, rhythm.pieces, rhythm.velocities,
                  Beats(rhythm.beats.times * factor, rhythm.beats.positions))


def rhythm_of_groove(performance: Performance) -> Rhythm:
    """A performance of Groove with its click: a beat at time 0 and the tempo in the index."""
    numerator, denominator = (int(n) for n in performance.time_signature.split("-"))
    beat = 60 / performance.bpm  # the click is in quarters, as the tempo is
    metre = max(1, round(numerator * 4 / denominator))
    if numerator % 3 == 0 and numerator > 3 and denominator == 8:
        beat, metre = beat * 1.5, numerator // 3  # compound: dotted quarters
    elif numerator % 2 and denominator == 8:
        beat, metre = beat / 2, numerator  # 5/8 and 7/8 are counted in eighths
    count = int(performance.duration / beat) + 2
    return Rhythm(performance.times, performance.pieces, performance.velocities / 127.0,
                  Beats(beat * np.arange(count), np.arange(count) % metre + 1))


def read_midi_songs(folder: Path | str) -> list[Rhythm]:
    """Drum parts of the MIDI songs in a folder, with the beats of their tempo maps.

    Songs with fewer than 32 strokes or 16 beats are left out, and damaged files, with a warning.

    Raises
    ------
    DataError
        If no file in the folder can be used.
    """
    from ..formats.midi import load

    songs = []
    for path in sorted(p for p in Path(folder).rglob("*") if p.suffix.lower() in (".mid", ".midi")):
        try:
            midi = load(path)
            beats, bars = midi.get_beats(), midi.get_downbeats()
        except Exception as error:  # damaged files fail in mido in many ways
            why = str(error).removeprefix(f"{path}: ") or type(error).__name__
            warnings.warn(f"{path}: is left out, it cannot be read ({why})", stacklevel=2)
            continue
        drums = drums_of(midi, path.stem)
        if len(drums) < 32 or len(beats) < 16 or len(bars) < 2 or (np.diff(beats) <= 1e-3).any():
            continue
        songs.append(Rhythm(drums.times, drums.pieces, drums.velocities / 127.0,
                            Beats(beats, _positions(beats, bars))))
    if not songs:
        raise DataError(f"{folder}: no MIDI songs with drums; give a folder of .mid files")
    return songs


def _positions(beats: np.ndarray, bars: np.ndarray) -> np.ndarray:
    """Place in the bar of each beat, from the times of the bar lines."""
    first = np.searchsorted(beats, bars - 0.02)
    first = np.unique(first[first < len(beats)])
    index = np.arange(len(beats))
    bar = np.searchsorted(first, index, side="right") - 1
    metre = int(np.median(np.diff(first))) if len(first) > 1 else 4
    pickup = (index - (first[0] if len(first) else 0)) % metre
    return np.where(bar >= 0, index - first[np.maximum(bar, 0)], pickup) + 1
