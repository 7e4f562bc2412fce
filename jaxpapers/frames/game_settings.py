"""How a game was played: games, policies and personas by name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import games
from .copula_settings import Precision
from .game_rooms import read_room
from .names import listed, unknown_name

GameName = Literal["beauty", "bertrand", "evacuation"]
Build = Callable[[games.Game, str], games.Policy | list[games.Policy]]

TREMBLE = 0.2
HEARD_WEIGHT = 0.5
"""Cells of distance by which one more speaker for an exit keeps others away from it."""

ROOMS: dict[str, Callable[[], games.Room]] = {
    "reference": games.reference_room,
    "obstacles": lambda: games.reference_room(obstacles=True),
    "large": games.large_room,
}
TALKS: dict[str, Callable[[], games.Policy]] = {
    "baseline": games.baseline_talk,
    "cooperative": games.cooperative_talk,
    "uncooperative": games.uncooperative_talk,
}
FIRMS: dict[str, Callable[[], games.Persona]] = {
    "baseline": games.Persona,
    "cooperative": lambda: games.Persona(trust=2.0, weight=1.0),
    "uncooperative": lambda: games.Persona(honesty=0.0, trust=0.0, weight=0.25),
}
CROWDS: dict[str, float] = {"baseline": 1.0, "uncooperative": 0.0}
"""Honesty of those who speak."""


@dataclass(frozen=True)
class GameSettings:
    """How a game was played.

    Attributes:
        game: "beauty", "bertrand" or "evacuation".
        policy: name of the policy of all agents.
        persona: name of their character; empty where the policy has none.
        is_talking: whether agents speak.
        talk_until: first round without talk again; None where talk goes on.
        num_agents: how many agents.
        num_rounds: how many rounds.
        precision: "double" or "single".
        seed: of all randomness; None where a key was given.
    """

    game: str
    policy: str
    persona: str
    is_talking: bool
    talk_until: int | None
    num_agents: int
    num_rounds: int
    precision: Precision
    seed: int | None


@dataclass(frozen=True)
class GameKind:
    """What a game's name stands for.

    Attributes:
        num_agents: how many agents, where the caller does not say.
        num_rounds: how many rounds, where the caller does not say.
        is_talking: whether agents speak, where the caller does not say.
        personas: names of the characters that the first policy has.
        policies: how to build a policy from the game and a persona, by name; the default first.
        options: what else the caller may choose.
    """

    num_agents: int
    num_rounds: int
    is_talking: bool
    personas: tuple[str, ...]
    policies: dict[str, Build]
    options: tuple[str, ...] = field(default=())


def chosen_game(name: Any) -> GameKind:
    """The game of a name.

    Args:
        name: "beauty", "bertrand" or "evacuation".

    Returns:
        Its defaults and policies.

    Raises:
        ValueError: another name.
    """
    if name not in GAMES:
        raise ValueError(unknown_name("game", str(name), GAMES))
    return GAMES[name]


def chosen_policy(game: str, policy: str | None, persona: str | None) -> tuple[str, str]:
    """Names of policy and persona, with defaults filled in.

    Args:
        game: a known game.
        policy: None for the default.
        persona: None for the default.

    Returns:
        Both names; the persona is empty where the policy has none.

    Raises:
        ValueError: names that are not known, or a persona for a policy without.
    """
    kind = chosen_game(game)
    default = next(iter(kind.policies))
    policy = default if policy is None else policy
    if policy not in kind.policies:
        raise ValueError(unknown_name(f"policy of {game!r}", str(policy), kind.policies))
    if policy != default:
        if persona is not None:
            raise ValueError(
                f"persona is {persona!r}, but only the policy {default!r} of {game!r} has one, "
                f"and policy is {policy!r}"
            )
        return policy, ""
    persona = kind.personas[0] if persona is None else persona
    if persona not in kind.personas:
        raise ValueError(unknown_name(f"persona of {game!r}", str(persona), kind.personas))
    return policy, persona


def chosen_room(room: Any) -> games.Room:
    """A room by name, from a map, or from a file.

    Args:
        room: a `games.Room`, "reference", "obstacles", "large", a map of several lines, or the
            path of a text file.

    Returns:
        The room.

    Raises:
        TypeError: something else.
        ValueError: a map or file that is no room.
        FileNotFoundError: neither a name nor a file.
    """
    if isinstance(room, games.Room):
        return room
    if not isinstance(room, str | Path):
        raise TypeError(
            f"room is a {type(room).__name__}; needed is a games.Room, one of {listed(ROOMS)}, a "
            "map or the path of one"
        )
    if isinstance(room, str) and room in ROOMS:
        return ROOMS[room]()
    if isinstance(room, str) and "\n" in room.strip():
        return games.Room.from_text(room)
    if not Path(room).is_file():
        raise FileNotFoundError(
            f"room is {str(room)!r}, neither a file nor one of {listed(ROOMS)}; a map has several "
            "lines"
        )
    return read_room(room)


def _prices(game: Any) -> list[tuple[float, float]]:
    """Competitive and collusive price of each firm."""
    found = [solve(game.demand, game.costs).prices for solve in (games.equilibrium, games.cartel)]
    return list(zip(*(np.asarray(prices).tolist() for prices in found), strict=True))


def _firms(build: Callable[..., games.Policy]) -> Build:
    """One policy per firm, from its competitive and its collusive price."""
    return lambda game, persona: [build(*prices) for prices in _prices(game)]


def _cooperators(game: games.Game, persona: str) -> list[games.Policy]:
    chosen = FIRMS[persona]()
    return [games.ConditionalCooperator(*prices, chosen) for prices in _prices(game)]


def _crowd(game: Any, persona: str) -> games.Policy:
    heard = HEARD_WEIGHT if game.is_talking else 0.0
    return games.LogitExit(heard_weight=heard, honesty=CROWDS[persona])


def _level(level: int) -> Build:
    return lambda game, persona: games.LevelK(level=float(level))


GAMES: dict[str, GameKind] = {
    "beauty": GameKind(
        num_agents=24,
        num_rounds=4,
        is_talking=True,
        personas=tuple(TALKS),
        policies={
            "median talk": lambda game, persona: TALKS[persona](),
            "level 0": _level(0),
            "level 1": _level(1),
            "level 2": _level(2),
            "cognitive hierarchy": lambda game, persona: games.CognitiveHierarchy(),
        },
    ),
    "bertrand": GameKind(
        num_agents=2,
        num_rounds=600,
        is_talking=True,
        personas=tuple(FIRMS),
        policies={
            "conditional cooperator": _cooperators,
            "best reply": _firms(lambda low, high: games.BestReply(start=high)),
            "fictitious play": _firms(lambda low, high: games.FictitiousPlay(start=high)),
            "imitation": _firms(lambda low, high: games.Imitate(start=high, noise=0.1)),
            "price matching": _firms(lambda low, high: games.PriceMatching(start=high)),
            "tit for tat": _firms(lambda low, high: games.TitForTat(high, low)),
            "grim trigger": _firms(lambda low, high: games.GrimTrigger(high, low)),
        },
        options=("talk_until",),
    ),
    "evacuation": GameKind(
        num_agents=100,
        num_rounds=51,
        is_talking=False,
        personas=tuple(CROWDS),
        policies={
            "logit exit": _crowd,
            "nearest exit": lambda game, persona: games.NearestExit(),
        },
        options=("room",),
    ),
}
