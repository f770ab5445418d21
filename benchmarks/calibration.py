"""What correcting the first seconds of a song gains on the rest of it.

    python -m benchmarks.calibration --data MDB --readme docs/researcher.md

For each track, thresholds are fitted to the annotation of the first seconds
(`adt.calibration.calibrate`), and the rest is scored, five classes, ±50 ms, with the
thresholds before and after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from adt import Activations, Transcriber, Transcription
from adt.calibration import STRENGTH, calibrate
from adt.data.mdb import Track, read_mdb
from adt.errors import ConfigError
from adt.scoring import Scores, paired_bootstrap

from . import recordings, report, tables

KINDS = {"mix": "songs", "drums": "drums alone"}
REST = 5.0  #: least length of the rest of a track, seconds


def measure(tracks: Mapping[str, tuple[Activations, Transcription]], transcriber,
            seconds: float = 30.0, strength: float = STRENGTH, seed: int = 0) -> dict:
    """F of the rest of each track before and after, and pooled.

    Parameters
    ----------
    tracks : mapping of name to (activations, reference)
    transcriber : adt.Transcriber
    seconds : float
        Length of the corrected part; tracks that are not longer by `REST`, or have nothing
        annotated in it, are left out.
    strength : float
        Of the prior, see `adt.calibration.calibrate`.
    seed : int
        Of the bootstrap.

    Raises
    ------
    ConfigError
        If no track is left.
    """
    before, after = Scores(5), Scores(5)
    thresholds = {}
    for name, (activations, reference) in tracks.items():
        if activations.duration <= seconds + REST or not any(h.time < seconds for h in reference):
            continue
        found = calibrate(activations, reference, 0.0, seconds,
                          thresholds=transcriber.thresholds, strength=strength)
        thresholds[name] = found.thresholds
        plain = transcriber.hits(activations)
        tuned = found.transcribe(transcriber, activations, plain)
        truth = _after(reference, seconds, merge=False)
        before.update(name, truth, _after(plain, seconds))
        after.update(name, truth, _after(tuned, seconds))
    if not thresholds:
        raise ConfigError(f"no track has strokes in its first {seconds:g} s and {REST:g} s more "
                          "after them; choose fewer with --seconds")
    old, new = before(seed=seed)[0.05], after(seed=seed)[0.05]
    difference = paired_bootstrap(after.counts(0.05), before.counts(0.05), seed=seed)
    return {"seconds": seconds, "strength": strength, "before": old["SUM"], "after": new["SUM"],
            "difference": difference, "thresholds": thresholds,
            "tracks": {n: [old["tracks"][n]["f_measure"], new["tracks"][n]["f_measure"]]
                       for n in thresholds}}


def _after(song: Transcription, seconds: float, merge: bool = True) -> dict:
    return {name: times[times >= seconds]
            for name, times in song.events(5, merge=merge).items()}


def heard(tracks: Sequence[Track], transcriber, kind: str, folder: Path | None = None) -> dict:
    """What `measure` asks for, of the tracks that have audio of a kind.

    Parameters
    ----------
    tracks : sequence of Track
    transcriber : adt.Transcriber
    kind : {'mix', 'drums'}
    folder : path, optional
        Of activations ``NAME.KIND.npz``, in place of listening to the audio.
    """
    found = {}
    for track in tracks:
        path = getattr(track, kind)
        if path is not None:
            activations = (Activations.load(folder / f"{track.name}.{kind}.npz") if folder
                           else transcriber.activations(path))
            found[track.name] = activations, recordings.annotated(track)
    return found


def table(results: Sequence[Mapping]) -> str:
    """Pooled F before and after, a row for each result of `measure` and its ``kind``."""
    return tables.markdown(
        ["input", "corrected", "tracks", "F of the rest before", "after", "difference"],
        [[KINDS[result["kind"]], f"{result['seconds']:g} s", str(len(result["tracks"])),
          *(tables.number(result[when]["f_measure"]) for when in ("before", "after")),
          tables.interval(result["difference"]["difference"], result["difference"]["interval"])]
         for result in results])


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    parser = report.parser("benchmarks.calibration", __doc__, ["calibration"])
    parser.add_argument("--data", type=Path, metavar="DIR", required=True,
                        help="annotated recordings in the layout of MDB Drums")
    parser.add_argument("--activations", type=Path, metavar="DIR",
                        help="folder of NAME.KIND.npz, written by adt transcribe --activations")
    parser.add_argument("--kind", choices=tuple(KINDS), nargs="+", default=tuple(KINDS),
                        help="which audio")
    parser.add_argument("--seconds", type=float, nargs="+", default=(10.0, 15.0, 30.0),
                        help="that are corrected")
    parser.add_argument("--strength", type=float, default=STRENGTH, help="of the prior, in hits")
    args = parser.parse_args(argv)
    if not min(args.seconds) > 0 or not args.strength >= 0:
        raise ConfigError("--seconds must be above zero and --strength not below")
    transcriber = Transcriber(device=args.device, beats=False)
    read, results = read_mdb(args.data), []
    for kind in args.kind:
        tracks = heard(read, transcriber, kind, args.activations)
        results += [{"kind": kind, **measure(tracks, transcriber, s, args.strength, args.seed)}
                    for s in args.seconds if tracks]
    if not results:
        raise ConfigError(f"{args.data}: no track has NAME.{args.kind[0]}; choose another --kind")
    report.deliver(args, {"benchmark": "calibration",
                          "environment": report.environment(args.device),
                          "options": {"seed": args.seed}, "results": results},
                   {"calibration": table(results)})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
