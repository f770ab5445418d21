"""``adt score``: a transcription against a reference."""

from __future__ import annotations

import json

import click

from ..errors import ConfigError
from . import options


@click.command(context_settings=options.SETTINGS)
@click.argument("reference", type=options.Path())
@click.argument("estimate", type=options.Path())
@options.classes(5, "Set of classes to score in.")
@click.option("--window", type=options.Tolerance(), default=0.05,
              help="Tolerance in seconds.")
@click.option("--worst", type=click.IntRange(0), default=10, help="How many seconds to list.")
@click.option("--note-map", metavar="MAP", default=None,
              help="Notes of MIDI files: a preset or a .yaml file.  [default: what a file tells, or"
                   " general_midi]")
@click.option("--reference-note-map", metavar="MAP", default=None,
              help="The same for REFERENCE alone.  [default: --note-map]")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def command(reference, estimate, classes, window, worst, note_map, reference_note_map, as_json):
    """Compare ESTIMATE with REFERENCE: .mid, .csv, .jams, .txt or .labels.txt files."""
    from ..comparison import compare
    from ..transcription import Transcription
    loaded = []
    for path, name in ((reference, reference_note_map or note_map), (estimate, note_map)):
        loaded.append(Transcription.load(path, ignore_unknown=True,
                                         **options.reading(path, name)))
    try:
        result = compare(*loaded, classes, window, worst)
    except ValueError as error:
        raise ConfigError(f"{error}; choose fewer with --classes") from error
    if as_json:
        click.echo(json.dumps(result, indent=2))
        return
    click.echo(f"{'':<14}{'F':>7}{'P':>7}{'R':>7}{'right':>7}{'invented':>10}{'missed':>8}")
    for name, s in result["scores"].items():
        label = "all" if name == "SUM" else name
        figures = "".join(f"{'–' if s[k] is None else format(s[k], '.3f'):>7}"
                          for k in ("f_measure", "precision", "recall"))
        click.echo(f"{label:<14}{figures}{s['tp']:>7}{s['fp']:>10}{s['fn']:>8}")
    if result["offset"] is not None:
        right, *wrong = (result["scores"]["SUM"][k] for k in ("tp", "fp", "fn"))
        few = f" of {right}; few match, try a wider --window" if right < min(wrong) else ""
        click.echo(f"timing: the estimate is {abs(result['offset']) * 1000:.0f} ms "
                   f"{'late' if result['offset'] >= 0 else 'early'} (median{few})")
    if result["velocity"]:
        click.echo(f"velocity: r {result['velocity']['correlation']:.2f}, "
                   f"mean difference {result['velocity']['difference']:.0f}")
    if result["worst"]:
        click.echo("worst seconds:")
    for row in result["worst"]:
        parts = [f"{what} " + ", ".join(f"{n} {piece}" for piece, n in row[what].items())
                 for what in ("missed", "invented") if row[what]]
        click.echo(f"  {row['second'] // 60}:{row['second'] % 60:02d}  {'; '.join(parts)}")
