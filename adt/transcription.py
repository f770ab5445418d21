"""What a transcription is; `adt.formats` writes and reads it.

Formats, by suffix: ``.mid``/``.midi`` (drums on channel 10), ``.csv`` (time, piece,
velocity, confidence), ``.jams``, ``.txt`` (MIREX: ``time<TAB>label``),
``.labels.txt`` (Audacity) and, written only, sheet music as ``.musicxml``, ``.svg`` or ``.pdf``.
"""

from __future__ import annotations

import bisect
import inspect
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from .errors import ConfigError, DataError, OutputError
from .formats import READERS, SUFFIXES, reader, suffix_of, writer
from .output import atomic_path
from .vocabulary import (
    CLASS_COUNTS,
    MIN_HIT_DISTANCE,
    PIECES,
    class_names,
    reduction,
)

if TYPE_CHECKING:
    from .beats import Beats

__all__ = ["Hit", "Transcription", "FORMATS"]

#: Suffixes that `Transcription.save` writes.
FORMATS = SUFFIXES

NOTE_LENGTH = 0.025  #: length of a written MIDI note, seconds (shorter than any two hits)
COLUMNS = ("time", "piece", "velocity", "confidence")
LABEL_VELOCITY = 100  #: of hits read from a format without velocities


@dataclass(frozen=True, order=True, slots=True)
class Hit:
    """One stroke.

    Attributes
    ----------
    time : float
        Onset in seconds.
    piece : str
        One of `adt.vocabulary.PIECES`, or a class of a reduced set.
    velocity : int
        MIDI velocity, 1 to 127.
    confidence : float
        0 to 1.
    """

    time: float
    piece: str
    velocity: int = LABEL_VELOCITY
    confidence: float = 1.0


class Transcription(Sequence):
    """Hits of one recording, in order of time.

    Parameters
    ----------
    hits : sequence of Hit
        In any order. Times are kept to the microsecond.
    duration : float
        Length of the recording in seconds.
    source : str
        Name of the recording.
    classes : {3, 5, 7, 9}
        Set of classes that the hits are named by (`adt.vocabulary.class_names`).
    beats : Beats, optional
        Beats of the recording, where they are known.

    Raises
    ------
    ValueError
        If a hit's time is negative or not finite, its velocity or confidence is out
        of range, or its piece is not in the set.

    Examples
    --------
    >>> song = Transcription([Hit(0.5, "ride", 90, 0.8), Hit(0.0, "kick")], duration=1.0)
    >>> [hit.piece for hit in song.reduce(5)]
    ['KD', 'CY']
    """

    def __init__(self, hits: Sequence[Hit], duration: float, source: str = "",
                 classes: int = 9, beats: Beats | None = None):
        if classes not in CLASS_COUNTS:
            raise ValueError(f"no set of {classes} classes; choose one of {CLASS_COUNTS}")
        names = frozenset(class_names(classes))
        checked = []
        for hit in hits:
            time, velocity = float(hit.time), hit.velocity
            confidence = float(hit.confidence)
            if not (math.isfinite(time) and time >= 0):
                raise ValueError(f"time of a hit is {hit.time}; expected seconds from 0")
            if not (1 <= velocity <= 127 and velocity == int(velocity)):
                raise ValueError(f"velocity of a hit is {hit.velocity}; expected a whole number "
                                 "from 1 to 127")
            if not 0 <= confidence <= 1:
                raise ValueError(f"confidence of a hit is {hit.confidence}; expected 0 to 1")
            if hit.piece not in names:
                raise ValueError(f"no piece {hit.piece!r} in the set of {classes} classes")
            checked.append(Hit(round(time, 6), str(hit.piece), int(velocity), confidence))
        self.hits: tuple[Hit, ...] = tuple(sorted(checked))
        self.duration = float(duration)
        if not (math.isfinite(self.duration) and self.duration >= 0):
            raise ValueError(f"duration is {duration}; expected seconds from 0")
        self.source = str(source)
        self.classes = int(classes)
        self.beats = beats

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __getitem__(self, index):
        return self.hits[index]

    def __eq__(self, other) -> bool:
        if not isinstance(other, Transcription):
            return NotImplemented
        return (
            self.hits, self.duration, self.source, self.classes, self.beats) == (
            other.hits, other.duration, other.source, other.classes, other.beats)

    __hash__ = None

    def __repr__(self) -> str:
        name = f"{self.source}: " if self.source else ""
        return (f"<Transcription {name}{len(self)} hits in {self.duration:.2f} s, "
                f"{self.classes} classes>")

    @property
    def name(self) -> str:
        """Name of the source, without its folder and the suffix of its type.

        Examples
        --------
        >>> names = "a/1. Mr. X.mp3", "1. Mr. X", "X.labels.txt"
        >>> [Transcription([], 1.0, name).name for name in names]
        ['1. Mr. X', '1. Mr. X', 'X']
        """
        from .audio import AUDIO_SUFFIXES
        path = PurePath(self.source)
        for suffix, known in (suffix_of(path), SUFFIXES), (path.suffix.lower(), AUDIO_SUFFIXES):
            if suffix in known:
                return path.name[:-len(suffix)]
        return path.name

    def replace(self, **changes) -> Transcription:
        """The same with other ``hits``, ``duration``, ``source``, ``classes`` or ``beats``.

        Examples
        --------
        >>> song = Transcription([Hit(0.5, "kick")], duration=1.0, source="song.mp3")
        >>> song.replace(hits=[]).name
        'song'
        """
        return Transcription(**{**vars(self), **changes})

    def reduce(self, classes: int, *, merge: bool = True) -> Transcription:
        """The same hits, named by a smaller set of classes.

        Hits of pieces outside the set are dropped.

        Parameters
        ----------
        classes : {3, 5, 7, 9}
        merge : bool
            Of hits of one class that come closer than `MIN_HIT_DISTANCE` (30 ms) only the
            loudest stays. References are scored without this (`adt.scoring`).

        Raises
        ------
        ValueError
            If `classes` is no set or a larger set than the present one.
        """
        target = reduction(classes)
        if classes > self.classes:
            raise ValueError(f"a transcription of {self.classes} classes cannot be told apart "
                             f"into {classes}")
        source = reduction(self.classes)
        mapping = {source[piece]: target[piece] for piece in PIECES if source[piece] is not None}
        renamed: dict[str, list[Hit]] = {}
        for hit in self.hits:
            name = mapping[hit.piece]
            if name is not None:
                renamed.setdefault(name, []).append(
                    Hit(hit.time, name, hit.velocity, hit.confidence))
        kept = [hit for hits in renamed.values() for hit in (_thin(hits) if merge else hits)]
        return self.replace(hits=kept, classes=classes)

    def require_pieces(self, what: str) -> None:
        """Raise unless the hits are of the nine pieces, which `what` needs.

        Raises
        ------
        ConfigError
            That names the classes that there are.
        """
        if self.classes != len(PIECES):
            raise ConfigError(f"{what} needs all nine pieces, and there are {self.classes} "
                              "classes; give a transcription that was not reduced")

    def events(self, classes: int | None = None, *, merge: bool = True) -> dict:
        """Onset times per class, as `adt.scoring` reads them.

        Parameters
        ----------
        classes : {3, 5, 7, 9}, optional
            As many as there are by default.
        merge : bool
            As in `reduce`; references are not merged.
        """
        import numpy as np
        classes = self.classes if classes is None else classes
        found: dict[str, list[float]] = {name: [] for name in class_names(classes)}
        for hit in self.reduce(classes, merge=merge):
            found[hit.piece].append(hit.time)
        return {name: np.array(times, dtype=np.float64) for name, times in found.items()}

    def to_midi(self, *, note_map=None, split_tracks: bool = False):
        """Drums as `pretty_midi.PrettyMIDI`.

        Channel 10, 960 ticks per quarter note: times are exact to half a tick, 0.3 ms at 120 beats
        per minute. (Half as many from about 9,000 quarter notes on, and so forth: programs
        that use pretty_midi could not read the file.) Tempi and bar lines follow the beats
        (`adt.beats.tempo`); without beats it is 120 beats per minute throughout.

        Parameters
        ----------
        note_map : str, path or adt.note_maps.NoteMap, optional
            Notes of the pieces, by the name of a preset or a YAML file; General MIDI by
            default.
        split_tracks : bool
            A track for each piece that is struck, named after it, in piece order,
            instead of one named "Drums".

        Raises
        ------
        ConfigError
            If there is no such note map.
        """
        from .formats.midi import to_midi
        return to_midi(self, note_map=note_map, split_tracks=split_tracks)

    def to_dataframe(self):
        """`pandas.DataFrame` with columns time (s), piece, velocity, confidence.

        Raises
        ------
        OutputError
            If the optional library pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise OutputError("a data frame needs pandas; pip install pandas") from error
        rows = [(h.time, h.piece, h.velocity, h.confidence) for h in self.hits]
        return pandas.DataFrame(rows, columns=list(COLUMNS)).astype(
            {"time": float, "piece": object, "velocity": int, "confidence": float})

    def to_jams(self):
        """`jams.JAMS` with the hits as ``tag_open`` and, if they are known, the beats.

        An observation's value is the piece; the velocities, which the namespace has
        no place for, are in the annotation's sandbox, in the same order. A ``beat``'s
        value is its position in the bar, from 1.

        Raises
        ------
        OutputError
            If the optional library jams is not installed.
        """
        from .formats.jams import to_jams
        return to_jams(self)

    def save(self, path: Path | str, **options) -> Path:
        """Write to a file; its suffix decides the format (`FORMATS`).

        The file appears whole or not at all.

        Parameters
        ----------
        path : path
        note_map, split_tracks
            For MIDI, as in `to_midi`.
        title, tempo
            For sheet music, as in `adt.notation.to_musicxml`.

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            If the suffix is not known or the file cannot be written.
        ConfigError
            If the format does not take an option, or there is no such note map.

        Examples
        --------
        >>> song.save("song.mid", note_map="roland_td17", split_tracks=True)  # doctest: +SKIP
        """
        path = Path(path)
        write = writer(path)
        _check_options(path, write, options)
        with atomic_path(path) as temporary:
            write(self, temporary, **options)
        return path

    @classmethod
    def load(cls, path: Path | str, *, ignore_unknown: bool = False,
             **options) -> Transcription:
        """Read a ``.mid``, ``.csv``, ``.jams``, ``.txt`` or ``.labels.txt`` file.

        What a format does not hold is filled in: confidence is 1, velocity 100, the
        duration is the end of the last hit. MIDI is read as the nine pieces; labels
        decide the set of classes (the largest that has them all). Finer strokes
        (``side_stick``, ``splash``, ...) are read as their piece.

        Parameters
        ----------
        path : path
        ignore_unknown : bool
            Leave out hits whose label is in no set of classes, with a warning. If no hit
            is left, the file cannot be read.
        note_map : str, path or adt.note_maps.NoteMap, optional
            For MIDI: what the notes mean; by default what the file tells, as those of `save` do,
            or General MIDI.

        Raises
        ------
        DataError
            If the file is missing, of another format, or not readable.
        ConfigError
            If the format does not take an option, or there is no such note map.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"{path}: no such file; give a transcription ({', '.join(READERS)})")
        read = reader(path)
        _check_options(path, read, options)
        hits, duration, beats, *more = read(path, **options)
        told = more[0] if more else {}
        known = {name for n in CLASS_COUNTS for name in class_names(n)}
        strange = sorted({h.piece for h in hits} - known)
        if strange and ignore_unknown and len(strange) < len({h.piece for h in hits}):
            warnings.warn(f"{path}: hits of {', '.join(strange)} are left out", stacklevel=2)
            hits, strange = [h for h in hits if h.piece in known], []
        classes = next((n for n in sorted(CLASS_COUNTS, reverse=True)
                        if {h.piece for h in hits} <= set(class_names(n))), None)
        if classes is None:
            labels = ", ".join(strange or sorted({h.piece for h in hits}))
            why = "are in no set of classes" if strange else "are not all of one set of classes"
            raise DataError(f"{path}: labels {labels} {why}; write {', '.join(PIECES)}, "
                            "or classes of one set, such as KD, SD, TT, HH, CY")
        own = told.get("classes", classes)
        if {h.piece for h in hits} <= set(class_names(own)):
            classes = own
        try:
            return cls(hits, duration, source=told.get("source", path.name[:-len(suffix_of(path))]),
                       classes=classes, beats=beats)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error


def _check_options(path: Path, function, options: dict) -> None:
    """Raise unless `function` takes the options as keywords."""
    known = inspect.signature(function).parameters
    for name in options:
        if name not in known or known[name].kind is not inspect.Parameter.KEYWORD_ONLY:
            options = [n for n, p in known.items() if p.kind is inspect.Parameter.KEYWORD_ONLY]
            raise ConfigError(f"{path}: {name} has no meaning for {suffix_of(path)}, which takes "
                              f"{', '.join(options) or 'no options'}; leave it out")


def _thin(hits: list[Hit]) -> list[Hit]:
    """Loudest hits that are at least `MIN_HIT_DISTANCE` apart."""
    least = round(MIN_HIT_DISTANCE * 1e6)
    kept: list[int] = []
    result = []
    for hit in sorted(hits, key=lambda h: (-h.velocity, -h.confidence, h.time)):
        time = round(hit.time * 1e6)
        place = bisect.bisect_left(kept, time)
        if ((place == 0 or time - kept[place - 1] >= least)
                and (place == len(kept) or kept[place] - time >= least)):
            kept.insert(place, time)
            result.append(hit)
    return result
