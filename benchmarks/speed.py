"""How fast each stage is, as a multiple of real time, and how much memory it takes.

Every stage is run several times and the median counts. The stages of a transcription
run one after the other on what the stage before gave, as in `adt.inference`; "transcribe"
and "separate" are the whole way, from file to hits and from file to five files. Peak memory
is that of a fresh process that does nothing else (resident set, the library code included).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from adt.errors import ConfigError
from adt.frames import SAMPLE_RATE

from . import report, tables

STAGES = OrderedDict(
    decode="decode and resample", bands="STFT and bands", bank="bank (five U-Nets)",
    detectors="detectors", peaks="peak picking", transcribe="**transcribe**, demixing",
    transcribe_mixture="**transcribe**, no demixing", separate="**separate** into five files")

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
        audio, _ = render(groove(seed=seed), read_kit(write_kit(Path(folder) / "kit", seed)))
    n_samples = max(1, round(seconds * SAMPLE_RATE))
    audio = np.tile(audio, -(-n_samples // audio.shape[1]))[:, :n_samples]
    level = np.sqrt(np.mean(audio ** 2)) * 10 ** (NOISE_LEVEL / 20)
    noise = np.random.default_rng(seed).standard_normal(audio.shape, dtype=np.float32)
    audio = audio + level * noise
    soundfile.write(path, (0.9 * audio / np.abs(audio).max()).T, SAMPLE_RATE, subtype="PCM_16")
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


def _peak_memory() -> float | None:
    """Peak resident set of this process in MiB; None where the system does not say."""
    try:  # Linux counts the parent's memory into ru_maxrss of a child, but not into VmHWM
        with open("/proc/self/status", encoding="ascii") as handle:
            for line in handle:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) / 2 ** 10
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2 ** 20 if sys.platform == "darwin" else peak / 2 ** 10


def _alone(stage: str, path: str, device: str, threads: int | None) -> dict:
    """Run one stage once in this (fresh) process."""
    start = time.perf_counter()
    _set_threads(threads)
    if stage == "separate":
        from separation import Separator, separate_file
        separator = Separator(device=device)
        ready = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
            separate_file(path, Path(folder), separator=separator)
    else:
        from adt.inference import Transcriber
        transcriber = Transcriber(demix=stage == "transcribe", device=device)
        ready = time.perf_counter()
        transcriber(path)
    return {"load_seconds": ready - start, "peak_mib": _peak_memory()}


def in_fresh_process(stage: str, path: Path, device: str, threads: int | None) -> dict:
    """Time to import torch and load the models (s) and peak memory (MiB) of a stage."""
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
        ``decode``, ``bands``, ``bank``, ``detectors``, ``peaks``.
    """
    import torch

    from adt.audio import stream
    from adt.features import audio_to_bands, reference_level, to_decibel
    from adt.network import aligned, chunks
    times = {}
    times["decode"], blocks = median_time(lambda: list(stream(path)), runs)
    times["bands"], bands = median_time(lambda: audio_to_bands(blocks), runs)
    level = reference_level(bands)
    mixtures = [aligned(to_decibel(bands[read], level)) for read, _ in chunks(len(bands))]
    times["bank"], stems = median_time(
        lambda: [transcriber.stems(mixture) for mixture in mixtures], runs)

    @torch.inference_mode()
    def detect():
        for mixture, stem in zip(mixtures, stems):
            inputs = (torch.from_numpy(a)[None].to(transcriber.device) for a in (mixture, stem))
            transcriber.network(*inputs).cpu()

    times["detectors"], _ = median_time(detect, runs)
    activations = transcriber.bands_to_activations(bands, 0.0)
    times["peaks"], _ = median_time(lambda: transcriber.hits(activations), runs)
    return times


def measure(path: Path | str, device: str = "cpu", runs: int = 5, memory: bool = True,
            threads: int | None = None) -> dict:
    """Time every stage of transcription and separation of a song.

    Parameters
    ----------
    path : path
    device : str
    runs : int
        The median of so many counts.
    memory : bool
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
    from adt.inference import Transcriber
    from separation import Separator, separate_file
    _set_threads(threads)
    length = sum(block.shape[1] for block in stream(path)) / SAMPLE_RATE
    transcriber = Transcriber(demix=True, device=device)
    times = stage_times(path, transcriber, runs)
    times["transcribe"], _ = median_time(lambda: transcriber(path), runs)
    control = Transcriber(demix=False, device=device)
    times["transcribe_mixture"], _ = median_time(lambda: control(path), runs)
    separator = Separator(device=device)
    with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
        times["separate"], _ = median_time(
            lambda: separate_file(path, Path(folder) / "stems", separator=separator), runs)
    stages = {name: {"seconds": t, "times_real_time": length / max(t, 1e-9)}
              for name, t in times.items()}
    if memory:
        for name in ("transcribe", "transcribe_mixture", "separate"):
            stages[name].update(in_fresh_process(name, Path(path), device, threads))
    return {"seconds": length, "threads": torch.get_num_threads(), "stages": stages}


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
    parser.add_argument("--seconds", type=float, default=180.0,
                        help="length of the made-up song")
    parser.add_argument("--runs", type=int, default=5, help="the median of so many counts")
    parser.add_argument("--threads", type=int, help="of torch (default: its own choice)")
    parser.add_argument("--memory", action=argparse.BooleanOptionalAction, default=True,
                        help="measure peak memory and loading in fresh processes")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    args = arguments().parse_args(argv)
    if args.runs < 1 or not args.seconds > 0 or (args.threads or 1) < 1:
        raise ConfigError("--runs, --threads and --seconds must be above zero")
    with tempfile.TemporaryDirectory(prefix="adt-speed-") as folder:
        song = args.song or make_song(Path(folder) / "song.wav", args.seconds, args.seed)
        result = measure(song, args.device, args.runs, args.memory, args.threads)
    environment = report.environment(args.device)
    report.deliver(args, {"benchmark": "speed", "environment": environment,
                          "options": {"runs": args.runs, "song": args.song and args.song.name},
                          **result},
                   {"speed": f"{table(result)}\n\n{caption(result, environment)}"})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
