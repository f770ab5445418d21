"""How many notes `--quantize auto` puts on the step that was meant.

    python -m benchmarks.quantize --groove GROOVE --readme docs/producer.md

A performance tells when a note was struck, not what was meant. So scores are made whose
truth is known: the performances of Groove's test split, put on the sixteenths of their
click, in several feels (as they are, eighths or sixteenths swung, triplets). They are
played with the players' own errors of timing, shuffled among the notes of a performance.
A note is right if it comes within a thirty-second of a beat of the place that was meant.
The tempo is known. Beside `auto` stands what a fixed grid of sixteenths does.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from adt.beats.grid import place
from adt.data.groove import Performance, read_groove
from adt.errors import ConfigError

from . import report, tables

#: Feel → place of the four sixteenths of a beat; None leaves the notes there out.
FEELS = {
    "straight sixteenths": (0, 1 / 4, 1 / 2, 3 / 4),
    "straight eighths": (0, None, 1 / 2, None),
    "eighths swung 58 %": (0, None, 0.58, None),
    "eighths swung 62 %": (0, None, 0.62, None),
    "shuffle (67 %)": (0, None, 2 / 3, None),
    "sixteenths swung 58 %": (0, 0.29, 1 / 2, 0.79),
    "sixteenths swung 62 %": (0, 0.31, 1 / 2, 0.81),
    "triplets": (0, 1 / 3, 2 / 3, None),
}
RIGHT = 1 / 32  #: beats
STRAY = 0.1  #: share of notes a third of a step or more off


def play(performance: Performance, feel, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What is meant and what is played, in beats, and the notes that have part.

    Of strokes of one articulation on one sixteenth the loudest has part.
    """
    sixteenths, steps = _sixteenths(performance)
    loudest: dict[tuple[int, int], int] = {}
    for k in np.argsort(performance.velocities, kind="stable").tolist():
        if feel[steps[k] % 4] is not None:
            loudest[int(steps[k]), int(performance.articulations[k])] = k
    chosen = np.array(sorted(loudest.values()), dtype=int)
    errors = (sixteenths - steps)[chosen] / 4
    meant = np.array([steps[k] // 4 + feel[steps[k] % 4] for k in chosen])
    played = np.maximum(0, meant + rng.permutation(errors))
    order = np.argsort(played, kind="stable")
    return meant[order], played[order], chosen[order]


def _sixteenths(performance: Performance) -> tuple[np.ndarray, np.ndarray]:
    """Places in sixteenths, and the steps that are nearest but for the player's mean lag."""
    places = performance.times * performance.bpm / 60 * 4
    lag = np.median((places + 0.5) % 1 - 0.5)
    return places, np.rint(places - lag).astype(int)


def keeps_to_sixteenths(performance: Performance) -> bool:
    """Whether few notes lie between the sixteenths: otherwise these were not meant."""
    places, steps = _sixteenths(performance)
    errors = places - steps
    return float((np.abs(errors - np.median(errors)) > 1 / 3).mean()) < STRAY


def measure(performances: list[Performance], feel, seed: int = 0) -> dict[str, float | None]:
    """Shares of the notes put on the right step, pooled over performances; None without notes."""
    rng = np.random.default_rng(seed)
    own = np.array([p for p in (*feel, 1) if p is not None])
    notes, auto, fixed, known = 0, 0, 0, 0
    for performance in performances:
        meant, played, chosen = play(performance, feel, rng)
        found = place(played, performance.pieces[chosen], performance.velocities[chosen],
                      60 / performance.bpm)
        notes += len(meant)
        auto += int((np.abs(found.sounding - meant) < RIGHT).sum())
        fixed += int((np.abs(np.rint(played * 4) / 4 - meant) < RIGHT).sum())
        nearest = own[np.abs(played[:, None] % 1 - own).argmin(axis=1)]
        known += int((np.abs(played // 1 + nearest - meant) < RIGHT).sum())
    shares = {"auto": auto, "sixteenths": fixed, "known": known}
    return {"notes": notes, **{name: n / notes if notes else None for name, n in shares.items()}}


def table(result: Mapping) -> str:
    """One row for each feel."""
    return tables.markdown(
        ["feel", "notes", "auto", "1/16", "the feel's own grid"],
        [[name, str(row["notes"]),
          *(tables.number(row[key]) for key in ("auto", "sixteenths", "known"))]
         for name, row in result.items()])


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    parser = report.parser("benchmarks.quantize", __doc__, ["quantize"])
    parser.add_argument("--groove", type=Path, metavar="DIR", required=True,
                        help="Groove MIDI Dataset")
    parser.add_argument("--split", default="test", help="part of it")
    parser.add_argument("--least", type=int, default=20, metavar="N",
                        help="notes that a performance must have")
    args = parser.parse_args(argv)
    if args.least < 1:
        raise ConfigError("--least must be above zero")
    performances = [p for p in read_groove(args.groove, args.split)
                    if p.time_signature.endswith("-4") and p.beat_type == "beat"
                    and len(p) >= args.least and keeps_to_sixteenths(p)]
    if not performances:
        raise ConfigError(f"{args.groove}: no performance of the {args.split} split has "
                          f"{args.least} notes and keeps to sixteenths; ask for fewer "
                          "with --least")
    found = {name: measure(performances, feel, args.seed) for name, feel in FEELS.items()}
    report.deliver(args, {"benchmark": "quantize",
                          "environment": report.environment(args.device),
                          "options": {"split": args.split, "least": args.least,
                                      "seed": args.seed},
                          "feels": found}, {"quantize": table(found)})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
