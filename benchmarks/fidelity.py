"""How near an estimated stem is to the true one.

A clip's stems are stereo and scored over the whole clip, both channels together.

* SDR = 10 log10(‖s‖² / ‖s − ŝ‖²), without windows or allowed distortions (the "global"
  SDR of museval, the SDR of LarsNet and of the Music Demixing Challenge).
* SI-SDR: the same with the reference scaled to fit the estimate (Le Roux et al.,
  "SDR – half-baked or well done?", ICASSP 2019).
* nSDR: SDR of the estimate minus SDR of the mixture taken as the estimate.

SDR says little about strokes; see `attacks`, and `image_error` for the stereo image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from adt.frames import SAMPLE_RATE

PLAYS = -60.0  #: a stem plays where its energy is above this, dB of the mixture's
FLOOR = -120.0  #: least leakage and SI-SDR that are told apart from silence's, dB

LEVEL_KEPT = 3.0  #: largest change of an attack's level, dB
TIME_KEPT = 5e-3  #: largest shift of an attack, seconds
RISE = 6.0  #: a stroke that rises less than this over what rings before is not measured, dB

Estimates = Mapping[str, np.ndarray]


def energy(signal: np.ndarray) -> float:
    """Sum of squares."""
    return float(np.sum(np.square(signal, dtype=np.float64)))


def ratio(numerator: float, denominator: float) -> float:
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
    return ratio(energy(reference), energy(error))


def si_sdr(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Scale-invariant signal-to-distortion ratio in dB, one scale for all channels.

    At least `FLOOR`, which is that of silence: no scale makes a reference of it.

    Examples
    --------
    >>> round(si_sdr(np.ones((2, 8)), 0.5 * np.ones((2, 8))))
    120
    """
    reference = reference.astype(np.float64)
    if energy(estimate) <= 1e-30:
        return FLOOR
    scale = float(np.sum(reference * estimate)) / max(energy(reference), 1e-30)
    return ratio(energy(scale * reference), energy(scale * reference - estimate))


def leakage(estimate: np.ndarray, mixture: np.ndarray) -> float:
    """Energy of an estimate that should be silent, dB of the mixture's."""
    return max(ratio(max(energy(estimate), 1e-30), energy(mixture)), FLOOR)


def image_error(reference: np.ndarray, estimate: np.ndarray) -> float:
    """Difference of the level differences between two channels, dB, each within ±40 dB.

    Examples
    --------
    >>> pan = np.array([[1.0], [0.5]])
    >>> round(image_error(pan * np.ones(9), np.ones((2, 9))), 2)
    6.02
    """
    def balance(audio):
        return np.clip(ratio(energy(audio[0]), energy(audio[1])), -40.0, 40.0)
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
        level = abs(ratio(own_peak, peak)) <= LEVEL_KEPT
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
        if energy(reference) > 10 ** (PLAYS / 10) * energy(mixture):
            quality = sdr(reference, estimate)
            scores[stem] = {"sdr": quality, "si_sdr": si_sdr(reference, estimate),
                            "nsdr": quality - sdr(reference, mixture)}
        else:
            scores[stem] = {"leakage": leakage(estimate, mixture)}
    return scores
