"""Configuration files: YAML, with `base` to build on another file and `key=value` changes."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable

import yaml

from .errors import ConfigError

_PACKAGE = Path(__file__).parent
#: Where the project's configurations lie: in the package, or beside it in a checkout.
PROJECT = (_PACKAGE / "configs", _PACKAGE.parent / "configs")


def _merge(base: dict, change: dict) -> dict:
    merged = dict(base)
    for key, value in change.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            value = _merge(merged[key], value)
        merged[key] = value
    return merged


@lru_cache
def _settings() -> dict:
    """Every setting that one of the project's configurations has."""
    every: dict = {}
    for folder in PROJECT:
        for file in sorted(folder.glob("*.yaml")):
            every = _merge(every, yaml.safe_load(file.read_text(encoding="utf-8")))
    if "louder" in every:  # in place of those of randomise
        every["louder"]["randomise"] = every["randomise"]
    return every


def _check(change: dict, base: dict, known: dict, path: Path, section: str = "") -> None:
    """Refuse settings that neither the base nor the project has."""
    for key, value in change.items():
        if key not in base and key not in known:
            raise ConfigError(f"{path}: no setting {section}{key}; there are "
                              f"{', '.join(map(str, {**base, **known}))}")
        if isinstance(value, dict):
            under, of = ((settings.get(key) if isinstance(settings.get(key), dict) else {})
                         for settings in (base, known))
            _check(value, under, of, path, f"{section}{key}.")


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
        If the file is missing or not a mapping, or a change names no setting.
    """
    path = Path(path)
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
    if base is not None:
        found = [folder / str(base) for folder in (path.parent, *PROJECT)]
        other = [file for file in found if file.is_file() and file.resolve() != path.resolve()]
        if not other:
            raise ConfigError(f"{path}: base: {base} is neither beside it nor one of the project's")
        under = load_config(other[0])
        _check(config, under, _settings(), path)
        config = _merge(under, config)
    for override in overrides:
        key, equals, value = override.partition("=")
        *sections, last = key.strip().split(".")
        place = config
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if not equals or not isinstance(place, dict) or last not in place:
            raise ConfigError(f"{override!r}: not a setting of {path}; write section.key=value")
        place[last] = _like(place[last], value, override)
    return config


def save_config(config: dict[str, Any], path: Path) -> None:
    """Write a configuration as it is used, without ``base``."""
    from .output import atomic_path
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _like(old: Any, text: str, override: str) -> Any:
    """Value of an override; it must be of the kind of the value that it replaces."""
    try:
        new = yaml.safe_load(text)
        if isinstance(old, (int, float)) and not isinstance(old, bool) and isinstance(new, str):
            new = float(new)  # YAML 1.1 takes 2e-3 for text
        if isinstance(old, int) and isinstance(new, float) and new.is_integer():
            new = int(new)
    except (yaml.YAMLError, ValueError):
        raise ConfigError(f"{override!r}: not a value; write section.key=value in YAML") from None
    kinds = [(int, float) if isinstance(v, (int, float)) and not isinstance(v, bool) else type(v)
             for v in (old, new)]
    if isinstance(old, int) and not isinstance(old, bool) and isinstance(new, float):
        raise ConfigError(f"{override!r}: expected a whole number")
    free = old is None or (new is None and isinstance(old, (str, list)))
    if not free and kinds[0] != kinds[1]:
        wanted = "a setting, not a section" if isinstance(old, dict) else f"a value like {old!r}"
        raise ConfigError(f"{override!r}: expected {wanted}")
    return new
