"""``adt transcribe``: songs in, drum MIDI out."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import ConfigError, DataError, OutputError
from ..formats import MIDI, SHEETS, check, suffix_of
from ..output import same_file
from ..progress import share
from . import console, options, outputs, timing
from .batch import Batch, Job, folded


@click.command(context_settings=options.SETTINGS)
@options.inputs
@click.option("-o", "--out", metavar="OUT", type=options.Path(), callback=options.no_pipe,
              help="File, when there is one input, or folder that gets NAME.mid."
                   "  [default: the current folder]")
@options.demix
@click.option("--stems", metavar="DIR", type=options.Path(),
              help="Also write the drum stems, informed by the hits (see adt separate), to"
                   " DIR/NAME/{kick,snare,...}.wav.")
@options.classes(9, "Size of the drum vocabulary: 3 KD SD HH; 5 with TT CY; 7 with the toms as"
                    " one; 9 all pieces.")
@click.option("--format", type=click.Choice(outputs.FORMATS), default=None,
              help="Type of the output.  [default: by OUT's suffix, else mid]")
@click.option("--note-map", metavar="MAP", default=None,
              help="Notes of OUT, and of the MIDI file of --calibrate if it tells none: a preset,"
                   " such as addictive_drums_2, or a .yaml file.  [default: general_midi]")
@click.option("--split-tracks", is_flag=True, help="One MIDI track for each piece.")
@timing.given
@click.option("--quantize", metavar="GRID", default=None,
              help="Move hits to a grid between the beats: 1/4, 1/8, 1/16, 1/32, 1/8T, 1/16T,"
                   " or auto: recognised beat by beat.  [default: as played]")
@click.option("--swing", metavar="PERCENT", default=None,
              help="With --quantize 1/8, 1/16 or auto: where the second of two notes begins, 50"
                   " (even) to 75 percent of both, or auto.  [default: auto with --quantize auto]")
@click.option("--calibrate", metavar="FILE", type=options.Path(),
              help="Corrected transcription of a part of the song: it is taken as it is, and"
                   " sets the thresholds for the rest.")
@click.option("--calibrate-range", metavar="START:END", default=None,
              help="The part that was corrected, in seconds (1:30 ends half a minute into the"
                   " song).  [default: 0 to the last hit of FILE]")
@click.option("--activations", is_flag=True,
              help="Also write the detectors' activations, as NAME.npz beside the output.")
@click.option("--save-beats", metavar="FILE", type=options.Path(), callback=options.no_pipe,
              help="Also write the beats, as lines of time<TAB>place in the bar, for --beats.")
@click.option("--plot", "picture", metavar="FILE", type=options.Path(), callback=options.no_pipe,
              help="Also draw spectrogram, activations and hits, as FILE.png, .svg or .pdf.")
@options.device("cpu")
@options.skip_existing
@options.force
def command(inputs, out, demix, stems, classes, format, note_map, split_tracks, tempo,
            tempo_range, time_signature, first_beat, beats, no_beats, quantize, swing, calibrate,
            calibrate_range, activations, save_beats, picture, device, skip_existing, force):
    """Transcribe the drums of songs or drum tracks.

    IN are audio files (wav, flac, ogg, mp3, m4a, ...) or folders of them.
    """
    outputs.check_choice(force, skip_existing)
    batch = Batch(inputs, outputs.is_stem)
    plan = _Plan(out, format, stems, activations, picture, save_beats, len(batch),
                 reads=(calibrate, beats))
    midi_options = plan.midi_options(note_map, split_tracks, calibrate)
    corrected, part = _corrected(calibrate, calibrate_range, note_map, len(batch),
                                 to_midi=plan.suffix in MIDI)
    with_beats = timing.Timing(tempo, tempo_range, time_signature, first_beat, beats, no_beats,
                               quantize, swing, n_inputs=len(batch))
    if no_beats and save_beats:
        raise ConfigError("--no-beats and --save-beats exclude each other; drop one of them")
    if no_beats and plan.suffix in SHEETS:
        raise ConfigError(f"--no-beats: {plan.suffix} needs beats; give --tempo "
                          "in its place, or leave it out")
    batch.check(lambda job: bool(outputs.pending(
        batch, job.source, plan.targets(job), force, skip_existing)))
    if batch.jobs:
        outputs.check_writable(plan.folders())
        batch.check(lambda job: outputs.writable(path.parent for path in plan.targets(job)))
    if not batch.jobs:
        return batch.finish()

    with console.loading():
        from ..inference import Transcriber
        transcriber = Transcriber(demix=demix, device=device)
        if stems:
            from separation import Separator, separate_file
            separator = Separator(device=device)
            there = outputs.existing(Path(stems))

    def work(job: Job, progress) -> str:
        todo = outputs.pending(batch, job.source, plan.targets(job), force, skip_existing)
        transcription, npz = plan.transcription(job), plan.activations(job)
        stems_todo = {path.stem for path in plan.stems(job) if path in todo}
        listening = share(progress, 0.0, 0.4 if stems_todo else 1.0)
        result = transcriber.activations(job.source, progress=listening,
                                         for_stems=bool(stems_todo))
        heard = _heard(job, transcriber, result, corrected, part)
        overview = result.overview
        if not {npz, plan.picture} & set(todo):
            result = None  # of a long song they are large
        hits = with_beats(heard, transcriber)
        found = hits.beats
        if plan.beats in todo and found is None:
            raise DataError(f"{job.source}: too little is struck to find beats; leave "
                            "--save-beats out, or give --tempo")
        hits = with_beats.on_grid(hits)
        if classes != hits.classes:
            hits = hits.reduce(classes)
        if transcription in todo:  # first, for it may need beats that nobody found
            _make_folder(transcription)
            hits.save(transcription, **midi_options)
        if plan.beats in todo:
            _make_folder(plan.beats)
            found.save(plan.beats)
        if plan.picture in todo:
            from ..plot import plot
            _make_folder(plan.picture)
            plot(result, heard, plan.picture, transcriber.bands(job.source).power, beats=found)
        if npz in todo:
            _make_folder(npz)
            result.save(npz)
        result = None
        if stems_todo:
            folder = plan.stem_folder(job)
            try:
                separate_file(job.source, folder, separator=separator, only=stems_todo,
                              hits=heard, overview=overview,
                              progress=share(progress, 0.4, 1.0))
            except BaseException:
                outputs.remove_empty(folder, there)
                raise
        return f"{len(hits)} hits, {transcription}"

    return batch.run(work)


def _heard(job: Job, transcriber, activations, corrected, part):
    """Hits of a song, those of a corrected part as they are; tells what was calibrated."""
    if corrected is None:
        hits = transcriber.hits(activations)
    else:
        from ..calibration import calibrate
        fitted = calibrate(activations, corrected, *part, thresholds=transcriber.thresholds)
        hits = fitted.transcribe(transcriber, activations, corrected)
        console.say(f"{job.source}: {fitted.describe()}")
    if not len(hits):
        console.say(f"warning: {job.source}: no drums are heard in it")
    return hits


class _Plan:
    """Which files each job writes.

    Raises
    ------
    ConfigError
        If `out` and `format` do not go together.
    """

    def __init__(self, out: str | None, format: str | None, stems: str | None,
                 activations: bool, picture: str | None, beats: str | None, n_inputs: int,
                 reads: tuple[str | None, ...] = ()):
        self._file = outputs.as_file(out, format, n_inputs)
        self._folder = Path(out or "")
        suffix = suffix_of(self._file) if self._file else f".{format or 'mid'}"
        check(f"file{suffix}")
        self.suffix = suffix
        self._stems, self._activations = stems, activations
        self._reads = [Path(path) for path in reads if path]
        self.picture = Path(picture) if picture else None
        self.beats = Path(beats) if beats else None
        for option, given in (("--plot", picture), ("--save-beats", beats)):
            if given and n_inputs > 1:
                raise ConfigError(f"{option} is of one song, not of {n_inputs}; give one input")
        if picture:
            from ..plot import check as check_picture
            check_picture(picture)

    def midi_options(self, name: str | None, split_tracks: bool,
                     corrected: str | None = None) -> dict:
        """Options for `Transcription.save`, checked; the map may be for reading alone."""
        if name and self.suffix not in MIDI and corrected and suffix_of(corrected) in MIDI:
            name = None
        wanted = {**({"note_map": name} if name else {}),
                  **({"split_tracks": True} if split_tracks else {})}
        if wanted and self.suffix not in MIDI:
            raise ConfigError(f"--{next(iter(wanted)).replace('_', '-')} is for MIDI, not "
                              f"{self.suffix}; leave it out")
        if name:
            from ..note_maps import note_map
            wanted["note_map"] = note_map(name)
        return wanted

    def folders(self) -> list[Path]:
        """Where the files of all jobs are."""
        stems = [Path(self._stems)] if self._stems else []
        return [self._file.parent if self._file else self._folder, *stems]

    def transcription(self, job: Job) -> Path:
        return self._file or self._folder / (job.name + self.suffix)

    def activations(self, job: Job) -> Path:
        if self._file is None:
            return self._folder / f"{job.name}.npz"
        return self._file.with_name(self._file.name[:-len(self.suffix)] + ".npz")

    def stem_folder(self, job: Job) -> Path:
        return Path(self._stems) / job.name

    def stems(self, job: Job) -> list[Path]:
        if self._stems is None:
            return []
        return [self.stem_folder(job) / f"{stem}.wav" for stem in outputs.stem_names(False)]

    def targets(self, job: Job) -> list[Path]:
        """Every file that the job writes."""
        def place(path: Path) -> str:
            return folded(str(path.resolve()))

        found = [self.transcription(job), *self.stems(job)]
        found += [self.activations(job)] if self._activations else []
        for option, given in (("--plot", self.picture), ("--save-beats", self.beats)):
            if given and place(given) in map(place, found):
                raise ConfigError(f"{given}: is another output's file; give {option} another name")
            found += [given] if given else []
        places = {path.resolve() for path in found}
        for path in found:
            if places & set(path.resolve().parents):
                raise ConfigError(f"{path}: lies in another output's file; give another place")
            if any(same_file(path, read) for read in self._reads):
                raise ConfigError(f"{path}: is a file that is read; give the output another name")
        return found


def _corrected(path: str | None, text: str | None, note_map: str | None, n_inputs: int,
               to_midi: bool):
    """The corrected transcription and the part (start, end) of the song that it covers."""
    if path is None:
        if text is not None:
            raise ConfigError("--calibrate-range goes with --calibrate FILE")
        return None, None
    if n_inputs != 1:
        raise ConfigError(f"--calibrate is for one song, not for {n_inputs} inputs")
    from ..formats.midi import told
    from ..transcription import Transcription
    mapped = options.reading(path, note_map)
    if mapped and to_midi and told(Path(path)):
        mapped = {}  # the map is that of the output alone
    corrected = Transcription.load(path, **mapped)
    corrected.require_pieces(f"--calibrate {path}")
    if text is None:
        return corrected, (0.0, None)
    return corrected, options.two_numbers("--calibrate-range", text,
                                          "START:END in seconds, as in 0:30")


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"{path.parent}: cannot be made ({problem.strerror});"
                          " choose another place") from None
