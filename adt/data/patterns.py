"""Performances that break the habits of Groove: other styles, and Groove bent.

Nearly all of Groove is 4/4 with a hi-hat running through, so that a model trained
on it alone learns to expect one. `generate` writes short performances in a dozen
styles that Groove lacks; `vary` changes a performance that is there. Both draw from
one generator, work on whole arrays and take well under a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..vocabulary import ARTICULATION_INDEX as _A
from ..vocabulary import ARTICULATIONS, MIN_HIT_DISTANCE
from .groove import Performance

_TOMS = np.array([_A["tom_high"], _A["tom_mid"], _A["tom_floor"]])

#: (times, articulations, velocities) of some strokes; scalars are spread over the times.
_Strokes = tuple[np.ndarray, "int | np.ndarray", "float | np.ndarray"]


def _grid(beat: float, seconds: float, step: float = 1.0, start: float = 0.0) -> np.ndarray:
    """Times of every `step` beats from beat `start` on, `beat` seconds each."""
    return np.arange(start * beat, seconds, step * beat)


def _some(rng: np.random.Generator, times: np.ndarray, chance: float) -> np.ndarray:
    return times[rng.random(len(times)) < chance]


def _ride_only(rng, beat, seconds) -> list[_Strokes]:
    bells = _grid(beat, seconds, 2.0, 1.0) if rng.random() < 0.4 else _grid(beat, seconds, 16)
    return [(_grid(beat, seconds, rng.choice([0.5, 1.0])), _A["ride"], 80),
            (bells, _A["ride_bell"], 95)]


def _no_hat(rng, beat, seconds) -> list[_Strokes]:
    ghosts = _some(rng, _grid(beat, seconds, 0.5, 0.25), 0.3)
    return [(_grid(beat, seconds, 2.0), _A["kick"], 105),
            (_some(rng, _grid(beat, seconds, 0.5), 0.2), _A["kick"], 90),
            (_grid(beat, seconds, 2.0, 1.0), _A["snare"], 105), (ghosts, _A["snare"], 35)]


def _odd_metre(rng, beat, seconds) -> list[_Strokes]:
    eighths = int(rng.choice([5, 7, 9, 10, 11]))
    cell = rng.random(eighths)
    kicks = np.flatnonzero(cell < 0.35)
    snares = np.setdiff1d(np.flatnonzero(cell > 0.65), [0])
    bars = _grid(beat, seconds, eighths / 2)
    top = _A[str(rng.choice(["hihat_closed", "ride", "hihat_open"]))]

    def at(eighth: np.ndarray) -> np.ndarray:
        return (bars[:, None] + eighth[None] * beat / 2).ravel()

    accents = np.where(np.arange(len(bars) * eighths) % eighths == 0, 105, 72)
    return [(at(np.arange(eighths)), top, accents), (at(np.union1d([0], kicks)), _A["kick"], 100),
            (at(snares), _A["snare"], 100)]


def _blast(rng, beat, seconds) -> list[_Strokes]:
    top = _A[str(rng.choice(["ride", "hihat_closed", "crash", "hihat_open", "china"]))]
    step = rng.choice([0.25, 0.5])
    together = rng.random() < 0.3
    return [(_grid(beat, seconds, max(step, 0.25)), _A["kick"], 95),
            (_grid(beat, seconds, 0.5, 0.0 if together else 0.25), _A["snare"], 100),
            (_grid(beat, seconds, rng.choice([0.5, 1.0])), top, 95)]


def _double_kick(rng, beat, seconds) -> list[_Strokes]:
    return [(_grid(beat, seconds, rng.choice([0.25, 1 / 3, 0.5])), _A["kick"], 95),
            (_grid(beat, seconds, 2.0, 1.0), _A["snare"], 115),
            (_grid(beat, seconds, 1.0), _A[str(rng.choice(["ride", "crash", "hihat_open"]))], 95)]


def _tom_fills(rng, beat, seconds) -> list[_Strokes]:
    times = _grid(beat, seconds, rng.choice([0.125, 0.25, 1 / 3, 0.5]))
    times = _some(rng, times, 0.9)
    runs = np.cumsum(rng.random(len(times)) < 0.35)
    drums = np.concatenate([_TOMS, [_A["snare"], _A["kick"]]])
    choice = rng.choice(drums, len(times) + 1, p=[0.26, 0.26, 0.26, 0.14, 0.08])
    return [(times, choice[runs], rng.uniform(60, 120, len(times))),
            (_some(rng, _grid(beat, seconds, 4.0), 0.7), _A["crash"], 110),
            (_some(rng, _grid(beat, seconds, 1.0), 0.5), _A["kick"], 95)]


def _tom_groove(rng, beat, seconds) -> list[_Strokes]:
    times = _grid(beat, seconds, 0.5)
    accents = np.where(np.arange(len(times)) % 4 == 2, 115, 75)
    return [(times, _A["tom_floor"], accents), (_grid(beat, seconds, 1.0), _A["kick"], 95),
            (_some(rng, _grid(beat, seconds, 0.25), 0.2), int(rng.choice(_TOMS[:2])), 85)]


def _random_hits(rng, beat, seconds) -> list[_Strokes]:
    count = rng.poisson(rng.uniform(2, 14) * seconds)
    weights = rng.dirichlet(np.full(len(ARTICULATIONS), 0.7))
    return [(rng.uniform(0, seconds, count), rng.choice(len(ARTICULATIONS), count, p=weights),
             rng.uniform(15, 127, count))]


def _crescendo(rng, beat, seconds) -> list[_Strokes]:
    times = _grid(beat, seconds, 0.25)
    period = rng.choice([4, 8]) * beat
    rise = times % period / period
    rise = rise if rng.random() < 0.5 else 1 - rise
    top = _A[str(rng.choice(["hihat_closed", "snare", "ride", "tom_floor"], p=[.5, .2, .2, .1]))]
    return [(times, top, 20 + 100 * rise), (_grid(beat, seconds, 2.0), _A["kick"], 95),
            (_grid(beat, seconds, period / beat), _A["crash"], 110)]


def _side_stick_ballad(rng, beat, seconds) -> list[_Strokes]:
    return [(_grid(beat, seconds, 2.0, 1.0), _A["side_stick"], 75),
            (_some(rng, _grid(beat, seconds, 0.5), 0.15), _A["side_stick"], 60),
            (_grid(beat, seconds, 2.0), _A["kick"], 75),
            (_some(rng, _grid(beat, seconds, 2.0, 1.5), 0.5), _A["kick"], 65),
            (_grid(beat, seconds, 0.5), _A[str(rng.choice(["hihat_closed", "ride"]))], 50)]


def _swing_ride(rng, beat, seconds) -> list[_Strokes]:
    swing = rng.uniform(0.6, 0.72)
    return [(_grid(beat, seconds), _A["ride"], 80),
            (_grid(beat, seconds, 2.0, 1.0 + swing), _A["ride"], 62),
            (_grid(beat, seconds, 2.0, 1.0), _A["hihat_pedal"], 60),
            (_some(rng, _grid(beat, seconds, 1.0, swing), 0.35), _A["snare"], 45),
            (_some(rng, _grid(beat, seconds, 1.0), 0.3), _A["kick"], 50)]


def _half_time(rng, beat, seconds) -> list[_Strokes]:
    hats = _grid(beat, seconds, rng.choice([0.25, 0.5, 1 / 3]))
    opens = _grid(beat, seconds, 4.0, 3.5)
    return [(hats, _A["hihat_closed"], np.where(np.arange(len(hats)) % 2, 55, 85)),
            (opens, _A["hihat_open"], 85), (_grid(beat, seconds, 4.0), _A["kick"], 110),
            (_some(rng, _grid(beat, seconds, 0.5), 0.2), _A["kick"], 90),
            (_grid(beat, seconds, 4.0, 2.0), _A["snare"], 115)]


def _crash_riding(rng, beat, seconds) -> list[_Strokes]:
    top = _A[str(rng.choice(["crash", "hihat_open", "china"], p=[0.6, 0.3, 0.1]))]
    return [(_grid(beat, seconds, rng.choice([0.5, 1.0])), top, 105),
            (_grid(beat, seconds, 2.0), _A["kick"], 112),
            (_some(rng, _grid(beat, seconds, 0.5), 0.25), _A["kick"], 100),
            (_grid(beat, seconds, 2.0, 1.0), _A["snare"], 115)]


def _ghost_snare(rng, beat, seconds) -> list[_Strokes]:
    sixteenths = _grid(beat, seconds, 0.25)
    ghosts = _some(rng, sixteenths, rng.uniform(0.3, 0.7))
    return [(ghosts, _A["snare"], rng.uniform(12, 45, len(ghosts))),
            (_grid(beat, seconds, 2.0, 1.0), _A["snare"], 112),
            (_grid(beat, seconds, 0.5), _A["hihat_closed"], 70),
            (_some(rng, sixteenths, 0.2), _A["kick"], 95),
            (_grid(beat, seconds, 4.0), _A["kick"], 105)]


#: Style → function of (rng, seconds per beat, seconds) giving lists of strokes.
STYLES: dict[str, Callable] = {
    "ride-only": _ride_only, "no-hat": _no_hat, "odd-metre": _odd_metre, "blast": _blast,
    "double-kick": _double_kick, "tom-fills": _tom_fills, "tom-groove": _tom_groove,
    "random": _random_hits, "crescendo": _crescendo, "side-stick": _side_stick_ballad,
    "swing-ride": _swing_ride, "half-time": _half_time, "crash-riding": _crash_riding,
    "ghost-snare": _ghost_snare,
}
_TEMPO = 65, 190  #: beats per minute, and those of styles that have tempi of their own
_TEMPI = {"blast": (160, 260), "double-kick": (160, 240), "side-stick": (55, 90)}


def _tidy(performance: Performance, times: np.ndarray, articulations: np.ndarray,
          velocities: np.ndarray, stop: float = np.inf) -> Performance:
    """Performance of the strokes in order, in [0, stop), one per piece and `MIN_HIT_DISTANCE`."""
    inside = (times >= 0) & (times < stop)
    times, articulations, velocities = (x[inside] for x in (times, articulations, velocities))
    order = np.argsort(times, kind="stable")
    result = replace(performance, times=times[order], articulations=articulations[order],
                     velocities=np.clip(np.rint(velocities[order]), 1, 127).astype(np.int64))
    # Greedy: within one piece, a stroke too soon after the last one kept goes.
    by_piece = np.lexsort((result.times, result.pieces))
    pieces, onsets = result.pieces[by_piece], result.times[by_piece]
    keep = np.ones(len(onsets), bool)
    close = (np.diff(pieces) == 0) & (np.diff(onsets) < MIN_HIT_DISTANCE)
    if close.any():
        last, piece = -np.inf, -1
        for i, (p, t) in enumerate(zip(pieces.tolist(), onsets.tolist(), strict=True)):
            keep[i] = p != piece or t - last >= MIN_HIT_DISTANCE
            if keep[i]:
                last, piece = t, p
        return result.select(np.sort(by_piece[keep]))
    return result


def generate(rng: np.random.Generator, seconds: float, style: str | None = None) -> Performance:
    """A performance in one of `STYLES`, drawn by `rng` unless `style` names it.

    Parameters
    ----------
    rng : numpy.random.Generator
    seconds : float
        Strokes fall in [0, seconds).
    style : str, optional

    Returns
    -------
    Performance
        Named after its style; ascending, no two hits of a piece closer than
        `MIN_HIT_DISTANCE`. May be empty when `seconds` is short.
    """
    style = style or list(STYLES)[rng.integers(len(STYLES))]
    bpm = float(rng.uniform(*_TEMPI.get(style, _TEMPO)))
    beat = 60 / bpm
    parts = STYLES[style](rng, beat, float(seconds))
    if style == "ride-only" and rng.random() < 0.6:
        parts += _no_hat(rng, beat, float(seconds))
    times = np.concatenate([t for t, _, _ in parts])
    articulations = np.concatenate([np.broadcast_to(a, len(t)) for t, a, _ in parts])
    velocities = np.concatenate([np.broadcast_to(v, len(t)) for t, _, v in parts])
    if style != "random":
        jitter = rng.uniform(0, 0.010)
        times = times + rng.uniform(0, beat) + jitter * rng.standard_normal(len(times))
    velocities = velocities * rng.uniform(0.7, 1.1) + rng.uniform(0, 9) * rng.standard_normal(
        len(times))
    empty = Performance(times[:0], articulations[:0], velocities[:0], name=style, style=style,
                        bpm=bpm)
    return _tidy(empty, times, articulations.astype(np.int64), velocities, float(seconds))


def _sections(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """Mask of the strokes in one stretch of the performance, or (half the time) all."""
    if len(times) == 0 or rng.random() < 0.5:
        return np.ones(len(times), bool)
    a, b = np.sort(rng.uniform(times[0], times[-1] + 1e-3, 2))
    return (times >= a) & (times <= b)


#: (chance, from articulations, to articulation) of the exchanges that `vary` may make.
_EXCHANGES = (
    (0.10, ("snare",), "side_stick"),
    (0.10, ("hihat_closed", "hihat_open"), "ride"),
    (0.08, ("hihat_closed",), "hihat_open"),
    (0.05, ("hihat_closed",), "hihat_pedal"),
    (0.05, ("hihat_open",), "hihat_closed"),
    (0.06, ("ride",), "crash"),
    (0.05, ("ride",), "ride_bell"),
    (0.05, ("ride", "ride_bell"), "hihat_closed"),
    (0.05, ("hihat_closed",), "crash"),
    (0.03, ("crash",), "china"),
    (0.03, ("crash",), "splash"),
    (0.05, ("hihat_closed", "ride"), "tom_floor"),
    (0.05, ("snare",), "tom_floor"),
    (0.03, ("snare",), "tom_mid"),
    (0.02, ("snare",), "tom_high"),
)


def vary(performance: Performance, rng: np.random.Generator) -> Performance:
    """A changed copy of a performance (an excerpt of Groove, say).

    Tempo stretched by 0.75 to 1.35; snare to side stick or a tom, hi-hat to ride, closed
    hats to open, ride to crash and the like, throughout or in a section; a piece left out;
    toms exchanged; velocities scaled and compressed; a little jitter. Each only
    sometimes, so that much of Groove stays as played.

    Parameters
    ----------
    performance : Performance
    rng : numpy.random.Generator

    Returns
    -------
    Performance
        Ascending times from 0 on, no two hits of a piece closer than
        `MIN_HIT_DISTANCE`. A stretched performance lasts up to 1.35 times as long:
        cut a longer excerpt than needed, then cut the result.
    """
    times = performance.times.astype(np.float64)
    arts = performance.articulations.copy()
    velocities = performance.velocities.astype(np.float64)
    bpm = performance.bpm
    if rng.random() < 0.6:
        stretch = float(np.exp(rng.uniform(np.log(0.75), np.log(1.35))))
        times, bpm = times * stretch, bpm / stretch
    for chance, sources, target in _EXCHANGES:
        if rng.random() < chance:
            among = np.zeros(len(ARTICULATIONS), bool)
            among[[_A[s] for s in sources]] = True
            arts[among[arts] & _sections(rng, times)] = _A[target]
    if rng.random() < 0.15:
        mapping = np.arange(len(ARTICULATIONS))
        mapping[_TOMS] = rng.permutation(_TOMS) if rng.random() < 0.7 else rng.choice(_TOMS)
        arts = mapping[arts]
    keep = np.ones(len(times), bool)
    if rng.random() < 0.12 and len(times):
        piece = replace(performance, times=times, articulations=arts).pieces
        keep = piece != rng.choice(np.unique(piece))
    if rng.random() < 0.5:
        gamma, scale = rng.uniform(0.4, 1.3), rng.uniform(0.7, 1.15)
        velocities = 127 * scale * (velocities / 127) ** gamma
    if rng.random() < 0.5:
        times = times + rng.uniform(0.001, 0.006) * rng.standard_normal(len(times))
        times = np.maximum(times, 0.0)
    return _tidy(replace(performance, bpm=bpm), times[keep], arts[keep], velocities[keep])
