"""Mistakes in what is to be played: each message names what came and what is needed."""

import pytest

from jaxpapers import frames, games

ROOM = "#####\nA...#\n#...B\n#####"


@pytest.mark.parametrize(
    ("game", "settings", "message"),
    [
        ("beuty", {}, "there is no game 'beuty'; did you mean 'beauty'"),
        ("chess", {}, "there is no game 'chess'; there are beauty, bertrand, evacuation"),
        ("beauty", {"policy": "level 9"}, "there is no policy of 'beauty' 'level 9'; did you mean"),
        ("beauty", {"policy": "tit for tat"}, "there are median talk, level 0, level 1, level 2"),
        ("bertrand", {"policy": "grim"}, "no policy of 'bertrand' 'grim'; .*conditional cooperat"),
        ("beauty", {"persona": "nice"}, "no persona of 'beauty' 'nice'; there are baseline, coop"),
        (
            "evacuation",
            {"persona": "cooperative"},
            "no persona of 'evacuation' 'cooperative'; did you mean 'uncooperative'",
        ),
        (
            "beauty",
            {"persona": "baseline", "policy": "level 1"},
            "persona is 'baseline', but only the policy 'median talk' of 'beauty' has one, and",
        ),
        ("beauty", {"num_rounds": 0}, "num_rounds must be at least 1"),
        ("beauty", {"num_agents": 0}, "num_agents must be at least 1"),
        ("bertrand", {"num_agents": 3}, "num_agents must be 2 in 'bertrand', .*got 3"),
        ("bertrand", {"talk_until": 0}, "talk_until must be at least 1"),
        ("bertrand", {"talk_until": 5, "talk": False}, "talk_until is given, but talk is False"),
        ("beauty", {"talk_until": 5}, "talk_until is given, but 'beauty' has none; leave it out"),
        ("bertrand", {"room": ROOM}, "room is given, but 'bertrand' has none; it has talk_until"),
        ("evacuation", {"room": ROOM, "num_agents": 7}, "num_agents is 7, more than the 6 floor"),
        ("evacuation", {"room": "###\n#.#\n###"}, "text must have an exit"),
        ("beauty", {"precision": "half"}, "precision is 'half'; needed is one of 'double', 'si"),
        ("beauty", {"seed": -1}, "seed must be at least 0"),
    ],
)
def test_choices(game, settings, message):
    seed = settings.pop("seed", 0)
    with pytest.raises(ValueError, match=message):
        frames.play_game(seed, game, **settings)


@pytest.mark.parametrize(
    ("game", "settings", "message"),
    [
        ("beauty", {"num_rounds": 2.5}, "num_rounds must be"),
        ("beauty", {"num_agents": "3"}, "num_agents must be"),
        ("beauty", {"talk": "yes"}, "talk must be True or False, got 'yes'"),
        ("bertrand", {"talk_until": 1.5}, "talk_until must be"),
        ("evacuation", {"room": 7}, "room is a int; needed is a games.Room, one of reference, obs"),
        ("beauty", {"seed": 1.5}, "seed must be"),
    ],
)
def test_kinds(game, settings, message):
    seed = settings.pop("seed", 0)
    with pytest.raises(TypeError, match=message):
        frames.play_game(seed, game, **settings)


def test_a_room_that_is_nowhere():
    with pytest.raises(FileNotFoundError, match=r"room is 'hall\.txt', neither a file nor one of"):
        frames.play_game(0, "evacuation", room="hall.txt")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_sessions": 0}, "num_sessions must be at least 1"),
        ({"num_firms": 0}, "num_firms must be at least 1"),
        ({"num_firms": 5}, "num_firms must be at most 4, got 5"),
        ({"learning_rate": 0.0}, "learning_rate must be in"),
        ({"decay": 0.0}, "decay must be finite and above 0"),
        ({"discount": 1.0}, "discount must be in"),
        ({"num_prices": 1}, "num_prices must be at least 2"),
        ({"patience": 0}, "patience must be at least 1"),
        ({"precision": "quad"}, "precision is 'quad'"),
    ],
)
def test_sessions(settings, message):
    with pytest.raises(ValueError, match=message):
        frames.calvano(0, **{"num_sessions": 2, **settings})


# --- rooms ----------------------------------------------------------------------------------------


def test_a_room_from_a_file_is_that_of_its_text(tmp_path):
    path = tmp_path / "hall.txt"
    path.write_text(f"\n  \n{ROOM}\n\n")
    room = frames.read_room(path)
    assert room.to_text() == ROOM == frames.read_room(str(path)).to_text()
    played = frames.play_game(
        0, "evacuation", room=str(path), num_agents=1, num_rounds=1, policy="nearest exit"
    )
    assert played.room.to_text() == ROOM


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#####\nA...#\n#..B\n#####", r"hall\.txt, line 3: text must have rows of equal length"),
        ("\n\n#####\nA.x.#\n#...B\n#####", r"hall\.txt, line 4: text may hold .* got 'x' at row 1"),
        ("#####\nA...#\n#....\n#####", r"hall\.txt, line 3: the outermost cells of text"),
        ("A####\n##..#\n#...#\n#####", r"hall\.txt: text must|hall\.txt, line"),
        ("#####\n#...#\n#####", r"hall\.txt: text must have an exit"),
        ("A##\n#.#\n", r"hall\.txt, line 2: the outermost cells"),
        ("A####\n#####\n#...#\n#####", r"hall\.txt, line 3: every floor cell of text must have"),
        ("", r"hall\.txt: text must hold the rows of a room, got none"),
    ],
)
def test_files_that_are_no_rooms(tmp_path, text, message):
    path = tmp_path / "hall.txt"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        frames.read_room(path)


def test_files_that_are_no_text(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*hall\.txt; check the name"):
        frames.read_room(tmp_path / "hall.txt")
    (tmp_path / "hall.txt").write_bytes(b"###\n#\xff#\n###")
    with pytest.raises(ValueError, match=r"hall\.txt is no text in UTF-8: invalid start byte"):
        frames.read_room(tmp_path / "hall.txt")


def test_rooms_by_name():
    from jaxpapers.frames.game_settings import chosen_room

    assert chosen_room("reference").to_text() == games.reference_room().to_text()
    with_obstacles = games.reference_room(obstacles=True).to_text()
    assert chosen_room("obstacles").to_text() == with_obstacles
    assert chosen_room("large").height == 165
