"""Recordings that nobody annotated, with what adt hears in them for labels.

Strokes of which it is sure are labels; where it is in doubt nothing is said. That metal was
struck may be sure when it is not whether it was a hat, a ride or a crash: then it is in part either
of the likelier two. What a student learns from its teacher's labels, see `adt.training.student`.

Where there are tracks of a song, the teacher may hear less of it than the student: its drum track,
or the song without guitars.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..audio import stream
from ..errors import DataError
from ..features import reference_level, to_decibel
from ..frames import FRAME_RATE, SAMPLE_RATE
from ..inference import Bands, Transcriber
from ..output import atomic_path
from ..progress import Progress
from ..transcription import Transcription
from ..vocabulary import PIECES, STEM_COLUMNS, STEM_OF_PIECE, STEMS
from .material import unit_loudness

SURE = 0.6  #: confidence from which a stroke is a label
DOUBT = 0.1  #: confidence from which there may be a stroke
_NEAR = 2.0  #: frames from a sure stroke within which a doubtful one of its stem is the same
#: Fewer sure strokes a minute, of all pieces and of kick and snare, or a smaller share of sure
#: ones among all, are no drums that are heard well.
_LEAST, _LEAST_BEATS, _LEAST_SURE = 60.0, 20.0, 0.35
_CYMBALS = STEMS.index("cymbals")
_METAL = STEMS.index("hihat"), _CYMBALS
_LITTLE = 0.02  #: chance of another piece of metal below which there is none
_FAINT = 1e-12  #: power that is none
_UNEQUAL = 0.1  #: seconds by which a song and a part of it may differ in length
_FORMAT = 2


class Recording(NamedTuple):
    """Bands of a recording, and what was heard in it.

    Attributes
    ----------
    bands : ndarray of float16, shape (frames, N_BANDS)
        Magnitudes; loud frames have a power of about 1 (0 dB).
    drums : ndarray of uint8, shape (frames, N_BANDS)
        Share of the drums in the power, 255 being all of it.
    strokes : ndarray of float32, shape (n, 5)
        Frame, piece and velocity of the sure strokes, in order of time. A hat may be a cymbal, a
        cymbal a hat or the other cymbal: which piece it would be then (-1: none) and the chance
        of that, 0..1.
    doubts : ndarray of float32, shape (n, 2)
        Frame and stem of those that there may be.
    source, licence : str
        Of the recording, for the description of what learns from it.
    """

    bands: np.ndarray
    drums: np.ndarray
    strokes: np.ndarray
    doubts: np.ndarray
    source: str
    licence: str

    @property
    def usable(self) -> bool:
        """Whether there are drums, and heard well enough to learn from."""
        minutes = max(1, len(self.bands)) / FRAME_RATE / 60
        beats = np.isin(_stems(self.strokes), [STEMS.index("kick"), STEMS.index("snare")]).sum()
        heard = len(self.strokes) + len(self.doubts)
        return (len(self.strokes) >= _LEAST * minutes and beats >= _LEAST_BEATS * minutes
                and len(self.strokes) >= _LEAST_SURE * heard)


def _stems(strokes: np.ndarray) -> np.ndarray:
    return np.array(STEM_OF_PIECE)[strokes[:, 1].astype(int)]


def _table(hits: Transcription) -> np.ndarray:
    """Frame, piece, velocity and confidence of hits."""
    return np.array([(h.time * FRAME_RATE, PIECES.index(h.piece), h.velocity, h.confidence)
                     for h in hits], np.float32).reshape(-1, 4)


def _apart(doubts: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """Doubtful strokes (frame and stem) that are not sure ones of the same stem, or both metal."""
    stems, kept = _stems(sure), []
    for stem in range(len(STEMS)):
        mine = doubts[doubts[:, 1] == stem]
        alike = np.isin(stems, _METAL) if stem in _METAL else stems == stem
        frames = np.concatenate([[-np.inf], sure[alike, 0], [np.inf]])
        after = np.searchsorted(frames[1:-1], mine[:, 0]) + 1
        distance = np.minimum(mine[:, 0] - frames[after - 1], frames[after] - mine[:, 0])
        kept.append(mine[distance > _NEAR])
    kept = np.concatenate(kept)
    return kept[np.argsort(kept[:, 0], kind="stable")]


def _others(sure: np.ndarray, chance: np.ndarray) -> np.ndarray:
    """For each sure stroke of metal the piece that it may be else, or -1, and the chance of that.

    That is a piece of the other kind, or of a cymbal the other one: what was surely struck there
    too is none.
    """
    result = np.zeros((len(sure), 2), np.float32)
    result[:, 0] = -1
    for k, (frame, stem) in enumerate(zip(sure[:, 0], _stems(sure))):
        if stem not in _METAL:
            continue
        piece, own = int(sure[k, 1]), STEM_COLUMNS[stem]
        rivals = [(STEM_COLUMNS[sum(_METAL) - stem], own)]
        if stem == _CYMBALS:
            rivals.append(([cymbal for cymbal in own if cymbal != piece], [piece]))
        first = max(0, round(float(frame) - _NEAR))
        near = chance[first:first + round(2 * _NEAR) + 1]
        struck = sure[np.abs(sure[:, 0] - frame) <= _NEAR, 1].astype(int)
        best = _LITTLE
        for pieces, against in rivals:
            its = near[:, pieces].sum(axis=1).max()
            if its >= best and not np.isin(pieces, struck).any():
                best, other = its, pieces[near[:, pieces].max(axis=0).argmax()]
                result[k] = other, its / (its + near[:, against].sum(axis=1).max())
    return result


def _bands(transcriber: Transcriber, path: Path | str, seconds: float) -> Bands:
    """Bands of the beginning of a file."""
    blocks, room, wanted = [], 0, int(seconds * SAMPLE_RATE)
    for block in stream(path):
        blocks.append(block)
        room += block.shape[1]
        if room >= wanted:
            break
    audio = np.concatenate(blocks, axis=1)[:, :wanted] if blocks else np.zeros((1, 0), np.float32)
    return transcriber.bands(audio, sr=SAMPLE_RATE)


def pseudo_label(transcriber: Transcriber, path: Path | str, seconds: float = 240.0,
                 source: str = "", licence: str = "", progress: Progress | None = None, *,
                 song: Path | str | None = None) -> Recording:
    """What a transcriber hears in the beginning of a recording.

    Parameters
    ----------
    transcriber : Transcriber
        With demixing.
    path : path
    seconds : float
        How much of the recording.
    source, licence : str
        As they are to be told; the name of the file, if there is no `source`.
    progress : callable, optional
        Gets the share done, 0..1.
    song : path, optional
        What `path` is a part of, at the same level: the recording that is returned, with the
        drums that are heard in the part.

    Returns
    -------
    Recording

    Raises
    ------
    adt.errors.AudioError
        If a file cannot be used as audio.
    DataError
        If song and part are not of one length.
    ValueError
        If the transcriber is one without demixing.
    """
    heard = _bands(transcriber, path, seconds)
    whole = heard.power if song is None else _bands(transcriber, song, seconds).power
    if abs(len(whole) - len(heard.power)) > _UNEQUAL * FRAME_RATE:
        raise DataError(f"{song}: {len(whole) / FRAME_RATE:.1f} s, and {path}, a part of it, "
                        f"{len(heard.power) / FRAME_RATE:.1f} s; give tracks of one length")
    decibel = to_decibel(heard.power, reference_level(heard.power))
    drums = 10 ** ((transcriber.stems(decibel) - decibel) / 10)
    drums = np.clip(drums.sum(axis=0), 0, 1)
    if song is not None:
        both = min(len(whole), len(drums))
        whole = whole[:both]
        drums = np.minimum(1, drums[:both] * heard.power[:both] / np.maximum(whole, _FAINT))
    drums = np.rint(255 * drums).astype(np.uint8)
    activations = transcriber.bands_to_activations(heard, progress)
    sure = _table(transcriber.hits(activations))
    sure = sure[sure[:, 3] >= SURE][:, :3]
    strokes = np.column_stack([sure, _others(sure, activations.judged)])
    maybe = _table(transcriber.hits(activations, dict.fromkeys(STEMS, DOUBT)))
    doubts = np.column_stack([maybe[:, 0], _stems(maybe)]).astype(np.float32)
    return Recording(unit_loudness(whole), drums, strokes, _apart(doubts, sure),
                     source or Path(path).name, licence)


def save_recording(recording: Recording, path: Path | str) -> None:
    """Write a recording as ``.npz``, to a temporary name first."""
    with atomic_path(path) as temporary, open(temporary, "wb") as handle:
        np.savez(handle, format=_FORMAT, **recording._asdict())


def read_recordings(folder: Path | str) -> list[Recording]:
    """Recordings that `save_recording` wrote to a folder.

    Raises
    ------
    DataError
        If there are none, or a file is something else.
    """
    result = []
    for path in sorted(Path(folder).rglob("*.npz")):
        try:
            with np.load(path) as kept:
                if kept["format"] != _FORMAT:
                    raise ValueError(f"of format {kept['format']}")
                *arrays, source, licence = (kept[name] for name in Recording._fields)
                result.append(Recording(*arrays, str(source), str(licence)))
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise DataError(f"{path}: not what adt pseudo-label writes ({error}); make it "
                            "again") from error
    if not result:
        raise DataError(f"{folder}: no recordings (NAME.npz); make some with adt pseudo-label")
    return result

