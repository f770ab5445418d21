"""``adt separate``: drum stems."""

from __future__ import annotations

from pathlib import Path

import click

from separation import WIENER

from ..errors import ConfigError
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
@click.option("--informed/--no-informed", default=True, show_default=True,
              help="Transcribe each song first: strokes that fall together are told apart by what"
                   " their pieces sound like elsewhere in it, and samples that repeat are taken out"
                   " whole. Without it the bank alone tells stems apart, in half the"
                   " time.")
@click.option("--hits", "transcription", metavar="FILE", type=options.Path(),
              help="Be informed by this transcription of the song, as played (mid, csv, jams, txt),"
                   " such as a corrected one.")
@click.option("--note-map", metavar="MAP", default=None,
              help="Notes of that FILE: a preset or a .yaml file.  [default: what it tells, or"
                   " general_midi]")
@click.option("--format", type=click.Choice(["wav", "flac"]), default="wav",
              help="Type of the files.")
@options.device("cpu")
@options.skip_existing
@options.force
def command(inputs, out, residual, wiener, informed, transcription, note_map, format,
            device, skip_existing, force):
    """Split songs or drum tracks into drum stems, in the input's length, rate and channels.

    IN are audio files (wav, flac, ogg, mp3, m4a, ...) or folders of them.
    """
    outputs.check_choice(force, skip_existing)
    top = Path(out)
    batch = Batch(inputs, outputs.is_stem)
    given = _given(transcription, note_map, len(batch))
    alike = f"--wiener {wiener:g}" + (
        f", --hits {transcription}" if transcription else "" if informed else ", --no-informed")

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
        separator, transcriber = Separator(device=device, wiener=wiener), None
        if informed and given is None:
            from ..inference import Transcriber
            transcriber = Transcriber(device=device, beats=False)
    there = outputs.existing(top)

    def work(job: Job, progress) -> str:
        folder = top / job.name
        try:
            todo = outputs.pending(batch, job.source, targets(job), force, skip_existing)
            if residual and len(todo) < len(targets(job)):
                console.say(f"{folder}: stems that are there are kept; they and what is written "
                            f"now sum to the input if made alike ({alike})")
            if given is not None:
                _check_end(given, transcription, job.source)
            files = separate_file(job.source, folder, residual=residual, suffix=f".{format}",
                                  informed=informed, hits=given, progress=progress,
                                  separator=separator, transcriber=transcriber,
                                  only={path.stem for path in todo})
        except BaseException:
            outputs.remove_empty(folder, there)
            raise
        return f"{len(files)} stems, {folder}"

    return batch.run(work)


def _given(path: str | None, note_map: str | None, n_inputs: int):
    """The transcription in a file."""
    if path is None:
        if note_map is not None:
            raise ConfigError("--note-map goes with --hits FILE")
        return None
    if n_inputs != 1:
        raise ConfigError(f"--hits is for one song, not for {n_inputs} inputs; without it "
                          "each is transcribed")
    from ..transcription import Transcription
    given = Transcription.load(path, **options.reading(path, note_map))
    if not len(given):
        raise ConfigError(f"--hits {path}: holds no hits; leave it out")
    return given


def _check_end(given, path: str, source: Path) -> None:
    """Tell of hits after the end of the audio: they are of something else."""
    from ..audio import probe
    info = probe(source)
    if info.n_samples is None or info.estimated:
        return
    end = info.n_samples / info.sample_rate
    late = sum(hit.time > end + 1 for hit in given)
    if late:
        console.say(f"--hits {path}: {late} of {len(given)} hits are after the end of {source}, "
                    f"which lasts {end:.1f} s; are they of another song?")
