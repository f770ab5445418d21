"""The page: everything in one HTML file that asks nothing of a network."""

from __future__ import annotations

import base64
import gzip
import html
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np

from .. import audio as audio_io
from ..errors import AdtError, OutputError
from ..formats import SHEETS, SUFFIXES
from ..frames import SAMPLE_RATE
from ..notation import engrave_musicxml, stack, to_musicxml, to_pdf
from ..notation.rhythm import extended
from ..output import atomic_path, plain
from ..progress import Progress, share
from ..vocabulary import STEMS, class_names
from .pictures import spectrogram, waveform
from .tracks import MARK, START, encode_track

__all__ = ["MAX_SIZE", "Score", "downloads", "draw_score", "render_report", "write_report"]

#: Aim for the size of a page in bytes.
MAX_SIZE = 8_000_000

_REST = "rest"  # everything that is not drums
_BEST = {"stems": 32_000, "mix": 80_000}  # bits/s of a track, where there is room
_LEAST = {"stems": 16_000, "mix": 24_000}  # and where it is better left out
_LONGEST_SOUND = 20 * 60  # seconds; a browser keeps the samples of a whole track in memory
_OUTLINE = 150  # columns of the outline a second
_MIME = {".mid": "audio/midi", ".csv": "text/csv", ".txt": "text/plain",
         ".jams": "application/json", ".svg": "image/svg+xml", ".pdf": "application/pdf",
         ".musicxml": "application/vnd.recordare.musicxml+xml"}


def downloads(transcription) -> dict[str, bytes]:
    """The transcription in the formats that hold hits, suffix → contents.

    Formats whose optional library is missing, or that cannot hold this transcription,
    are left out.
    """
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in SUFFIXES:
            if suffix == ".midi" or suffix in SHEETS:  # the first is the same as .mid
                continue
            path = Path(folder) / f"report{suffix}"
            try:
                transcription.save(path)
                found[suffix] = path.read_bytes()
            except (AdtError, ImportError, OSError):
                continue
    return found


class Score(NamedTuple):
    """A drum part as it is shown and as it is taken away.

    Attributes
    ----------
    pages : list of str
        Engraved pages, an SVG each.
    files : dict of str to bytes
        Suffix → contents.
    problem : str
        Why there is no more of it; empty if that is all there is.
    """

    pages: list[str]
    files: dict[str, bytes]
    problem: str = ""


def draw_score(transcription, title: str | None = None) -> Score:
    """The drum part of a transcription, as far as the libraries of notation are installed.

    Without beats there is none.
    """
    pages, files, problem = [], {}, ""
    try:
        text = to_musicxml(transcription, title=title)
        files[".musicxml"] = text.encode()
        pages = engrave_musicxml(text)
        files[".svg"] = stack(pages).encode()
        files[".pdf"] = to_pdf(pages)
    except OutputError as error:  # what was made before is there
        problem = str(error)
    return Score(pages, files, problem)


def render_report(transcription, audio: np.ndarray | None = None, sr: int | None = None,
                  stems: Mapping[str, np.ndarray] | None = None, *, title: str = "",
                  sound: bool = True, notation: bool = True, max_size: int = MAX_SIZE,
                  notes: Sequence[str] = (),
                  progress: Progress | None = None) -> str:
    """Text of a self-contained page on a transcription.

    Parameters
    ----------
    transcription : adt.Transcription
    audio : ndarray, shape (samples,) or (channels, samples), optional
        The recording; without it the page has no outline, spectrogram or sound of it.
    sr : int, optional
        Sample rate of `audio` and `stems`, Hz.
    stems : mapping of str to ndarray, optional
        Stems of `audio`, as long as it. What they leave of it becomes a track of its own.
    title : str
        By default the name of the transcription's source.
    sound : bool
        Embed the audio. Tracks are mono MP3; their bit rate follows from `max_size`.
        Where there is too little room for stems, the page has the song alone; over 20
        minutes it has no audio. The page says so.
    notation : bool
        Embed the engraved score and its files, if the libraries for it are installed.
    max_size : int
        Bytes that the page should keep under.
    notes : sequence of str
        Remarks for the reader.
    progress : callable, optional
        Gets the share done, 0..1.

    Returns
    -------
    str
        HTML. The same input gives the same page.

    Raises
    ------
    adt.errors.AudioError
        If `audio` is no audio.
    ValueError
        If a stem is not as long as the audio.
    """
    say = progress or (lambda share: None)
    title = plain(title or transcription.name) or "Untitled"
    notes = list(notes)
    score = draw_score(transcription, title) if notation else Score([], {})
    kept = {**downloads(transcription), **score.files}
    pages = [_pack(page.encode()) for page in score.pages]
    if score.problem:
        notes.append(f"There is no score, or not all of it: {score.problem}.")
    if ".mid" not in kept:  # which needs no further library
        notes.append("There is no MIDI file to take away; adt transcribe says why.")
    say(0.1)
    data = _of_hits(transcription, title)
    tracks: dict[str, np.ndarray] = {}
    if audio is not None:
        audio, sr = audio_io.as_audio(audio, sr)
        mono, shares = audio_io.mix_down(lambda: [audio])
        data.update(_of_audio(mono, sr))
        tracks = _mono_tracks(mono, stems, shares) if sound else {}
    say(0.25)
    size = sum(map(len, pages)) + len(data["outline"] or "") + len(data["spectrogram"] or "") \
        + 24 * len(transcription) + 60_000
    if sum(map(len, pages)) > max_size * 0.4:
        notes.append("The score is too long to be shown here; adt transcribe writes it.")
        size -= sum(map(len, pages))
        pages = []
    room = max_size * (0.35 if tracks else 1) - size
    data["downloads"], taken = _of_files(kept, room, notes)
    size += taken
    if tracks:
        tracks, rate = _fit_tracks(tracks, data["duration"], max_size - size, notes)
        for number, (name, samples) in enumerate(tracks.items()):
            data["tracks"].append(
                {"name": name, "mp3": _text(encode_track(samples, sr, rate))})
            say(0.25 + 0.7 * (number + 1) / len(tracks))
    data["score"] = pages
    data["notes"] = notes
    say(1.0)
    return _fill(title, data)


def _of_hits(transcription, title: str) -> dict:
    """What the page carries of a transcription, and its parts that are empty yet."""
    names = class_names(transcription.classes)
    return {
        "title": title, "file": _file_name(title), "duration": transcription.duration,
        "pieces": list(names),
        "hits": [[hit.time, names.index(hit.piece), hit.velocity, round(hit.confidence, 3)]
                 for hit in transcription],
        "beats": _beats(transcription), "mark": MARK, "start": START,
        "outline": None, "spectrogram": None, "tracks": [],
    }


def _of_audio(mono: np.ndarray, sr: int) -> dict:
    """Duration (a file of hits may not know it) and pictures of a recording."""
    columns = min(60_000, int(_OUTLINE * len(mono) / sr) + 1)
    heard = mono if sr == SAMPLE_RATE else audio_io.resample(mono[None], sr, SAMPLE_RATE)[0]
    return {"duration": len(mono) / sr, "outline": _text(waveform(mono, columns).tobytes()),
            "spectrogram": _text(spectrogram(heard))}


def _of_files(contents: Mapping[str, bytes], room: float,
              notes: list[str]) -> tuple[list[dict], int]:
    """Files to download that there is room for, the small ones first, and the bytes they take."""
    packed, taken = {}, 0
    for suffix, content in sorted(contents.items(),
                                  key=lambda item: (item[0] == ".pdf", len(item[1]))):
        text = _pack(content)
        if taken + len(text) > room:
            notes.append(f"The {suffix[1:].upper()} file is too large to be embedded here; "
                         f"adt transcribe writes it.")
            continue
        packed[suffix] = text
        taken += len(text)
    order = dict.fromkeys([*(s for s in _MIME if s in packed), *packed])
    return [{"suffix": s, "type": _MIME.get(s, "application/octet-stream"), "gz": packed[s]}
            for s in order], taken


def write_report(path_or_array, out: Path | str, sr: int | None = None, demix: bool = True, *,
                 transcription=None, stems: bool = True, sound: bool = True,
                 notation: bool = True, title: str = "", max_size: int = MAX_SIZE,
                 classes: int = 9, device: str = "cpu", transcriber=None, separator=None,
                 progress: Progress | None = None) -> Path:
    """Transcribe and separate a recording and write the page on it.

    Parameters
    ----------
    path_or_array : path or ndarray, shape (samples,) or (channels, samples)
    out : path
        The page, ``.html``. It appears whole or not at all.
    sr : int, optional
        Sample rate of an array, Hz.
    demix : bool
        Separate the drums before detecting onsets.
    transcription : adt.Transcription, optional
        One made (or corrected) before; by default the recording is transcribed.
    stems : bool
        Embed drum stems, informed by the hits. They are left out of pages on songs too long for
        them.
    sound, notation, max_size
        As in `render_report`.
    title : str
        By default the name of the file.
    classes : {3, 5, 7, 9}
        Size of the drum vocabulary.
    device : str
    transcriber : adt.Transcriber, optional
    separator : separation.Separator, optional
        Loaded ones, for many files.
    progress : callable, optional
        Gets the share done, 0..1.

    Returns
    -------
    Path

    Raises
    ------
    adt.errors.AudioError
        If the input cannot be used as audio.
    adt.errors.OutputError
        If `out` cannot be written.

    Examples
    --------
    >>> adt.report.write_report("song.mp3", "song.html")        # doctest: +SKIP
    """
    if isinstance(path_or_array, (str, os.PathLike)):
        mono, _ = audio_io.mix_down(lambda: audio_io.stream(path_or_array))
        sr, title = SAMPLE_RATE, title or Path(path_or_array).stem
    else:
        audio, sr = audio_io.as_audio(path_or_array, sr)
        mono, _ = audio_io.mix_down(lambda: [audio])
    if transcription is None:
        if transcriber is None:
            from ..inference import Transcriber
            transcriber = Transcriber(demix, device)
        transcription = transcriber(path_or_array, sr, progress=share(progress, 0.0, 0.25))
    heard = transcription
    if classes < transcription.classes:
        transcription = transcription.reduce(classes)
    separated, notes = None, []
    if stems and sound and not stems_fit(len(mono) / sr, max_size):
        notes.append(_NO_STEMS)
    elif stems and sound:
        if separator is None:
            from separation import Separator
            separator = Separator(device=device)
        separated = separator(mono, sr, hits=heard, progress=share(progress, 0.25, 0.7))
    text = render_report(transcription, mono, sr, separated, title=title, sound=sound,
                         notation=notation, max_size=max_size, notes=notes,
                         progress=share(progress, 0.7, 1.0))
    with atomic_path(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(out)


def stems_fit(duration: float, max_size: int = MAX_SIZE) -> bool:
    """Whether a page of `max_size` bytes has room for the stems of so many seconds."""
    return _rate(duration, max_size * 0.8, len(STEMS) + 1) >= _LEAST["stems"]


_NO_STEMS = "This recording is too long for its stems; the page has the song alone."
_NO_SOUND = "This recording is too long for a page with sound; the hits can still be heard."


def _rate(duration: float, room: float, n_tracks: int) -> float:
    """Bits a second of each of so many tracks in `room` bytes of base64."""
    return max(0.0, room) * 6 / max(duration + START + 0.2, 0.1) / n_tracks


def _mono_tracks(mono: np.ndarray, stems, shares: np.ndarray) -> dict[str, np.ndarray]:
    """Tracks that sum to the song; `shares` of its channels are what is in `mono`."""
    if not stems:
        return {"song": mono}
    tracks = {}
    for name, stem in stems.items():
        stem = np.atleast_2d(np.asarray(stem, np.float32))
        stem = shares @ stem if len(stem) == len(shares) else stem.mean(axis=0)
        if len(stem) != len(mono):
            raise ValueError(f"stem {name!r} has {len(stem)} samples, the audio {len(mono)}")
        tracks[str(name)] = stem
    tracks[_REST] = mono - sum(tracks.values())
    return tracks


def _fit_tracks(tracks, duration, room, notes) -> tuple[dict[str, np.ndarray], int]:
    """The tracks that there is room for, and the bit rate of each."""
    if duration > _LONGEST_SOUND:
        notes.append(_NO_SOUND)
        return {}, 0
    if len(tracks) > 1:
        rate = _rate(duration, room, len(tracks))
        if rate >= _LEAST["stems"]:
            return tracks, int(min(rate, _BEST["stems"]))
        notes.append(_NO_STEMS)
        tracks = {"song": sum(tracks.values())}
    rate = _rate(duration, room, 1)
    if rate < _LEAST["mix"]:
        notes.append(_NO_SOUND)
        return {}, 0
    return tracks, int(min(rate, _BEST["mix"]))


def _beats(transcription):
    beats = transcription.beats
    if beats is None or len(beats) < 2:
        return None
    beats = extended(beats, [hit.time for hit in transcription])  # bars are those of the score
    last = max(beats.times[1], transcription.duration)
    return [[round(float(t), 4), int(p)] for t, p in zip(beats.times, beats.positions)
            if t <= last]


def _file_name(title: str) -> str:
    return "".join(c if c.isalnum() or c in " ._-()" else "_" for c in title).strip(" .") or "song"


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _pack(content: bytes) -> str:
    return _text(gzip.compress(content, 9, mtime=0))


def _fill(title: str, data: dict) -> str:
    folder = files(__package__)
    text = {name: folder.joinpath(name).read_text(encoding="utf-8")
            for name in ("page.html", "page.css", "page.js")}
    # "<" would end the script element that carries the data.
    carried = json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    slots = {"TITLE": html.escape(title), "STYLE": text["page.css"], "SCRIPT": text["page.js"],
             "DATA": carried}
    return re.sub("<!--(TITLE|STYLE|SCRIPT|DATA)-->", lambda m: slots[m[1]], text["page.html"])
