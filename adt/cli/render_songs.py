"""``adt render-songs``: bands with drums that keep time with them, for training."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import DataError
from ..output import keep_settings
from . import console, options, outputs
from .batch import unique_names


@click.command(context_settings=options.SETTINGS)
@click.argument("midi", metavar="MIDI...", nargs=-1, required=True,
                type=options.Path(path_type=Path))
@click.option("--soundfont", metavar="FILE", type=options.Path(path_type=Path), required=True,
              help="Sound font (.sf2 or .sf3) that plays the band.")
@click.option("-o", "--out", metavar="DIR", type=options.Path(path_type=Path), required=True,
              help="Folder that gets NAME.flac (band) and NAME.mid (drums).")
@click.option("--seconds", metavar="S", type=click.FloatRange(min=1), default=60.0,
              help="How much of each song.")
@click.option("--distort", metavar="SHARE", type=click.FloatRange(0, 1), default=0.5,
              help="Chance that distorted guitars play instead of keyboards and guitars.")
@click.option("--solo", metavar="SHARE", type=click.FloatRange(0, 1), default=0.0,
              help="Chance that one instrument of the band plays alone.")
@click.option("--seed", metavar="N", type=click.IntRange(min=0), default=0, help="Decides which.")
def command(midi, soundfont, out, seconds, distort, solo, seed):
    """Render the band of MIDI songs, without the drum kit, and keep its drums.

    MIDI are files or folders of them. Needs the program fluidsynth. Songs that are
    there already are kept; one that cannot be rendered does not stop the others. Songs of one
    folder are rendered with one set of options.
    """
    from tqdm import tqdm

    from ..data.songs import check_soundfont, render_song, song_name
    files = [f for path in midi for f in (
        sorted(p for p in path.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
        if path.is_dir() else [path])]
    if not files:
        raise DataError(f"{midi[0]}: no MIDI files")
    check_soundfont(soundfont)
    outputs.check_writable([out])
    out.mkdir(parents=True, exist_ok=True)
    keep_settings(out / "songs.json", {"seconds": seconds, "distort": distort, "solo": solo,
                                       "seed": seed})
    failed = bandless = 0
    names = [name.replace("/", "_") for name in unique_names(files)]
    names = [f"{name}-{names[:k].count(name)}" if name in names[:k] else name
             for k, name in enumerate(names)]
    for path, name in zip(tqdm(files, desc="songs", unit="song", disable=None), names):
        name = song_name(name + path.suffix, soundfont)
        if (out / f"{name}.mid").is_file():
            continue
        try:
            bandless += render_song(path, soundfont, out, seconds, distort, seed, name,
                                    solo) is None
        except DataError as error:
            failed += 1
            console.error(str(error))
    click.echo(f"{len(files) - failed - bandless} of {len(files)} songs are in {out}"
               + (f"; {bandless} have no band" if bandless else ""), err=True)
    return 1 if failed else 0
