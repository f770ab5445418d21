"""What weights were trained on, for their metadata."""

from __future__ import annotations

from typing import Any, Sequence

from .. import __version__
from ..data.random_kits import SYNTHETIC
from .spectral import ClipMaker


def describe(config: dict, maker: ClipMaker, before: dict | None = None) -> dict:
    """Training data, licence, seeds and settings of a training run.

    Parameters
    ----------
    config : dict
    maker : ClipMaker
    before : dict, optional
        Description of the weights that the run began with: whom to credit for those is to be
        credited for what comes of them too.
    """
    drawn = config["data"]["random_percussion"]
    used = [name for name in ("bank", "detectors", "detectors_mixture", "decoder", "trees")
            if name in config and (config[name] or name != "trees")]
    if config.get("model", {}).get("demix") is False:  # these read the mixture alone
        used.remove("bank")
    began = {"begun_with": {name: before[name] for name in ("name", "licence") if name in before}} \
        if before else {}
    return {
        **began,
        "licence": config["licence"],
        "adt_version": __version__,
        "train": config["train"], "loss": config["loss"], "randomise": config["randomise"],
        **({"student": config["student"]} if config["data"].get("unlabelled") else {}),
        "data": config["data"],
        "made_with": {name: str(config[name] or "those in the package") for name in used},
        "training_data": joined([(before or {}).get("training_data", {}), {
            "performances": f"Groove MIDI Dataset, split train ({len(maker.performances)})",
            "kits": [f"{k.name} ({k.licence}; {k.attribution})" for k in maker.kits
                     if k.kind != SYNTHETIC],
            "random_kits": f"{sum(k.kind == SYNTHETIC for k in maker.kits)} kits drawn at random",
            "stemgmd": sorted({c.kit for c in maker.recorded}),
            "songs": f"{len(maker.songs)} bands rendered from MIDI, with the drums of the MIDI",
            "percussion": f"{len(maker.percussion) - drawn} instruments of hand percussion, "
                          f"rendered, and {drawn} drawn at random",
            **({"instruments": f"{len(maker.instruments)} basses and other instruments drawn at "
                               "random"} if maker.instruments else {}),
            "accompaniment": f"{len(maker.accompaniment)} drumless recordings and renders",
            **_recordings(maker),
        }]),
    }


def _recordings(maker: ClipMaker) -> dict[str, list[str]]:
    """Recordings without annotation that teach by what was heard in them, if any."""
    found = getattr(maker, "recordings", ())
    return {"recordings": [f"{r.source} ({r.licence})" for r in found]} if found else {}


def with_data(config: dict, maker: ClipMaker) -> dict:
    """Settings of a run and what it is trained on, which may change behind one folder's name."""
    return {**config, "training_data": describe(config, maker)["training_data"]}


def joined(sources: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Training data of several weights as that of one; where they differ, all are listed."""
    together: dict[str, Any] = {}
    for name in dict.fromkeys(name for source in sources for name in source):
        values = [source[name] for source in sources if name in source]
        items = [item for value in values
                 for item in (value if isinstance(value, list) else [value])]
        every = [item for n, item in enumerate(items) if item not in items[:n]]
        plain = len(every) == 1 and not any(isinstance(value, list) for value in values)
        together[name] = every[0] if plain else every
    return together


def history(config: dict, before: dict | None, stage: str = "") -> dict:
    """What was trained before these weights: ``history``, one line for each stage.

    The last is `stage` or, by default, the steps that ``train`` tells of.
    """
    train = config["train"]
    if not stage:
        stage = (f"{train['steps']} steps of {train['batch']} clips, seed {train['seed']}, "
                 f"learning rate {train['learning_rate']}")
    if train.get("start_share"):
        stage += f", then blended with the weights before by their share of {train['start_share']}"
    if before is None:
        return {"history": [stage]}
    return {"history": [*before.get("history", [before.get("name", "other weights")]), stage]}
