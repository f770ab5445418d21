"""Separation of renders of held-out performances and kits, beside ideal masks.

Conventions: a clip's stems are stereo and scored over the whole clip, both channels
together.

* SDR = 10 log10(‖s‖² / ‖s − ŝ‖²), without windows or allowed distortions (the "global"
  SDR of museval, the SDR of LarsNet and of the Music Demixing Challenge).
* SI-SDR: the same with the reference scaled to fit the estimate (Le Roux et al.,
  "SDR – half-baked or well done?", ICASSP 2019).
* nSDR: SDR of the estimate minus SDR of the mixture taken as the estimate.

They are averaged over the clips in which the stem plays, that is where its energy is
above −60 dB of the mixture's; in the others the leakage counts, the estimate's energy in
dB of the mixture's.

Beside the bank stand: the mixture itself; the percussive part of harmonic–percussive
separation (`librosa.effects.hpss`), the same for every stem; and two oracles that know
the stems, ideal ratio masks |S|² / Σ|S|² (IRM2 of SiSEC, which score about 1 dB higher here
than ratios of magnitudes) on the STFT that the bank reads (window 2,048, hop 441), and the
same on the bank's bands.
"""

from __future__ import annotations

import argparse
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from adt.errors import ConfigError
from adt.frames import HOP, N_FFT, SAMPLE_RATE
from adt.vocabulary import STEMS

from . import clips, report, tables

PLAYS = -60.0  #: a stem plays where its energy is above this, dB of the mixture's
FLOOR = -120.0  #: least leakage that is told apart from silence, dB
METRICS = ("sdr", "si_sdr", "nsdr")
TITLES = OrderedDict(mixture="mixture", hpss="HPSS, percussive part", adt="adt",
                     irm_bands="oracle: ideal ratio mask, bands",
                     irm="oracle: ideal ratio mask, bins")

Estimates = Mapping[str, np.ndarray]


def _energy(signal: np.ndarray) -> float:
    return float(np.sum(np.square(signal, dtype=np.float64)))


def _ratio(numerator: float, denominator: float) -> float:
    """Ratio of energies in dB, within ±120 dB of the numerator."""
    least = max(denominator, 1e-12 * numerator, 1e-30)
    return float(10 * np.log10(max(numerator, 1e-30) / least))


def sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Signal-to-distortion ratio of a whole clip in dB.

    Parameters
    ----------
    reference, estimate : ndarray, shape (channels, samples)

    Examples
    --------
    >>> round(sdr(np.ones((2, 8)), 0.9 * np.ones((2, 8))), 3)
    20.0
    """
    error = reference.astype(np.float64) - estimate
    return _ratio(_energy(reference), _energy(error))


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, one scale for all channels.

    Examples
    --------
    >>> round(si_sdr(np.ones((2, 8)), 0.5 * np.ones((2, 8))))
    120
    """
    reference = reference.astype(np.float64)
    scale = float(np.sum(reference * estimate)) / max(_energy(reference), 1e-30)
    return _ratio(_energy(scale * reference), _energy(scale * reference - estimate))


def leakage(estimate: np.ndarray, mixture: np.ndarray) -> float:
    """Energy of an estimate that should be silent, dB of the mixture's."""
    return max(_ratio(max(_energy(estimate), 1e-30), _energy(mixture)), FLOOR)


def score_clip(references: Estimates, estimates: Estimates, mixture: np.ndarray) -> dict:
    """Scores of one system on one clip.

    Returns
    -------
    dict
        Stem → ``sdr``, ``si_sdr``, ``nsdr`` where it plays, else ``leakage``.
    """
    scores: dict[str, dict[str, float]] = {}
    for stem, reference in references.items():
        estimate = estimates[stem]
        if _energy(reference) > 10 ** (PLAYS / 10) * _energy(mixture):
            quality = sdr(reference, estimate)
            scores[stem] = {"sdr": quality, "si_sdr": si_sdr(reference, estimate),
                            "nsdr": quality - sdr(reference, mixture)}
        else:
            scores[stem] = {"leakage": leakage(estimate, mixture)}
    return scores


def _transform():
    from scipy.signal import ShortTimeFFT
    from scipy.signal.windows import hann
    return ShortTimeFFT(hann(N_FFT, sym=False), HOP, SAMPLE_RATE)


def ideal_ratio_masks(references: Estimates, mixture: np.ndarray, bands: bool = False) -> dict:
    """Stems by masks that are computed from the stems themselves.

    Parameters
    ----------
    references : mapping of str to ndarray, shape (channels, samples)
    mixture : ndarray, shape (channels, samples)
        What the references do not add up to (accompaniment) has a mask as well.
    bands : bool
        Masks on the bank's bands, widened to bins as the bank's are.

    Returns
    -------
    dict of str to ndarray, shape (channels, samples)
    """
    from adt.features import band_filters
    transform = _transform()
    parts = {**references, "": mixture - np.sum(list(references.values()), axis=0)}
    power = {}  # (channels, bins or bands, frames)
    for name, part in parts.items():
        power[name] = np.square(np.abs(transform.stft(part)).astype(np.float32))
        if bands:
            power[name] = band_filters().T @ power[name]
    total = np.sum(list(power.values()), axis=0) + 1e-12
    spectrum = transform.stft(mixture)
    result = {}
    for stem in references:
        mask = power[stem] / total
        if bands:
            mask = band_filters() @ mask
        result[stem] = transform.istft(mask * spectrum, k1=mixture.shape[1])
    return result


def hpss(mixture: np.ndarray) -> dict:
    """Percussive part of the mixture as the estimate of every stem (Fitzgerald, 2010).

    Raises
    ------
    ConfigError
        If librosa is not installed.
    """
    try:
        import librosa
    except ImportError:
        raise ConfigError("the HPSS baseline needs librosa; pip install librosa, "
                          "or leave it out with --no-hpss") from None
    percussive = librosa.effects.percussive(mixture)
    return {stem: percussive for stem in STEMS}


def score(chosen: Sequence[clips.Clip], separate: Callable[..., Estimates], *,
          seconds: float | None = None, accompaniment: Sequence[Path] = (),
          with_hpss: bool = True) -> dict:
    """Render, separate and score clips.

    Parameters
    ----------
    chosen : sequence of Clip
    separate : callable
        Called with (mixture, sample rate), gives stem → ndarray (channels, samples).
    seconds : float, optional
        Longest clip; what still rings then is cut off.
    accompaniment : sequence of Path
        Recordings without drums, mixed in at the level of the drums (0 dB), in turn.
    with_hpss : bool

    Returns
    -------
    dict
        ``clips``: system → clip → scores of `score_clip`; ``mean``: system → stem → mean
        ``sdr``, ``si_sdr``, ``nsdr`` and ``clips`` it plays in, ``leakage`` and
        ``silent_clips`` it does not; the stem ``mean`` is the mean over stems.
    """
    from adt.data.render import to_stems
    every: dict[str, dict[str, dict]] = {}
    for number, (clip, pieces, _) in enumerate(clips.rendered(chosen, "separation")):
        if not pieces:
            continue
        stop = round(seconds * SAMPLE_RATE) if seconds else None
        references = {stem: audio[:, :stop] for stem, audio in to_stems(pieces).items()}
        mixture = np.sum(list(references.values()), axis=0)
        if _energy(mixture) == 0:
            continue
        if accompaniment:
            mixture = mixture + _accompaniment(
                accompaniment[number % len(accompaniment)], mixture)
        mixture = mixture.astype(np.float32)
        estimates = {
            "mixture": {stem: mixture for stem in STEMS},
            "adt": separate(mixture, SAMPLE_RATE),
            "irm_bands": ideal_ratio_masks(references, mixture, bands=True),
            "irm": ideal_ratio_masks(references, mixture)}
        if with_hpss:
            estimates["hpss"] = hpss(mixture)
        for system, estimate in estimates.items():
            every.setdefault(system, {})[clip.name] = score_clip(references, estimate, mixture)
    return {"clips": every, "mean": {system: _mean(c) for system, c in every.items()}}


def _mean(of_clips: Mapping[str, Mapping]) -> dict:
    result: dict[str, dict] = {}
    for stem in STEMS:
        playing = [c[stem] for c in of_clips.values() if "sdr" in c[stem]]
        silent = [c[stem]["leakage"] for c in of_clips.values() if "leakage" in c[stem]]
        result[stem] = {
            **{m: float(np.mean([p[m] for p in playing])) if playing else None
               for m in METRICS},
            "clips": len(playing),
            "leakage": float(np.mean(silent)) if silent else None,
            "silent_clips": len(silent)}
    overall = {}
    for metric in (*METRICS, "leakage"):
        values = [result[s][metric] for s in STEMS if result[s][metric] is not None]
        overall[metric] = float(np.mean(values)) if values else None
    result["mean"] = overall
    return result


def _accompaniment(path: Path, mixture: np.ndarray) -> np.ndarray:
    """A recording as long and as loud as the mixture; repeated if it is shorter."""
    from adt.audio import load
    audio, _ = load(path, SAMPLE_RATE)
    if audio.shape[0] != mixture.shape[0]:
        audio = np.repeat(audio.mean(axis=0, keepdims=True), mixture.shape[0], axis=0)
    audio = np.tile(audio, -(-mixture.shape[1] // audio.shape[1]))[:, :mixture.shape[1]]
    return audio * np.sqrt(_energy(mixture) / max(_energy(audio), 1e-12))


def table(result: Mapping) -> str:
    """Mean scores, three rows for each system and one of leakage."""
    labels = {"sdr": "SDR", "si_sdr": "SI-SDR", "nsdr": "nSDR"}
    rows = []
    for system, title in TITLES.items():
        if system not in result["mean"]:
            continue
        mean = result["mean"][system]
        for metric in METRICS:
            if system != "mixture" or metric != "nsdr":  # which is zero
                rows.append([title, labels[metric],
                             *(tables.decibel(mean[s][metric]) for s in (*STEMS, "mean"))])
        if system == "adt":
            rows.append([title, "leakage", *(tables.decibel(mean[s]["leakage"])
                                             for s in (*STEMS, "mean"))])
    return tables.markdown(["system", "dB", *STEMS, "mean"], rows, left=2)


def arguments() -> argparse.ArgumentParser:
    """Parser of the command line."""
    parser = report.parser("benchmarks.separation", __doc__)
    parser.add_argument("--kits", type=Path, metavar="DIR", required=True, help="sampled kits")
    parser.add_argument("--groove", type=Path, metavar="DIR", required=True,
                        help="Groove MIDI Dataset")
    parser.add_argument("--accompaniment", type=Path, metavar="DIR",
                        help="recordings without drums, mixed in at 0 dB")
    parser.add_argument("--clips", type=int, default=15, metavar="N", help="number of renders")
    parser.add_argument("--seconds", type=float, default=20.0, help="longest render")
    parser.add_argument("--wiener", type=float, metavar="ALPHA",
                        help="exponent of the Wiener step of the bank")
    parser.add_argument("--hpss", action=argparse.BooleanOptionalAction, default=True,
                        help="include the harmonic-percussive baseline (librosa)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the benchmark from the command line."""
    args = arguments().parse_args(argv)
    if args.clips < 1 or not args.seconds > 0:
        raise ConfigError("--clips and --seconds must be above zero")
    chosen = clips.held_out(args.groove, args.kits, args.clips, args.seconds, args.seed)
    songs: list[Path] = []
    if args.accompaniment is not None:
        from adt.audio import find_audio
        songs = find_audio([args.accompaniment])
    from separation import Separator
    bank = Separator(device=args.device, wiener=args.wiener)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="librosa")
        scores = score(chosen, bank, seconds=args.seconds, accompaniment=songs,
                       with_hpss=args.hpss)
    result = {"benchmark": "separation", "environment": report.environment(args.device),
              "options": {"clips": args.clips, "seconds": args.seconds, "seed": args.seed,
                          "wiener": args.wiener, "accompaniment": bool(songs)}, **scores}
    report.deliver(args, result,
                   {"separation-songs" if songs else "separation": table(result)})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
