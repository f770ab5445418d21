"""``adt report``: a page to see, hear and take away."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError, OutputError
from ..vocabulary import CLASS_COUNTS
from . import options, outputs, timing
from .batch import Batch, Job
from .console import share

_SUFFIXES = (".html", ".htm")


@click.command(context_settings=options.SETTINGS)
@options.inputs
@click.option("-o", "--out", metavar="OUT", type=options.Path(), callback=options.no_pipe,
              help="File, when there is one input, or folder that gets NAME.html."
                   "  [default: the current folder]")
@click.option("--demix/--no-demix", default=True,
              help="Separate the drums before detecting onsets.")
@click.option("--stems/--no-stems", default=True, help="Embed the drum stems.")
@click.option("--audio/--no-audio", "sound", default=True,
              help="Embed the audio; without it the page still plays the hits.")
@click.option("--notation/--no-notation", default=True,
              help="Embed the score, if the libraries for it are installed.")
@click.option("--classes", type=click.Choice([str(n) for n in CLASS_COUNTS]), default="9",
              help="Size of the drum vocabulary, as in adt transcribe.")
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
    batch = Batch(inputs, outputs.is_stem)
    file = _as_file(out, len(batch))
    with_beats = timing.Timing(tempo, tempo_range, time_signature, first_beat, beats,
                               no_beats, n_inputs=len(batch))

    def target(job: Job) -> Path:
        return file or Path(out or "") / f"{job.name}.html"

    batch.check(lambda job: bool(outputs.pending(
        job.source, [target(job)], force, skip_existing)))
    if batch.jobs:
        outputs.check_writable([file.parent if file else Path(out or "")])
        batch.check(lambda job: outputs.writable([target(job).parent]))
    if not batch.jobs:
        return batch.finish()

    from ..inference import Transcriber
    from ..report import write_report
    transcriber = Transcriber(demix=demix, device=device)
    separator = None
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
                     notation=notation, classes=int(classes), separator=separator,
                     progress=share(progress, 0.25, 1.0))
        return f"{page.stat().st_size / 1e6:.1f} MB, {page}"

    return batch.run(work)


def _as_file(out: str | None, n_inputs: int) -> Path | None:
    """The file that ``-o OUT`` means, or None if it means a folder."""
    if out is None or out.endswith("/") or Path(out).is_dir():
        return None
    path = Path(out)
    if path.suffix.lower() in _SUFFIXES:
        if n_inputs > 1:
            raise ConfigError(f"{out}: one file for {n_inputs} inputs; give a folder")
        return path
    if path.suffix and n_inputs == 1:
        raise ConfigError(f"{out}: cannot write '{path.suffix}'; end it in .html, or in / for "
                          "a folder")
    return None
