"""What clips are made of beside drums: bands, songs, instruments, as band powers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..data.groove import Performance
from ..errors import DataError
from ..features import audio_to_bands, reference_level
from . import augment
from .oneshots import POSITIONS, one_shot


def load_accompaniment(folders: Sequence[Path | str], progress: bool = False) -> list[np.ndarray]:
    """Band powers (float16 magnitudes) of drumless recordings, unit loudness each."""
    from ..audio import find_audio, stream

    files = [f for folder in folders for f in find_audio([folder])]
    if progress:
        from tqdm import tqdm
        files = tqdm(files, desc="accompaniment", unit="file", disable=None)
    result = []
    for path in files:
        bands = audio_to_bands(stream(path))
        if len(bands) < 200:
            continue
        result.append(unit_loudness(bands))
    if files and not result:
        raise DataError(f"{folders[0]}: no recording of two seconds or more; give longer ones, or "
                        "set data.accompaniment=null")
    return result


def load_songs(folder: Path | str, progress: bool = False) -> list[tuple[np.ndarray, Performance]]:
    """Band powers (as `load_accompaniment`) and drums of the songs in a folder."""
    from ..audio import stream
    from ..data.songs import read_songs

    songs = read_songs(folder)
    if progress:
        from tqdm import tqdm
        songs = tqdm(songs, desc="songs", unit="song", disable=None)
    result = []
    for song in songs:
        bands = audio_to_bands(stream(song.audio))
        if len(bands) >= 200:
            result.append((unit_loudness(bands), song.performance))
    return result


def load_percussion(folder: Path | str | None, random: int = 0) -> list[tuple[float, list]]:
    """Hand percussion: how often each instrument plays, and its strokes soft to loud.

    Parameters
    ----------
    folder : path or None
        From `adt.data.percussion.render_percussion`, if any.
    random : int
        So many instruments drawn at random beside them; two of three then play.

    Returns
    -------
    list of (float, list)
        A stroke is a list of one-shots at `POSITIONS`, the loudest frame of each at 0 dB.

    Raises
    ------
    DataError
        If there are no strokes in the folder, or one cannot be used.
    """
    from ..data.percussion import NOTES, read_percussion, read_stroke
    from ..data.random_percussion import random_percussion

    def shots(audio):
        loud = np.abs(audio).max(axis=0)
        return _unit_shots(audio, int(np.argmax(loud > 0.1 * loud.max())))

    result = []
    for note, paths in (read_percussion(folder) if folder else {}).items():
        result.append((float(NOTES[note]), [shots(read_stroke(path)) for path in paths]))
    chance = 2.0 * (sum(chance for chance, _ in result) or 1.0) / max(1, random)
    result += [(chance, [shots(audio[None]) for audio in random_percussion(seed)[1]])
               for seed in range(random)]
    return result


def load_instruments(count: int, progress: bool = False) -> list[tuple[bool, list]]:
    """Instruments drawn at random: whether each is a bass, and its notes, lowest first.

    A note is a list of one-shots at `POSITIONS`, the loudest frame of each at 0 dB.
    """
    from ..data.random_instruments import random_instrument

    seeds = range(count)
    if progress and count:
        from tqdm import tqdm
        seeds = tqdm(seeds, desc="instruments", unit="instrument", disable=None)
    result = []
    for seed in seeds:
        _, bass, notes = random_instrument(seed)
        result.append((bass, [_unit_shots(note[None], 0) for note in notes]))
    return result


def _unit_shots(audio: np.ndarray, onset: int) -> list[np.ndarray]:
    """One-shots at `POSITIONS` of a sound, the loudest frame of each at 0 dB."""
    found = [one_shot(audio, onset, p) for p in range(POSITIONS)]
    return [s / s.sum(axis=1).max() for s in found]


def unit_loudness(bands: np.ndarray) -> np.ndarray:
    """Magnitudes (float16) of band powers whose loud frames have 0 dB; changes the powers."""
    bands /= augment.db(reference_level(bands))
    return np.sqrt(np.minimum(bands, 6e4)).astype(np.float16)
