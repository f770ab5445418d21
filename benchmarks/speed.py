"""How fast each stage is, as a multiple of real time, and how much memory it takes.

Every stage is run several times and the median counts. The floor is one plain STFT of the
same audio, torch's. The stages of a transcription run one after the other on what the stage
before gave, in the blocks of `adt.inference`; "transcribe" and "separate" are the whole way, from
file to hits and from file to five files. Peak memory is that of a fresh process that does nothing
else (resident set, the library code included). The cold start is that of whole commands in
processes of their own; so are songs of other lengths, whose peak memory is given above that of a
bare interpreter.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from adt.errors import ConfigError
from adt.frames import FRAME_RATE, HOP, N_FFT, SAMPLE_RATE

from . import report, tables
from .memory import peak_memory, peak_of_imports

STAGES = OrderedDict(
    floor="*one plain STFT*", decode="decode and resample", bands="STFT and bands",
    bank="bank (five U-Nets)",
    detectors="detectors", decoder="decoder", peaks="peak picking",
    transcribe="**transcribe**, demixing", transcribe_mixture="**transcribe**, no demixing",
    separate="**separate** into five wav files",
    separate_flac="**separate** into five flac files",
    separate_alone="**separate --no-informed** into five flac files")
#: Those that are the whole way, from a file on.
WHOLE = ("transcribe", "transcribe_mixture", "separate", "separate_flac", "separate_alone")

#: Of the cold start: titles, and what the interpreter is given.
STARTS = OrderedDict(
    python=("python, nothing else", ("-c", "pass")),
    import_adt=("`import adt`", ("-c", "import adt")),
    help=("`adt --help`", ("-m", "adt", "--help")),
    import_torch=("`import torch`", ("-c", "import torch")),
    transcribe=("`adt transcribe`, {seconds:.0f} s of audio",
                ("-m", "adt", "transcribe", "{song}", "-o", "{folder}/hits.mid", "--force",
                 "--device", "{device}")),
    separate=("`adt separate`, {seconds:.0f} s of audio",
              ("-m", "adt", "separate", "{song}", "-o", "{folder}/stems", "--force",
               "--device", "{device}")))
CLIP = 30.0  #: seconds of the song of the cold start
LENGTHS = (10.0, 60.0, 240.0)  #: seconds of the songs of other lengths
WAYS = ("transcribe", "separate_flac")  #: of `WHOLE`, those that songs of other lengths go

NOISE_LEVEL = -20.0  #: of the noise under a made-up song, dB of its drums


def make_song(path: Path | str, seconds: float, seed: int = 0) -> Path:
    """Write a made-up song: the demo's groove again and again, with noise under it.

    Parameters
    ----------
    path : path
        Of a wav or flac file; 44.1 kHz, stereo, 16 bit.
    seconds : float
    seed : int
    """
    import soundfile

    from adt.data.kits import read_kit
    from adt.data.render import render
    from adt.demo import groove
    from adt.synth import write_kit
    with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
        drums, _ = render(groove(seed=seed), read_kit(write_kit(Path(folder) / "kit", seed)))
    level = np.sqrt(np.mean(drums ** 2)) * 10 ** (NOISE_LEVEL / 20)
    scale = 0.9 / (np.abs(drums).max() + level)
    rng = np.random.default_rng(seed)
    left = max(1, round(seconds * SAMPLE_RATE))
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 2, "PCM_16") as file:
        while left > 0:  # bar after bar: two hours need no more memory
            audio = drums[:, :left]
            audio = audio + level * rng.standard_normal(audio.shape, dtype=np.float32)
            file.write(np.clip(scale * audio, -1, 1).T)
            left -= audio.shape[1]
    return Path(path)


def median_time(function: Callable[[], object], runs: int) -> tuple[float, object]:
    """Median wall-clock time in seconds of several calls, and the last call's result.

    One call comes before, which is not timed.
    """
    result = function()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return float(np.median(times)), result


def _whole_way(stage: str, folder: Path, device: str) -> Callable[[Path | str], object]:
    """Load what one of `WHOLE` needs; what it writes goes into `folder`."""
    from adt.inference import Transcriber
    if stage.startswith("separate"):
        from separation import Separator, separate_file
        informed = stage != "separate_alone"
        return partial(
            separate_file, folder=folder, separator=Separator(device=device), informed=informed,
            transcriber=Transcriber(device=device, beats=False) if informed else None,
            suffix=".wav" if stage == "separate" else ".flac")
    return Transcriber(demix=stage == "transcribe", device=device)


def _alone(stage: str, path: str, device: str, threads: int | None) -> dict:
    """Run one stage once in this (fresh) process."""
    import torch  # noqa: F401, whose import is among the cold starts (`STARTS`)

    start = time.perf_counter()
    _set_threads(threads)
    with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
        run = _whole_way(stage, Path(folder), device)
        ready = time.perf_counter()
        run(path)
        seconds = time.perf_counter() - ready
    return {"load_seconds": ready - start, "seconds": seconds, "peak_mib": peak_memory()}


def in_fresh_process(stage: str, path: Path, device: str, threads: int | None) -> dict:
    """Seconds to load the models, torch being there, to run a stage once, and its peak memory."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_alone, stage, str(path), device, threads).result()


def _set_threads(threads: int | None) -> None:
    if threads is not None:
        import torch
        torch.set_num_threads(threads)


def stage_times(path: Path | str, transcriber, runs: int = 5) -> dict[str, float]:
    """Seconds that each stage of a transcription with demixing takes.

    Parameters
    ----------
    path : path
        The song.
    transcriber : adt.inference.Transcriber
        With demixing.
    runs : int

    Returns
    -------
    dict
        ``floor``, ``decode``, ``bands``, ``bank``, ``detectors``, ``decoder``, ``peaks``.
    """
    import torch

    from adt.audio import stream
    from adt.decoder import decode
    from adt.features import LEAD, audio_to_bands, pack, reference_level
    from adt.inference import Bands
    from adt.listening import decibel, joined
    from adt.network import in_parallel, rounded, workers
    ear = transcriber.ear
    times = {}
    times["decode"], blocks = median_time(lambda: list(stream(path)), runs)
    audio = torch.from_numpy(np.concatenate(blocks, axis=1))
    window = torch.hann_window(N_FFT)
    times["floor"], _ = median_time(
        lambda: torch.stft(audio, N_FFT, HOP, window=window, return_complex=True), runs)
    times["bands"], bands = median_time(lambda: audio_to_bands(blocks), runs)
    level, packed = reference_level(bands), pack(bands, LEAD)
    n = rounded(len(packed))
    batches = [(batch, decibel(packed, level, batch)) for batch in ear.blocks(n)]

    def separate(job):
        batch, mixture = job
        found = ear.stems(mixture)
        if ear.device.type == "cuda":
            torch.cuda.synchronize(ear.device)
        return batch, *found

    def look(job):
        batch, mixture, stems = job
        return joined(ear.look(mixture, stems), batch)

    def detect():
        with workers(ear.device) as pool:
            return list(ear.listen(in_parallel(look, found, pool), n, pool))

    with workers(ear.device) as pool:
        times["bank"], found = median_time(
            lambda: list(in_parallel(separate, batches, pool)), runs)
    times["detectors"], _ = median_time(detect, runs)
    activations = transcriber.bands_to_activations(Bands(bands, len(bands) / FRAME_RATE))
    times["decoder"], _ = median_time(lambda: decode(
        transcriber.decoder, activations.onset, activations.levels), runs)
    times["peaks"], _ = median_time(lambda: transcriber.hits(activations), runs)
    return times


def measure(path: Path | str, device: str = "cpu", runs: int = 5, fresh: bool = True,
            threads: int | None = None) -> dict:
    """Time every stage of transcription and separation of a song.

    Parameters
    ----------
    path : path
    device : str
    runs : int
        The median of so many counts.
    fresh : bool
        Measure peak memory and loading too, each in a process of its own.
    threads : int, optional
        Of torch; its own choice by default.

    Returns
    -------
    dict
        ``seconds`` (length of the song), ``threads``, and ``stages``: name → ``seconds``,
        ``times_real_time`` and, of the whole ways, ``load_seconds`` and ``peak_mib``.
    """
    import torch

    from adt.audio import stream
    _set_threads(threads)
    length = sum(block.shape[1] for block in stream(path)) / SAMPLE_RATE
    with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
        ways = {name: _whole_way(name, Path(folder), device) for name in WHOLE}
        times = stage_times(path, ways["transcribe"], runs)
        for name, run in ways.items():
            times[name], _ = median_time(partial(run, path), runs)
    stages = {name: {"seconds": t, "times_real_time": length / max(t, 1e-9)}
              for name, t in times.items()}
    if fresh:
        for name in WHOLE:
            once = in_fresh_process(name, Path(path), device, threads)
            stages[name].update(load_seconds=once["load_seconds"], peak_mib=once["peak_mib"])
    return {"seconds": length, "threads": torch.get_num_threads(), "stages": stages}


def cold_start(seconds: float = CLIP, device: str = "cpu", runs: int = 5,
               threads: int | None = None, seed: int = 0) -> dict:
    """Time whole commands (`STARTS`), each in a fresh process, on a made-up song.

    Their threads are those that OMP_NUM_THREADS says.

    Returns
    -------
    dict
        ``clip_seconds``, and ``starts``: name → median seconds.
    """
    own = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}

    def start(arguments):
        subprocess.run([sys.executable, *arguments], cwd=Path(__file__).parents[1],
                       env={**os.environ, **own}, capture_output=True, check=True)

    with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
        song = make_song(Path(folder) / "song.wav", seconds, seed)
        starts = {}
        for name, (_, arguments) in STARTS.items():
            filled = [a.format(song=song, folder=folder, device=device) for a in arguments]
            starts[name], _ = median_time(partial(start, filled), runs)
    return {"clip_seconds": seconds, "starts": starts}


def over_lengths(lengths: Sequence[float], device: str = "cpu", threads: int | None = None,
                 seed: int = 0) -> dict:
    """Time and peak memory of songs of several lengths, each in a fresh process, once.

    Returns
    -------
    dict
        ``own_mib``: peak memory of a bare ``interpreter`` and of one that imports ``torch``;
        ``lengths``: a list with the ``length`` and, of each of `WAYS`, ``load_seconds``,
        ``seconds`` and ``peak_mib``.
    """
    result = {"own_mib": {"interpreter": peak_of_imports(), "torch": peak_of_imports("torch")},
              "lengths": []}
    for length in lengths:
        with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
            song = make_song(Path(folder) / "song.wav", length, seed)
            result["lengths"].append({"length": length, **{
                name: in_fresh_process(name, song, device, threads)
                for name in WAYS}})
    return result


def table(result: Mapping) -> str:
    """One row for each stage."""
    rows = []
    for name, title in STAGES.items():
        stage = result["stages"][name]
        memory = stage.get("peak_mib")
        load = stage.get("load_seconds")
        rows.append([title, f"{stage['times_real_time']:.0f} ×",
                     f"{60 * stage['seconds'] / result['seconds']:.2f} s",
                     "" if load is None else f"{load:.1f} s",
                     "" if memory is None else f"{memory:.0f} MiB"])
    return tables.markdown(["stage", "real time", "per minute of audio", "loading",
                            "peak memory"], rows)


def start_table(result: Mapping) -> str:
    """One row for each command."""
    return tables.markdown(["cold start", "time"], [
        [title.format(seconds=result["clip_seconds"]), f"{result['starts'][name]:.2f} s"]
        for name, (title, _) in STARTS.items()])


def _span(seconds: float) -> str:
    """A length of time, rounded.

    Examples
    --------
    >>> _span(10), _span(240), _span(7200)
    ('10 s', '4 min', '2 h')
    """
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} s"


def lengths_table(result: Mapping) -> str:
    """One row for each length, and what memory the figures are above."""
    own = result["own_mib"]
    rows = []
    for entry in result["lengths"]:
        row = [_span(entry["length"])]
        for name in WAYS:
            once = entry[name]
            above = None if None in (once["peak_mib"], own["interpreter"]) \
                else once["peak_mib"] - own["interpreter"]
            row += [f"{once['seconds']:.1f} s", f"{60 * once['seconds'] / entry['length']:.2f} s",
                    tables.ABSENT if above is None else f"{above:.0f} MiB"]
        rows.append(row)
    table = tables.markdown(
        ["song of", "transcribe", "per minute", "memory", "separate (flac)", "per minute",
         "memory"], rows)
    if None in own.values():
        return table
    return (f"{table}\n\nMemory above the {own['interpreter']:.0f} MiB of a bare interpreter; with "
            f"torch imported it has {own['torch']:.0f} MiB.")


def caption(result: Mapping, environment: Mapping) -> str:
    """What was measured on what, one line."""
    machine = environment["machine"]
    where = machine.get("gpu", machine["cpu"])
    return (f"A song of {result['seconds']:.0f} s on {where}, {machine['cores']} cores, "
            f"{result['threads']} torch threads, torch {environment['versions'].get('torch')}.")


def arguments() -> argparse.ArgumentParser:
    """Parser of the command line."""
    parser = report.parser("benchmarks.speed", __doc__)
    parser.add_argument("song", nargs="?", type=Path, metavar="FILE",
                        help="the song; one is made up without it")
    parser.add_argument("--seconds", type=float, default=240.0,
                        help="length of the made-up song")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many counts")
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--fresh", action=argparse.BooleanOptionalAction, default=True,
                        help="measure memory, loading, the cold start and other lengths, each in "
                             "a fresh process")
    parser.add_argument("--lengths", type=float, nargs="*", default=list(LENGTHS),
                        metavar="SECONDS", help="of made-up songs; up to two hours: "
                                                "10 60 240 1800 7200")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    args = arguments().parse_args(argv)
    if args.runs < 1 or not min([args.seconds, *args.lengths]) > 0 or (args.threads or 1) < 1:
        raise ConfigError("--runs, --threads, --seconds and --lengths must be above zero")
    with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
        song = args.song or make_song(Path(folder) / "song.wav", args.seconds, args.seed)
        result = measure(song, args.device, args.runs, args.fresh, args.threads)
    environment = report.environment(args.device)
    named = {"speed": f"{table(result)}\n\n{caption(result, environment)}"}
    if args.fresh:
        result["cold_start"] = cold_start(CLIP, args.device, args.runs, args.threads, args.seed)
        named["speed-start"] = start_table(result["cold_start"])
    if args.fresh and args.lengths:
        result["over_lengths"] = over_lengths(args.lengths, args.device, args.threads, args.seed)
        named["speed-lengths"] = lengths_table(result["over_lengths"])
    report.deliver(args, {"benchmark": "speed", "environment": environment,
                          "options": {"runs": args.runs, "song": args.song and args.song.name},
                          **result}, named)


if __name__ == "__main__":
    raise SystemExit(report.run(main))
