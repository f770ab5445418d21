"""``adt demo``: a groove from the package's own synthesiser, transcribed and scored.

Needs no data and no internet: five bars are written down here, played on a kit
from `adt.synth`, transcribed like any other recording and compared with what was played.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from .data.groove import Performance
from .errors import OutputError
from .frames import SAMPLE_RATE
from .vocabulary import ARTICULATION_INDEX, ARTICULATION_TO_PIECE, ARTICULATIONS

FILES = ("demo.wav", "demo.mid", "truth.mid")  #: what `run_demo` writes

#: Bars of sixteenths: X loud, x normal, o soft.
_BEAT = {
    "kick": "X.....x.X.x.....", "snare": "....X..o.o..X..o",
    "hihat_closed": "x.o.x.o.x.o.x...", "hihat_open": "..............x.",
}
_RIDE = {
    "kick": "X.....x.X.....x.", "snare": "....X..o....X...",
    "ride": "x.o.x.o.x.o.x.o.", "hihat_pedal": "....o.......o...",
}
_FILL = {
    "kick": "X.......X.......", "snare": "x.xx............", "tom_high": "....xxx.........",
    "tom_mid": "........xxx.....", "tom_floor": "............x.x.",
}
_BARS = (_BEAT, _BEAT, _RIDE, _RIDE, _FILL)
_CRASHES = (0, 2)
_VELOCITIES = {"X": 116, "x": 88, "o": 48}


def groove(bpm: float = 100.0, seed: int = 0) -> Performance:
    """Five bars that use all nine pieces (12 s at 100 beats per minute).

    Parameters
    ----------
    bpm : float
        Beats per minute.
    seed : int
        Of the small deviations in time (2 ms) and velocity.
    """
    rng = np.random.default_rng(seed)
    sixteenth = 60 / bpm / 4
    strokes = []
    for bar, voices in enumerate(_BARS):
        for articulation, steps in voices.items():
            strokes += [(16 * bar + i, articulation, _VELOCITIES[mark])
                        for i, mark in enumerate(steps) if mark != "."]
    strokes += [(16 * bar, "crash", 110) for bar in _CRASHES]
    strokes = [s for s in strokes  # one cymbal at a time on the crash beats
               if not (s[0] in {16 * b for b in _CRASHES} and s[1] in ("hihat_closed", "ride"))]
    steps, names, velocities = zip(*strokes, strict=True)
    times = 0.25 + np.array(steps) * sixteenth + 0.002 * rng.standard_normal(len(steps))
    velocities = np.array(velocities) + rng.integers(-6, 7, len(steps))
    order = np.argsort(times, kind="stable")
    return Performance(times[order], np.array([ARTICULATION_INDEX[n] for n in names])[order],
                       velocities[order], name="demo", style="rock", bpm=bpm)


def run_demo(out: Path | str | None = None, *, demix: bool = True, device: str = "cpu",
             seed: int = 0, echo: Callable[[str], object] = print,
             transcriber: Callable | None = None) -> dict:
    """Render `groove`, transcribe it and print the scores.

    Parameters
    ----------
    out : path, optional
        Folder that gets ``demo.wav``, ``demo.mid`` (the transcription) and ``truth.mid``.
    demix, device
        As for `adt.transcribe`.
    seed : int
        Of the groove and of the kit.
    echo : callable
        Takes each line of the table.
    transcriber : callable, optional
        ``(audio, sr) -> Transcription``; the package's own by default.

    Returns
    -------
    dict
        Number of classes (5, 9) → `adt.scoring.evaluate` at ±50 ms.

    Raises
    ------
    OutputError
        If `out` cannot be written.
    """
    from .data.kits import read_kit
    from .data.render import render
    from .scoring import evaluate
    from .synth import write_kit
    from .transcription import Hit, Transcription

    with tempfile.TemporaryDirectory(prefix="adt-demo-") as folder:
        audio, played = render(groove(seed=seed), read_kit(write_kit(folder, seed)))
    audio *= np.float32(0.9 / np.abs(audio).max())
    if transcriber is None:
        from .inference import Transcriber
        transcriber = Transcriber(demix=demix, device=device)
    heard = transcriber(audio, SAMPLE_RATE)
    pieces = [ARTICULATION_TO_PIECE[ARTICULATIONS[a]] for a in played.articulations.tolist()]
    truth = Transcription(
        [Hit(t, p, v) for t, p, v in zip(played.times.tolist(), pieces,
                                         played.velocities.tolist(), strict=True)],
        duration=audio.shape[1] / SAMPLE_RATE, source="demo")

    scores = {}
    for classes in (9, 5):
        scores[classes] = evaluate(truth.events(classes, merge=False), heard.events(classes),
                                   classes)
    echo(f"{len(truth)} strokes in {truth.duration:.1f} s, {len(heard)} found")
    echo(f"{'':<14}{'played':>7}{'found':>7}{'right':>7}{'F':>7}")
    for name, score in scores[9].items():
        if name != "SUM":
            echo(_row(name, score))
    echo(_row("all nine", scores[9]["SUM"]))
    echo(_row("as five", scores[5]["SUM"]))
    if out is not None:
        _write(Path(out), audio, heard, truth)
        echo(f"wrote demo.wav, demo.mid and truth.mid to {out}")
    return scores


def _row(name: str, score: dict) -> str:
    played, found = score["tp"] + score["fn"], score["tp"] + score["fp"]
    f = "–" if score["f_measure"] is None else f"{score['f_measure']:.2f}"
    return f"{name:<14}{played:>7}{found:>7}{score['tp']:>7}{f:>7}"


def _write(folder: Path, audio: np.ndarray, heard, truth) -> None:
    import soundfile

    from .output import atomic_path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / "demo.wav") as name:
            soundfile.write(name, audio.T, SAMPLE_RATE, subtype="PCM_16")
    except (OSError, RuntimeError) as error:
        raise OutputError(f"{folder}: the demo cannot be written ({error}); "
                          "choose another folder") from error
    heard.save(folder / "demo.mid")
    truth.save(folder / "truth.mid")
