"""Beats and downbeats of annotated recordings, beside librosa and madmom.

    python -m benchmarks.beats --data MDB

Mean over tracks of the figures of `mir_eval.beat` (the first five seconds are left out, as
is usual): F-measure within ±70 ms, continuity at the annotated metrical level (CMLt) and at
related ones (AMLt), and the F-measure of downbeats. *annotated strokes* are tracked from
the annotation instead of a transcription. madmom's network is measured where its weights (not for
commercial use) can be had: `madmom_infer` downloads them when first asked.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from adt import Beats, BeatTracker, Transcriber
from adt.audio import stream
from adt.data.mdb import Track, read_mdb
from adt.errors import ConfigError, DataError
from adt.frames import SAMPLE_RATE

from . import recordings, report, tables

FIGURES = ("beat F", "CMLt", "AMLt", "downbeat F")


def score(truth: Beats, found: Beats) -> list[float]:
    """The `FIGURES` of one track."""
    from mir_eval import beat

    reference, estimate = beat.trim_beats(truth.times), beat.trim_beats(found.times)
    _, total, _, any_level = beat.continuity(reference, estimate)
    return [beat.f_measure(reference, estimate), total, any_level,
            beat.f_measure(beat.trim_beats(truth.downbeats), beat.trim_beats(found.downbeats))]


def _mono(path: Path) -> np.ndarray:
    return np.concatenate(list(stream(path)), axis=1).mean(axis=0)


def librosa_beats(path: Path) -> Beats:
    """`librosa.beat.beat_track` (Ellis, 2007); it has no bars."""
    import librosa

    _, times = librosa.beat.beat_track(y=_mono(path), sr=SAMPLE_RATE, units="time")
    return Beats(times, np.full(len(times), 2))


def madmom_beats() -> Callable[[Path], Beats] | None:
    """madmom's downbeat network and decoder (Böck et al., 2016), if the weights can be had."""
    from madmom_infer.features.downbeats import DBNDownBeatTrackingProcessor, RNNDownBeatProcessor

    try:
        network = RNNDownBeatProcessor()
    except (OSError, RuntimeError) as error:
        print(f"madmom's network is left out: {error}")
        return None
    decode = DBNDownBeatTrackingProcessor(beats_per_bar=[3, 4], fps=100)

    def track(path: Path) -> Beats:
        import soundfile

        with tempfile.TemporaryDirectory() as folder:  # it reads WAV files only
            wav = Path(folder) / "song.wav"
            soundfile.write(wav, _mono(path), SAMPLE_RATE)
            found = decode(network(str(wav)))
        return Beats(found[:, 0], found[:, 1])

    return track


def annotated_beats(track: Track) -> Beats:
    """The annotated beats of a track.

    Raises
    ------
    DataError
        If they are no beats.
    """
    try:
        return Beats(track.beats[:, 0], track.beats[:, 1])
    except ValueError as error:
        raise DataError(f"{track.name}.beats: {error}; correct it") from error


def measure(tracks: list[Track], systems: Mapping[str, Callable[[Path], Beats]]) -> dict[str, dict]:
    """Figures of systems on the drums and on the songs of tracks with beats.

    Returns
    -------
    dict
        ``INPUT, SYSTEM`` → ``mean`` of the `FIGURES`, those of each of the ``tracks``, and
        ``seconds`` that it took.
    """
    truth = {t.name: annotated_beats(t) for t in tracks}
    figures: dict[str, dict] = {}
    for kind, audio in (("drums alone", "drums"), ("songs", "mix")):
        paths = {t.name: getattr(t, audio) for t in tracks if getattr(t, audio) is not None}
        for name, track_beats in systems.items() if paths else ():
            begun = time.monotonic()
            scores = {n: score(truth[n], track_beats(path)) for n, path in paths.items()}
            figures[f"{kind}, {name}"] = {
                "mean": np.mean(list(scores.values()), axis=0), "tracks": scores,
                "seconds": time.monotonic() - begun}
    return figures


def of_annotated_strokes(tracks: list[Track], tracker: BeatTracker) -> dict:
    """Figures, as of `measure`, of beats that are tracked from the annotated strokes."""
    scores = {t.name: score(annotated_beats(t), tracker(recordings.annotated(t)))
              for t in tracks}
    return {"mean": np.mean(list(scores.values()), axis=0), "tracks": scores}


def table(figures: Mapping[str, Mapping]) -> str:
    """Markdown table of the means."""
    rows = []
    for name, figure in figures.items():
        kind, system = name.split(", ", 1)
        barless = system == "librosa"
        rows.append((kind, system, *(
            tables.ABSENT if barless and f == FIGURES[3] else tables.number(x)
            for f, x in zip(FIGURES, figure["mean"], strict=True))))
    return tables.markdown(("input", "system", *FIGURES), rows, left=2)


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    parser = report.parser("benchmarks.beats", __doc__, ["beats"])
    parser.add_argument("--data", type=Path, metavar="DIR", required=True,
                        help="annotated recordings in the layout of MDB Drums, with beats")
    args = parser.parse_args(argv)
    tracks = [t for t in read_mdb(args.data) if len(t.beats)]
    if not tracks:
        raise ConfigError(f"{args.data}: no track has beats (NAME.beats)")
    for track in tracks:  # before anything is listened to
        annotated_beats(track)
    transcriber = {demix: Transcriber(demix, args.device) for demix in (True, False)}
    systems: dict[str, Callable[[Path], Beats]] = {
        "adt": lambda path: transcriber[True](path).beats or Beats([], []),
        "adt, no demixing": lambda path: transcriber[False](path).beats or Beats([], []),
        "librosa": librosa_beats}
    madmom = madmom_beats()
    if madmom:
        systems["madmom RNN"] = madmom
    figures = measure(tracks, systems)
    figures["annotated strokes, adt"] = of_annotated_strokes(
        tracks, BeatTracker(device=args.device))
    report.deliver(args, {"benchmark": "beats", "environment": report.environment(args.device),
                          "figures": figures}, {"beats": table(figures)})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
