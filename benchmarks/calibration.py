"""What correcting the first seconds of a song gains on the rest of it.

    python -m benchmarks.calibration --data MDB --seconds 30

For each track, thresholds are fitted to the annotation of the first seconds
(`adt.calibration.calibrate`), and the rest is scored, five classes, ±50 ms, with the
thresholds before and after.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path

from adt import Activations, Transcriber, Transcription
from adt.calibration import STRENGTH, calibrate
from adt.scoring import Scores, paired_bootstrap


def measure(tracks: dict[str, tuple[Activations, Transcription]], transcriber,
            seconds: float = 30.0, strength: float = STRENGTH) -> dict:
    """F of the rest of each track before and after, and pooled.

    Parameters
    ----------
    tracks : mapping of name to (activations, reference)
    transcriber : adt.Transcriber
    seconds : float
        Length of the corrected part; tracks that are no longer than it are left out.
    strength : float
        Of the prior, see `adt.calibration.calibrate`.
    """
    before, after = Scores(5), Scores(5)
    thresholds = {}
    for name, (activations, reference) in tracks.items():
        if activations.duration <= seconds + 5:
            continue
        found = calibrate(activations, reference, 0.0, seconds,
                          thresholds=transcriber.thresholds, strength=strength)
        thresholds[name] = found.thresholds
        plain = transcriber.hits(activations)
        tuned = found.transcribe(transcriber, activations, plain)
        truth = _after(reference, seconds, merge=False)
        before.update(name, truth, _after(plain, seconds))
        after.update(name, truth, _after(tuned, seconds))
    old, new = before()[0.05], after()[0.05]
    difference = paired_bootstrap(after.counts(0.05), before.counts(0.05))
    return {"seconds": seconds, "strength": strength, "before": old["SUM"], "after": new["SUM"],
            "difference": difference, "thresholds": thresholds,
            "tracks": {n: [old["tracks"][n]["f_measure"], new["tracks"][n]["f_measure"]]
                       for n in thresholds}}


def _after(song: Transcription, seconds: float, merge: bool = True) -> dict:
    return {name: times[times >= seconds]
            for name, times in song.events(5, merge=merge).items()}


def main(argv=None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="NAME.txt and NAME.*.flac")
    parser.add_argument("--activations", type=Path,
                        help="folder of NAME.KIND.npz, written by adt transcribe --activations")
    parser.add_argument("--kind", choices=("mix", "drums"), default="mix")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--strength", type=float, default=STRENGTH)
    args = parser.parse_args(argv)
    transcriber = Transcriber()
    tracks = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in sorted(args.data.glob("*.txt")):
            name = f"{path.stem}.{args.kind}"
            listened = args.activations and args.activations / f"{name}.npz"
            tracks[path.stem] = (
                Activations.load(listened) if listened
                else transcriber.activations(args.data / f"{name}.flac"),
                Transcription.load(path, ignore_unknown=True))
        print(json.dumps(measure(tracks, transcriber, args.seconds, args.strength), indent=1))


if __name__ == "__main__":
    main()
