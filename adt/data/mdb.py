"""Reader for MDB Drums (Southall et al., ISMIR 2017) and folders like it.

Two layouts are understood: the public repository (``annotations/subclass`` or
``annotations/class``, ``audio/drum_only``, ``audio/full_mix``), and flat folders of
``NAME.txt`` (seconds, tab, piece), ``NAME.drums.*``, ``NAME.mix.*`` and ``NAME.beats``.
Tambourine and other percussion are left out. The data set is for measuring only
(CC BY-NC-SA 4.0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ..errors import DataError
from ..vocabulary import (
    ARTICULATION_INDEX,
    ARTICULATIONS,
    PIECE_OF_ARTICULATION,
)

#: Labels of MDB Drums → articulation, None for what is left out. The classes (TT, HH,
#: CY) say less than the subclasses and stand for one of their pieces: score them as five.
MDB_TO_ARTICULATION: Mapping[str, str | None] = MappingProxyType({
    **{name: name for name in ARTICULATIONS},
    "KD": "kick", "SD": "snare", "SDB": "snare", "SDD": "snare", "SDF": "snare",
    "SDG": "snare", "SDNS": "snare", "SST": "side_stick",
    "HIT": "tom_high", "MHT": "tom_mid", "HFT": "tom_floor", "LFT": "tom_floor",
    "CHH": "hihat_closed", "OHH": "hihat_open", "PHH": "hihat_pedal",
    "RDC": "ride", "RDB": "ride_bell", "CRC": "crash", "CHC": "china", "SPC": "splash",
    "TT": "tom_mid", "toms": "tom_mid", "HH": "hihat_closed", "CY": "crash",
    "TMB": None, "OT": None, "tambourine": None,
})

_PIECE_OF = np.array(PIECE_OF_ARTICULATION)
_AUDIO = (".wav", ".flac", ".ogg", ".mp3", ".m4a")


@dataclass(frozen=True)
class Track:
    """A recording with annotated drums.

    Attributes
    ----------
    name : str
    drums, mix : Path or None
        Audio of the drums alone and of the whole song.
    times : ndarray of float64, shape (n,)
        Onsets in seconds, ascending.
    articulations : ndarray of int, shape (n,)
        Indices into `adt.vocabulary.ARTICULATIONS`.
    beats : ndarray of float64, shape (n_beats, 2)
        Seconds and number within the bar.
    """

    name: str
    drums: Path | None
    mix: Path | None
    times: np.ndarray = field(repr=False)
    articulations: np.ndarray = field(repr=False)
    beats: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def pieces(self) -> np.ndarray:
        """Piece index (into `PIECES`) of each onset, shape (n,)."""
        return _PIECE_OF[self.articulations]


def _lines(path: Path) -> list[tuple[int, list[str]]]:
    """Numbers and words of the lines of an annotation, empty ones left out."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: annotation cannot be read ({error})") from error
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def _read_onsets(path: Path) -> tuple[np.ndarray, np.ndarray]:
    onsets = []
    for number, words in _lines(path):
        try:
            time, label = words
            articulation = MDB_TO_ARTICULATION[label]
            seconds = float(time)
            if not 0 <= seconds < float("inf"):
                raise ValueError
            if articulation is not None:
                onsets.append((seconds, ARTICULATION_INDEX[articulation]))
        except (ValueError, KeyError):
            raise DataError(f"{path}: line {number} is not 'seconds<TAB>label' with seconds "
                            "from 0 and a label of MDB Drums or this project") from None
    onsets.sort()
    times, arts = zip(*onsets, strict=True) if onsets else ((), ())
    return np.array(times, np.float64), np.array(arts, np.int64)


def _read_beats(path: Path | None) -> np.ndarray:
    beats = []
    for number, words in _lines(path) if path is not None else ():
        try:
            time, position = map(float, words)
            if not (beats[-1][0] if beats else -float("inf")) < time < float("inf"):
                raise ValueError
        except ValueError:
            raise DataError(f"{path}: line {number} is not 'seconds<TAB>beat' with the number of "
                            "the beat in its bar, or is not later than the one before") from None
        beats.append((time, position))
    return np.array(beats, np.float64).reshape(-1, 2)


def _audio(folder: Path, stem: str) -> Path | None:
    return next((p for s in _AUDIO if (p := folder / f"{stem}{s}").is_file()), None)


def read_mdb(folder: Path | str) -> list[Track]:
    """Read the tracks of a folder.

    Parameters
    ----------
    folder : path
        The MDB Drums repository, its ``MDB Drums`` folder, or a flat folder.
        Of a track that has subclasses and classes those are read.

    Returns
    -------
    list of Track
        Sorted by name; audio that is not there is None.

    Raises
    ------
    DataError
        If no track is found or an annotation is malformed.
    """
    folder = Path(folder)
    inner = folder / "MDB Drums" if (folder / "MDB Drums").is_dir() else folder
    tracks = []
    notes = inner / "annotations"
    if notes.is_dir():
        found = {path.stem.removesuffix(f"_{level}"): path for level in ("class", "subclass")
                 for path in sorted((notes / level).glob(f"*_{level}.txt"))}
        for name, path in sorted(found.items()):
            beats = notes / "beats" / f"{name}_MIX.beats"
            tracks.append(Track(
                name.removeprefix("MusicDelta_"),
                _audio(inner / "audio" / "drum_only", f"{name}_Drum"),
                _audio(inner / "audio" / "full_mix", f"{name}_MIX"),
                *_read_onsets(path), _read_beats(beats if beats.is_file() else None)))
    else:
        for path in sorted(folder.glob("*.txt")):
            drums, mix = (_audio(folder, f"{path.stem}.{kind}") for kind in ("drums", "mix"))
            if drums is None and mix is None:
                continue
            beats = path.with_suffix(".beats")
            tracks.append(Track(path.stem, drums, mix, *_read_onsets(path),
                                _read_beats(beats if beats.is_file() else None)))
    if not tracks:
        raise DataError(f"{folder}: no annotated tracks; expected NAME.txt with NAME.drums.flac "
                        "or NAME.mix.flac, or the MDB Drums repository")
    return tracks
