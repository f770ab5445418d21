"""``adt transcribe``: songs in, drum MIDI out."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import click

from ..errors import ConfigError, OutputError
from ..vocabulary import CLASS_COUNTS
from . import options, outputs
from .batch import Batch, Job
from .console import share


@click.command(context_settings=options.SETTINGS)
@options.inputs
@click.option("-o", "--out", metavar="OUT", type=click.Path(),
              help="File, when there is one input, or folder that gets NAME.mid."
                   "  [default: the current folder]")
@click.option("--demix/--no-demix", default=True,
              help="Separate the drums before detecting onsets.")
@click.option("--stems", metavar="DIR", type=click.Path(),
              help="Also write the drum stems, to DIR/NAME/{kick,snare,...}.wav.")
@click.option("--classes", type=click.Choice([str(n) for n in CLASS_COUNTS]), default="9",
              help="Size of the drum vocabulary: 3 KD SD HH; 5 with TT CY; 7 with the toms as"
                   " one; 9 all pieces.")
@click.option("--format", type=click.Choice(outputs.FORMATS), default=None,
              help="Type of the output.  [default: by OUT's suffix, else mid]")
@click.option("--activations", is_flag=True,
              help="Also write the detectors' activations, as NAME.npz beside the output.")
@options.device("cpu")
@options.skip_existing
@options.force
def command(inputs, out, demix, stems, classes, format, activations, device, skip_existing,
            force):
    """Transcribe the drums of songs or drum tracks.

    IN are audio files (wav, flac, ogg, mp3, m4a, ...) or folders of them.
    """
    batch = Batch(inputs, lambda file: bool(stems) and outputs.is_stem(file, Path(stems)))
    plan = _Plan(out, format, stems, activations, len(batch))
    batch.check(lambda job: bool(outputs.pending(
        job.source, plan.targets(job), force, skip_existing)))
    if not batch.jobs:
        return batch.finish()
    outputs.check_writable(path.parent for job in batch.jobs for path in plan.targets(job))

    from ..inference import Transcriber
    transcriber = Transcriber(demix=demix, device=device)
    if stems:
        from separation import Separator, separate_file
        separator = Separator(device=device)

    def work(job: Job, progress) -> str:
        todo = outputs.pending(job.source, plan.targets(job), force, skip_existing)
        transcription, npz = plan.transcription(job), plan.activations(job)
        stems_todo = any(path in todo for path in plan.stems(job))
        listening = share(progress, 0.0, 0.4 if stems_todo else 1.0)
        result = transcriber.activations(job.source, progress=listening)
        hits = transcriber.hits(result)
        if int(classes) != 9:
            hits = hits.reduce(int(classes))
        if stems_todo:
            folder = plan.stem_folder(job)
            try:
                separate_file(job.source, folder, separator=separator,
                              progress=share(progress, 0.4, 1.0))
            except BaseException:
                outputs.remove_empty(folder, Path(stems))
                raise
        if npz in todo:
            _make_folder(npz)
            result.save(npz)
        if transcription in todo:
            _make_folder(transcription)
            hits.save(transcription)
        return f"{len(hits)} hits, {transcription}"

    return batch.run(work)


class _Plan:
    """Which files each job writes.

    Raises
    ------
    ConfigError
        If `out` and `format` do not go together.
    """

    def __init__(self, out: str | None, format: str | None, stems: str | None,
                 activations: bool, n_inputs: int):
        self._file = outputs.as_file(out, format, n_inputs)
        self._folder = Path(out or "")
        suffix = self._file.suffix.lower() if self._file else f".{format or 'mid'}"
        if suffix == ".jams" and find_spec("jams") is None:
            raise ConfigError("writing .jams needs the package jams; pip install 'adt[jams]'")
        self._suffix = suffix
        self._stems, self._activations = stems, activations

    def transcription(self, job: Job) -> Path:
        return self._file or self._folder / (job.name + self._suffix)

    def activations(self, job: Job) -> Path:
        return self._file.with_suffix(".npz") if self._file else self._folder / f"{job.name}.npz"

    def stem_folder(self, job: Job) -> Path:
        return Path(self._stems) / job.name

    def stems(self, job: Job) -> list[Path]:
        if self._stems is None:
            return []
        return [self.stem_folder(job) / f"{stem}.wav" for stem in outputs.stem_names(False)]

    def targets(self, job: Job) -> list[Path]:
        """Every file that the job writes."""
        extra = [self.activations(job)] if self._activations else []
        return [self.transcription(job), *extra, *self.stems(job)]


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"{path.parent}: cannot be made ({problem.strerror});"
                          " choose another place with -o") from None
