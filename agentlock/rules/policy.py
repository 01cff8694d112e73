"""Parses, shows and changes the settings of a project's policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agentlock.duration import format_duration, parse_duration
from agentlock.errors import UsageError
from agentlock.event_kinds import POLICY
from agentlock.model import SETTINGS
from agentlock.patterns.exempt import ExemptList
from agentlock.text import storable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from agentlock.model import Policy, Setting
    from agentlock.store.base import Store

_SWITCHES = {"on": True, "true": True, "yes": True, "off": False, "false": False, "no": False}
_HELP = "agentlock policy set --help"


def parsed(name: str, texts: Sequence[str]) -> Any:
    """The value that was typed for a setting; UsageError if the setting does not take it."""
    if name not in SETTINGS:
        known = ", ".join(SETTINGS)
        raise UsageError(f"there is no setting {name!r}", fix=f"use one of {known}")
    setting = SETTINGS[name]
    if setting.kind == "patterns":
        for text in texts:
            ExemptList((text,))
        return tuple(texts)
    if len(texts) != 1:
        raise UsageError(f"{name} takes one value", see=_HELP)
    (text,) = texts
    if setting.kind == "duration":
        return _duration(name, text)
    if setting.kind == "switch" and text.lower() in _SWITCHES:
        return _SWITCHES[text.lower()]
    if text in setting.choices:
        return text
    raise UsageError(f"{name} cannot be {text!r}", fix=f"use {' or '.join(_choices(setting))}")


def _duration(name: str, text: str) -> int | None:
    setting = SETTINGS[name]
    if setting.default is None and text.lower() == "off":
        return None
    duration = parse_duration(text)
    if duration < setting.shortest:
        shortest = format_duration(setting.shortest)
        raise UsageError(f"a {name} of {text!r} is too short", fix=f"use {shortest} or longer")
    return duration


def values_of(setting: Setting) -> str:
    """What may be typed for a setting, for a help text."""
    if setting.kind == "patterns":
        return "PATTERN..."
    if setting.kind == "duration":
        return "DURATION" if setting.default is not None else "DURATION | off"
    return " | ".join(_choices(setting))


def _choices(setting: Setting) -> Sequence[str]:
    return setting.choices or ("on", "off")


def shown(policy: Policy, name: str) -> str:
    """The value of a setting, as it would be typed."""
    value = getattr(policy, name)
    if value is None:
        return "off"
    if SETTINGS[name].kind == "duration":
        return format_duration(value)
    if isinstance(value, bool):
        return "on" if value else "off"
    return " ".join(value) if isinstance(value, tuple) else str(value)


def as_json(policy: Policy) -> dict[str, Any]:
    """Every setting: a switch as a boolean, patterns as a list, ``off`` as null, others as text."""
    return {
        name: list(value)
        if isinstance(value := getattr(policy, name), tuple)
        else value
        if value is None or isinstance(value, bool)
        else shown(policy, name)
        for name in SETTINGS
    }


def change(store: Store, changes: Mapping[str, Any], *, agent: str, reason: str) -> Policy:
    """The policy with these settings changed; `status` shows every agent the change and why."""
    with store.writing():
        changed = store.policy.read().replace(**changes)
        store.policy.write(changed)
        told = ", ".join(f"{name}={shown(changed, name)}" for name in changes)
        store.events.log(POLICY, store.now(), agent=agent, detail=storable(f"{told} ({reason})"))
    return changed
