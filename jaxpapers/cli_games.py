"""The verbs of `jaxpapers games`: play a game once, or sessions of Q-learning firms."""

from pathlib import Path
from typing import Literal


def games_play(
    game: Literal["beauty", "bertrand", "evacuation"],
    *,
    agents: int | None = None,
    rounds: int | None = None,
    talk: bool = False,
    talk_until: int | None = None,
    room: str | None = None,
    policy: str | None = None,
    persona: str | None = None,
    gif: Path | None = None,
    seed: int = 0,
    output: Path | None = None,
) -> int:
    """Play a game between agents once and print what happened.

    Args:
        game: beauty guesses two thirds of the mean, bertrand sets prices, evacuation leaves a room.
        agents: How many agents; 24, 2 and 100 when left out.
        rounds: How many rounds; 4, 600 and 51 when left out.
        talk: Agents speak before they decide.
        talk_until: Bertrand: first round without talk again.
        room: Evacuation: reference, obstacles, large, or a text file with a map.
        policy: What all agents do, such as "nearest exit"; an unknown one lists those there are.
        persona: Character of agents: baseline, cooperative or uncooperative.
        gif: Evacuation: file of the replay, ending in .gif.
        seed: Seed of all randomness.
        output: File for all rounds: .nc, .parquet or .csv.

    Returns:
        Exit code 0.

    Raises:
        ValueError: A file that cannot be written, a replay of a game that has none.
    """
    from jaxpapers import engine, frames, plots

    engine.fold_loops()
    _check_files(gif, output)
    if gif is not None and game != "evacuation":
        raise ValueError(f"gif is given, but {game} has no room to replay; leave it out")
    played = frames.play_game(
        seed,
        game,
        num_agents=agents,
        num_rounds=rounds,
        talk=talk,
        talk_until=talk_until,
        room=room,
        policy=policy,
        persona=persona,
    )
    print(played.summary())
    if gif is not None:
        assert played.room is not None
        plots.replay_evacuation(played.play, played.room, gif)
        print(f"written to {gif}")
    _write(played, output)
    return 0


def games_calvano(
    *,
    sessions: int = 300,
    firms: int = 2,
    learning_rate: float = 0.15,
    decay: float = 4e-6,
    discount: float = 0.95,
    seed: int = 0,
    output: Path | None = None,
) -> int:
    """Let Q-learning firms set prices until they stand still, and print the collusion index.

    The baseline of Calvano et al. (2020): two firms, logit demand, 15 prices each.

    Args:
        sessions: How many sessions; fewer than 300 prove little.
        firms: 2, 3 or 4.
        learning_rate: Alpha, in (0, 1].
        decay: Beta, how fast exploration ends, per period.
        discount: Factor per period, in [0, 1).
        seed: Seed of all randomness.
        output: File with one row per session: .nc, .parquet or .csv.

    Returns:
        Exit code 0.

    Raises:
        ValueError: A file that cannot be written.
    """
    from jaxpapers import engine, frames

    engine.fold_loops()
    _check_files(None, output)
    found = frames.calvano(
        seed,
        num_sessions=sessions,
        num_firms=firms,
        learning_rate=learning_rate,
        decay=decay,
        discount=discount,
        progress=engine.Progress("sessions", unit="batches"),
    )
    print(found.summary())
    _write(found, output)
    return 0


WRITERS = {".nc": "to_netcdf", ".parquet": "to_parquet", ".csv": "to_csv"}


def _check_files(gif: Path | None, output: Path | None) -> None:
    """Fail before the work, not after it, where a file cannot be written."""
    for name, path, endings in (("gif", gif, (".gif",)), ("output", output, tuple(WRITERS))):
        if path is None:
            continue
        if path.suffix.lower() not in endings:
            raise ValueError(f"{name} is {path}; needed is a file ending in {', '.join(endings)}")
        if path.is_dir():
            raise ValueError(f"{path} is a folder; needed is the name of a file")
        path.parent.mkdir(parents=True, exist_ok=True)


def _write(result, output: Path | None) -> None:
    if output is not None:
        getattr(result, WRITERS[output.suffix.lower()])(output)
        print(f"written to {output}")
