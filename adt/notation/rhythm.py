"""Written rhythm: hits at human times become bars of slots on the grids of `adt.beats.grid`."""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from ..beats import Beats
from ..beats.grid import place
from ..beats.tempo import calm, tempo_changes
from ..transcription import Hit, Transcription
from ..vocabulary import class_note

__all__ = ["Stroke", "Bar", "Rhythm", "write_rhythm"]

FLAM = 0.040  #: two hits of a drum closer than this are a flam, seconds
_ONE_SLOT = 0.080  # and those that fall on one slot, closer than this
_GRACES = 2  # of a stroke, at most
GHOST = 0.5  #: a ghost note is softer than this share of the snare's usual strokes
ACCENT = 1.3  #: an accent is louder than the piece's median by this factor
_LOUD = 120  # or as loud as this, and 10 louder than the median
ACCENTS = 0.25  #: where more of a piece's hits than this share would be accents, none is
SWING = 0.57  #: least share of the first of two notes that is called swing

_SNARE = class_note("snare")
_DRUMS = {class_note(drum) for drum in ("snare", "tom_floor", "tom_mid", "tom_high")}


@dataclass(frozen=True)
class Stroke:
    """One written hit: its piece and how it is played."""

    piece: str
    ghost: bool = False
    accent: bool = False
    graces: int = 0  #: softer strokes right before: 1 is a flam, 2 a drag
    closing: bool = False  #: the closed hat after an open one


@dataclass
class Bar:
    """One bar: place in quarter notes → strokes; `length` quarters; pickup if incomplete."""

    length: Fraction
    beat: Fraction = Fraction(1)
    pickup: bool = False
    slots: dict[Fraction, list[Stroke]] = field(default_factory=dict)

    @property
    def signature(self) -> tuple[int, int]:
        """Numerator and denominator of the time signature."""
        return ((int(self.length * 2), 8) if self.beat == Fraction(3, 2)
                else (int(self.length), 4))


@dataclass
class Rhythm:
    """Bars, tempi in beats per minute by the bar from which they hold, and the swing.

    `swing` is 8 or 16 if written eighths or sixteenths swing, else 0.
    """

    bars: list[Bar]
    tempi: dict[int, float]
    swing: int


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
        Two hits of one piece on one slot are written once, as the louder, or as a flam.
    """
    hits, graces = _join_flams(transcription.hits)
    beats = extended(calm(beats), [hit.time for hit in hits])
    times = [hit.time for hit in hits]
    places = np.maximum(beats.position_of(times), 0) if hits else np.zeros(0)
    found = place(places, [_line(hit.piece) for hit in hits], [hit.velocity for hit in hits],
                  np.interp(places, np.arange(len(beats) - 1) + 0.5, np.diff(beats.times)),
                  compound=beats.compound)
    marks = _dynamics(hits)
    slots: dict[Fraction, dict[str, int]] = {}
    for k, (hit, offset) in enumerate(zip(hits, found.written, strict=True)):
        row = slots.setdefault(offset, {})
        name = _line(hit.piece)
        other = row.get(name)
        if other is None or hits[other].velocity < hit.velocity:
            row[name] = k
        if (other is not None and class_note(hit.piece) in _DRUMS
                and hit.time - hits[other].time < _ONE_SLOT):
            graces[k] = graces[other] = min(_GRACES, graces[k] + graces[other] + 1)
    bars, firsts = _bars(beats, slots, lambda k: Stroke(
        hits[k].piece, ghost=marks[k] < 0, accent=marks[k] > 0, graces=graces[k]))
    swings = found.swing is not None and found.swing.ratio >= SWING
    tempi = {max(0, bisect.bisect_right(firsts, at) - 1): tempo
             for at, tempo in tempo_changes(beats, times)}
    return Rhythm(bars, tempi, found.swing.level if swings else 0)


def _line(piece: str) -> str:
    """Open and closed hat share a line: one of them is written."""
    return "hihat" if piece.startswith("hihat") else piece


def _join_flams(hits) -> tuple[list[Hit], list[int]]:
    """Hits without the first strokes of flams and drags, and how many those are."""
    kept: list[Hit] = []
    graces: list[int] = []
    last: dict[str, int] = {}
    for hit in hits:
        k = last.get(hit.piece)
        if (k is not None and class_note(hit.piece) in _DRUMS and graces[k] < _GRACES
                and hit.time - kept[k].time < FLAM):
            graces[k] += 1
            kept[k] = Hit(hit.time, hit.piece, max(hit.velocity, kept[k].velocity),
                          hit.confidence)
            continue
        last[hit.piece] = len(kept)
        kept.append(hit)
        graces.append(0)
    return kept, graces


def extended(beats: Beats, times: list[float]) -> Beats:
    """Beats that go on before the first and after the last hit."""
    places = np.atleast_1d(beats.position_of(times)) if times else np.zeros(1)
    before = max(0, -int(np.floor(places.min() + 1 / 16)))
    metre = max(beats.metre, 1)
    first, last = int(beats.positions[0]), int(beats.positions[-1])
    head = [(first - 1 - k) % metre + 1 for k in range(before, 0, -1)]
    after = max(0, int(np.ceil(places.max())) + 2 - len(beats))
    tail = [(min(last, metre) - 1 + k) % metre + 1 for k in range(1, after + 1)]
    counts = np.arange(-before, len(beats) + after)
    return replace(beats, times=beats.time_of(counts),
                   positions=[*head, *beats.positions.tolist(), *tail])


def _dynamics(hits: list[Hit]) -> list[int]:
    """-1 ghost, 1 accent, 0 neither, relative to the piece's own hits."""
    marks = [0] * len(hits)
    for piece in {hit.piece for hit in hits}:
        members = [k for k, hit in enumerate(hits) if hit.piece == piece]
        note = class_note(piece)
        values = np.array([hits[k].velocity for k in members], dtype=float)
        ghost = values < GHOST * _usual(values) if note == _SNARE else values < 0
        if note in _DRUMS and not ghost.all():
            middle = np.median(values[~ghost])
            accent = values >= min(ACCENT * middle, max(_LOUD, middle + 10))
            if accent.sum() > ACCENTS * len(values):
                accent[:] = False
        else:
            accent = values < 0
        for k, soft, loud in zip(members, ghost, accent, strict=True):
            marks[k] = 1 if loud else -1 if soft else 0
    return marks


def _usual(values: np.ndarray) -> float:
    """Velocity of a snare's usual strokes: its upper quartile, unless that is of ghosts too."""
    quartile, loud = np.percentile(values, [75, 95])
    return loud if quartile < GHOST * loud else quartile


def _bars(beats: Beats, slots, stroke) -> tuple[list[Bar], list[int]]:
    """Bars, and the beat that each begins with."""
    edges = [int(k) for k in np.flatnonzero(beats.positions == 1)]
    end = max([int(x // 1) + 1 for x in slots], default=1)
    pickup = not edges or edges[0] > 0
    if pickup:
        edges.insert(0, 0)
    metre = max(beats.metre, 1)
    while edges[-1] < end:
        edges.append(edges[-1] + metre)
    least = 2  # edges; a pickup alone would not tell the metre
    if pickup and edges[1] < metre:
        least = 3
        if len(edges) < least:
            edges.append(edges[-1] + metre)
    while len(edges) > least and edges[-2] >= end:
        edges.pop()
    unit = beats.unit
    bars = [Bar((b - a) * unit, unit) for a, b in zip(edges, edges[1:], strict=False)]
    bars[0].pickup = least == 3
    opened = None  # where the hat was, unless it was closed since
    for offset in sorted(slots):
        place = int(np.searchsorted(edges, float(offset), side="right")) - 1
        strokes = [stroke(k) for k in slots[offset].values()]
        for k, found in enumerate(strokes):
            if found.piece.startswith("hihat"):
                closed = found.piece == "hihat_closed"
                strokes[k] = replace(found, closing=(
                    closed and opened is not None and offset - opened <= metre))
                opened = None if closed else offset
        bars[place].slots[(offset - edges[place]) * unit] = strokes
    if bars[0].pickup and not bars[0].slots and len(bars) > 1:
        del bars[0], edges[0]
    return bars, edges[:-1]
