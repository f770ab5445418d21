"""Annotated recordings for the benchmarks, in the layout of MDB Drums."""

from __future__ import annotations

from pathlib import Path

from adt.data.mdb import Track, read_mdb
from adt.errors import DataError
from adt.transcription import Hit, Transcription
from adt.vocabulary import PIECES


def read(folder: Path | str) -> list[Track]:
    """Tracks of a folder, see `adt.data.mdb.read_mdb`.

    Raises
    ------
    DataError
        If there are none, or strokes are annotated where there is no time, before the start.
    """
    tracks = read_mdb(folder)
    for track in tracks:
        try:
            annotated(track)
        except ValueError as error:
            raise DataError(f"{folder}: annotation of {track.name}: {error}; "
                            "correct it") from error
    return tracks


def annotated(track: Track) -> Transcription:
    """The annotated strokes of a track as a transcription."""
    hits = [Hit(float(t), PIECES[p]) for t, p in zip(track.times, track.pieces, strict=True)]
    return Transcription(hits, float(track.times.max(initial=0.0)) + 1.0)
