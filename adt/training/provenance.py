"""What weights were trained on, for their metadata."""

from __future__ import annotations

from .. import __version__
from .spectral import ClipMaker

LICENCE = "CC BY 4.0"


def describe(config: dict, maker: ClipMaker) -> dict:
    """Training data, licence, seeds and settings of a training run."""
    return {
        "licence": LICENCE,
        "adt_version": __version__,
        "train": config["train"], "loss": config["loss"], "randomise": config["randomise"],
        "training_data": {
            "performances": f"Groove MIDI Dataset, split train ({len(maker.performances)})",
            "kits": [f"{k.name} ({k.licence}; {k.attribution})" for k in maker.kits],
            "stemgmd": sorted({c.kit for c in maker.recorded}),
            "accompaniment": f"{len(maker.accompaniment)} drumless recordings and renders",
        },
    }
