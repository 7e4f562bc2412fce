"""Replays of evacuations: what every frame shows, read back from the file."""

import itertools
import time

import numpy as np
import pytest
from figure_checks import assert_renders_apart, legend_texts
from PIL import Image

from jaxpapers import games
from jaxpapers.plots import draw_evacuation, replay_evacuation, style

ROOM = games.Room.from_text("""
    ######
    A..o.#
    #....B
    ######
""")
# Three agents: the first two leave through A in steps 2 and 3, the last through B in step 3.
POSITIONS = np.array([[7, 8, 15], [6, 7, 16], [6, 6, 17], [6, 6, 17], [6, 6, 17]])
IS_INSIDE = np.array([[1, 1, 1], [1, 1, 1], [0, 1, 1], [0, 0, 0], [0, 0, 0]], bool)
EXITS = np.tile([0, 0, 1], (5, 1))
BY_CELL = np.array([[0, 0], [0, 0], [1, 0], [2, 1], [2, 1]])
CELL = 40
WHITE, WALL, OBSTACLE = (255, 255, 255), (0x4D, 0x4D, 0x4D), (0xA6, 0xA6, 0xA6)
BLUE, YELLOW = (0x00, 0x44, 0x88), (0xDD, 0xAA, 0x33)


def evacuated(**changes):
    fields = {
        "escaped": BY_CELL.sum(axis=1),
        "escaped_by_cell": BY_CELL,
        "escaped_by_trait": np.zeros((5, 2, 2), int),
        "num_switches": np.zeros(5, int),
        "num_talking": np.zeros(5, int),
        "positions": POSITIONS,
        "is_inside": IS_INSIDE,
        "exits": EXITS,
    }
    record = games.EvacuationRecord(**fields | changes)
    return games.Play(record, EXITS, -IS_INSIDE.astype(float), None, None)


@pytest.fixture(scope="module")
def replay(tmp_path_factory):
    path = tmp_path_factory.mktemp("replay") / "new" / "room.gif"
    replay_evacuation(evacuated(), ROOM, path, seconds_per_step=0.1)
    return path


def pictures(path):
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            yield np.asarray(image.convert("RGB"))


def middle(picture, cell, *, edge=False):
    """Colour in the middle of a cell of the room, or near its corner."""
    left = (picture.shape[1] - CELL * ROOM.width) // 2
    row, column = divmod(cell, ROOM.width)
    place = 3 if edge else CELL // 2
    return tuple(picture[row * CELL + place, left + column * CELL + place])


def test_file_holds_one_frame_per_step_until_the_room_is_empty(replay):
    with Image.open(replay) as image:
        assert (image.format, image.n_frames, image.info["loop"]) == ("GIF", 4, 0)
        durations = []
        for number in range(4):
            image.seek(number)
            durations.append(image.info["duration"])
    assert durations == [100, 100, 100, 2_100]
    assert [path.name for path in replay.parent.iterdir()] == ["room.gif"]


def test_walls_obstacles_and_exits_can_be_told_apart(replay):
    for picture in pictures(replay):
        assert middle(picture, 0) == WALL
        assert middle(picture, 9) == OBSTACLE
        assert middle(picture, 6, edge=True) == BLUE
        assert middle(picture, 17, edge=True) == YELLOW
        assert middle(picture, 14) == WHITE


def test_agents_have_the_colour_of_their_exit_and_leave(replay):
    first, second, third, last = pictures(replay)
    assert [middle(first, cell) for cell in (7, 8, 15)] == [BLUE, BLUE, YELLOW]
    assert middle(first, 7, edge=True) == WHITE  # a disc, not a square
    assert [middle(second, cell) for cell in (8, 7, 16)] == [WHITE, BLUE, YELLOW]
    assert [middle(third, cell) for cell in (7, 16)] == [WHITE, WHITE]
    assert [middle(last, cell) for cell in (7, 8, 15, 16)] == [WHITE] * 4


def test_agent_on_an_exit_has_a_rim(replay):
    """A line through the exit cell meets white where somebody stands on it, else the exit alone."""
    first, second, *_ = pictures(replay)
    left = (first.shape[1] - CELL * ROOM.width) // 2

    def colours(picture):
        row = picture[CELL + CELL // 2, left + 2 : left + CELL - 1]
        return {tuple(colour) for colour in row}

    assert colours(first) == {BLUE}
    assert colours(second) == {BLUE, WHITE}


def test_captions_change_with_the_steps_and_fit(replay):
    below = [picture[CELL * ROOM.height :] for picture in pictures(replay)]
    dark = [strip.min(axis=2) < 128 for strip in below]
    assert all(not np.array_equal(a, b) for a, b in itertools.pairwise(dark))
    for strip in dark:
        assert not strip[:, -4:].any()
        assert not strip[-3:].any()
        rows = np.flatnonzero(strip.any(axis=1))
        assert (np.diff(rows) > 4).any()  # lines do not touch
    legend = below[0].reshape(-1, 3)
    for colour in (BLUE, YELLOW):
        assert (legend == colour).all(axis=1).sum() == 14 * 14


def test_many_exits_have_lines_of_their_own(tmp_path):
    letters = "ABCDEFGH"
    text = "\n".join([f"#{letters}#", f"#{'.' * 8}#", "#" * 10])
    room = games.Room.from_text(text)
    play = evacuated(
        positions=np.full((5, 3), 11), escaped_by_cell=np.zeros((5, 8), int), exits=EXITS + 6
    )
    replay_evacuation(play, room, tmp_path / "many.gif")
    first = next(pictures(tmp_path / "many.gif"))
    assert first.shape[0] > CELL * 3 + 3 * 24


def test_cells_of_a_large_room_are_small_and_whole(tmp_path):
    room = games.large_room()
    inside = room.width + np.arange(1, 4)
    play = evacuated(
        positions=np.tile(inside, (5, 1)), escaped_by_cell=np.zeros((5, room.num_exit_cells), int)
    )
    replay_evacuation(play, room, tmp_path / "large.gif")
    first = next(pictures(tmp_path / "large.gif"))
    assert first.shape[1] == 3 * 165
    agents = first[3:6, 3:12]
    assert (agents[:, :6] == BLUE).all()
    assert (agents[:, 6:] == YELLOW).all()


def test_52_frames_are_quick(tmp_path):
    room = games.reference_room(obstacles=True)
    places = np.random.default_rng(0).choice(room.floor_cells, (52, 100))
    play = evacuated(
        positions=places,
        is_inside=np.ones((52, 100), bool),
        exits=np.tile(np.arange(100) % 3, (52, 1)),
        escaped=np.zeros(52, int),
        escaped_by_cell=np.zeros((52, 7), int),
    )
    start = time.process_time()
    replay_evacuation(play, room, tmp_path / "quick.gif")
    assert time.process_time() - start < 2
    assert len(list(pictures(tmp_path / "quick.gif"))) == 52


def test_broken_writing_leaves_nothing(tmp_path, monkeypatch):
    def fail(self, *args, **settings):
        raise OSError("the disk is full")

    path = tmp_path / "room.gif"
    path.write_text("as it was")
    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="disk is full"):
        replay_evacuation(evacuated(), ROOM, path)
    assert [file.read_text() for file in tmp_path.iterdir()] == ["as it was"]


# --- one step -------------------------------------------------------------------------------------


def test_one_step_as_a_figure():
    figure = draw_evacuation(evacuated(), ROOM, 2, title="Two steps")
    (axes,) = figure.axes
    assert figure.get_suptitle() == "Two steps"
    assert axes.get_title(loc="left") == "step 2: 0 of 3 escaped"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("column (cells)", "row (cells)")
    assert legend_texts(figure) == ["exit A: 0 out", "exit B: 0 out"]
    (agents,) = axes.collections
    np.testing.assert_array_equal(agents.get_offsets(), [[0, 1], [1, 1], [4, 2]])
    colours = (255 * agents.get_facecolor()[:, :3]).round()
    np.testing.assert_array_equal(colours, [BLUE, BLUE, YELLOW])
    assert_renders_apart(figure)


def test_an_empty_room_and_a_large_one_render():
    empty = draw_evacuation(evacuated(), ROOM, 5, title="Empty")
    assert legend_texts(empty) == ["exit A: 2 out", "exit B: 1 out"]
    large = games.large_room()
    play = evacuated(
        positions=np.full((5, 3), 200), escaped_by_cell=np.zeros((5, large.num_exit_cells), int)
    )
    for figure in (empty, draw_evacuation(play, large, 1, title="Large")):
        assert style.render_png(figure).startswith(b"\x89PNG")


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("play", "room", "kind", "message"),
    [
        (None, ROOM, TypeError, "play must be a games.Play, got NoneType"),
        (evacuated(), "A", TypeError, "room must be a games.Room, got str"),
        (
            games.Play(evacuated().state, EXITS, EXITS, None, None),
            ROOM,
            TypeError,
            "play must be of an evacuation, got a NoneType",
        ),
        (
            evacuated(positions=POSITIONS[None]),
            ROOM,
            ValueError,
            r"play must be of one world, got positions of shape \(1, 5, 3\)",
        ),
        (evacuated(), games.reference_room(), ValueError, "room is another one than that of play"),
        (evacuated(positions=POSITIONS + 1), ROOM, ValueError, "would stand in its walls"),
        (evacuated(positions=POSITIONS + 99), ROOM, ValueError, "room is another one"),
    ],
)
def test_plays_and_rooms_that_do_not_fit(tmp_path, play, room, kind, message):
    with pytest.raises(kind, match=message):
        replay_evacuation(play, room, tmp_path / "room.gif")
    with pytest.raises(kind, match=message):
        draw_evacuation(play, room, 1, title="Title")
    assert list(tmp_path.iterdir()) == []


def test_settings_that_make_no_sense(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in \.gif, got .*room\.png"):
        replay_evacuation(evacuated(), ROOM, tmp_path / "room.png")
    with pytest.raises(ValueError, match="seconds_per_step must be above 0, got 0"):
        replay_evacuation(evacuated(), ROOM, tmp_path / "room.gif", seconds_per_step=0)
    with pytest.raises(ValueError, match="step must be at least 1"):
        draw_evacuation(evacuated(), ROOM, 0, title="Title")
    with pytest.raises(ValueError, match="step must be at most 5, those played; got 6"):
        draw_evacuation(evacuated(), ROOM, 6, title="Title")
    with pytest.raises(TypeError, match="step must be"):
        draw_evacuation(evacuated(), ROOM, 1.5, title="Title")
