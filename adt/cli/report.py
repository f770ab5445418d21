"""``adt report``: a page to see, hear and take away."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from ..errors import ConfigError, OutputError
from ..progress import share
from . import console, options, outputs, timing
from .batch import Batch, Job

_SUFFIXES = {".html": "html", ".htm": "html"}


@click.command(context_settings=options.SETTINGS)
@options.inputs
@click.option("-o", "--out", metavar="OUT", type=options.Path(), callback=options.no_pipe,
              help="File, when there is one input, or folder that gets NAME.html."
                   "  [default: the current folder]")
@options.demix
@click.option("--stems/--no-stems", default=True, help="Embed the drum stems.")
@click.option("--audio/--no-audio", "sound", default=True,
              help="Embed the audio; without it the page still plays the hits.")
@click.option("--notation/--no-notation", default=True,
              help="Embed the score, if the libraries for it are installed.")
@options.classes(9, "Size of the drum vocabulary, as in adt transcribe.")
@timing.given
@options.device("cpu")
@options.skip_existing
@options.force
def command(inputs, out, demix, stems, sound, notation, classes, tempo, tempo_range,
            time_signature, first_beat, beats, no_beats, device, skip_existing, force):
    """Write a page on each song: waveform, hits, score, stems to listen to, downloads.

    The page is one HTML file that needs no network. IN are audio files (wav, flac, ogg,
    mp3, m4a, ...) or folders of them.
    """
    outputs.check_choice(force, skip_existing)
    asked = click.get_current_context().get_parameter_source("stems")
    if stems and not sound and asked is ParameterSource.COMMANDLINE:
        raise ConfigError("--stems are sound, which --no-audio leaves out; give one of them")
    batch = Batch(inputs, outputs.is_stem)
    file = outputs.as_file(out, None, len(batch), _SUFFIXES)
    with_beats = timing.Timing(tempo, tempo_range, time_signature, first_beat, beats,
                               no_beats, n_inputs=len(batch))

    def target(job: Job) -> Path:
        return file or Path(out or "") / f"{job.name}.html"

    batch.check(lambda job: bool(outputs.pending(
        batch, job.source, [target(job)], force, skip_existing)))
    if batch.jobs:
        outputs.check_writable([file.parent if file else Path(out or "")])
        batch.check(lambda job: outputs.writable([target(job).parent]))
    if not batch.jobs:
        return batch.finish()

    separator = None
    with console.loading():
        from ..inference import Transcriber
        from ..report import write_report
        transcriber = Transcriber(demix=demix, device=device)
        if stems and sound:
            from separation import Separator
            separator = Separator(device=device)

    def work(job: Job, progress) -> str:
        page = target(job)
        try:
            page.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise OutputError(f"{page.parent}: cannot be made ({problem.strerror});"
                              " choose another place") from None
        listened = transcriber.activations(job.source, progress=share(progress, 0.0, 0.25))
        hits = with_beats(transcriber.hits(listened), transcriber)
        write_report(job.source, page, transcription=hits, stems=stems, sound=sound,
                     notation=notation and not no_beats, classes=classes, separator=separator,
                     progress=share(progress, 0.25, 1.0))
        return f"{page.stat().st_size / 1e6:.1f} MB, {page}"

    return batch.run(work)
