"""What a transcription is, and how it is written and read.

Formats, by suffix: ``.mid``/``.midi`` (General MIDI drums on channel 10), ``.csv``
(time, piece, velocity, confidence), ``.jams`` and ``.txt`` (MIREX:
``time<TAB>label``).
"""

from __future__ import annotations

import bisect
import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DataError, OutputError
from .output import atomic_path
from .vocabulary import (
    ARTICULATION_TO_PIECE,
    CLASS_COUNTS,
    GM_TO_PIECE,
    MIN_HIT_DISTANCE,
    PIECES,
    class_names,
    class_note,
    reduction,
)

__all__ = ["Hit", "Transcription", "FORMATS"]

#: Suffixes that `Transcription.save` writes.
FORMATS = (".mid", ".midi", ".csv", ".jams", ".txt")

NOTE_LENGTH = 0.025  #: length of a written MIDI note, seconds (shorter than any two hits)
TICKS_PER_BEAT = 960  #: at 120 beats per minute a tick is 0.52 ms
_COLUMNS = ("time", "piece", "velocity", "confidence")
_LABEL_VELOCITY = 100  # of hits read from a format without velocities


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
    velocity: int = _LABEL_VELOCITY
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
                 classes: int = 9):
        if classes not in CLASS_COUNTS:
            raise ValueError(f"no set of {classes} classes; choose one of {CLASS_COUNTS}")
        names = frozenset(class_names(classes))
        checked = []
        for hit in hits:
            time, velocity = float(hit.time), int(hit.velocity)
            confidence = float(hit.confidence)
            if not (math.isfinite(time) and time >= 0):
                raise ValueError(f"time of a hit is {hit.time}; expected seconds from 0")
            if not 1 <= velocity <= 127:
                raise ValueError(f"velocity of a hit is {hit.velocity}; expected 1 to 127")
            if not 0 <= confidence <= 1:
                raise ValueError(f"confidence of a hit is {hit.confidence}; expected 0 to 1")
            if hit.piece not in names:
                raise ValueError(f"no piece {hit.piece!r} in the set of {classes} classes")
            checked.append(Hit(round(time, 6), str(hit.piece), velocity, confidence))
        self.hits: tuple[Hit, ...] = tuple(sorted(checked))
        self.duration = float(duration)
        self.source = str(source)
        self.classes = int(classes)

    def __len__(self) -> int:
        return len(self.hits)

    def __iter__(self) -> Iterator[Hit]:
        return iter(self.hits)

    def __getitem__(self, index):
        return self.hits[index]

    def __eq__(self, other) -> bool:
        if not isinstance(other, Transcription):
            return NotImplemented
        return (self.hits, self.duration, self.source, self.classes) == (
            other.hits, other.duration, other.source, other.classes)

    __hash__ = None

    def __repr__(self) -> str:
        name = f"{self.source}: " if self.source else ""
        return (f"<Transcription {name}{len(self)} hits in {self.duration:.2f} s, "
                f"{self.classes} classes>")

    def reduce(self, n_classes: int) -> Transcription:
        """The same hits, named by a smaller set of classes.

        Hits of one class that come closer than `MIN_HIT_DISTANCE` (30 ms) are
        merged: the louder one stays. Hits of pieces outside the set are dropped.

        Parameters
        ----------
        n_classes : {3, 5, 7, 9}

        Raises
        ------
        ValueError
            If `n_classes` is no set or a larger set than the present one.
        """
        target = reduction(n_classes)
        if n_classes > self.classes:
            raise ValueError(f"a transcription of {self.classes} classes cannot be told apart "
                             f"into {n_classes}")
        source = reduction(self.classes)
        mapping = {source[piece]: target[piece] for piece in PIECES if source[piece] is not None}
        renamed: dict[str, list[Hit]] = {}
        for hit in self.hits:
            name = mapping[hit.piece]
            if name is not None:
                renamed.setdefault(name, []).append(
                    Hit(hit.time, name, hit.velocity, hit.confidence))
        kept = [hit for hits in renamed.values() for hit in _thin(hits)]
        return Transcription(kept, self.duration, self.source, n_classes)

    def events(self, n_classes: int = 9) -> dict:
        """Onset times per class, as `adt.scoring` reads them (`reduce` included)."""
        import numpy as np
        found: dict[str, list[float]] = {name: [] for name in class_names(n_classes)}
        for hit in self.reduce(n_classes):
            found[hit.piece].append(hit.time)
        return {name: np.array(times, dtype=np.float64) for name, times in found.items()}

    def to_midi(self):
        """General MIDI drums as `pretty_midi.PrettyMIDI`.

        One drum instrument (channel 10) named "Drums", 120 beats per minute, 960
        ticks per beat: times are exact to 0.3 ms.
        """
        import pretty_midi
        midi = pretty_midi.PrettyMIDI(resolution=TICKS_PER_BEAT, initial_tempo=120)
        drums = pretty_midi.Instrument(program=0, is_drum=True, name="Drums")
        following: dict[int, float] = {}
        for hit in reversed(self.hits):
            note = class_note(hit.piece)
            # A note ends before the next one of its key begins, so that no reader
            # takes the end of one for the end of the other.
            length = min(NOTE_LENGTH, max(following.get(note, math.inf) - hit.time, 0.001))
            drums.notes.append(pretty_midi.Note(
                velocity=hit.velocity, pitch=note, start=hit.time, end=hit.time + length))
            following[note] = hit.time
        drums.notes.reverse()
        midi.instruments.append(drums)
        return midi

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
        return pandas.DataFrame(rows, columns=list(_COLUMNS)).astype(
            {"time": float, "piece": object, "velocity": int, "confidence": float})

    def to_jams(self):
        """`jams.JAMS` with one ``tag_open`` annotation.

        An observation's value is the piece; the velocities, which the namespace has
        no place for, are in the annotation's sandbox, in the same order.

        Raises
        ------
        OutputError
            If the optional library jams is not installed.
        """
        try:
            import jams
        except ImportError as error:
            raise OutputError(
                'writing JAMS needs the library jams; pip install "adt[jams]"') from error
        result = jams.JAMS()
        result.file_metadata.title = self.source
        result.file_metadata.duration = self.duration
        annotation = jams.Annotation(namespace="tag_open", time=0, duration=self.duration)
        annotation.annotation_metadata.annotation_tools = "adt"
        annotation.annotation_metadata.data_source = "program"
        annotation.sandbox.velocity = [hit.velocity for hit in self.hits]
        annotation.sandbox.classes = self.classes
        for hit in self.hits:
            annotation.append(time=hit.time, duration=NOTE_LENGTH, value=hit.piece,
                              confidence=hit.confidence)
        result.annotations.append(annotation)
        return result

    def save(self, path: Path | str) -> Path:
        """Write to a file; its suffix decides the format (`FORMATS`).

        The file appears whole or not at all.

        Returns
        -------
        Path

        Raises
        ------
        OutputError
            If the suffix is not known or the file cannot be written.
        """
        path = Path(path)
        writer = {".mid": self._write_midi, ".midi": self._write_midi, ".csv": self._write_csv,
                  ".jams": self._write_jams, ".txt": self._write_txt}.get(path.suffix.lower())
        if writer is None:
            raise OutputError(f"{path}: unknown format {path.suffix!r}; "
                              f"choose one of {', '.join(FORMATS)}")
        with atomic_path(path) as temporary:
            writer(temporary)
        return path

    def _write_midi(self, path: Path) -> None:
        self.to_midi().write(str(path))

    def _write_csv(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as handle:
            writer = csv.writer(handle, lineterminator="\n")
            writer.writerow(_COLUMNS)
            for hit in self.hits:
                writer.writerow((f"{hit.time:.6f}", hit.piece, hit.velocity,
                                 f"{hit.confidence:.4f}"))

    def _write_jams(self, path: Path) -> None:
        self.to_jams().save(str(path))

    def _write_txt(self, path: Path) -> None:
        lines = [f"{hit.time:.6f}\t{hit.piece}\n" for hit in self.hits]
        path.write_text("".join(lines), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> Transcription:
        """Read a ``.mid``, ``.midi``, ``.csv`` or ``.txt`` file.

        What a format does not hold is filled in: confidence is 1, velocity 100, the
        duration is the end of the last hit. MIDI is read as the nine pieces; labels
        decide the set of classes (the largest that has them all). Finer strokes
        (``side_stick``, ``splash``, ...) are read as their piece.

        Raises
        ------
        DataError
            If the file is missing, of another format, or not readable.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"{path}: no such file; give a .mid, .csv or .txt transcription")
        reader = {".mid": _read_midi, ".midi": _read_midi, ".csv": _read_csv,
                  ".txt": _read_txt}.get(path.suffix.lower())
        if reader is None:
            raise DataError(f"{path}: transcriptions are read from .mid, .csv and .txt, "
                            f"not {path.suffix!r}")
        hits, duration = reader(path)
        classes = next((n for n in sorted(CLASS_COUNTS, reverse=True)
                        if {h.piece for h in hits} <= set(class_names(n))), None)
        if classes is None:
            strange = sorted({h.piece for h in hits} - set(PIECES))
            raise DataError(f"{path}: labels {', '.join(strange)} are in no set of classes")
        try:
            return cls(hits, duration, source=path.stem, classes=classes)
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error


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


def _end_of(hits: list[Hit]) -> float:
    return max((h.time for h in hits), default=0.0)


def _read_midi(path: Path) -> tuple[list[Hit], float]:
    import pretty_midi
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # damaged files fail in mido in many ways
        raise DataError(f"{path}: not a readable MIDI file ({error!r})") from error
    drums = [i for i in midi.instruments if i.is_drum]
    if not drums and any(i.notes for i in midi.instruments):
        raise DataError(f"{path}: no drum track; put the drums on channel 10")
    hits = [Hit(note.start, GM_TO_PIECE[note.pitch], note.velocity)
            for i in drums for note in i.notes if note.pitch in GM_TO_PIECE]
    return hits, max((note.end for i in drums for note in i.notes), default=0.0)


def _read_csv(path: Path) -> tuple[list[Hit], float]:
    try:
        with path.open(newline="", encoding="utf-8") as handle:
            rows = list(csv.DictReader(handle))
        hits = [Hit(float(row["time"]),
                    ARTICULATION_TO_PIECE.get(row["piece"], row["piece"]),
                    int(row.get("velocity") or _LABEL_VELOCITY),
                    float(row.get("confidence") or 1.0)) for row in rows]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise DataError(f"{path}: not a transcription with the columns "
                        f"{', '.join(_COLUMNS)} ({error!r})") from error
    return hits, _end_of(hits)


def _read_txt(path: Path) -> tuple[list[Hit], float]:
    hits = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not a text file") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            time, label = line.split("\t")[:2]
            label = label.strip()
            hits.append(Hit(float(time), ARTICULATION_TO_PIECE.get(label, label)))
        except ValueError:
            raise DataError(f"{path}: line {number} is not time<TAB>label") from None
    return hits, _end_of(hits)
