"""``adt separate``: drum stems."""

from __future__ import annotations

from pathlib import Path

import click

from separation import WIENER

from . import console, options, outputs
from .batch import Batch, Job


@click.command(context_settings=options.SETTINGS)
@options.inputs
@click.option("-o", "--out", metavar="DIR", type=options.Path(), required=True,
              callback=options.no_pipe,
              help="Folder that gets NAME/{kick,snare,toms,hihat,cymbals}.wav.")
@click.option("--residual", is_flag=True,
              help="Also write everything else; the stems and it sum to the input.")
@click.option("--wiener", metavar="ALPHA", type=click.FloatRange(0.1, 10), default=WIENER,
              show_default=True, help="Exponent of an alpha-Wiener step across the stems: higher "
              "is cleaner, 2 leaves the bank's masks as they are.")
@click.option("--format", type=click.Choice(["wav", "flac"]), default="wav",
              help="Type of the files.")
@options.device("cpu")
@options.skip_existing
@options.force
def command(inputs, out, residual, wiener, format, device, skip_existing, force):
    """Split songs or drum tracks into drum stems, in the input's length, rate and channels.

    IN are audio files (wav, flac, ogg, mp3, m4a, ...) or folders of them.
    """
    outputs.check_choice(force, skip_existing)
    top = Path(out)
    batch = Batch(inputs, outputs.is_stem)

    def targets(job: Job) -> list[Path]:
        return [top / job.name / f"{stem}.{format}" for stem in outputs.stem_names(residual)]

    batch.check(
        lambda job: bool(outputs.pending(batch, job.source, targets(job), force, skip_existing)))
    if batch.jobs:
        outputs.check_writable([top])
        batch.check(lambda job: outputs.writable([top / job.name]))
    if not batch.jobs:
        return batch.finish()

    with console.loading():
        from separation import Separator, separate_file
        separator = Separator(device=device, wiener=wiener)
    there = outputs.existing(top)

    def work(job: Job, progress) -> str:
        folder = top / job.name
        try:
            todo = outputs.pending(batch, job.source, targets(job), force, skip_existing)
            if residual and len(todo) < len(targets(job)):
                console.say(f"{folder}: stems that are there are kept; they and what is written "
                            f"now sum to the input if made alike (--wiener {wiener:g})")
            files = separate_file(job.source, folder, residual=residual, suffix=f".{format}",
                                  progress=progress, separator=separator,
                                  only={path.stem for path in todo})
        except BaseException:
            outputs.remove_empty(folder, there)
            raise
        return f"{len(files)} stems, {folder}"

    return batch.run(work)
