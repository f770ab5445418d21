"""Quantisation: hits moved to the nearest place of a grid between the beats."""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping

import numpy as np

from ..errors import ConfigError
from ..transcription import Hit, Transcription
from .beats import Beats
from .grid import Swing, late, place
from .tempo import calm, even, from_zero, lead

__all__ = ["GRIDS", "AUTO", "check_grid", "divided_by_three", "quantize"]

#: Places in a quarter note of each grid; T is for triplets.
GRIDS: Mapping[str, int] = MappingProxyType(
    {"1/4": 1, "1/8": 2, "1/8T": 3, "1/16": 4, "1/16T": 6, "1/32": 8})

#: The grid that is recognised beat by beat, and the swing that is recognised.
AUTO = "auto"

#: Percent of a pair of notes that the first of them may take.
SWINGS = (50.0, 75.0)

_LEVELS = {"1/8": 8, "1/16": 16}


def check_grid(grid: str, swing: float | str | None = None,
               compound: bool = False) -> float | str | None:
    """Swing as a number in percent, ``"auto"`` or None, if it goes with the grid.

    Parameters
    ----------
    grid : str
    swing : float or str, optional
    compound : bool
        Whether beats are of three eighths.

    Raises
    ------
    ConfigError
        If there is no such grid, the swing is no number or out of range, the grid does
        not swing, or does not divide the beats.

    Examples
    --------
    >>> check_grid("1/8", "62"), check_grid("1/16", "66.7%"), check_grid("auto", "auto")
    (62.0, 66.7, 'auto')
    """
    if grid != AUTO and grid not in GRIDS:
        raise ConfigError(f"no grid {grid!r}; choose one of {', '.join((AUTO, *GRIDS))}")
    if compound and grid != AUTO and GRIDS[grid] * 3 % 2:
        raise ConfigError(f"beats of 6/8, 9/8 and 12/8 are three eighths, which {grid} does not "
                          "divide; choose one of "
                          + ", ".join(g for g, pace in GRIDS.items() if pace * 3 % 2 == 0))
    if swing is not None and grid != AUTO and grid not in _LEVELS:
        raise ConfigError(f"swing goes with the grids {', '.join((AUTO, *_LEVELS))}, not {grid}")
    if swing is None or swing == AUTO:
        return swing
    try:
        percent = float(str(swing).removesuffix("%"))
    except ValueError:
        percent = float("nan")
    if not SWINGS[0] <= percent <= SWINGS[1]:
        raise ConfigError(f"swing {swing}: expected auto or {SWINGS[0]:.0f} (even) to "
                          f"{SWINGS[1]:.0f} percent; triplets are 66.7")
    if compound and _LEVELS.get(grid) == 8:
        raise ConfigError("eighths of 6/8, 9/8 and 12/8 come in threes and do not swing; "
                          "use 1/16 or leave the swing out")
    return percent


def quantize(transcription: Transcription, grid: str = "1/16",
             swing: float | str | None = None) -> Transcription:
    """The same hits on a grid that follows the transcription's beats.

    Of hits of one piece that fall on the same place, the loudest stays. Hits before the
    first beat go onto a grid of the time before it (sixteenths with ``"auto"``), as a MIDI file
    has it (`adt.beats.tempo.lead`).

    Parameters
    ----------
    transcription : Transcription
        With beats. Those of the result are as a MIDI file has them (`adt.beats.tempo.even`), so
        that the notes lie on its grid.
    grid : str
        One of `GRIDS`, or ``"auto"``: every beat has the grid that its hits suggest
        (`adt.beats.grid`), with the song's swing.
    swing : float or "auto", optional
        When the second of two notes begins, percent of both: 50 even, 66.7 triplets. They
        are eighths with the grid 1/8, sixteenths with 1/16, and what suits better with
        ``"auto"``. ``"auto"`` recognises it. By default even with a fixed grid,
        recognised with ``"auto"``.

    Returns
    -------
    Transcription

    Raises
    ------
    ConfigError
        If there is no such grid or swing, it does not go with the beats, or the transcription
        has none.
    """
    swing = check_grid(grid, swing)
    if transcription.beats is None or len(transcription.beats) < 2:
        raise ConfigError("quantising needs beats; give a tempo, or a file of beats")
    if not len(transcription):
        return transcription
    check_grid(grid, swing, transcription.beats.compound)
    beats = from_zero(transcription.beats)
    regular, unit = even(beats), float(beats.unit)
    times = np.array([hit.time for hit in transcription])
    places = beats.position_of(times)
    before, quarters = lead(regular)
    slow = before / max(quarters, 1e-9) * unit  # seconds a beat before the first one
    early = times < before
    places[early] = (times[early] - before) / slow
    pace = GRIDS[grid if grid != AUTO else "1/16"] * unit  # places a beat
    if grid == AUTO:
        slots = _recognised(transcription, beats,
                            None if swing in (None, AUTO) else swing / 100).sounding
        slots[early] = _nearest(places[early], pace, None)
    else:
        found = None
        if swing == AUTO:
            found = _recognised(transcription, beats).swing
        elif swing is not None:
            found = Swing(_LEVELS[grid], swing / 100)
        slots = _nearest(places, pace, found, 3 if beats.compound else None)
    slots = np.maximum(slots, -quarters / unit)
    moved = np.where(slots < 0, before + slots * slow, regular.time_of(slots))
    moved = np.maximum(0.0, moved)
    loudest: dict[tuple[int, str], Hit] = {}
    for hit, slot, time in zip(transcription, np.rint(slots * 960).astype(int).tolist(),
                               moved.tolist()):
        best = loudest.get((slot, hit.piece))
        if best is None or hit.velocity > best.velocity:
            loudest[slot, hit.piece] = Hit(time, hit.piece, hit.velocity, hit.confidence)
    hits = list(loudest.values())
    end = max(transcription.duration, *(hit.time for hit in hits))
    return transcription.replace(hits=hits, beats=regular, duration=end)


def divided_by_three(transcription: Transcription) -> bool:
    """Whether most beats that are divided are so by three, or eighths that swing like them."""
    if not len(transcription):
        return False
    found = _recognised(transcription, transcription.beats)
    inner = np.array([place % 1 != 0 for place in found.written])
    three = np.array([place.denominator % 3 == 0 for place in found.written])
    if found.swing is not None and found.swing.level == 8 and found.swing.ratio > 0.6:
        three |= found.swung
    return bool(inner.any() and three[inner].mean() > 0.5)


def _recognised(transcription: Transcription, beats: Beats, swing: float | None = None):
    beats = calm(beats)
    places = beats.position_of([hit.time for hit in transcription])
    period = beats.time_of(np.floor(places) + 1) - beats.time_of(np.floor(places))
    return place(places, [hit.piece for hit in transcription],
                 [hit.velocity for hit in transcription], period,
                 compound=beats.compound, swing=swing)


def _nearest(places: np.ndarray, pace: float, swing: Swing | None,
             pairs: int | None = None) -> np.ndarray:
    """The nearest places of a fixed grid, swung if there is swing."""
    steps = np.floor(places * pace)
    around = (steps[:, None] + np.arange(-1, 3)) / pace
    if swing is not None:
        around = late(around, swing, pairs)
    best = np.abs(around - places[:, None]).argmin(axis=1)
    return around[np.arange(len(places)), best]
