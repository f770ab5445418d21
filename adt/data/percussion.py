"""Hand percussion for training: what must not be transcribed.

Tambourines, shakers, claps, congas and the like of a General MIDI sound font, one file a
stroke, rendered by FluidSynth. Training clips play them in time with the drums, as bands
do: a tambourine is on the backbeat with the snare, a shaker on the eighths with the hi-hat.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from ..audio import resample
from ..errors import DataError
from ..frames import SAMPLE_RATE
from ..output import atomic_path
from .songs import fluidsynth, fluidsynth_program

#: General MIDI notes of hand percussion, and how often each is played in training.
NOTES = {39: 3, 54: 6, 56: 2, 58: 0.5, 60: 1, 61: 1, 62: 1, 63: 1, 64: 1, 65: 1, 66: 1, 67: 0.5,
         68: 0.5, 69: 3, 70: 3, 73: 1, 74: 0.5, 75: 1, 76: 1, 77: 1, 80: 1, 81: 1, 82: 3, 83: 1}
VELOCITIES = (50, 85, 120)
_SECONDS = 2.0  #: of a stroke


def render_percussion(soundfont: Path | str, folder: Path | str) -> list[Path]:
    """Write every stroke as ``NOTE_VELOCITY.flac``.

    Parameters
    ----------
    soundfont : path
        ``.sf2`` or ``.sf3``.
    folder : path

    Returns
    -------
    list of Path

    Raises
    ------
    ConfigError
        If the program ``fluidsynth`` is not installed.
    DataError
        If the sound font cannot be used.
    """
    import pretty_midi
    import soundfile

    fluidsynth_program()  # before anything is written
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    strokes = [(note, velocity) for note in NOTES for velocity in VELOCITIES]
    midi = pretty_midi.PrettyMIDI(resolution=960)
    midi.instruments.append(pretty_midi.Instrument(0, is_drum=True))
    for i, (note, velocity) in enumerate(strokes):
        midi.instruments[0].notes.append(
            pretty_midi.Note(velocity, note, i * _SECONDS, (i + 0.5) * _SECONDS))
    try:
        audio = fluidsynth(midi, soundfont, folder / "strokes", (len(strokes) + 1) * _SECONDS)
    except (subprocess.SubprocessError, OSError, RuntimeError) as error:
        raise DataError(f"{soundfont}: fluidsynth could not render it ({error})") from error
    written = []
    length = int(_SECONDS * SAMPLE_RATE)
    for i, (note, velocity) in enumerate(strokes):
        stroke = audio[i * length:(i + 1) * length]
        if abs(stroke).max(initial=0) < 1e-4:
            continue  # the sound font has no such instrument
        path = folder / f"{note}_{velocity}.flac"
        with atomic_path(path) as temporary:
            soundfile.write(temporary, stroke, SAMPLE_RATE, format="FLAC")
        written.append(path)
    if not written:
        raise DataError(f"{soundfont}: has no percussion")
    return written


def read_percussion(folder: Path | str) -> dict[int, list[Path]]:
    """Strokes that `render_percussion` wrote, soft to loud, by note.

    Raises
    ------
    DataError
        If there are none.
    """
    found: dict[int, list[tuple[int, Path]]] = {}
    for path in Path(folder).glob("*_*.flac"):
        note, _, velocity = path.stem.partition("_")
        if note.isdigit() and velocity.isdigit() and int(note) in NOTES:
            found.setdefault(int(note), []).append((int(velocity), path))
    if not found:
        raise DataError(f"{folder}: no percussion (NOTE_VELOCITY.flac); render some with "
                        "adt render-percussion")
    return {note: [path for _, path in sorted(found[note])] for note in sorted(found)}


def read_stroke(path: Path | str) -> np.ndarray:
    """Audio of a stroke, float32 of shape (channels, samples).

    Raises
    ------
    DataError
        If the file cannot be read, or nothing is heard in it.
    """
    import soundfile
    try:
        audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
        audio = resample(audio.T, rate, SAMPLE_RATE)
    except (OSError, RuntimeError) as error:
        raise DataError(f"{path}: stroke cannot be read ({error}); render it again with "
                        "adt render-percussion") from error
    if not audio.any():
        raise DataError(f"{path}: a stroke without a sound; remove it")
    return audio
