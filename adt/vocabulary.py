"""Drum vocabulary: pieces, stems, General MIDI, Roland TD and scoring reductions.

Every mapping between names, MIDI notes and classes that more than one module needs lives
here; labels of data sets, notes of drum plug-ins and places on the staff are where they are
read or written.

Nine *pieces* are what a transcription speaks of; five *stems* are what the
separation bank isolates; *articulations* are the finer strokes that a data set
or a sampled kit distinguishes (a side stick is played on the snare and scored
as snare). The nine pieces and the reduction of Roland TD-11 notes follow
Gillick et al., "Learning to Groove with Inverse Sequence Transformations",
ICML 2019.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Mapping

__all__ = [
    "PIECES", "STEMS", "ARTICULATIONS", "ARTICULATION_INDEX", "ARTICULATION_TO_PIECE",
    "PIECE_OF_ARTICULATION", "PIECE_TO_STEM", "STEM_OF_PIECE", "STEM_TO_PIECES", "STEM_COLUMNS",
    "PIECE_TO_GM", "GM_TO_PIECE", "GM_TO_ARTICULATION", "TD11_TO_ARTICULATION",
    "STEMGMD_TO_PIECE", "PIECE_TO_STEMGMD", "MIN_HIT_DISTANCE", "CLASS_COUNTS", "CLASS_TO_PIECE",
    "STEM_TO_CLASS", "reduction", "class_names", "class_note", "stem_of",
]

#: The nine pieces of a transcription, in the order of every array in this project.
PIECES = (
    "kick", "snare", "tom_high", "tom_mid", "tom_floor",
    "hihat_closed", "hihat_open", "ride", "crash",
)

#: The five stems of the separation bank, in order.
STEMS = ("kick", "snare", "toms", "hihat", "cymbals")

PIECE_TO_STEM: Mapping[str, str] = MappingProxyType({
    "kick": "kick", "snare": "snare",
    "tom_high": "toms", "tom_mid": "toms", "tom_floor": "toms",
    "hihat_closed": "hihat", "hihat_open": "hihat",
    "ride": "cymbals", "crash": "cymbals",
})

STEM_TO_PIECES: Mapping[str, tuple[str, ...]] = MappingProxyType({
    stem: tuple(p for p in PIECES if PIECE_TO_STEM[p] == stem) for stem in STEMS
})

#: Where the pieces of each stem are among `PIECES`, in the order of `STEMS`.
STEM_COLUMNS: tuple[tuple[int, ...], ...] = tuple(
    tuple(PIECES.index(piece) for piece in STEM_TO_PIECES[stem]) for stem in STEMS)

#: Strokes that kits and data sets tell apart, folded into a piece for transcription.
#: The nine pieces come first, so an articulation index below nine is a piece index.
ARTICULATION_TO_PIECE: Mapping[str, str] = MappingProxyType({
    **{piece: piece for piece in PIECES},
    "side_stick": "snare", "hihat_pedal": "hihat_closed",
    "ride_bell": "ride", "splash": "crash", "china": "crash",
})

ARTICULATIONS = tuple(ARTICULATION_TO_PIECE)

#: Where each articulation is among `ARTICULATIONS`.
ARTICULATION_INDEX: Mapping[str, int] = MappingProxyType(
    {name: index for index, name in enumerate(ARTICULATIONS)})

#: Index of the piece of each articulation, and of the stem of each piece.
PIECE_OF_ARTICULATION = tuple(PIECES.index(ARTICULATION_TO_PIECE[a]) for a in ARTICULATIONS)
STEM_OF_PIECE = tuple(STEMS.index(PIECE_TO_STEM[p]) for p in PIECES)

#: General MIDI percussion key written for each piece (channel 10).
PIECE_TO_GM: Mapping[str, int] = MappingProxyType({
    "kick": 36, "snare": 38, "tom_high": 50, "tom_mid": 47, "tom_floor": 43,
    "hihat_closed": 42, "hihat_open": 46, "ride": 51, "crash": 49,
})

#: Every General MIDI percussion key that means one of the nine pieces.
GM_TO_PIECE: Mapping[int, str] = MappingProxyType({
    35: "kick", 36: "kick", 37: "snare", 38: "snare", 40: "snare",
    41: "tom_floor", 43: "tom_floor", 45: "tom_mid", 47: "tom_mid",
    48: "tom_high", 50: "tom_high", 42: "hihat_closed", 44: "hihat_closed",
    46: "hihat_open", 51: "ride", 53: "ride", 59: "ride",
    49: "crash", 52: "crash", 55: "crash", 57: "crash",
})

#: The same, with the finer strokes that General MIDI tells apart.
GM_TO_ARTICULATION: Mapping[int, str] = MappingProxyType({
    **GM_TO_PIECE, 37: "side_stick", 44: "hihat_pedal", 53: "ride_bell", 55: "splash",
    52: "china",
})

#: Roland TD-11 notes of the Groove MIDI Dataset (22 notes). 55 and 52 are the edges of its two
#: crashes, not the splash and the china that General MIDI has there.
TD11_TO_ARTICULATION: Mapping[int, str] = MappingProxyType({
    36: "kick", 38: "snare", 40: "snare", 37: "side_stick",
    48: "tom_high", 50: "tom_high", 45: "tom_mid", 47: "tom_mid",
    43: "tom_floor", 58: "tom_floor", 46: "hihat_open", 26: "hihat_open",
    42: "hihat_closed", 22: "hihat_closed", 44: "hihat_pedal",
    49: "crash", 57: "crash", 55: "crash", 52: "crash",
    51: "ride", 59: "ride", 53: "ride_bell",
})

#: File stem of each piece in StemGMD (Mezza et al., 2024).
PIECE_TO_STEMGMD: Mapping[str, str] = MappingProxyType({
    "kick": "kick", "snare": "snare", "tom_high": "hi_tom", "tom_mid": "mid_tom",
    "tom_floor": "low_tom", "hihat_closed": "hihat_closed",
    "hihat_open": "hihat_open", "ride": "ride", "crash": "crash_left",
})

STEMGMD_TO_PIECE: Mapping[str, str] = MappingProxyType(
    {name: piece for piece, name in PIECE_TO_STEMGMD.items()})

#: Shortest time between two hits of one piece, in seconds.
MIN_HIT_DISTANCE = 0.030

#: The stems as classes of the set of five.
STEM_TO_CLASS: Mapping[str, str] = MappingProxyType(
    {"kick": "KD", "snare": "SD", "toms": "TT", "hihat": "HH", "cymbals": "CY"})

_REDUCTIONS: Mapping[int, Mapping[str, str | None]] = MappingProxyType({
    9: MappingProxyType({p: p for p in PIECES}),
    7: MappingProxyType({p: "toms" if PIECE_TO_STEM[p] == "toms" else p for p in PIECES}),
    5: MappingProxyType({p: STEM_TO_CLASS[PIECE_TO_STEM[p]] for p in PIECES}),
    3: MappingProxyType({
        p: STEM_TO_CLASS[stem] if stem in ("kick", "snare", "hihat") else None
        for p, stem in PIECE_TO_STEM.items()}),
})

#: Sizes of class sets that transcriptions can be reduced to.
CLASS_COUNTS = (3, 5, 7, 9)

#: Piece that stands for a class of a reduced set.
CLASS_TO_PIECE: Mapping[str, str] = MappingProxyType({
    "KD": "kick", "SD": "snare", "TT": "tom_mid", "toms": "tom_mid", "HH": "hihat_closed",
    "CY": "crash",
})


def reduction(classes: int) -> Mapping[str, str | None]:
    """Mapping of each piece to its class in a set of `classes`.

    Parameters
    ----------
    classes : {3, 5, 7, 9}
        3: KD SD HH (other pieces map to None and are dropped);
        5: KD SD TT HH CY; 7: the nine with the toms as one; 9: the pieces.

    Returns
    -------
    Mapping of str to (str or None)

    Raises
    ------
    ValueError
        If `classes` is not one of `CLASS_COUNTS`.

    Examples
    --------
    >>> reduction(5)["hihat_open"]
    'HH'
    """
    try:
        return _REDUCTIONS[classes]
    except (KeyError, TypeError):
        raise ValueError(
            f"no set of {classes} classes; choose one of {CLASS_COUNTS}") from None


def class_names(classes: int) -> tuple[str, ...]:
    """Names of the classes of a set, in piece order."""
    return tuple(dict.fromkeys(c for c in reduction(classes).values() if c is not None))


def stem_of(name: str) -> str:
    """Stem of a piece, or of a class of a reduced set.

    Examples
    --------
    >>> stem_of("tom_floor"), stem_of("CY")
    ('toms', 'cymbals')
    """
    return PIECE_TO_STEM[CLASS_TO_PIECE.get(name, name)]


def class_note(name: str) -> int:
    """General MIDI note written for a class or piece name."""
    return PIECE_TO_GM[CLASS_TO_PIECE.get(name, name)]
