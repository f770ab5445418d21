"""Transcriptions as MIDI, on the notes of any drum plug-in (`adt.note_maps`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..beats import Beats
from ..errors import DataError
from ..note_maps import NoteMap, note_map
from ..transcription import Hit


def write(song, path: Path, *, note_map: NoteMap | Path | str | None = None,
          split_tracks: bool = False) -> None:
    """Write `Transcription.to_midi`."""
    song.to_midi(note_map=note_map, split_tracks=split_tracks).write(str(path))


def read(path: Path, *, note_map: NoteMap | Path | str | None = None,
         ) -> tuple[list[Hit], float, Beats | None]:
    """Hits of the drum tracks and beats; notes that the map does not have are left out."""
    import pretty_midi
    pieces = _note_map(note_map).to_piece
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # damaged files fail in mido in many ways
        raise DataError(f"{path}: not a readable MIDI file ({error!r})") from error
    drums = [i for i in midi.instruments if i.is_drum]
    if not drums and any(i.notes for i in midi.instruments):
        raise DataError(f"{path}: no drum track; put the drums on channel 10")
    hits = [Hit(note.start, pieces[note.pitch], note.velocity)
            for i in drums for note in i.notes if note.pitch in pieces]
    end = max((note.end for i in drums for note in i.notes), default=0.0)
    return hits, end, beats(midi, end)


def beats(midi, end: float) -> Beats | None:
    """Beats of a `pretty_midi.PrettyMIDI`, from its tempi and time signatures.

    They are quarters, or three eighths if every bar but a pickup is in 6/8, 9/8 or 12/8.
    Bars that are no whole number of beats have none (a pickup). None where nobody set
    a tempo: 120 beats per minute and one 4/4 throughout is what programs write by default.
    """
    _, tempi = midi.get_tempo_changes()
    changes = midi.time_signature_changes
    if np.allclose(tempi, 120.0) and [(c.numerator, c.denominator) for c in changes] in (
            [], [(4, 4)]):
        return None
    last = midi.time_to_tick(end)
    compound = bool(changes) and changes[-1].denominator == 8 and all(
        c.numerator in (6, 9, 12) for c in changes if c.denominator == 8 or c is changes[-1])
    size = round(midi.resolution * (1.5 if compound else 1))  # ticks a beat
    signatures = [(midi.time_to_tick(s.time), s.numerator * 4 / s.denominator
                   * midi.resolution / size) for s in changes] or [(0, 4.0)]
    if signatures[0][0] > 0:
        signatures.insert(0, (0, 4.0))
    found: dict[int, int] = {}
    stops = [tick for tick, _ in signatures[1:]] + [last + 4 * size]
    for number, ((start, count), stop) in enumerate(zip(signatures, stops)):
        if count == int(count):
            skipped = 0
            if number == 0 and len(signatures) > 1 and stop - start == count * size:
                skipped = max(0, int(signatures[1][1] - count))  # a pickup: the end of a bar
            ticks = range(start, min(stop, last + 1), size)
            found.update((t, (i % int(count)) + skipped + 1) for i, t in enumerate(ticks))
    if len(found) < 2:
        return None
    ticks = sorted(found)
    return Beats([midi.tick_to_time(t) for t in ticks], [found[t] for t in ticks], compound)


_note_map = note_map
