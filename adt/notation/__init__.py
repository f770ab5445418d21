"""Drum notation: a transcription with beats as a part that a drummer reads.

The steps, each usable alone: `adt.notation.rhythm.write_rhythm` finds the written
rhythm, `to_score` builds a music21 score of it, `to_musicxml` writes that with the
instrument of every note, `engrave` draws pages (verovio) and `to_pdf` binds them (typst).
They need the extra ``notation``.
"""

from .engraving import engrave, engrave_musicxml, stack, to_pdf
from .score import to_musicxml, to_score

__all__ = ["to_score", "to_musicxml", "engrave", "engrave_musicxml", "stack", "to_pdf"]
