"""Reader for StemGMD (Mezza et al., "Toward Deep Drum Source Separation", 2024).

StemGMD is Groove on ten kits as nine isolated stems per clip, 1.1 TB of WAV, of which
never more than the asked-for window is read. Files are found by what their path says,
wherever it says it: drummer and session as folders, the clip (Groove's file name), the
kit and the instrument (`PIECE_TO_STEMGMD`) as folders or parts of the file name, so

* ``drummer1/session1/1_funk_80_beat_4-4/brooklyn/kick.wav`` (what `adt render` writes),
* ``drummer1/session1/brooklyn/kick/1_funk_80_beat_4-4.wav`` and
* ``drummer1/session1/1_funk_80_beat_4-4/1_funk_80_beat_4-4_brooklyn_kick.wav``

are all understood. Mixtures and five-stem sums beside them are passed over.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..frames import SAMPLE_RATE
from ..vocabulary import ARTICULATION_INDEX, PIECES, STEMGMD_TO_PIECE
from .groove import SPLITS, Performance, read_index, read_midi

#: The ten kits, and the usual division: train on six, test on four.
TRAIN_KITS = ("brooklyn", "heavy", "east_bay", "retro_rock", "socal", "portland")
TEST_KITS = ("bluebird", "detroit_garage", "roots", "motown_revisited")

_INSTRUMENTS = {**STEMGMD_TO_PIECE, "crash": "crash"}
_INSTRUMENT = re.compile(rf"(?:^|_)({'|'.join(sorted(_INSTRUMENTS, key=len, reverse=True))})$",
                         re.IGNORECASE)
_CLIP = re.compile(r"(?<![A-Za-z0-9])\d+_.+?_\d+_(?:beat|fill)_\d+-\d+")
_DRUMMER = re.compile(r"drummer\d+")
_SESSION = re.compile(r"(?:eval_)?session\d*")


@dataclass(frozen=True)
class Clip:
    """One performance on one kit.

    Attributes
    ----------
    name : str
        ``drummer/session/clip``, as in Groove.
    kit : str
    files : dict of str to Path
        Piece → WAV; pieces without a file are silent.
    split : str
        Groove's split, '' if no ``info.csv`` tells.
    labels : Path or None
        ``labels.csv`` of a render, or Groove's MIDI file.
    """

    name: str
    kit: str
    files: dict[str, Path] = field(repr=False)
    split: str = ""
    labels: Path | None = field(default=None, repr=False)

    @property
    def n_samples(self) -> int:
        """Length of the longest stem in samples."""
        lengths = []
        for path in self.files.values():
            with _open(path) as file:
                lengths.append(file.frames)
        return max(lengths)

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.n_samples / SAMPLE_RATE

    def read(self, start: int = 0, n_samples: int | None = None,
             pieces: Sequence[str] = PIECES) -> dict[str, np.ndarray]:
        """Read a window of the stems, zeros beyond their end.

        Parameters
        ----------
        start : int
            First sample.
        n_samples : int, optional
            To the end of the clip by default.
        pieces : sequence of str

        Returns
        -------
        dict of str to ndarray of float32, shape (2, n_samples)
            Every piece asked for; their sum is the mixture.
        """
        n_samples = self.n_samples - start if n_samples is None else n_samples
        out = {}
        for piece in pieces:
            out[piece] = np.zeros((2, max(0, n_samples)), np.float32)
            if piece in self.files:
                with _open(self.files[piece]) as file:
                    if start < file.frames:
                        file.seek(start)
                        audio = file.read(n_samples, dtype="float32", always_2d=True).T
                        out[piece][:, :audio.shape[1]] = audio[:2]
        return out

    def performance(self) -> Performance:
        """The strokes of the clip on pieces that it has files of.

        Raises
        ------
        DataError
            If there is neither ``labels.csv`` nor a MIDI file.
        """
        if self.labels is None:
            raise DataError(f"{self.name}: no labels; give the folder of the Groove MIDI "
                            "Dataset as groove_root")
        if self.labels.suffix == ".csv":
            result = _read_labels(self.labels)
        else:
            result = read_midi(self.labels)
        there = np.isin(result.pieces, [PIECES.index(piece) for piece in self.files])
        result = result.select(there & (result.times < self.duration))
        return replace(result, name=self.name, split=self.split)


def _open(path: Path):
    import soundfile
    try:
        file = soundfile.SoundFile(path)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: stem cannot be read ({error}); unpack it again") from error
    if file.samplerate != SAMPLE_RATE:
        raise DataError(f"{path}: {file.samplerate} Hz; StemGMD stems have {SAMPLE_RATE} Hz")
    return file


def _read_labels(path: Path) -> Performance:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:  # Excel's has a mark
            rows = [(float(r["time"]), ARTICULATION_INDEX[r["articulation"]],
                     int(r["velocity"])) for r in csv.DictReader(handle)]
        for time, _, velocity in rows:
            if not (0 <= time < float("inf") and 1 <= velocity <= 127):
                raise ValueError(f"a stroke at {time} s with a velocity of {velocity}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a list of labels ({error}); render the clip again"
                        ) from error
    rows.sort()
    times, arts, velocities = zip(*rows, strict=True) if rows else ((), (), ())
    return Performance(np.array(times, np.float64), np.array(arts, np.int64),
                       np.array(velocities, np.int64), path=path)


def _parse(folders: tuple[str, ...], stem: str) -> tuple[str, str, str] | None:
    """(clip, kit, piece) that a path below a session speaks of, None if it does not."""
    found = _INSTRUMENT.search(stem)
    if found:
        instrument, rest = found[1], stem[:found.start()]
    elif folders and folders[-1].lower() in _INSTRUMENTS:
        instrument, rest, folders = folders[-1], stem, folders[:-1]
    else:
        return None
    clip = next((m[0] for part in (*folders, rest) if (m := _CLIP.search(part))), None)
    if clip is None:
        return None
    others = [f for f in folders if not (_CLIP.search(f) or _DRUMMER.fullmatch(f)
                                         or _SESSION.fullmatch(f))]
    after = rest.split(clip, 1)[1].strip("_") if clip in rest else ""
    kit = others[-1] if others else after
    return (clip, kit, _INSTRUMENTS[instrument.lower()]) if kit else None


def read_stemgmd(root: Path | str, groove_root: Path | str | None = None, *,
                 split: str | None = None, kits: Iterable[str] | None = None) -> list[Clip]:
    """Find the clips below a folder; no audio is read.

    Parameters
    ----------
    root : path
        Folder of StemGMD, or of what `adt render` wrote in its layout.
    groove_root : path, optional
        Groove MIDI Dataset, for splits and labels where `root` has none.
    split : {'train', 'validation', 'test'}, optional
        Groove's split; needs an ``info.csv`` in `root` or `groove_root`.
    kits : iterable of str, optional
        Only these kits.

    Returns
    -------
    list of Clip
        Sorted by name, then kit.

    Raises
    ------
    DataError
        If nothing is found, or a split or kit is asked for that is not there.
    """
    root = Path(root)
    roots = [r for r in (root, Path(groove_root) if groove_root else None) if r is not None]
    if split is not None and split not in SPLITS:
        raise DataError(f"no split {split!r}; choose one of {', '.join(SPLITS)}")
    index = next((r for r in roots if (r / "info.csv").is_file()), None)
    splits = {} if index is None else {row["midi_filename"].rsplit(".", 1)[0]: row["split"]
                                       for row in read_index(index)}
    if split is not None and not splits:
        raise DataError(f"{root}: no info.csv, so no splits; give the Groove MIDI Dataset "
                        "as groove_root")
    above = root.absolute().parts[-3:]
    groups: dict[tuple[str, str], dict[str, Path]] = {}
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = sorted(s for s in subfolders if not s.startswith("."))
        relative = Path(folder).relative_to(root).parts
        everywhere = (*above, *relative)
        drummer = next((f for f in reversed(everywhere) if _DRUMMER.fullmatch(f)), None)
        session = next((f for f in reversed(everywhere) if _SESSION.fullmatch(f)), None)
        if drummer is None or session is None:
            continue
        inside = everywhere[len(everywhere) - everywhere[::-1].index(session):]
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() == ".wav" and (parsed := _parse(inside, stem)):
                clip, kit, piece = parsed
                group = groups.setdefault((f"{drummer}/{session}/{clip}", kit), {})
                group.setdefault(piece, Path(folder) / name)
    found = sorted({kit for _, kit in groups})
    if not groups:
        raise DataError(f"{root}: no StemGMD clips found; expected "
                        "drummerN/sessionN/CLIP/KIT/kick.wav and the like below it")
    kits = [kits] if isinstance(kits, str) else kits
    missing = sorted(set(kits or ()) - set(found))
    if missing:
        raise DataError(f"{root}: no kit {', '.join(missing)}; there are {', '.join(found)} "
                        "(a training takes those of data.stemgmd_kits)")
    wanted = set(found if kits is None else kits)
    return [Clip(name, kit, files, splits.get(name, ""), _labels(name, files, roots))
            for (name, kit), files in sorted(groups.items())
            if kit in wanted and split in (None, splits.get(name))]


def _labels(name: str, files: dict[str, Path], roots: Sequence[Path]) -> Path | None:
    """The label file of a clip: beside its stems, else its MIDI in one of the roots."""
    own = next(iter(files.values())).parent / "labels.csv"
    candidates = [own, *(r / f"{name}{suffix}" for r in roots for suffix in (".mid", ".midi"))]
    return next((path for path in candidates if path.is_file()), None)
