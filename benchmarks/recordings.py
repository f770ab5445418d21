"""Annotated recordings for the benchmarks, in the layout of MDB Drums."""

from __future__ import annotations

from adt.data.mdb import Track
from adt.transcription import Hit, Transcription
from adt.vocabulary import PIECES


def annotated(track: Track) -> Transcription:
    """The annotated strokes of a track as a transcription."""
    hits = [Hit(float(t), PIECES[p]) for t, p in zip(track.times, track.pieces, strict=True)]
    return Transcription(hits, float(track.times.max(initial=0.0)) + 1.0)
