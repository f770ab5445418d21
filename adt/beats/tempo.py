"""Tempo maps: from beats to the tempi and time signatures of a MIDI file.

A MIDI file begins with a bar line, a recording seldom does. The time before the first
beat becomes a pickup of whole sixteenths (its time signature says how many), whose tempo
is bent a little so that the first downbeat falls on a bar line at its true time. Much less
than a sixteenth is a 32nd or a 64th, and 10 ms are nothing: the first beat begins with the
file. Before the bent tempo the song's own stands for a moment: programs that read one tempo
only read the first. A beat is a quarter note, or three eighths in compound metres.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, replace

import numpy as np

from ..errors import ConfigError
from .beats import LONGEST_BAR, Beats

#: Beats that deviate less than this from a regular click, in seconds, have one tempo.
TOLERANCE = 0.035
_SHORTEST_LEAD = 0.010  # seconds before the first beat that are none
_MOMENT = 1 / 960  # quarters for which the song's tempo stands before a bent one
_BENT = 0.01  # share by which a tempo is bent without a word
_SAME = 3e-6  # seconds; beats are kept to the microsecond
_CHANGE = 0.04  # share by which a tempo differs from the one before, to be another
_SHORTEST_STRETCH, _LONGEST_STRETCH = 4, 200  # bars of one tempo that are looked at together
_STRETCH = 0.25  # price of a stretch: five bars off by 5 %
_LONGEST_QUARTER = 16.7  # seconds; MIDI has 24 bits of microseconds


@dataclass(frozen=True)
class TempoMap:
    """Tempi and time signatures of a MIDI file.

    Attributes
    ----------
    tempi : list of (float, float)
        Place in quarter notes from the start, and seconds per quarter note from there on.
    signatures : list of (float, int, int)
        Place in quarter notes, numerator and denominator.
    """

    tempi: list[tuple[float, float]]
    signatures: list[tuple[float, int, int]]

    def to_midi(self, resolution: int):
        """Empty `pretty_midi.PrettyMIDI` with these tempi, `resolution` ticks a quarter."""
        import mido
        import pretty_midi

        signatures = list(self.signatures)
        if signatures == [(0.0, 4, 4)] and all(round(q * 1e6) == 500_000 for _, q in self.tempi):
            signatures.append((4.0, 4, 4))  # or it would look as if nobody had set a tempo
        events = [(round(at * resolution), 0, mido.MetaMessage(
            "time_signature", numerator=n, denominator=d)) for at, n, d in signatures]
        events += [(max(round(at * resolution), int(at > 0)), 1, mido.MetaMessage(
            "set_tempo", tempo=max(1, round(quarter * 1e6)))) for at, quarter in self.tempi]
        file = mido.MidiFile(ticks_per_beat=resolution)
        file.tracks.append(track := mido.MidiTrack())
        now = 0
        for tick, _, message in sorted(events, key=lambda e: e[:2]):
            track.append(message.copy(time=tick - now))
            now = tick
        track.append(mido.MetaMessage("end_of_track", time=0))
        midi = pretty_midi.PrettyMIDI(mido_object=file)
        # pretty_midi cuts off what it writes, and a microsecond less a beat adds up over hours
        midi._tick_scales = [(tick, scale * (1 + 1e-12)) for tick, scale in midi._tick_scales]
        return midi

    def quarters(self, duration: float) -> float:
        """Quarter notes until `duration`, or until the last change if that is later."""
        now = 0.0
        for (place, quarter), (until, _) in zip(self.tempi, self.tempi[1:]):
            now += (until - place) * quarter
        place, quarter = self.tempi[-1]
        return max(place, self.signatures[-1][0], place + (duration - now) / quarter)


def regular_beats(tempo: float, duration: float, *, first_beat: float = 0.0,
                  metre: int = 4, compound: bool = False) -> Beats:
    """Beats of a click track.

    Parameters
    ----------
    tempo : float
        Beats per minute.
    duration : float
        Seconds until which there are beats; two at least.
    first_beat : float
        Time of a downbeat, seconds. The first beats come at the first downbeat of that
        grid that is not before 0.
    metre : int
        Beats a bar.
    compound : bool
        Beats of three eighths.

    Raises
    ------
    ConfigError
        If the tempo is not within 20 to 400, the metre not within 1 to 15, or first beat or
        duration no time from 0.

    Examples
    --------
    >>> regular_beats(120, 2.0, first_beat=0.25, metre=3).times.tolist()
    [0.25, 0.75, 1.25, 1.75]
    """
    if not 20 <= tempo <= 400:
        raise ConfigError(f"tempo {tempo}: expected 20 to 400 beats per minute")
    if not 1 <= metre <= LONGEST_BAR:
        raise ConfigError(f"{metre} beats a bar: expected 1 to {LONGEST_BAR}")
    if not 0 <= first_beat < float("inf"):
        raise ConfigError(f"first beat {first_beat}: expected seconds from 0")
    if not 0 <= duration < float("inf"):
        raise ConfigError(f"duration {duration}: expected seconds from 0")
    beat = 60.0 / tempo
    start = first_beat % (beat * metre)
    if beat * metre - start < 1e-6:  # beats are kept to the microsecond
        start = 0.0
    count = max(2, int(np.ceil((duration - start) / beat - 1e-9)))
    return Beats(start + beat * np.arange(count), np.arange(count) % metre + 1, compound, metre)


def time_signature(text: str) -> tuple[int, bool]:
    """Beats a bar, and whether they are of three eighths, of a time signature.

    Raises
    ------
    ConfigError
        If it is none of N/4, 6/8, 9/8 and 12/8.

    Examples
    --------
    >>> time_signature("3/4"), time_signature("6/8")
    ((3, False), (2, True))
    """
    count, _, unit = text.partition("/")
    if unit == "4" and count.isdigit() and 1 <= int(count) <= LONGEST_BAR:
        return int(count), False
    if text in ("6/8", "9/8", "12/8"):
        return int(count) // 3, True
    raise ConfigError(f"time signature {text}: expected quarters a bar, such as 3/4, or 6/8, "
                      "9/8 or 12/8; of 7/8 say 7/4, whose beats are its eighths")


def steady(beats: Beats, tolerance: float = TOLERANCE) -> Beats:
    """The same beats on a regular click, if they never leave it by more than `tolerance`.

    Otherwise the beats as they are. The click is a least-squares fit, moved to 0 if it begins
    right before or right after.
    """
    if len(beats) < 3 or beats.times[0] < 0:
        return beats
    index = np.arange(len(beats))
    beat, start = np.polyfit(index, beats.times, 1)
    if start < -_SHORTEST_LEAD:
        return beats
    start = start if round(start, 6) > _SHORTEST_LEAD else 0.0  # beats are kept to the microsecond
    click = beat * index + start
    if np.abs(click - beats.times).max() > tolerance:
        return beats
    return replace(beats, times=click)


def calm(beats: Beats, tolerance: float = TOLERANCE) -> Beats:
    """The beats without the jitter of a tracker: means over five, where they are that near."""
    if len(beats) < 5:
        return beats
    times = beats.times.copy()
    times[2:-2] = np.convolve(times, np.full(5, 0.2), "valid")
    times = np.where(np.abs(times - beats.times) <= tolerance, times, beats.times)
    if (np.diff(times) <= 0).any():
        return beats
    return replace(beats, times=times)


def even(beats: Beats, tolerance: float = TOLERANCE) -> Beats:
    """The beats as a MIDI file has them: steady (`steady`), or evenly spaced in each bar.

    Bars whose beats are not, by more than `tolerance` (held notes, ritardandi), stay as they are.
    """
    beats = from_zero(beats)
    if len(beats) < 3 or steady(beats, tolerance) is not beats:
        return steady(beats, tolerance)
    times = [start + (stop - start) * k / count
             for spans in _spans(beats, tolerance) for start, stop, count in spans
             for k in range(count)]
    return steady(replace(beats, times=times[:len(beats)]), tolerance)


def from_zero(beats: Beats) -> Beats:
    """The beats that are not before 0, where a file begins.

    Raises
    ------
    ConfigError
        If they are fewer than two.
    """
    kept = beats.times >= 0
    if kept.all():
        return beats
    if kept.sum() < 2:
        raise ConfigError(f"{kept.sum()} beats from 0 s on; two at least are needed")
    return replace(beats, times=beats.times[kept], positions=beats.positions[kept], bar=beats.metre)


def lead(beats: Beats) -> tuple[float, float]:
    """The time before the first beat in seconds, and the quarter notes it has in a MIDI file.

    Parameters
    ----------
    beats : Beats
        As a MIDI file has them (`even`).
    """
    seconds = _bars(beats)[0][0]
    if seconds <= 0:
        return 0.0, 0.0
    beat = float(beats.times[1] - beats.times[0])
    return seconds, _lead(seconds / beat * float(beats.unit) * 4) / 4


def _bars(beats: Beats) -> list[tuple[float, float, int]]:
    """Bars of the beats; the first begins at 0 if it does so right after."""
    bars = beats.bars(float(beats.times[-1]) + 1e-6)
    if 0 < bars[0][0] <= _SHORTEST_LEAD:
        bars[0] = (0.0, *bars[0][1:])
    return bars


def _spans(beats: Beats, tolerance: float) -> list[list[tuple[float, float, int]]]:
    """For each bar the spans of one tempo: itself, or its single beats if they are uneven."""
    spans, first = [], 0
    for start, stop, count in _bars(beats):
        edges = np.concatenate([[start], beats.time_of(np.arange(first + 1, first + count)),
                                [stop]])
        uneven = np.abs(edges - np.linspace(start, stop, count + 1)).max() > tolerance
        spans.append([(a, b, 1) for a, b in zip(edges.tolist(), edges[1:].tolist())]
                     if uneven else [(start, stop, count)])
        first += count
    return spans


def tempo_map(beats: Beats, tolerance: float = TOLERANCE) -> TempoMap:
    """Tempo map whose bar lines fall on the downbeats.

    A steady recording gets one tempo (after the pickup), any other one tempo for each
    bar, or for each beat of a bar that is not evenly played. Time signatures follow the
    number of beats of each bar.

    Parameters
    ----------
    beats : Beats
        Two at least.
    tolerance : float
        See `steady`; seconds.

    Raises
    ------
    ValueError
        With fewer than two beats.
    ConfigError
        If they are too far apart for a MIDI file.
    """
    beats = from_zero(beats)
    regular = steady(beats, tolerance)
    spans = _spans(regular, tolerance)
    counts = [sum(steps for _, _, steps in paces) for paces in spans]
    unit = float(beats.unit)
    seconds, place = lead(regular)
    sixteenths = place * 4
    start, stop, steps = spans[0][0]
    tempi = _lead_tempi(seconds, place, (stop - start) / (steps * unit)) if place else []
    signatures = []
    if 0 < sixteenths < 1:  # a bar of its own
        signatures.append((0.0, 1, round(16 / sixteenths)))
    pickup = counts[0] if regular.positions[0] != 1 else 0
    # sixteenths before the first whole bar
    before = int(sixteenths) + round(4 * unit * pickup)
    if before:
        metre = regular.metre
        rest = before % round(4 * unit * metre)
        start = place if signatures else 0.0
        if rest:
            signatures.append((start, *_signature(rest)))
        if before > rest:
            signatures.append((start + rest / 4, *beats.signature(metre)))
    for number, (count, paces) in enumerate(zip(counts, spans)):
        at = place
        for start, stop, steps in paces:
            quarter = (stop - start) / (steps * unit)
            if not tempi or abs(quarter - tempi[-1][1]) > _SAME:
                tempi.append((at, quarter))
            at += steps * unit
            if max(q for _, q in tempi) > _LONGEST_QUARTER:
                raise ConfigError(f"beats {quarter * unit:.1f} s apart are too slow for MIDI; "
                                  "their times are to be in seconds")
        signature = beats.signature(count)
        if not (number == 0 and pickup) and (
                not signatures or signatures[-1][1:] != signature):
            signatures.append((place, *signature))
            if number == 0 and not before and count < max(counts[:2]):
                signatures.append((place, *signature))  # said twice, it is no pickup
        place += count * unit
    whole = beats.signature(regular.metre)
    if pickup and len(counts) == 1 and signatures[-1][1:] != whole:  # no bar that could tell
        signatures.append((place, *whole))
    return TempoMap(tempi, signatures)


def _lead_tempi(seconds: float, place: float, quarter: float) -> list[tuple[float, float]]:
    """Tempi of the time before the first beat, as in `TempoMap`: the song's, then the bent one."""
    bent = seconds / place
    if abs(bent / quarter - 1) <= _BENT:
        return [(0.0, bent)]
    return [(0.0, quarter), (_MOMENT, (seconds - _MOMENT * quarter) / (place - _MOMENT))]


def _lead(sixteenths: float) -> int | float:
    """How the time before the first beat is written, in sixteenths."""
    if sixteenths < 2 ** -0.5:
        return 0.5 if sixteenths > 2 ** -1.5 else 0.25
    return max(1, round(sixteenths))


def _signature(sixteenths: int) -> tuple[int, int]:
    for divisor, denominator in ((4, 4), (2, 8)):
        if sixteenths % divisor == 0:
            return sixteenths // divisor, denominator
    return sixteenths, 16


def tempo_changes(beats: Beats, heard=None) -> list[tuple[int, float]]:
    """Where the tempo really changes: index of the first beat, and beats per minute.

    The tempo of every bar is approximated by as few stretches of one tempo as it takes
    (least absolute deviations with a price for each stretch), each of four bars or more.
    The drift of a player and errors of a tracker are no changes.

    Parameters
    ----------
    beats : Beats
        Two at least.
    heard : array_like, optional
        Times of the hits: a bar without any has no tempo of its own.

    Returns
    -------
    list of (int, float)
        The first is the first beat.
    """
    edges = [0, *(int(k) for k in np.flatnonzero(beats.positions == 1) if k), len(beats) - 1]
    edges = sorted(set(edges))
    edges = edges if len(edges) > 1 else [0, len(beats) - 1]
    counts = np.diff(edges)
    gaps = np.diff(beats.times)
    tempi = np.array([60 / np.median(gaps[a:b]) for a, b in zip(edges, edges[1:], strict=False)])
    weights = np.minimum(counts / max(beats.metre, 1), 1.0)
    if heard is not None:
        weights = weights * (np.histogram(heard, beats.times[edges])[0] > 1)
    starts = _stretches(np.log(tempi), weights)
    found: list[tuple[int, float]] = []
    for a, b in zip(starts, [*starts[1:], len(tempi)], strict=True):
        kept = np.repeat(weights[a:b] > 0, counts[a:b])
        tempo = 60 / float(np.median(gaps[edges[a]:edges[b]][kept if kept.any() else ...]))
        if not found or abs(tempo / found[-1][1] - 1) > _CHANGE:
            found.append((edges[a], tempo))
    return found


def _stretches(values: np.ndarray, weights: np.ndarray) -> list[int]:
    """First index of each stretch of about one value, found by dynamic programming."""
    n = len(values)
    best = [0.0] + [float("inf")] * n
    source = [0] * (n + 1)
    for a in range(n):
        if best[a] == float("inf") or (0 < a and n - a < _SHORTEST_STRETCH):
            continue
        counted: list[float] = []  # those with a weight, in order
        shortest = min(n, a + _SHORTEST_STRETCH)
        for b in range(a + 1, min(n, a + _LONGEST_STRETCH) + 1):
            if weights[b - 1] > 0:
                bisect.insort(counted, float(values[b - 1]))
            if b < shortest:
                continue
            half = len(counted) // 2
            middle = (counted[half] + counted[~half]) / 2 if counted else 0.0
            cost = best[a] + _STRETCH + float(weights[a:b] @ np.abs(values[a:b] - middle))
            if cost < best[b]:
                best[b], source[b] = cost, a
    starts, b = [], n
    while b > 0:
        b = source[b]
        starts.append(b)
    return starts[::-1]
