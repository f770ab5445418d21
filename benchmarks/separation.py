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
separation (`librosa.effects.hpss`), the same for every stem; non-negative matrix
factorisation with templates learnt from the training kits and, with accompaniment, free
components for the rest (`Templates`); and two oracles that know the stems, ideal ratio masks
|S|² / Σ|S|² (IRM2 of SiSEC, which score about 1 dB higher here than ratios of magnitudes) on the
STFT that the bank reads (window 2,048, hop 441), and the same on the bank's bands. The gap is the
oracle's nSDR (bins) minus the bank's.

SDR says little about strokes, so two more measures stand in a table of their own:

* Attacks kept: the share of strokes whose attack, in their own stem, has its peak level
  within 3 dB and its onset within 5 ms of the truth's; see `attacks`.
* Image error: how far the level difference between left and right is from the truth's, dB.

With accompaniment, the sum of all stems is scored as the drums, and what it leaves of the
mixture as the band: `score_band`.
"""

from __future__ import annotations

import argparse
import warnings
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from adt.errors import AudioError, ConfigError
from adt.frames import HOP, N_FFT, SAMPLE_RATE
from adt.vocabulary import PIECE_TO_STEM, PIECES, STEMS
from separation import WIENER

from . import clips, report, tables

PLAYS = -60.0  #: a stem plays where its energy is above this, dB of the mixture's
FLOOR = -120.0  #: least leakage and SI-SDR that are told apart from silence's, dB
METRICS = ("sdr", "si_sdr", "nsdr")
TITLES = OrderedDict(mixture="mixture", hpss="HPSS, percussive part",
                     nmf="NMF, trained templates", adt="adt",
                     irm_bands="oracle: ideal ratio mask, bands",
                     irm="oracle: ideal ratio mask, bins")

LEVEL_KEPT = 3.0  #: largest change of an attack's level, dB
TIME_KEPT = 5e-3  #: largest shift of an attack, seconds
RISE = 6.0  #: a stroke that rises less than this over what rings before is not measured, dB

FREE = 16  #: components of NMF for accompaniment

Estimates = Mapping[str, np.ndarray]


def _energy(signal: np.ndarray) -> float:
    return float(np.sum(np.square(signal, dtype=np.float64)))


def _ratio(numerator: float, denominator: float) -> float:
    """Ratio of energies in dB, from `FLOOR` to 120."""
    least = max(denominator, 1e-12 * numerator, 1e-30)
    return max(FLOOR, float(10 * np.log10(max(numerator, 1e-30) / least)))


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

    At least `FLOOR`, which is that of silence: no scale makes a reference of it.

    Examples
    --------
    >>> round(si_sdr(np.ones((2, 8)), 0.5 * np.ones((2, 8))))
    120
    """
    reference = reference.astype(np.float64)
    if _energy(estimate) <= 1e-30:
        return FLOOR
    scale = float(np.sum(reference * estimate)) / max(_energy(reference), 1e-30)
    return _ratio(_energy(scale * reference), _energy(scale * reference - estimate))


def leakage(estimate: np.ndarray, mixture: np.ndarray) -> float:
    """Energy of an estimate that should be silent, dB of the mixture's."""
    return max(_ratio(max(_energy(estimate), 1e-30), _energy(mixture)), FLOOR)


def image_error(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Difference of the level differences between two channels, dB, each within ±40 dB.

    Examples
    --------
    >>> pan = np.array([[1.0], [0.5]])
    >>> round(image_error(pan * np.ones(9), np.ones((2, 9))), 2)
    6.02
    """
    def balance(audio):
        return np.clip(_ratio(_energy(audio[0]), _energy(audio[1])), -40.0, 40.0)
    return float(abs(balance(estimate) - balance(reference)))


def _attack(envelope: np.ndarray, at: int) -> tuple[float, int, float]:
    """Peak (power), onset (samples from `at`) and power before of one stroke."""
    ms = SAMPLE_RATE // 1000
    low = max(0, at - 10 * ms)
    part = envelope[low: at + 30 * ms]
    peak = float(part.max())
    before = float(envelope[max(0, at - 10 * ms): max(0, at - 5 * ms)].sum()) / (5 * ms)
    return peak, low + int(np.argmax(part >= peak / 4)) - at, before


def attacks(reference: np.ndarray, estimate: np.ndarray, times: Sequence[float]) -> dict:
    """Which attacks of a stem an estimate keeps.

    The envelope is the power of all channels in a window of 2 ms. An attack's level is the
    greatest value from 10 ms before to 30 ms after the stroke, its onset the first moment there
    that reaches a quarter of it (−6 dB). Strokes closer than 40 ms to the one before count
    as one with it (flams); those that rise less than 6 dB over what rings in the true stem from
    10 to 5 ms before (silence, before the clip begins) have no attack to measure, and are left
    out.

    Parameters
    ----------
    reference, estimate : ndarray, shape (channels, samples)
    times : sequence of float
        Strokes of the stem, seconds.

    Returns
    -------
    dict
        ``hits`` measured, ``level`` (kept within 3 dB), ``time`` (within 5 ms) and ``both``.
    """
    from scipy.ndimage import uniform_filter1d
    size = 2 * SAMPLE_RATE // 1000
    true, own = (uniform_filter1d(np.square(a, dtype=np.float64).sum(axis=0), size)
                 for a in (reference, estimate))
    counts = {"hits": 0, "level": 0, "time": 0, "both": 0}
    last = -1.0
    for time in sorted(times):
        at = round(time * SAMPLE_RATE)
        close, last = time - last < 0.04, time
        if close or at + size >= true.size:
            continue
        peak, onset, before = _attack(true, at)
        if peak <= 1e-10 or peak < 10 ** (RISE / 10) * before:
            continue
        own_peak, own_onset, _ = _attack(own, at)
        level = abs(_ratio(own_peak, peak)) <= LEVEL_KEPT
        in_time = own_peak > 0 and abs(own_onset - onset) <= TIME_KEPT * SAMPLE_RATE
        for name, kept in (("hits", True), ("level", level), ("time", in_time),
                           ("both", level and in_time)):
            counts[name] += int(kept)
    return counts


def score_band(references: Estimates, estimates: Estimates, mixture: np.ndarray) -> dict:
    """Scores of all stems together and of what they leave of a song.

    Both have the same error, and the accompaniment is as loud as the drums. So the SDR of the
    rest, taken as the accompaniment, is the SDR of all drums too, and their nSDR.

    Returns
    -------
    dict
        ``residual``: SDR of the rest; ``residual_si_sdr``: its SI-SDR; ``drums_left``: gain
        of the drums in the rest, dB, by a least-squares fit of true drums and true
        accompaniment to it.
    """
    drums = np.sum(list(references.values()), axis=0, dtype=np.float64)
    estimate = np.sum([estimates[stem] for stem in references], axis=0, dtype=np.float64)
    band, rest = mixture - drums, mixture - estimate
    basis = np.stack([drums.ravel(), band.ravel()], axis=1)
    gain = np.linalg.lstsq(basis, rest.ravel(), rcond=None)[0][0]
    return {"residual": sdr(band, rest), "residual_si_sdr": si_sdr(band, rest),
            "drums_left": max(FLOOR, float(20 * np.log10(max(abs(gain), 1e-12))))}


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


class Templates:
    """Separation by non-negative matrix factorisation with fixed templates.

    Templates of each stem are the components of a factorisation of magnitude spectrograms of
    its kits' strokes, the loudest layer of each articulation. A mixture is decomposed
    on all of them, and masked by the shares of power that the stems' templates explain.
    (Smaragdis, "Non-negative matrix factor deconvolution", 2004, without the convolution;
    Dittmar & Gärtner, DAFx 2014, for drums.) Where more than drums sounds, `free` components
    that are learnt from the mixture explain the rest of it, and no stem gets their share
    (partially fixed NMF: Wu & Lerch, "Drum transcription using partially fixed non-negative
    matrix factorization", EUSIPCO 2015).

    Parameters
    ----------
    kits : sequence of Kit
    components : int
        Templates of each stem.
    seconds : float
        Of each stroke.
    free : int
        Components for the rest.

    Raises
    ------
    ConfigError
        If scikit-learn is not installed or a stem has no strokes.
    """

    def __init__(self, kits: Sequence, components: int = 8, seconds: float = 0.3,
                 free: int = 0):
        try:
            from sklearn.decomposition import NMF
        except ImportError:
            raise ConfigError("the NMF baseline needs scikit-learn; pip install scikit-learn, "
                              "or leave it out with --no-nmf") from None
        from adt.vocabulary import ARTICULATION_TO_PIECE, PIECE_TO_STEM
        transform = _transform()
        frames: dict[str, list[np.ndarray]] = {stem: [] for stem in STEMS}
        for kit in kits:
            for articulation, layers in kit.layers.items():
                sample = layers[-1][0]
                start = max(0, sample.onset)
                audio = sample.audio[:, start: start + round(seconds * SAMPLE_RATE)].mean(axis=0)
                if audio.size < N_FFT or not np.any(audio):
                    continue
                magnitude = np.abs(transform.stft(audio)).astype(np.float32).T
                stem = PIECE_TO_STEM[ARTICULATION_TO_PIECE[articulation]]
                frames[stem].append(magnitude / magnitude.max())
        learnt = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # not converged within the steps
            for stem, rows in frames.items():
                if not rows:
                    raise ConfigError(f"no strokes to learn {stem} from; leave NMF out "
                                      "with --no-nmf")
                model = NMF(components, init="nndsvda", random_state=0, max_iter=40)
                learnt.append(model.fit(np.concatenate(rows)[::3]).components_)
        parts = np.concatenate(learnt).astype(np.float32)
        self.templates = parts / np.maximum(np.linalg.norm(parts, axis=1, keepdims=True), 1e-9)
        self.components, self.free = components, free

    def __call__(self, mixture: np.ndarray, sr: int) -> dict:
        """Stem → ndarray of shape (channels, samples)."""
        transform = _transform()
        spectrum = transform.stft(mixture)
        magnitude = np.abs(spectrum).mean(axis=0).astype(np.float32).T
        decompose = self._decompose_with_rest if self.free else self._decompose
        gains, templates = decompose(magnitude)
        cuts = range(self.components, len(self.templates) + 1, self.components)
        power = np.stack([g @ t for g, t in zip(
            np.split(gains, cuts, axis=1), np.split(templates, cuts))]) ** 2  # the rest comes last
        masks = power / (power.sum(axis=0) + 1e-12)
        return {stem: transform.istft(mask.T * spectrum, k1=mixture.shape[1])
                for stem, mask in zip(STEMS, masks)}

    def _decompose(self, magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gains (frames, templates) and templates (templates, bins)."""
        from sklearn.decomposition import non_negative_factorization
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gains, _, _ = non_negative_factorization(
                magnitude, H=self.templates, n_components=len(self.templates), init="custom",
                update_H=False, max_iter=60, random_state=0)
        return gains, self.templates

    def _decompose_with_rest(self, magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The same with the free components last, which scikit-learn cannot learn alone.

        Multiplicative updates for the squared error (Lee & Seung, NIPS 2000).
        """
        rng, fixed = np.random.default_rng(0), len(self.templates)
        rest = rng.random((self.free, magnitude.shape[1]), dtype=np.float32)
        rest /= np.linalg.norm(rest, axis=1, keepdims=True)
        templates = np.concatenate([self.templates, rest])
        gains = rng.random((len(magnitude), len(templates)), dtype=np.float32)
        for _ in range(60):
            gains *= magnitude @ templates.T / (gains @ (templates @ templates.T) + 1e-9)
            free = gains[:, fixed:]
            templates[fixed:] *= free.T @ magnitude / (free.T @ gains @ templates + 1e-9)
        return gains, templates


def score(chosen: Sequence[clips.Clip], separate: Callable[..., Estimates], *,
          seconds: float | None = None, accompaniment: Sequence[Path] = (),
          with_hpss: bool = True, nmf: Callable[..., Estimates] | None = None) -> dict:
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
    nmf : callable, optional
        Called as `separate` is; see `Templates`.

    Returns
    -------
    dict
        ``attacks``: system → stem → sums of the counts of `attacks`; ``image``: system →
        stem → mean `image_error`; ``band``: system → means of `score_band`, with accompaniment;
        ``clips``: system → clip → scores of `score_clip`; ``mean``: system → stem → mean
        ``sdr``, ``si_sdr``, ``nsdr`` and ``clips`` it plays in, ``leakage`` and
        ``silent_clips`` it does not; the stem ``mean`` is the mean over stems.
    """
    from adt.data.render import to_stems
    every: dict[str, dict[str, dict]] = {}
    kept: dict[str, dict[str, dict]] = {}
    image: dict[str, dict[str, list]] = {}
    band: dict[str, list[dict]] = {}
    for number, (clip, pieces, played) in enumerate(clips.rendered(chosen, "separation")):
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
        if nmf is not None:
            estimates["nmf"] = nmf(mixture, SAMPLE_RATE)
        strokes = np.array([PIECE_TO_STEM[PIECES[p]] for p in played.pieces])
        for system, estimate in estimates.items():
            every.setdefault(system, {})[clip.name] = score_clip(references, estimate, mixture)
            if accompaniment:
                band.setdefault(system, []).append(score_band(references, estimate, mixture))
            for stem, scores in every[system][clip.name].items():
                if "sdr" not in scores:
                    continue
                counts = attacks(references[stem], estimate[stem],
                                 played.times[strokes == stem])
                total = kept.setdefault(system, {}).setdefault(stem, dict.fromkeys(counts, 0))
                for name, count in counts.items():
                    total[name] += count
                image.setdefault(system, {}).setdefault(stem, []).append(
                    image_error(references[stem], estimate[stem]))
    return {"clips": every, "mean": {system: _mean(c) for system, c in every.items()},
            "attacks": kept,
            "image": {system: {stem: float(np.mean(v)) for stem, v in of.items()}
                      for system, of in image.items()},
            "band": {system: {m: float(np.mean([s[m] for s in scores])) for m in scores[0]}
                     for system, scores in band.items()}}


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
    if not _energy(audio):
        raise AudioError(f"{path}: its first {mixture.shape[1] / SAMPLE_RATE:.0f} s are silent; "
                         "take it away, or give another folder with --accompaniment")
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
            oracle = result["mean"]["irm"]
            rows.append([title, "gap to the oracle", *(
                tables.decibel(None if mean[s]["nsdr"] is None
                               else oracle[s]["nsdr"] - mean[s]["nsdr"])
                for s in (*STEMS, "mean"))])
    return tables.markdown(["system", "dB", *STEMS, "mean"], rows, left=2)


def details(result: Mapping) -> str:
    """Attacks kept and image error by stem and, with accompaniment, the band."""
    rows = []
    for system, title in TITLES.items():
        counts = result["attacks"].get(system)
        if not counts:
            continue
        whole = {m: sum(c[m] for c in counts.values()) for m in ("hits", "level", "time", "both")}
        for name, label in (("both", "attacks kept"), ("level", "their level"),
                            ("time", "their time")):
            if name == "both" or system == "adt":
                shares = [100 * c[name] / c["hits"] if c and c["hits"] else None
                          for c in (*(counts.get(s) for s in STEMS), whole)]
                rows.append([title, f"{label}, %", *(tables.decibel(s) for s in shares)])
        errors = result["image"][system]
        rows.append([title, "image error, dB", *(tables.decibel(errors.get(s)) for s in STEMS),
                     tables.decibel(float(np.mean(list(errors.values()))))])
    text = tables.markdown(["system", "", *STEMS, "all"], rows, left=2)
    if result["band"]:
        text += "\n\n" + tables.markdown(
            ["system", "SDR of the residual, and SDR gain of all drums",
             "SI-SDR of the residual", "drums left in it, dB"],
            [[title, *(tables.decibel(result["band"][system][m])
                       for m in ("residual", "residual_si_sdr", "drums_left"))]
             for system, title in TITLES.items()
             if system in result["band"] and system not in ("mixture", "hpss")])
    return text


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
    parser.add_argument("--wiener", type=float, metavar="ALPHA", default=WIENER,
                        help="exponent of the Wiener step of the bank (default: %(default)s)")
    parser.add_argument("--hpss", action=argparse.BooleanOptionalAction, default=True,
                        help="include the harmonic-percussive baseline (librosa)")
    parser.add_argument("--nmf", action=argparse.BooleanOptionalAction, default=True,
                        help="include NMF with templates of the training kits (scikit-learn)")
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
    nmf = None
    if args.nmf:
        from adt.data.kits import read_kits
        nmf = Templates(read_kits(args.kits, "train"), free=FREE if songs else 0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="librosa")
        scores = score(chosen, bank, seconds=args.seconds, accompaniment=songs,
                       with_hpss=args.hpss, nmf=nmf)
    result = {"benchmark": "separation", "environment": report.environment(args.device),
              "options": {"clips": args.clips, "seconds": args.seconds, "seed": args.seed,
                          "wiener": args.wiener, "accompaniment": bool(songs)}, **scores}
    report.deliver(args, result,
                   {"separation-songs" if songs else "separation":
                    f"{table(result)}\n\n{details(result)}"})


if __name__ == "__main__":
    raise SystemExit(report.run(main))
