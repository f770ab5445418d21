"""What separation is compared with: ideal masks, and methods without a network.

Oracles know the stems: ideal ratio masks |S|² / Σ|S|² (IRM2 of SiSEC, which score about 1 dB higher
than ratios of magnitudes) on the STFT that the bank reads (window 2,048, hop 441), and the same on
the bank's bands. The others are the percussive part of harmonic–percussive separation
(`librosa.effects.hpss`), the same for every stem, and non-negative matrix factorisation with
templates learnt from the training kits (`Templates`).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from adt.errors import ConfigError
from adt.frames import HOP, N_FFT, SAMPLE_RATE
from adt.vocabulary import STEMS

from .fidelity import Estimates


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
