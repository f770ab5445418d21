"""Reader for the Groove MIDI Dataset (Gillick et al., 2019).

A `Performance` is what the renderer plays: strokes with time, articulation and
velocity, no audio. Note times are used as they are; the end of the MIDI file is
not (58 files of the data set overrun their last note by a lot).
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import mido
import numpy as np

from ..errors import DataError
from ..vocabulary import (
    ARTICULATION_INDEX,
    PIECE_OF_ARTICULATION,
    TD11_TO_ARTICULATION,
)

SPLITS = ("train", "validation", "test")

#: Performances that repeat another one note for note, left out on reading.
DUPLICATES = frozenset({"drummer2/session2/8"})

_COLUMNS = ("id", "split", "midi_filename", "style", "bpm", "time_signature", "beat_type",
            "drummer")  #: of info.csv that are read
_PIECE_OF = np.array(PIECE_OF_ARTICULATION)


@dataclass(frozen=True, eq=False)
class Performance:
    """Strokes of one drum performance.

    Attributes
    ----------
    times : ndarray of float64, shape (n,)
        Onset times in seconds, ascending.
    articulations : ndarray of int, shape (n,)
        Indices into `adt.vocabulary.ARTICULATIONS`.
    velocities : ndarray of int, shape (n,)
        MIDI velocities, 1 to 127.
    """

    times: np.ndarray
    articulations: np.ndarray
    velocities: np.ndarray
    name: str = ""
    split: str = ""
    style: str = ""
    bpm: float = 120.0
    time_signature: str = "4-4"
    beat_type: str = "beat"
    drummer: str = ""
    path: Path | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def pieces(self) -> np.ndarray:
        """Piece index (into `PIECES`) of each stroke, shape (n,)."""
        return _PIECE_OF[self.articulations]

    @property
    def duration(self) -> float:
        """Time of the last stroke in seconds, 0 if there is none."""
        return float(self.times[-1]) if len(self.times) else 0.0

    def excerpt(self, start: float, stop: float) -> "Performance":
        """Strokes in ``[start, stop)``, times counted from `start`."""
        keep = (self.times >= start) & (self.times < stop)
        return self.select(keep, shift=-start)

    def select(self, keep: np.ndarray, shift: float = 0.0) -> "Performance":
        """Strokes chosen by a mask or index array, times moved by `shift` seconds."""
        return replace(self, times=self.times[keep] + shift,
                       articulations=self.articulations[keep],
                       velocities=self.velocities[keep])


def read_midi(path: Path | str) -> Performance:
    """Read a Roland TD-11 MIDI file as a `Performance`.

    Notes that the TD-11 map does not know are left out.

    Raises
    ------
    DataError
        If the file cannot be read as MIDI.
    """
    path = Path(path)
    try:
        midi = mido.MidiFile(path)
        now, strokes = 0.0, []
        for message in midi:
            now += message.time
            if message.type == "note_on" and message.velocity > 0:
                articulation = TD11_TO_ARTICULATION.get(message.note)
                if articulation is not None:
                    strokes.append((now, ARTICULATION_INDEX[articulation], message.velocity))
    except (OSError, EOFError, ValueError, TypeError, IndexError, KeyError) as error:
        raise DataError(f"{path}: not a readable MIDI file "
                        f"({str(error) or repr(error)})") from error
    strokes.sort()
    times, arts, vels = zip(*strokes) if strokes else ((), (), ())
    return Performance(np.array(times, np.float64), np.array(arts, np.int64),
                       np.array(vels, np.int64), name=path.stem, path=path)


def read_index(root: Path | str, split: str | None = None) -> list[dict[str, str]]:
    """Rows of ``info.csv``, of one split or of all, duplicates left out.

    Raises
    ------
    DataError
        If `root` holds no ``info.csv``, it lacks a column, or `split` is unknown.
    """
    root = Path(root)
    if split is not None and split not in SPLITS:
        raise DataError(f"no split {split!r} in Groove; choose one of {', '.join(SPLITS)}")
    index = root / "info.csv"
    if not index.is_file():
        raise DataError(f"{root}: no info.csv; give the folder of the Groove MIDI Dataset")
    try:
        with index.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            columns, rows = reader.fieldnames or (), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{index}: cannot be read ({error}); take the file of the Groove MIDI "
                        "Dataset") from error
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise DataError(f"{index}: no column {', '.join(missing)}; take the file of the "
                        "Groove MIDI Dataset")
    for number, row in enumerate(rows, 2):
        if any(row[name] is None for name in _COLUMNS) or not _is_tempo(row["bpm"]):
            raise DataError(f"{index}: line {number} is cut off, or its bpm is no number; take "
                            "the file of the Groove MIDI Dataset")
    return [row for row in rows
            if row["id"] not in DUPLICATES and split in (None, row["split"])]


def _is_tempo(text: str) -> bool:
    try:
        return 0 < float(text) < float("inf")
    except ValueError:
        return False


def read_groove(root: Path | str, split: str | None = None) -> list[Performance]:
    """Read the performances of a split of the Groove MIDI Dataset.

    Parameters
    ----------
    root : path
        Folder with ``info.csv``.
    split : {'train', 'validation', 'test'}, optional
        All splits by default.

    Returns
    -------
    list of Performance
        In the order of ``info.csv``.
    """
    root = Path(root)
    performances = []
    for row in read_index(root, split):
        midi = read_midi(root / row["midi_filename"])
        performances.append(replace(
            midi, name=row["id"], split=row["split"], style=row["style"],
            bpm=float(row["bpm"]), time_signature=row["time_signature"],
            beat_type=row["beat_type"], drummer=row["drummer"]))
    return performances
