"""Strategies of hypothesis, as tests of several folders use them."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Strategy = SearchStrategy[Any]


def recursive(base: Strategy, extend: Callable[[Strategy], Strategy], *, max_leaves: int = 100) -> Strategy:
    """`st.recursive`, described at once: hypothesis parses the source of a lambda that it describes, and deep inside an example
    Python 3.11 may be unable to ("SystemError: AST constructor recursion depth mismatch").
    """
    strategy = st.recursive(base, extend, max_leaves=max_leaves)
    repr(strategy)
    return strategy
