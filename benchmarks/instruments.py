"""Other instruments beside the drums: strokes that nobody played.

    python -m benchmarks.instruments --kits KITS --soundfont TimGM6mb.sf2

Every pitched instrument of a General MIDI sound font plays a made-up part (20 s, at the level of
the drums and 3 dB above) to three simple beats, none of which has toms or crashes, one no kick, one
no hats and no ride. What is heard beyond what was played is counted, strokes a minute of each stem
by the family of the instrument; *without it* is the beats alone. Sound fonts that trained something
say little: TimGM6mb (Debian: timgm6mb-soundfont), of which most is meant, trained nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from adt import Transcriber
from adt.data.groove import Performance
from adt.data.kits import Kit, read_kits
from adt.data.songs import check_soundfont
from adt.errors import DataError
from adt.frames import SAMPLE_RATE
from adt.scoring import events, match
from adt.transcription import Transcription
from adt.vocabulary import ARTICULATION_INDEX, STEMS

from . import report, tables

SECONDS, TEMPO = 20.0, 112.0
LEVELS_DB = (0.0, 3.0)  #: of the instrument against the drums
ALONE = "without it"
#: Eight programs each of General MIDI; sound effects and percussion are left out.
FAMILIES = ("piano", "chromatic percussion", "organ", "guitar", "bass", "strings", "ensemble",
            "brass", "reed", "pipe", "synth lead", "synth pad", "synth effects", "ethnic")
_ROCK = {"kick": [(2, 0, 100)], "snare": [(2, 1, 95)]}
#: Beat → articulation → (beats between two strokes, beat of the first, velocity).
BEATS: dict[str, dict[str, list[tuple[float, float, int]]]] = {
    "kick and snare": _ROCK,
    "rock": {**_ROCK, "hihat_closed": [(1, 0, 85), (1, 0.5, 70)]},
    "swing": {"ride": [(1, 0, 80), (2, 1 + 2 / 3, 65)], "snare": [(4, 3, 60)],
              "hihat_pedal": [(2, 1, 60)]},
}


def beat(name: str) -> Performance:
    """One of `BEATS`."""
    found = []
    for articulation, patterns in BEATS[name].items():
        for step, first, velocity in patterns:
            times = 0.2 + np.arange(first, SECONDS, step) * 60 / TEMPO
            found += [(time, ARTICULATION_INDEX[articulation], velocity)
                      for time in times[times < SECONDS - 0.5]]
    times, articulations, velocities = zip(*sorted(found))
    return Performance(np.array(times), np.array(articulations), np.array(velocities), name=name)


def part(program: int):
    """What an instrument plays: a `pretty_midi.PrettyMIDI`, the same for the same program.

    Eighths, quarters and halves around C4 (basses: E2), chords of up to three notes where an
    instrument can play some.
    """
    import pretty_midi

    rng = np.random.default_rng(program)
    family = FAMILIES[program // 8]
    root = 40 if family == "bass" or program in (43, 58, 67, 70) else 60  # bass, tuba, bassoon
    chords = [0] if family in ("bass", "brass", "reed", "pipe") else [0, 4, 7]
    instrument, time = pretty_midi.Instrument(program), 0.2
    while time < SECONDS - 1:
        length = 60 / TEMPO * rng.choice([0.5, 1, 1, 2])
        pitch = root + int(rng.integers(-7, 8))
        for above in chords[:rng.integers(1, len(chords) + 1)]:
            instrument.notes.append(pretty_midi.Note(
                int(rng.integers(70, 115)), pitch + above, time, time + 0.9 * length))
        time += length
    midi = pretty_midi.PrettyMIDI()
    midi.instruments.append(instrument)
    return midi


def invented(played: Performance, heard: Transcription) -> np.ndarray:
    """Strokes of each stem that are heard and were not played, shape (5,)."""
    counts = match(events(played.times, played.articulations),
                   events([hit.time for hit in heard], [hit.piece for hit in heard]))
    return np.array([false for _, false, _ in counts.values()])


def measure(kits: Sequence[Kit], soundfont: Path, systems: Mapping[str, Transcriber],
            programs: Sequence[int] = range(8 * len(FAMILIES))) -> dict:
    """Invented strokes a minute.

    Returns
    -------
    dict
        ``SYSTEM`` → family or `ALONE` → strokes a minute of each stem, and ``programs``, those of
        each program.
    """
    from tqdm import tqdm

    from adt.data.render import render_pieces
    from adt.data.songs import fluidsynth

    drums = []  # of each kit
    for kit in kits:
        rendered = [render_pieces(beat(name), kit) for name in BEATS]
        drums.append([(np.sum(list(pieces.values()), axis=0), labels)
                      for pieces, labels in rendered])
    figures: dict[str, dict] = {name: {"programs": {}} for name in systems}
    alone = [(audio, labels) for of_kit in drums for audio, labels in of_kit]
    minutes = SECONDS / 60
    for name, system in systems.items():
        counts = [invented(labels, system(audio, sr=SAMPLE_RATE)) for audio, labels in alone]
        figures[name][ALONE] = np.sum(counts, axis=0) / (len(alone) * minutes)
    with tempfile.TemporaryDirectory() as folder:
        for program in tqdm(programs, desc="instruments", unit="instrument", disable=None):
            band = fluidsynth(part(program), soundfont, Path(folder) / "part", SECONDS).T
            counts = {name: np.zeros(len(STEMS), int) for name in systems}
            for audio, labels in drums[program % len(drums)]:
                for level in LEVELS_DB:
                    mixture = mixed(audio, band, level)
                    for name, system in systems.items():
                        counts[name] += invented(labels, system(mixture, sr=SAMPLE_RATE))
            for name in systems:
                figures[name]["programs"][program] = counts[name] / (
                    len(BEATS) * len(LEVELS_DB) * minutes)
    for of_system in figures.values():
        for k, family in enumerate(FAMILIES):
            found = [rate for program, rate in of_system["programs"].items() if program // 8 == k]
            if found:
                of_system[family] = np.mean(found, axis=0)
    return figures


def mixed(drums: np.ndarray, band: np.ndarray, level_db: float) -> np.ndarray:
    """Drums and a band at a level against theirs, both shape (2, samples)."""
    if not band.any():
        return drums
    scale = np.sqrt(np.mean(np.square(drums)) / np.mean(np.square(band))) * 10 ** (level_db / 20)
    total = drums.copy()
    length = min(drums.shape[1], band.shape[1])
    total[:, :length] += np.float32(scale) * band[:, :length]
    return total / max(1.0, float(np.abs(total).max()))


def table(figures: Mapping[str, Mapping]) -> str:
    """Markdown table: stems of the first system, sums of all."""
    first, *_ = figures.values()
    rows = [(family, *(tables.number(rate, 1) for rate in first[family]),
             *(tables.number(float(np.sum(of_system[family])), 1)
               for of_system in figures.values()))
            for family in (ALONE, *FAMILIES) if family in first]
    means = [np.mean(list(of_system["programs"].values()), axis=0)
             for of_system in figures.values()]
    rows.append(("**all instruments**", *(tables.number(rate, 1) for rate in means[0]),
                 *(f"**{tables.number(float(mean.sum()), 1)}**" for mean in means)))
    return tables.markdown(("instrument", *STEMS, *figures), rows)


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    parser = report.parser("benchmarks.instruments", __doc__, ["instruments"])
    parser.add_argument("--kits", type=Path, metavar="DIR", required=True, help="sampled kits")
    parser.add_argument("--soundfont", type=Path, metavar="FILE", required=True,
                        help="General MIDI sound font (.sf2) that trained nothing")
    parser.add_argument("--programs", type=int, nargs="*", metavar="N",
                        help="some General MIDI programs only, from 0; not for the README")
    args = parser.parse_args(argv)
    check_soundfont(args.soundfont)
    kits = [kit for kit in read_kits(args.kits, "validation") if kit.kind != "electronic"]
    if not kits:
        raise DataError(f"{args.kits}: no acoustic validation kit")
    systems = {"demixing": Transcriber(device=args.device, beats=False),
               "no demixing": Transcriber(demix=False, device=args.device, beats=False)}
    figures = measure(kits, args.soundfont, systems,
                      args.programs or range(8 * len(FAMILIES)))
    report.deliver(args, {"benchmark": "instruments", "soundfont": args.soundfont.name,
                          "environment": report.environment(args.device), "systems": figures},
                   {"instruments": table(figures)})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
