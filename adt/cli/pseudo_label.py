"""``adt pseudo-label``: recordings that nobody annotated, labelled for training."""

from __future__ import annotations

from pathlib import Path

import click

from ..audio import find_audio
from ..errors import DataError
from . import console, options, outputs
from .batch import Batch


def _by_name(folder: Path) -> dict[str, Path]:
    """Audio files below a folder by their names without suffix."""
    files: dict[str, Path] = {}
    for file in find_audio(folder):
        if file.stem in files:
            raise DataError(f"{folder}: {files[file.stem]} and {file} have one name; which of them "
                            "a part belongs to cannot be told")
        files[file.stem] = file
    return files


def _has_song(whole: dict[str, Path], folder: Path, part: Path) -> bool:
    """Whether there is the song that a part belongs to; raises if not."""
    if part.stem not in whole:
        raise DataError(f"{part}: no song of this name is in {folder}")
    return True


@click.command(context_settings=options.SETTINGS)
@options.inputs
@click.option("-o", "--out", metavar="DIR", type=options.Path(path_type=Path), required=True,
              help="Folder that gets NAME.npz of each recording.")
@click.option("--seconds", metavar="S", type=click.FloatRange(min=1), default=240.0,
              help="How much of each recording.")
@click.option("--songs", metavar="DIR", type=options.Path(path_type=Path),
              help="Songs that IN are parts of, by the same names: what is heard in a drum track,"
                   " or in the song without guitars, is learned in the song.")
@click.option("--licence", metavar="TEXT", default="",
              help="Of the recordings; weights that learn from them tell it.")
@click.option("--detectors", metavar="FILE", multiple=True, type=options.Path(),
              help="Weights that tell the strokes, in place of the packaged ones; given several"
                   " times, the mean of what they hear.")
@options.device("cpu")
@options.force
def command(inputs, out, seconds, songs, licence, detectors, device, force):
    """Label recordings by what adt hears in them, to train detectors on.

    IN are songs or drum tracks that nobody annotated, or folders of them. Training (adt train
    detectors, data.unlabelled) hears them through noise, in other bands, and their drums alone,
    and learns to find what was found in the recordings as they are. Those in which few drums are
    heard, or few for sure, are left out. What is there already is kept without --force.
    """
    batch = Batch(inputs)
    outputs.check_writable([out])
    if not batch.jobs:
        return batch.finish()
    batch.check(lambda job: force or not (out / f"{job.name}.npz").exists())
    whole = _by_name(songs) if songs and batch.jobs else {}
    if songs:
        batch.check(lambda job: _has_song(whole, songs, job.source))
    if not batch.jobs:
        return batch.finish()
    from ..training.pseudo_labels import pseudo_label, save_recording
    from ..training.teachers import Teachers
    transcriber = Teachers(detectors or ["detectors"], device)

    def work(job, progress):
        found = pseudo_label(transcriber, job.source, seconds, job.name, licence, progress,
                             song=whole.get(job.source.stem))
        if not found.usable:
            console.say(f"{job.source}: left out, few drums are heard, or few for sure")
            return None
        target = out / f"{job.name}.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        save_recording(found, target)
        return f"{len(found.strokes)} strokes are sure, {len(found.doubts)} are not"

    return batch.run(work)
