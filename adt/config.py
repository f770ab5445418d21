"""Configuration files: YAML, with `base` to build on another file and `key=value` changes."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Iterable, TypeVar

import yaml

from .errors import ConfigError

_PACKAGE = Path(__file__).parent
#: Where the project's configurations lie: in the package, or beside it in a checkout.
PROJECT = next((folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs")
                if (folder / "data.yaml").is_file()), _PACKAGE / "configs")
_ANY = float("inf")
#: Least and most of settings by section and name.
_RANGES = {("train", "steps"): (1, _ANY), ("train", "batch"): (1, _ANY),
           ("train", "validate_every"): (1, _ANY), ("train", "seed"): (0, _ANY),
           ("data", "workers"): (0, _ANY), ("train", "start_share"): (0, 1),
           ("train", "average"): (0, 1),
           ("train", "learning_rate"): (0, 1e30), ("train", "weight_decay"): (0, 1e30),
           ("data", "random_percussion"): (0, 100_000),
           ("data", "random_instruments"): (0, 100_000), ("randomise", "clip_seconds"): (1, 3600),
           ("attention", "batch"): (1, _ANY), ("student", "share"): (0, 1),
           ("student", "band"): (0, 1), ("student", "cymbals"): (0, 1),
           ("student", "odds"): (0.1, _ANY)}
#: Settings of ``randomise`` that are chances or shares; no number there is below 0.
_CHANCES = frozenset(
    "pattern song stemgmd vary absent silent alone swap level rattle stretch synthetic layer room "
    "accompaniment shaker percussion instrument bare rumble low_pass band_limit compress "
    "confuse begin miss".split())
#: Pairs of numbers in other sections.
_PAIRS = (("train", "seconds"), ("train", "crop_seconds"), ("unsettle", "scale"),
          ("student", "band_db"))
#: Texts and lists that may be null instead.
_OPTIONAL = {"start", "bank", "detectors", "detectors_mixture", "decoder", "trees", "accompaniment",
             "songs", "midi", "percussion", "synthetic", "stemgmd", "stemgmd_kits", "unlabelled",
             "real"}
SHARED = "data.yaml"  #: what configurations of several commands build on


def _merge(base: dict, change: dict) -> dict:
    merged = dict(base)
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = _merge(merged[key], value)
        merged[key] = value
    return merged


@lru_cache
def _project() -> dict[str, dict]:
    """The project's configurations as they are written, by the names of their files."""
    return {file.name: yaml.safe_load(file.read_text(encoding="utf-8"))
            for file in sorted(PROJECT.glob("*.yaml"))}


def _chain(name: str) -> list[str]:
    """A project's configuration and those that it builds on, the last first."""
    chain = [name]
    while (base := _project()[chain[0]].get("base")) is not None:
        chain.insert(0, base)
    return chain


def _settings(name: str | None = None) -> dict:
    """Every setting of one of the project's configurations, or of others of its command.

    Those of one command build on the same file, `name` among them; without a name they are those of
    all commands.
    """
    chains = {other: _chain(other) for other in _project()}
    if name is not None:
        command = [link for link in chains[name] if link != SHARED][:1]
        chains = {other: chain for other, chain in chains.items()
                  if name == SHARED or set(command) & set(chain)}
    every: dict = {}
    for other in sorted({link for chain in chains.values() for link in chain}):
        every = _merge(every, _project()[other])
    every.pop("base", None)
    if "louder" in every:  # in place of those of randomise
        every["louder"]["randomise"] = every["randomise"]
    return every


def _changed(base: dict, change: dict, known: dict, path: Path | str, section: str = "") -> dict:
    """Settings with some of them changed.

    Those that neither the base nor the project has are refused, and values of another kind.
    """
    changed = dict(base)
    for key, value in change.items():
        if key not in base and key not in known:
            raise ConfigError(f"{path}: no setting {section}{key}; there are "
                              f"{', '.join(map(str, {**base, **known}))}")
        name, old = f"{section}{key}", base.get(key, {} if isinstance(value, dict) else None)
        if isinstance(old, dict) and isinstance(value, dict):
            further = known.get(key) if isinstance(known.get(key), dict) else {}
            changed[key] = _changed(old, value, further, path, f"{name}.")
        else:
            changed[key] = _like(old, value, f"{path}: {name}")
    return changed


def load_config(path: Path | str, overrides: Iterable[str] = ()) -> dict[str, Any]:
    """Read a configuration.

    Parameters
    ----------
    path : path
        YAML file; a key ``base`` names a file beside it, or one of the project's, to start
        from.
    overrides : iterable of str
        ``section.key=value`` changes, values in YAML; the key must exist.

    Returns
    -------
    dict

    Raises
    ------
    ConfigError
        If the file is missing or not a mapping, its base leads back to it, or a change names no
        setting or is of another kind than what it replaces.
    """
    path = Path(path)
    config, _ = _read(path)
    for override in overrides:
        key, equals, text = override.partition("=")
        *sections, last = key.strip().split(".")
        place = config
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict) or last not in place:
            raise ConfigError(f"{override!r}: not a setting of {path}; write section.key=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"{override!r}: not a value; write section.key=value "
                              "in YAML") from None
        if value == {}:
            raise ConfigError(f"{override!r}: a section, not a setting; write section.key=value")
        place.update(_changed(place, {last: value}, {}, repr(override),
                              "".join(f"{section}." for section in sections)))
    return config


_Made = TypeVar("_Made")


def made(make: Callable[..., _Made], settings: dict[str, Any], section: str = "model") -> _Made:
    """What a function makes of the settings of a section, such as a network of its sizes.

    Raises
    ------
    ConfigError
        If it cannot.
    """
    try:
        return make(**settings)
    except (TypeError, ValueError, RuntimeError, ArithmeticError, LookupError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(f"{section}: no network is of these sizes "
                          f"({' '.join(str(error).split())}); set others") from error


def _read(path: Path, above: tuple[Path, ...] = ()) -> tuple[dict[str, Any], str | None]:
    """Settings of a file and its base, which is none of the files above, begun with them.

    And the name of the project's configuration that it builds on or is, if any.
    """
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); give a YAML file "
                          "such as configs/bank.yaml") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: expected a mapping of settings")
    base = config.pop("base", None)
    own = path.name if path.parent.resolve() == PROJECT.resolve() else None
    if base is None:
        return config, own
    above = (*above, path.resolve())
    found = [file for folder in (path.parent, PROJECT) if (file := folder / str(base)).is_file()]
    other = next((file for file in found if file.resolve() not in above), None)
    if other is None:
        raise ConfigError(f"{path}: base: {base} " + (
            "leads back to itself; name another file" if found
            else "is neither beside it nor one of the project's"))
    below, project = _read(other, above)
    return _changed(below, config, _settings(own or project), path), own or project


def lineage(path: Path) -> list[str]:
    """Names of the project's configurations that a file is or builds on, the first one first.

    Raises
    ------
    ConfigError
        As `load_config` does.
    """
    _, own = _read(path)
    return [] if own is None else _chain(own)


def complete(config: dict[str, Any], base: Path, path: Path) -> dict[str, Any]:
    """A configuration that has all settings of the one it should build on, and of their kinds.

    Parameters
    ----------
    config : dict
        From `load_config`.
    base : path
        One of the project's files.
    path : path
        What `config` was read from.

    Raises
    ------
    ConfigError
        If settings are missing or of another kind.
    """
    whole = load_config(base)
    missing = _missing(config, whole)
    if missing:
        raise ConfigError(f"{path}: lacks {', '.join(missing)}; write 'base: {base.name}' in it, "
                          "or give another --config")
    changed = _changed(whole, config, _settings(base.name), path)
    for section, settings in (("randomise", changed.get("randomise", {})), (
            "louder.randomise", changed.get("louder", {}).get("randomise", {}))):
        _check_pairs(settings, f"{path}: {section}")
        _check_amounts(settings, f"{path}: {section}")
    for section, name in _PAIRS:
        if name in changed.get(section, {}):
            _check_pairs({name: changed[section][name]}, f"{path}: {section}")
    _check_amounts(changed.get("loss", {}), f"{path}: loss")
    for (section, name), (low, high) in _RANGES.items():
        value = changed.get(section, {}).get(name, low)
        if not low <= value <= high:
            wanted = f"{low:g} or more" if high == _ANY else f"{low:g} to {high:g}"
            raise ConfigError(f"{path}: {section}.{name}: {value}; expected {wanted}")
    if "name" in changed and not re.fullmatch(r"[\w.-]*\w", str(changed["name"] or "")):
        raise ConfigError(f"{path}: name: {changed['name']}; expected the name of a file, without "
                          "folder and suffix")
    return changed


def _check_pairs(settings: dict, section: str) -> None:
    """Raise ConfigError unless all lists of a section are two numbers, the second not less."""
    for key, value in settings.items():
        name = f"{section}.{key}"
        if isinstance(value, dict):
            _check_pairs(value, name)
        elif isinstance(value, list) and not (
                len(value) == 2 and all(type(x) in (int, float) for x in value)
                and value[0] <= value[1]):
            raise ConfigError(f"{name}: {value}; expected two numbers, the smaller one first")


def _check_amounts(settings: dict, section: str) -> None:
    """Raise ConfigError unless numbers are from 0, chances up to 1; levels in dB may be lower."""
    for key, value in settings.items():
        if isinstance(value, (dict, list)) and key.endswith("_db"):
            continue
        if isinstance(value, dict):
            _check_amounts(value, f"{section}.{key}")
            continue
        numbers = [x for x in (value if isinstance(value, list) else [value])
                   if isinstance(x, (int, float))]
        chance = key in _CHANCES and not isinstance(value, list)
        if not all(0 <= x <= (1 if chance else _ANY) and x != _ANY for x in numbers):
            wanted = "0 to 1" if chance else "numbers from 0"
            raise ConfigError(f"{section}.{key}: {value}; expected {wanted}")


def _missing(config: dict, whole: dict, section: str = "") -> list[str]:
    """Names of the settings, or sections, that a configuration lacks."""
    names = []
    for key, value in whole.items():
        if key not in config:
            names.append(f"{section}{key}")
        elif isinstance(value, dict) and isinstance(config[key], dict):
            names += _missing(config[key], value, f"{section}{key}.")
    return names


def save_config(config: dict[str, Any], path: Path) -> None:
    """Write a configuration as it is used, without ``base``."""
    from .output import atomic_path
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _like(old: Any, new: Any, name: str) -> Any:
    """A value in the place of another, of whose kind it must be."""
    def kind(value: Any) -> Any:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return float if number else type(value)

    if kind(old) is float and isinstance(new, str):
        with suppress(ValueError):
            new = float(new)  # YAML 1.1 takes 2e-3 for text
    if type(old) is int and isinstance(new, float):
        if not new.is_integer():
            raise ConfigError(f"{name}: expected a whole number")
        new = int(new)
    free = (old is None and not isinstance(new, dict)
            or new is None and isinstance(old, (str, list)) and name.split(".")[-1] in _OPTIONAL)
    if not free and kind(old) is not kind(new):
        wanted = "a section, not a setting" if isinstance(old, dict) \
            else f"expected a value like {old!r}"
        raise ConfigError(f"{name}: {wanted}")
    return new
