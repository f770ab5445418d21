"""Audio renderer: a performance on a kit as isolated pieces with sample-exact labels.

The onset of every stroke lands on sample ``round(time * SAMPLE_RATE)``; pieces
add up to stems and stems to the mixture, exactly. `render_dataset` writes whole
data sets in the layout of StemGMD (Mezza et al., "Toward Deep Drum Source
Separation", Pattern Recognition Letters, 2024).
"""

from __future__ import annotations

import csv
import os
import shutil
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..errors import ConfigError, DataError, OutputError
from ..frames import SAMPLE_RATE
from ..output import keep_settings
from ..vocabulary import (
    ARTICULATION_TO_PIECE,
    ARTICULATIONS,
    PIECE_TO_STEMGMD,
    PIECES,
    STEM_TO_PIECES,
    STEMS,
)
from .groove import Performance, read_index, read_midi
from .kits import Kit, read_kits
from .voices import CHOKE_DECAY, Voice, voices

#: Longest ring after the last onset, seconds.
TAIL = 3.0

#: Samples that are rendered at once when writing to disk (30 s).
BLOCK = 30 * SAMPLE_RATE

#: A choked voice ends where it has fallen by this factor.
_CHOKED_AWAY = 1e-4


def _pan(pan: float) -> np.ndarray:
    """Constant-power gains (left, right) of a position from -1 to 1, shape (2, 1)."""
    angle = (np.clip(pan, -1.0, 1.0) + 1) * np.pi / 4
    return np.array([[np.cos(angle)], [np.sin(angle)]], np.float32)


def _play(voice: Voice, out: np.ndarray, origin: int = 0) -> None:
    """Add one voice to `out`, shape (1 or 2, samples), which begins at sample `origin`."""
    audio, begin = voice.sample.audio, round(voice.onset) - voice.sample.onset
    start = begin - origin
    lo, hi = max(0, -start), min(audio.shape[1], out.shape[1] - start)
    if voice.choke is not None:
        damped = round(voice.choke) - begin
        silent = damped + int(-np.log(_CHOKED_AWAY) * CHOKE_DECAY * SAMPLE_RATE)
        hi = min(hi, silent)
    if hi <= lo:
        return
    audio = audio[:2, lo:hi]
    if voice.choke is not None and damped < hi:
        envelope = np.ones(hi - lo, np.float32)
        first = max(damped - lo, 0)
        after = np.arange(first + lo - damped, hi - damped, dtype=np.float32)
        envelope[first:] = np.exp(after / np.float32(-CHOKE_DECAY * SAMPLE_RATE))
        audio = audio * envelope
    target = out[:, start + lo:start + hi]
    if len(audio) == 1:
        gains = _pan(voice.sample.pan) * np.float32(voice.gain)
        if len(out) == 1:
            target += audio * gains.mean()
        else:
            target[0] += audio[0] * gains[0]
            target[1] += audio[0] * gains[1]
    else:
        if len(out) == 1:
            audio = audio.mean(axis=0, keepdims=True)
        target += audio * np.float32(voice.gain)


def _length(played: Sequence[Voice]) -> int:
    """Samples until the last voice ends, but at most `TAIL` after the last onset."""
    if not played:
        return 0
    ends = max(round(v.onset) - v.sample.onset + v.sample.audio.shape[1] for v in played)
    return max(1, min(ends, round(max(v.onset for v in played) + TAIL * SAMPLE_RATE)))


def render_pieces(performance: Performance, kit: Kit | Mapping[str, Kit], *,
                  n_samples: int | None = None, rng: np.random.Generator | None = None,
                  stereo: bool = True) -> tuple[dict[str, np.ndarray], Performance]:
    """Render a performance into isolated pieces.

    Parameters
    ----------
    performance : Performance
        Strokes before 0 s are heard as far as they ring on, but are no labels.
    kit : Kit or mapping of stem to Kit
    n_samples : int, optional
        Length; by default until the last stroke has rung out (at most `TAIL`).
    rng : numpy.random.Generator, optional
        Draws where the round robins start.
    stereo : bool
        Two channels, or one (their mean).

    Returns
    -------
    dict of str to ndarray of float32, shape (2 or 1, n_samples)
        The pieces that sound, in the order of `PIECES`, at `SAMPLE_RATE`.
        Their sum is the mixture. Not normalised: levels may exceed 1.
    Performance
        The labels: strokes that sound and whose onset lies in the render.
    """
    played, labels = voices(performance, kit, rng)
    n_samples = _length(played) if n_samples is None else n_samples
    channels = 2 if stereo else 1
    of_piece: dict[str, list[Voice]] = defaultdict(list)
    for voice in played:
        of_piece[ARTICULATION_TO_PIECE[ARTICULATIONS[voice.articulation]]].append(voice)
    pieces = {}
    for piece in PIECES:
        if piece in of_piece:
            out = np.zeros((channels, n_samples), np.float32)
            for voice in of_piece[piece]:
                _play(voice, out)
            pieces[piece] = out
    onsets = np.rint(labels.times * SAMPLE_RATE)
    return pieces, labels.select((onsets >= 0) & (onsets < n_samples))


def to_stems(pieces: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Sum pieces into the five stems; stems without pieces are silent.

    Raises
    ------
    ValueError
        If `pieces` is empty, for then the length is unknown.
    """
    if not pieces:
        raise ValueError("no pieces to sum; render at least one stroke")
    like = next(iter(pieces.values()))
    stems = {stem: np.zeros_like(like) for stem in STEMS}
    for stem in STEMS:
        for piece in STEM_TO_PIECES[stem]:
            if piece in pieces:
                stems[stem] += pieces[piece]
    return stems


def mixture(parts: Mapping[str, np.ndarray]) -> np.ndarray:
    """Sum of pieces or stems, shape (channels, samples)."""
    return np.sum(list(parts.values()), axis=0, dtype=np.float32)


def render(performance: Performance, kit: Kit | Mapping[str, Kit], *,
           n_samples: int | None = None, rng: np.random.Generator | None = None,
           stereo: bool = True) -> tuple[np.ndarray, Performance]:
    """Render a performance into a mixture; parameters as for `render_pieces`.

    Returns
    -------
    ndarray of float32, shape (2 or 1, n_samples)
    Performance
        The labels.
    """
    pieces, labels = render_pieces(performance, kit, n_samples=n_samples, rng=rng, stereo=stereo)
    if not pieces:
        return np.zeros((2 if stereo else 1, n_samples or 0), np.float32), labels
    return mixture(pieces), labels


def _blocks(of_piece: Mapping[str, Sequence[Voice]], n_samples: int,
            ) -> Iterator[dict[str, np.ndarray]]:
    """Render the nine pieces in blocks of at most `BLOCK` samples, one after the other."""
    for origin in range(0, n_samples, BLOCK):
        length = min(BLOCK, n_samples - origin)
        pieces = {}
        for piece in PIECES:
            pieces[piece] = np.zeros((2, length), np.float32)
            for voice in of_piece[piece]:
                if voice.onset - voice.sample.onset < origin + length + 1:
                    _play(voice, pieces[piece], origin)
        yield pieces


def _write_clip(folder: Path, performance: Performance, kit: Kit, longest: float,
                seed: int) -> None:
    """Render one clip into `folder` (nine WAVs and ``labels.csv``), all or nothing.

    Done in blocks, once for the peak and once for the files, so that memory does not
    grow with length. All pieces share one gain, 1 unless a piece or the mixture would clip.
    """
    import soundfile
    rng = np.random.default_rng([seed, zlib.crc32(f"{performance.name}/{kit.name}".encode())])
    played, labels = voices(performance, kit, rng)
    n_samples = int(max(1, min(_length(played), longest)))
    of_piece: dict[str, list[Voice]] = defaultdict(list)
    for voice in played:
        of_piece[ARTICULATION_TO_PIECE[ARTICULATIONS[voice.articulation]]].append(voice)
    peak = max(float(np.abs(audio).max()) for block in _blocks(of_piece, n_samples)
               for audio in (*block.values(), mixture(block)))
    gain = np.float32(min(1.0, 0.98 / peak) if peak > 0 else 1.0)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        with ExitStack() as stack:
            files = {piece: stack.enter_context(soundfile.SoundFile(
                part / f"{PIECE_TO_STEMGMD[piece]}.wav", "w", SAMPLE_RATE, 2, "PCM_16"))
                for piece in PIECES}
            for block in _blocks(of_piece, n_samples):
                for piece, file in files.items():
                    file.write((block[piece] * gain).T)
        with (part / "labels.csv").open("w", newline="", encoding="utf-8") as handle:
            rows = csv.writer(handle)
            rows.writerow(("time", "articulation", "velocity"))
            for voice in played:
                if 0 <= round(voice.onset) < n_samples:
                    rows.writerow((f"{labels.times[voice.stroke]:.6f}",
                                   ARTICULATIONS[voice.articulation],
                                   int(labels.velocities[voice.stroke])))
        os.replace(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _choose_kits(kits_root: Path | str, names: Iterable[str] | None) -> list[Kit]:
    """Kits by name; without names those that can play all five stems."""
    found = {kit.name: kit for kit in read_kits(kits_root)}
    if names is None:
        chosen = [kit for kit in found.values() if len(kit.stems()) == len(STEMS)]
        if not chosen:
            raise DataError(f"{kits_root}: no complete kit; name the kits to use")
        return chosen
    unknown = [name for name in names if name not in found]
    if unknown:
        raise DataError(f"{kits_root}: no kit {', '.join(unknown)}; "
                        f"choose from {', '.join(sorted(found))}")
    return [found[name] for name in dict.fromkeys(names)]


def render_dataset(groove_root: Path | str, kits_root: Path | str, out: Path | str, *,
                   split: str | None = None, kits: Iterable[str] | None = None,
                   limit: int | None = None, seconds: float | None = None, seed: int = 0,
                   progress: bool = True) -> list[Path]:
    """Render Groove performances on sampled kits to disk, in the StemGMD layout.

    ``out/DRUMMER/SESSION/CLIP/KIT/`` gets nine 16-bit stereo WAVs at `SAMPLE_RATE`
    and ``labels.csv`` (seconds, articulation, velocity of the strokes that sound);
    ``out/DRUMMER/SESSION/CLIP.mid`` is Groove's file and ``out/info.csv`` its index.
    A finished clip is never written again, so that an interrupted run goes on where
    it stopped; ``out/render.json`` keeps the settings that it must go on with. Performances
    without a stroke in their first `seconds` are left out.

    Parameters
    ----------
    groove_root, kits_root : path
        Folders of the Groove MIDI Dataset and of sampled kits.
    out : path
    split : {'train', 'validation', 'test'}, optional
    kits : iterable of str, optional
        Kit names; by default every kit that can play all five stems.
    limit : int, optional
        Number of performances.
    seconds : float, optional
        Length of each clip at most; by default the whole performance.
    seed : int
        Decides where round robins start.
    progress : bool
        Show a progress bar, on a terminal only.

    Returns
    -------
    list of Path
        Clip folders, those finished before included.

    Raises
    ------
    DataError
        If the inputs are not what they should be.
    ConfigError
        If `out` has clips of another length or seed.
    OutputError
        If `out` cannot be written.
    """
    from tqdm import tqdm
    groove_root, out = Path(groove_root), Path(out)
    rows = read_index(groove_root, split)[:limit]
    if not rows:
        raise DataError(f"{groove_root / 'info.csv'}: no performances"
                        f"{f' of the split {split}' if split else ''}; give the whole Groove MIDI "
                        "Dataset, or another split")
    chosen = _choose_kits(kits_root, None if kits is None else list(kits))
    longest = np.inf if seconds is None else round(seconds * SAMPLE_RATE)
    folders = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        _copy(groove_root / "info.csv", out / "info.csv")
        if (out / "info.csv").read_bytes() != (groove_root / "info.csv").read_bytes():
            raise ConfigError(f"{out / 'info.csv'}: is that of other performances than "
                              f"{groove_root / 'info.csv'}; choose another folder")
        keep_settings(out / "render.json", {"seconds": seconds, "seed": seed})
        bar = tqdm(total=len(rows) * len(chosen), unit="clip", desc="render",
                   disable=None if progress else True)
        with bar:
            for row in rows:
                source = groove_root / row["midi_filename"]
                clip = (out / row["midi_filename"]).with_suffix("")
                todo = [kit for kit in chosen if not (clip / kit.name).is_dir()]
                folders += [clip / kit.name for kit in chosen]
                bar.update(len(chosen) - len(todo))
                if not todo:
                    continue
                performance = replace(read_midi(source), name=row["id"])
                if seconds is not None:
                    performance = performance.excerpt(0.0, seconds)
                if not len(performance):  # nothing is struck so soon
                    del folders[-len(chosen):]
                    bar.update(len(todo))
                    continue
                clip.mkdir(parents=True, exist_ok=True)
                _copy(source, out / row["midi_filename"])
                for kit in todo:
                    _write_clip(clip / kit.name, performance, kit, longest, seed)
                    bar.update()
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{out}: cannot be written ({error}); free some space or "
                          "choose another folder, finished clips are kept") from error
    return folders


def _copy(source: Path, target: Path) -> None:
    """Copy a file through a temporary name, unless it is there."""
    if not target.exists():
        part = target.with_name(f".{target.name}.part")
        shutil.copyfile(source, part)
        os.replace(part, target)
