"""Agent games by name, played once and labelled."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from .. import engine, games
from ..games.bertrand import LAST_ROUND
from .auction_settings import check_precision
from .copula_settings import Precision
from .game_results import GameResult
from .game_settings import (
    TREMBLE,
    GameKind,
    GameName,
    GameSettings,
    chosen_game,
    chosen_policy,
    chosen_room,
)
from .names import listed
from .seeds import random_key

NUM_EXCHANGES = 3
"""Messages of each firm before a round, as in the paper."""


def play_game(
    seed: int | jax.Array,
    game: GameName,
    *,
    num_agents: int | None = None,
    num_rounds: int | None = None,
    talk: bool | None = None,
    talk_until: int | None = None,
    room: str | Path | games.Room | None = None,
    policy: str | None = None,
    persona: str | None = None,
    precision: Precision = "double",
) -> GameResult:
    """Plays a game once and says what happened.

    "beauty" is the beauty contest: guess two thirds of the mean of all guesses. "bertrand" is
    price competition of two firms. "evacuation" is a crowd that leaves a room. Computes in double
    precision whatever JAX is set to, and hands back NumPy and pandas.

    Source: the three case studies of Wu et al. (2024), whose sizes are the defaults; the policies
    are those of the literature, and the personas of firms and of crowds are derived here.

    Args:
        seed: a seed or a typed key; a longer play begins with the shorter.
        game: "beauty", "bertrand" or "evacuation".
        num_agents: how many agents: 24, 2 (no others), 100 where None.
        num_rounds: how many rounds: 4, 600, 51 where None.
        talk: whether agents speak; None for True, but False in an evacuation.
        talk_until: "bertrand": first round without talk again; None for talk to the end.
        room: "evacuation": "reference", "obstacles", "large", a map of several lines, the path of
            a text file with one (see `read_room`), or a room; None for "reference".
        policy: what all agents do. "beauty": "median talk" (default), "level 0" to "level 2",
            "cognitive hierarchy". "bertrand": "conditional cooperator" (default), "best reply",
            "fictitious play", "imitation", "price matching", "tit for tat", "grim trigger".
            "evacuation": "logit exit" (default; one move in five is random), "nearest exit".
        persona: character of agents with the default policy: "baseline" (default), "cooperative"
            (not in an evacuation), "uncooperative".
        precision: "double" or "single".

    Returns:
        The play, labelled.

    Raises:
        TypeError: arguments of the wrong type.
        ValueError: names that are not known, a choice that the game does not have, counts below
            1, more agents than floor cells, or a room that is none.
        FileNotFoundError: the room is neither a name, a map nor a file.

    Example:
        >>> from jaxpapers import frames
        >>> played = frames.play_game(0, "bertrand", policy="best reply", num_rounds=30)
        >>> print(played.table()["price"].iloc[[0, -1]].round(6).tolist())
        [8.0, 6.0]
    """
    check_precision(precision)
    kind = chosen_game(game)
    _check_options(game, kind, {"talk_until": talk_until, "room": room})
    policy_name, persona_name = chosen_policy(game, policy, persona)
    size = kind.num_agents if num_agents is None else num_agents
    length = kind.num_rounds if num_rounds is None else num_rounds
    is_talking = kind.is_talking if talk is None else talk
    _check_counts(game, size, length, is_talking, talk_until)
    key = random_key(seed)
    place = chosen_room("reference" if room is None else room) if "room" in kind.options else None
    settings = GameSettings(
        game=game,
        policy=policy_name,
        persona=persona_name,
        is_talking=is_talking,
        talk_until=talk_until,
        num_agents=size,
        num_rounds=length,
        precision=precision,
        seed=seed if isinstance(seed, int) else None,
    )
    with engine.double_precision() if precision == "double" else nullcontext():
        rules = _rules(settings, place)
        policies = kind.policies[policy_name](rules, persona_name)
        found = games.play(key, rules, policies, num_rounds=length)
        return GameResult(jax.tree.map(np.asarray, found), settings, place)


def _rules(settings: GameSettings, room: Any) -> games.Game:
    """The game."""
    if settings.game == "beauty":
        return games.BeautyContest(num_agents=settings.num_agents, is_talking=settings.is_talking)
    if settings.game == "bertrand":
        until = LAST_ROUND if settings.talk_until is None else settings.talk_until
        exchanges = NUM_EXCHANGES if settings.is_talking else 0
        return games.Bertrand(talk_until=jnp.asarray(until, jnp.int32), num_exchanges=exchanges)
    tremble = TREMBLE if settings.policy == "logit exit" else 0.0
    return games.Evacuation(
        settings.num_agents,
        room,
        moves=games.Sequential(games.Greedy(tremble)),
        is_talking=settings.is_talking,
    )


def _check_options(game: str, kind: GameKind, options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None and name not in kind.options:
            others = f"it has {listed(kind.options)}" if kind.options else "leave it out"
            raise ValueError(f"{name} is given, but {game!r} has none; {others}")


def _check_counts(game, num_agents, num_rounds, talk, talk_until) -> None:
    engine.check_count("num_agents", num_agents)
    engine.check_count("num_rounds", num_rounds)
    if not isinstance(talk, bool):
        raise TypeError(f"talk must be True or False, got {talk!r}")
    if talk_until is not None:
        engine.check_count("talk_until", talk_until)
        if not talk:
            raise ValueError("talk_until is given, but talk is False")
    if game == "bertrand" and num_agents != 2:
        raise ValueError(f"num_agents must be 2 in 'bertrand', a market of two firms, got "
                         f"{num_agents}")  # fmt: skip
