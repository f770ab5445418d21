"""Written rhythm: hits at human times become bars of slots on a grid chosen beat by beat.

Every beat takes the grid that explains its onsets at the least cost: squared distances to
the grid, plus a price for its complexity, in the manner of minimum description length
(Cemgil and Kappen, "Monte Carlo Methods for Tempo Tracking and Rhythm Quantization",
JAIR 2003).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from ..beats import Beats
from ..transcription import Hit, Transcription
from ..vocabulary import class_note

__all__ = ["Stroke", "Bar", "Rhythm", "write_rhythm"]

#: Slots a beat → price of the grid. 2 eighths, 4 sixteenths, 3 triplets, 6 sextuplets.
GRIDS = {1: 0.0, 2: 0.5, 4: 1.5, 3: 2.5, 6: 6.0, 8: 11.0}
SPREAD = 0.020  #: standard deviation of a player's timing, seconds
COLLISION = 8.0  #: price of two hits of one piece in one slot
HABIT = 4.0  #: further price of triplets in a song of sixteenths alone, and the reverse
FLAM = 0.040  #: two hits of a drum closer than this are a flam, seconds
GHOST = 0.5  #: a ghost note is softer than this share of the snare's upper quartile
ACCENT = 1.3  #: an accent is louder than the piece's median by this factor
ACCENTS = 0.25  #: where more of a piece's hits than this share would be accents, none is
SWING = 0.6  #: share of the beats with off-beats that swing in a song that swings

_LONG = {Fraction(2, 3), Fraction(3, 4)}
_SNARE = {38}
_DRUMS = {38, 43, 47, 50}


@dataclass(frozen=True)
class Stroke:
    """One written hit: its piece and how it is played."""

    piece: str
    ghost: bool = False
    accent: bool = False
    flam: bool = False
    closing: bool = False  #: the closed hat after an open one


@dataclass
class Bar:
    """Slots of one bar: offset in beats → strokes; `length` beats; pickup if incomplete."""

    length: int
    pickup: bool = False
    slots: dict[Fraction, list[Stroke]] = field(default_factory=dict)


@dataclass
class Rhythm:
    """Bars, tempo in beats per minute, and whether written eighths swing."""

    bars: list[Bar]
    tempo: float
    swing: bool


def write_rhythm(transcription: Transcription, beats: Beats) -> Rhythm:
    """Bars that hold every hit on a grid.

    Parameters
    ----------
    transcription : Transcription
    beats : Beats
        At least two.

    Returns
    -------
    Rhythm
        Two hits of one piece on one slot are written once, as the louder.
    """
    hits, flams = _join_flams(transcription.hits)
    beats = _extended(beats, [hit.time for hit in hits])
    times = [hit.time for hit in hits]
    places = np.maximum(beats.position_of(times), 0) if hits else np.zeros(0)
    places = np.maximum(places - _lag(places), 0)
    period = float(np.median(np.diff(beats.times)))
    by_beat: dict[int, list[int]] = {}
    for k, place in enumerate(places):
        by_beat.setdefault(int(np.floor(place)), []).append(k)
    offsets = _place(hits, places, by_beat, period, {})
    offsets = _place(hits, places, by_beat, period, _habits(by_beat, offsets))
    swing = _swings(by_beat, offsets)
    marks = _dynamics(hits)
    slots: dict[Fraction, dict[str, int]] = {}
    for k, hit in enumerate(hits):
        offset = offsets[k]
        if swing and offset % 1 and _off_beat(offset // 1, offsets, by_beat) is not None:
            offset = offset // 1 + Fraction(1, 2)
        row = slots.setdefault(offset, {})
        name = _line(hit.piece)
        if name not in row or hits[row[name]].velocity < hit.velocity:
            row[name] = k
    bars = _bars(beats, slots, lambda k: Stroke(
        hits[k].piece, ghost=marks[k] < 0, accent=marks[k] > 0, flam=k in flams))
    return Rhythm(bars, beats.tempo, swing)


def _line(piece: str) -> str:
    """Open and closed hat share a line: one of them is written."""
    return "hihat" if piece.startswith("hihat") else piece


def _join_flams(hits) -> tuple[list[Hit], set[int]]:
    """Hits without the first strokes of flams, and the indices of the flams."""
    kept: list[Hit] = []
    flams: set[int] = set()
    last: dict[str, int] = {}
    for hit in hits:
        k = last.get(hit.piece)
        if (k is not None and class_note(hit.piece) in _DRUMS and k not in flams
                and hit.time - kept[k].time < FLAM):
            flams.add(k)
            kept[k] = Hit(hit.time, hit.piece, max(hit.velocity, kept[k].velocity),
                          hit.confidence)
            continue
        last[hit.piece] = len(kept)
        kept.append(hit)
    return kept, flams


def _extended(beats: Beats, times: list[float]) -> Beats:
    """Beats that go on before the first and after the last hit."""
    places = np.atleast_1d(beats.position_of(times)) if times else np.zeros(1)
    before = max(0, -int(np.floor(places.min() + 1 / 16)))
    metre = max(beats.metre, 1)
    first, last = int(beats.positions[0]), int(beats.positions[-1])
    head = [(first - 1 - k) % metre + 1 for k in range(before, 0, -1)]
    after = max(0, int(np.ceil(places.max())) + 2 - len(beats))
    tail = [(last - 1 + k) % metre + 1 for k in range(1, after + 1)]
    counts = np.arange(-before, len(beats) + after)
    return Beats(beats.time_of(counts), [*head, *beats.positions.tolist(), *tail])


def _lag(places: np.ndarray) -> float:
    """How far behind the beats (ahead, if negative) the hits on the beats are, in beats."""
    errors = (places + 0.5) % 1 - 0.5
    near = errors[np.abs(errors) < 0.12]
    return float(np.median(near)) if len(near) >= 8 else 0.0


def _place(hits, places, by_beat, period: float, habits: dict[int, float]):
    """Offset in beats of every hit, by index."""
    offsets: dict[int, Fraction] = {}
    for beat, members in by_beat.items():
        snapped = _snap([hits[k] for k in members], places[members] - beat, period, habits)
        offsets.update(zip(members, (beat + x for x in snapped), strict=True))
    return offsets


def _habits(by_beat, offsets) -> dict[int, float]:
    """Further price of the grids that the song seldom uses: triplets or sixteenths."""
    ternary = binary = 0
    for members in by_beat.values():
        finest = max(offsets[k].denominator for k in members)
        ternary += finest % 3 == 0
        binary += finest >= 4 and finest % 3 != 0
    total = ternary + binary
    return {grid: HABIT * (binary if grid % 3 == 0 else ternary) / total
            for grid in (3, 4, 6, 8)} if total else {}


def _snap(hits: list[Hit], places: np.ndarray, period: float,
          habits: dict[int, float]) -> list[Fraction]:
    """Places of the hits of one beat on its grid of least cost."""
    best = None
    weights = np.array([0.3 + hit.velocity / 127 for hit in hits])
    for grid, price in GRIDS.items():
        steps = np.round(places * grid).astype(int)
        error = (places - steps / grid) * period / SPREAD
        cost = price + habits.get(grid, 0.0) + float((weights * np.minimum(error ** 2, 16)).sum())
        seen = {(_line(h.piece), s) for h, s in zip(hits, steps.tolist(), strict=True)}
        cost += COLLISION * (len(hits) - len(seen))
        if best is None or cost < best[0]:
            best = (cost, [Fraction(s, grid) for s in steps.tolist()])
    return best[1]


def _off_beat(beat: int, offsets: dict[int, Fraction], by_beat) -> Fraction | None:
    """Place of the only off-beat of a beat that is divided long and short."""
    inner = {offsets[k] - beat for k in by_beat.get(beat, ())} - {Fraction(0), Fraction(1)}
    return next(iter(inner)) if len(inner) == 1 and inner <= _LONG else None


def _swings(by_beat, offsets) -> bool:
    """Whether most beats that are divided are divided long and short, many of them 2 to 1."""
    divided = [b for b in by_beat if any(offsets[k] % 1 for k in by_beat[b])]
    places = [_off_beat(b, offsets, by_beat) for b in divided]
    swung = sum(place is not None for place in places)
    return (len(divided) >= 4 and swung >= SWING * len(divided)
            and 3 * places.count(Fraction(2, 3)) >= swung)


def _dynamics(hits: list[Hit]) -> list[int]:
    """-1 ghost, 1 accent, 0 neither, relative to the piece's own hits."""
    marks = [0] * len(hits)
    for piece in {hit.piece for hit in hits}:
        members = [k for k, hit in enumerate(hits) if hit.piece == piece]
        note = class_note(piece)
        values = np.array([hits[k].velocity for k in members], dtype=float)
        ghost = values < GHOST * np.percentile(values, 75) if note in _SNARE else values < 0
        if note in _DRUMS and not ghost.all():
            accent = values >= ACCENT * np.median(values[~ghost])
            if accent.sum() > ACCENTS * len(values):
                accent[:] = False
        else:
            accent = values < 0
        for k, soft, loud in zip(members, ghost, accent, strict=True):
            marks[k] = 1 if loud else -1 if soft else 0
    return marks


def _bars(beats: Beats, slots, stroke) -> list[Bar]:
    edges = [int(k) for k in np.flatnonzero(beats.positions == 1)]
    end = max([int(x // 1) + 1 for x in slots], default=1)
    pickup = not edges or edges[0] > 0
    if pickup:
        edges.insert(0, 0)
    while edges[-1] < end:
        edges.append(edges[-1] + max(beats.metre, 1))
    while len(edges) > 2 and edges[-2] >= end:
        edges.pop()
    bars = [Bar(b - a) for a, b in zip(edges, edges[1:], strict=False)]
    bars[0].pickup = pickup and bars[0].length < beats.metre
    was_open = False
    for offset in sorted(slots):
        place = int(np.searchsorted(edges, float(offset), side="right")) - 1
        strokes = [stroke(k) for k in slots[offset].values()]
        for k, found in enumerate(strokes):
            if found.piece.startswith("hihat"):
                strokes[k] = replace(found, closing=was_open and found.piece == "hihat_closed")
                was_open = found.piece == "hihat_open"
        bars[place].slots[offset - edges[place]] = strokes
    return bars
