"""Songs for training: a band rendered from MIDI, and the drums that belong to it.

Drums and band of one MIDI file keep time together, as in real songs: the bass falls on
the kick, guitars on the hi-hat. The band is rendered with a sound font by FluidSynth,
without the drum kit but with whatever other percussion there is (tambourine, shaker,
congas, claps: not to be transcribed); the drums are kept as MIDI, for a sampled kit to
play.
"""

from __future__ import annotations

import shutil
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ConfigError, DataError
from ..frames import SAMPLE_RATE
from ..output import atomic_path
from ..vocabulary import ARTICULATION_INDEX, ARTICULATIONS, GM_TO_ARTICULATION
from .groove import Performance

#: General MIDI programs: pianos, organs and guitars, and the guitars to play them instead.
_REPLACED = frozenset([*range(0, 8), *range(16, 21), *range(24, 32)])
_DISTORTED = (27, 29, 30)


@dataclass(frozen=True)
class Song:
    """A band without drums, and its drums.

    Attributes
    ----------
    audio : Path
        Recording of the band.
    performance : Performance
        The drums, in the time of the recording.
    """

    audio: Path
    performance: Performance


def drums_of(midi, name: str = "", stop: float = np.inf) -> Performance:
    """The drum kit's strokes of a `pretty_midi.PrettyMIDI` with General MIDI drums."""
    known = {note: ARTICULATION_INDEX[name] for note, name in GM_TO_ARTICULATION.items()}
    notes = [note for i in midi.instruments if i.is_drum for note in i.notes
             if note.pitch in known and note.start < stop]
    notes.sort(key=lambda note: note.velocity)  # of two at once on one drum the louder counts
    strokes = sorted({(note.start, known[note.pitch]): note.velocity for note in notes}.items())
    times = np.array([t for (t, _), _ in strokes], np.float64)
    arts = np.array([a for (_, a), _ in strokes], np.int64)
    velocities = np.clip(np.array([v for _, v in strokes], np.int64), 1, 127)
    return Performance(times, arts, velocities, name=name, split="train")


def song_name(midi_path: Path | str, soundfont: Path | str) -> str:
    """Name of the files that `render_song` writes, without suffix."""
    return f"{Path(midi_path).stem}_{Path(soundfont).stem}"


def fluidsynth_program() -> str:
    """Where the program ``fluidsynth`` is; `ConfigError` if nowhere."""
    program = shutil.which("fluidsynth")
    if program is None:
        raise ConfigError("rendering with a sound font needs the program fluidsynth; install it "
                          "(Debian: apt install fluidsynth)")
    return program


def check_soundfont(path: Path) -> None:
    """`DataError` if there is no such file."""
    if not path.is_file():
        raise DataError(f"{path}: no such sound font; give a .sf2 or .sf3 file")


def fluidsynth(midi, soundfont: Path | str, stem: Path, seconds: float) -> np.ndarray:
    """Audio of a `pretty_midi.PrettyMIDI`, shape (samples, 2) float32.

    Parameters
    ----------
    midi : pretty_midi.PrettyMIDI
    soundfont : path
    stem : Path
        Of temporary files, without suffix.
    seconds : float
        At most this much.

    Raises
    ------
    ConfigError
        If the program ``fluidsynth`` is not installed.
    DataError
        If the file is no sound font. (The program would take another one.)
    subprocess.SubprocessError, OSError, RuntimeError
        If it fails.
    """
    import soundfile

    program = fluidsynth_program()
    with open(soundfont, "rb") as file:
        head = file.read(12)
    if head[:4] != b"RIFF" or head[8:] not in (b"sfbk", b"DLS "):
        raise DataError(f"{soundfont}: is no sound font; name a file such as FluidR3_GM.sf2")
    silent, wave = stem.with_suffix(".mid"), stem.with_suffix(".wav")
    try:
        midi.write(str(silent))
        done = subprocess.run([program, "-ni", "-q", "-g", "0.4", "-r", str(SAMPLE_RATE),
                               "-F", str(wave), str(soundfont), str(silent)],
                              check=True, capture_output=True, timeout=600)
        if b"load SoundFont" in done.stderr:  # but another one was at hand
            raise DataError(f"{soundfont}: fluidsynth cannot load it; copy the sound font again")
        return soundfile.read(wave, frames=int(seconds * SAMPLE_RATE), dtype="float32",
                              always_2d=True)[0]
    finally:
        silent.unlink(missing_ok=True)
        wave.unlink(missing_ok=True)


def amplify(audio: np.ndarray, drive_db: float, cutoff: float) -> np.ndarray:
    """A guitar through a distorting amplifier and a cabinet, at the loudness it had.

    Parameters
    ----------
    audio : ndarray, shape (samples, channels)
        At `SAMPLE_RATE`.
    drive_db : float
        Level of the loud passages at the tube, dB over where it begins to saturate.
    cutoff : float
        Hz; what the cabinet lets through.

    Returns
    -------
    ndarray of float32, shape (samples, channels)
    """
    from scipy.signal import butter, sosfilt

    loud = float(np.sqrt(np.mean(audio ** 2))) + 1e-9
    tight = sosfilt(butter(1, 150, "highpass", fs=SAMPLE_RATE, output="sos"), audio, axis=0)
    tube = np.tanh(tight * (10 ** (drive_db / 20) / loud) + 0.2) - np.tanh(0.2)
    cabinet = np.concatenate([butter(2, 80, "highpass", fs=SAMPLE_RATE, output="sos"),
                              butter(4, cutoff, fs=SAMPLE_RATE, output="sos")])
    wet = sosfilt(cabinet, tube, axis=0)
    return (wet * (loud / (np.sqrt(np.mean(wet ** 2)) + 1e-9))).astype(np.float32)


def render_song(midi_path: Path | str, soundfont: Path | str, folder: Path | str,
                seconds: float = 60.0, distort: float = 0.0, seed: int = 0,
                name: str | None = None, solo: float = 0.0) -> Path | None:
    """Write the beginning of a MIDI song as ``NAME.flac`` (band) and ``NAME.mid`` (drums).

    Parameters
    ----------
    midi_path : path
        General MIDI, drums on channel 10.
    soundfont : path
        ``.sf2`` or ``.sf3``.
    folder : path
    seconds : float
        How much of the song.
    distort : float
        Chance that keyboards and guitars are played by guitars through `amplify` instead.
    seed : int
        With the name of the song it decides whether, and how.
    name : str, optional
        Of the files, without suffix; that of `song_name` by default.
    solo : float
        Chance that one instrument of the band plays alone.

    Returns
    -------
    Path or None
        The audio file; None where nothing but drums plays.

    Raises
    ------
    ConfigError
        If the program ``fluidsynth`` is not installed.
    DataError
        If the MIDI file or the sound font cannot be used.
    """
    import soundfile

    from ..formats.midi import load

    fluidsynth_program()  # before anything is read or written
    midi_path, folder = Path(midi_path), Path(folder)
    name = name or song_name(midi_path, soundfont)
    midi = load(midi_path)
    drums = drums_of(midi, name, seconds)
    for instrument in midi.instruments:
        instrument.notes = [n for n in instrument.notes if n.start < seconds and not (
            instrument.is_drum and n.pitch in GM_TO_ARTICULATION)]
    band = [i for i in midi.instruments if i.notes]
    if not band:
        return None
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    guitars = [i for i in band if not i.is_drum and i.program in _REPLACED] \
        if rng.random() < distort else []
    for instrument in guitars:
        instrument.program = int(rng.choice(_DISTORTED))
    if solo and rng.random() < solo:
        band = [band[rng.integers(len(band))]]
        guitars = [i for i in guitars if i in band]
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{name}.flac"
    with atomic_path(target) as temporary:
        try:
            midi.instruments = [i for i in band if i not in guitars]
            audio = fluidsynth(midi, soundfont, temporary, seconds)
            if guitars:
                midi.instruments = guitars
                wet = amplify(fluidsynth(midi, soundfont, temporary, seconds),
                              rng.uniform(0, 30), rng.uniform(3500, 9000))
                if len(wet) > len(audio):
                    audio, wet = wet, audio
                audio[:len(wet)] += wet
        except (subprocess.SubprocessError, OSError, RuntimeError) as error:
            raise DataError(f"{midi_path}: fluidsynth could not render it ({error})") from error
        peak = float(np.abs(audio).max(initial=1e-9))
        soundfile.write(temporary, audio * min(1.0, 0.9 / peak), SAMPLE_RATE, format="FLAC")
    with atomic_path(folder / f"{name}.mid") as temporary:
        write_drums(drums, temporary)
    return target


def write_drums(performance: Performance, path: Path) -> None:
    """Write a performance as General MIDI drums, articulations kept."""
    import pretty_midi

    note_of = {a: n for n, a in reversed(GM_TO_ARTICULATION.items())}
    midi = pretty_midi.PrettyMIDI(resolution=960)
    drums = pretty_midi.Instrument(0, is_drum=True, name="Drums")
    for time, a, velocity in zip(performance.times, performance.articulations,
                                 performance.velocities):
        drums.notes.append(pretty_midi.Note(int(velocity), note_of[ARTICULATIONS[a]],
                                            float(time), float(time) + 0.02))
    midi.instruments.append(drums)
    midi.write(str(path))


def read_songs(folder: Path | str) -> list[Song]:
    """Songs of a folder: every ``NAME.flac`` with a ``NAME.mid`` beside it.

    Raises
    ------
    DataError
        If there are none, or a MIDI file cannot be read.
    """
    from ..formats.midi import load

    songs = []
    for audio in sorted(Path(folder).glob("*.flac")):
        path = audio.with_suffix(".mid")
        if path.is_file():
            songs.append(Song(audio, drums_of(load(path), audio.stem)))
    if not songs:
        raise DataError(f"{folder}: no songs (NAME.flac with NAME.mid); render some with "
                        "adt render-songs")
    return songs
