"""Runs every benchmark whose material is given, and renews the tables of README and docs/."""

from __future__ import annotations

from pathlib import Path

from adt.errors import ConfigError

from . import (
    attribution,
    beats,
    calibration,
    instruments,
    quantize,
    report,
    separation,
    speed,
    transcription,
)


def main(argv: list[str] | None = None) -> None:
    """Run the benchmarks from the command line."""
    parser = report.parser("benchmarks.all", __doc__)
    parser.add_argument("--data", type=Path, metavar="DIR",
                        help="annotated recordings in the layout of MDB Drums")
    parser.add_argument("--kits", type=Path, metavar="DIR", help="sampled kits")
    parser.add_argument("--groove", type=Path, metavar="DIR", help="Groove MIDI Dataset")
    parser.add_argument("--accompaniment", type=Path, metavar="DIR",
                        help="recordings without drums")
    parser.add_argument("--soundfont", type=Path, metavar="FILE",
                        help="General MIDI sound font that trained nothing, such as TimGM6mb.sf2")
    parser.add_argument("--results", type=Path, metavar="DIR", default=Path("results"),
                        help="folder that gets a JSON file of each benchmark")
    args = parser.parse_args(argv)
    if args.out or args.table:
        raise ConfigError("--out and --table belong to single benchmarks; use --results DIR")
    if (args.kits is None) != (args.groove is None):
        raise ConfigError("renders need both --kits DIR and --groove DIR")
    if args.soundfont and not args.kits:
        raise ConfigError("instruments play to sampled kits; give --kits DIR as well")
    report.make_folder(args.results, "--results")
    shared = ["--device", args.device, "--seed", str(args.seed)]

    def run(benchmark, name: str, *options: object, place: str = "") -> None:
        readme = args.readme and (args.readme.parent / place if place else args.readme)
        benchmark.main([*map(str, options), *shared,
                        *(("--readme", str(readme)) if readme else ()),
                        "--out", str(args.results / f"{name}.json")])

    renders = ("--kits", args.kits, "--groove", args.groove) if args.kits else ()
    if args.data:
        run(transcription, "transcription", "--data", args.data)
        run(beats, "beats", "--data", args.data)
        run(attribution, "attribution", "--data", args.data)
        run(calibration, "calibration", "--data", args.data, place="docs/researcher.md")
    if renders:
        run(transcription, "renders", *renders)
        run(quantize, "quantize", "--groove", args.groove, place="docs/producer.md")
        run(separation, "separation", *renders)
        if args.accompaniment:
            run(separation, "separation-songs", *renders, "--accompaniment", args.accompaniment)
    if args.soundfont:
        run(instruments, "instruments", "--kits", args.kits, "--soundfont", args.soundfont)
    run(speed, "speed", "--lengths", 10, 60, 240, 7200)


if __name__ == "__main__":
    raise SystemExit(report.run(main))
