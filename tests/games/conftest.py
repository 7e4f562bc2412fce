"""Tests of games compile without optimisation, but for those that are about what XLA makes."""

import pytest

OPTIMISED = ("test_game_sessions", "test_game_calvano_acceptance", "test_game_escape_curves")


@pytest.fixture(scope="module", autouse=True)
def _compile_without_optimisation(request):
    if request.module.__name__ not in OPTIMISED:
        request.getfixturevalue("quick_compiles")
