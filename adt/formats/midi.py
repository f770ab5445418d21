"""Transcriptions as MIDI, on the notes of any drum plug-in (`adt.note_maps`)."""

from __future__ import annotations

from pathlib import Path

from ..errors import DataError
from ..note_maps import NoteMap, note_map
from ..transcription import Hit


def write(song, path: Path, *, note_map: NoteMap | Path | str | None = None,
          split_tracks: bool = False) -> None:
    """Write `Transcription.to_midi`."""
    song.to_midi(note_map=note_map, split_tracks=split_tracks).write(str(path))


def read(path: Path, *, note_map: NoteMap | Path | str | None = None,
         ) -> tuple[list[Hit], float, None]:
    """Hits of the drum tracks; notes that the map does not have are left out."""
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
    return hits, max((note.end for i in drums for note in i.notes), default=0.0), None


_note_map = note_map
