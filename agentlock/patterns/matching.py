"""The patterns as most of this program needs them: compiled, indexed, shown."""

from __future__ import annotations

from agentlock.patterns.index import PatternIndex
from agentlock.patterns.keys import EXACT, Folding, fold_key, path_keys
from agentlock.patterns.pattern import Pattern, compile_pattern
from agentlock.patterns.plain import displayed

__all__ = [
    "EXACT",
    "Folding",
    "Pattern",
    "PatternIndex",
    "compile_pattern",
    "displayed",
    "fold_key",
    "path_keys",
]
