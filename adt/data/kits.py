"""Sampled drum kits: a folder with ``kit.json`` and one audio file per sample.

``kit.json`` has these fields, of which only ``name`` and ``pieces`` must be there:

``name``
    Of the kit.
``family``
    Of kits that share recordings; the name by default. It decides what is held out
    (`VALIDATION_FAMILIES`), and the kits of a large family are each drawn less often.
``licence``, ``attribution``
    For the metadata of the weights that are trained on it.
``kind``
    ``electronic`` kits are drawn a quarter as often as others; ``synthetic`` ones
    (`adt.data.random_kits.SYNTHETIC`) as often as ``randomise.synthetic`` says.
``suggested_piece_gain_db``
    Articulation → gain in dB that brings it to a natural balance, 0 by default.
``pieces``
    Articulation (`adt.vocabulary.ARTICULATIONS`; others are passed over) → list of samples,
    at least one, each with these fields:

    ``file``
        Name in the folder: the instrument struck with ``velocity_hi``.
    ``velocity_hi``
        Highest velocity that it is played for, 1 to 127.
    ``round_robin``
        Number among those of the same ``velocity_hi``, which take turns; 1 by default.
    ``onset_ms``
        Place of the onset in the file, 0 by default.
    ``pan``
        Place of a mono file from -1 (left) to 1, 0 by default.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..errors import DataError
from ..frames import SAMPLE_RATE
from ..vocabulary import ARTICULATION_TO_PIECE, ARTICULATIONS, PIECE_TO_STEM

_LATEST = 60_000  # ms that an onset may lie in its file
#: Kit families that never train: they measure how well unseen kits are heard.
VALIDATION_FAMILIES = ("sams-sonor", "avl", "tr808-emulation")

#: What to play when a kit lacks an articulation, first choice first.
FALLBACKS = {
    "side_stick": ("snare",), "hihat_pedal": ("hihat_closed",),
    "ride_bell": ("ride",), "splash": ("crash",), "china": ("crash",),
    "tom_high": ("tom_mid",), "tom_mid": ("tom_high", "tom_floor"),
    "tom_floor": ("tom_mid",), "hihat_open": ("hihat_closed",),
    "hihat_closed": ("hihat_pedal",), "crash": ("china", "splash"),
}


@dataclass(frozen=True)
class Sample:
    """One recorded stroke of a kit."""

    path: Path
    velocity_hi: int
    pan: float
    onset: int  #: place of the onset inside the file, samples

    @cached_property
    def audio(self) -> np.ndarray:
        """float32 array, shape (channels, samples), at `SAMPLE_RATE`."""
        import soundfile
        try:
            audio, rate = soundfile.read(self.path, dtype="float32", always_2d=True)
        except (OSError, RuntimeError) as error:
            raise DataError(f"{self.path}: sample cannot be read ({error})") from error
        if rate != SAMPLE_RATE:
            import soxr
            audio = soxr.resample(audio, rate, SAMPLE_RATE)
        if not np.isfinite(audio).all():
            raise DataError(f"{self.path}: has samples that are no numbers; write it again")
        if not audio[self.onset:].any():
            raise DataError(f"{self.path}: nothing sounds after its onset ({self.onset} samples); "
                            "mend it, or its onset_ms in kit.json")
        return np.ascontiguousarray(audio.T)


@dataclass(frozen=True, eq=False)
class Kit:
    """A sampled kit.

    Attributes
    ----------
    layers : dict
        Articulation → list of velocity layers (softest first), each a list of
        round-robin `Sample` objects.
    gain_db : dict
        Articulation → gain in dB that brings it to a natural balance.
    """

    name: str
    family: str
    licence: str
    attribution: str
    kind: str
    layers: dict[str, list[list[Sample]]]
    gain_db: dict[str, float]

    def articulation_for(self, articulation: str) -> str | None:
        """The articulation this kit plays when asked for one, None if it has none."""
        for name in (articulation, *FALLBACKS.get(articulation, ())):
            if name in self.layers:
                return name
        return None

    def stems(self) -> tuple[str, ...]:
        """Stems that this kit can play."""
        have = {PIECE_TO_STEM[ARTICULATION_TO_PIECE[a]] for a in self.layers}
        return tuple(s for s in dict.fromkeys(PIECE_TO_STEM.values()) if s in have)

    def pick(self, articulation: str, velocity: int, turn: int) -> tuple[Sample, float]:
        """Sample and amplitude gain for a stroke.

        Parameters
        ----------
        articulation : str
            One that `articulation_for` returned.
        velocity : int
            1 to 127.
        turn : int
            Counts strokes; chooses the round robin.
        """
        layers = self.layers[articulation]
        layer = next((each for each in layers if velocity <= each[0].velocity_hi), layers[-1])
        sample = layer[turn % len(layer)]
        within = min(1.0, velocity / sample.velocity_hi) ** 2
        return sample, within * 10 ** (self.gain_db.get(articulation, 0.0) / 20)


def read_kit(folder: Path | str) -> Kit:
    """Read a kit folder.

    Raises
    ------
    DataError
        If ``kit.json`` is missing or does not describe a kit that can be played.
    """
    folder = Path(folder)
    try:
        meta = json.loads((folder / "kit.json").read_text(encoding="utf-8"))
        layers: dict[str, list[list[Sample]]] = {}
        gains = (meta.get("suggested_piece_gain_db") or {}).items()
        for articulation, files in meta["pieces"].items():
            if articulation not in ARTICULATIONS:
                continue
            if not files:
                raise DataError(f"{folder / 'kit.json'}: {articulation} has no samples; name some "
                                "or leave it out")
            grouped: dict[int, list[tuple[int, Sample]]] = {}
            for f in files:
                high = int(f["velocity_hi"])
                pan, onset = float(f.get("pan") or 0.0), float(f.get("onset_ms") or 0.0)
                if not (-1 <= pan <= 1 and 0 <= onset < _LATEST):
                    raise DataError(f"{folder / 'kit.json'}: {articulation} has a pan of {pan} and "
                                    f"an onset_ms of {onset}; expected -1 to 1, and 0 to "
                                    f"{_LATEST}")
                if not 1 <= high <= 127:
                    raise DataError(f"{folder / 'kit.json'}: {articulation} has a velocity_hi of "
                                    f"{high}; write 1 to 127")
                grouped.setdefault(high, []).append((
                    int(f.get("round_robin", 1)),
                    Sample(folder / f["file"], high, pan, round(onset * SAMPLE_RATE / 1000))))
            layers[articulation] = [
                [s for _, s in sorted(grouped[hi], key=lambda pair: pair[0])]
                for hi in sorted(grouped)]
        gain_db = {name: float(gain) for name, gain in gains if name in layers}
        if not layers or not all(map(math.isfinite, gain_db.values())):
            raise DataError(f"{folder / 'kit.json'}: no articulation of {', '.join(ARTICULATIONS)}"
                            ", or a gain that is no number")
        name, family = meta["name"], meta.get("family", meta["name"])
        if not (isinstance(name, str) and isinstance(family, str)
                and re.fullmatch(r"[^/\\]*[^/\\.][^/\\]*", name)):
            raise DataError(f"{folder / 'kit.json'}: name {name!r} and family {family!r}; expected "
                            "texts, and a name that a folder may have")
        return Kit(name, family, meta.get("licence", "unknown"),
                   meta.get("attribution", ""), meta.get("kind", ""), layers,
                   gain_db)
    except OSError as error:
        raise DataError(f"{folder}: no kit.json that can be read ({error.strerror}); give the "
                        "folder of a sampled kit") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise DataError(f"{folder / 'kit.json'}: not a kit description ({error!r})") from error


def read_kits(root: Path | str, families: str = "all") -> list[Kit]:
    """Read every kit below a folder, sorted by name.

    Parameters
    ----------
    root : path
        Folder of kit folders.
    families : {'all', 'train', 'validation'}
        Leave out, or keep only, the `VALIDATION_FAMILIES`.

    Raises
    ------
    DataError
        If there is no kit, or a link leads nowhere: a kit that is silently missing would
        not be missed.
    """
    for path in sorted(Path(root).glob("*")):
        if path.is_symlink() and not path.exists():
            raise DataError(f"{path}: a link that leads nowhere; make it anew or remove it")
    kits = [read_kit(p.parent) for p in sorted(Path(root).glob("*/kit.json"))]
    if families != "all":
        held_out = families == "validation"
        kits = [k for k in kits if (k.family in VALIDATION_FAMILIES) == held_out]
    names = [kit.name for kit in kits]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{root}: several kits are called {', '.join(twice)}; give each a name of "
                        "its own in its kit.json")
    if not kits:
        wanted = (f" whose family is {', '.join(sorted(VALIDATION_FAMILIES))}"
                  if families == "validation" else "")
        raise DataError(f"{root}: no kits ({families}) found; expected NAME/kit.json below it"
                        f"{wanted}")
    return kits
