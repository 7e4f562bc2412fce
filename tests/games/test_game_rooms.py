"""Rooms of the evacuation game: maps, exits, distances, moves."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.games.rooms import (
    MENU_COLUMNS,
    MENU_ROWS,
    STAY,
    Room,
    large_room,
    moves_towards,
    offset,
    reference_room,
    squared_distance,
)

SMALL = """
    #BB####
    #.o...#
    A.o.o.#
    #...o.A
    #####A#
"""
# Same sizes as SMALL: height, width, exits, exit cells, floor cells.
TWIN = """
    ###BB##
    #...o.#
    A.o.o.A
    #o....#
    ###A###
"""


@pytest.fixture(scope="module")
def small():
    return Room.from_text(SMALL)


@pytest.fixture(scope="module")
def paper():
    return reference_room()


@pytest.fixture(scope="module")
def large():
    return large_room()


def flat(room, *cells):
    return [row * room.width + column for row, column in cells]


def place(room, cell):
    return divmod(int(cell), room.width)


# --- reading ------------------------------------------------------------------------------------


def test_cells_of_a_small_room(small):
    assert (small.height, small.width, small.num_cells) == (5, 7, 35)
    assert (small.num_exits, small.num_exit_cells, small.num_floor) == (2, 5, 11)
    exits = flat(small, (2, 0), (3, 6), (4, 5), (0, 1), (0, 2))
    floor = flat(small, (1, 1), (1, 3), (1, 4), (1, 5), (2, 1), (2, 3), (2, 5))
    floor += flat(small, (3, 1), (3, 2), (3, 3), (3, 5))
    assert list(small.exit_cells) == exits
    assert list(small.exit_group) == [0, 0, 0, 1, 1]
    assert list(small.middle_cells) == [exits[1], exits[3]]
    assert list(small.floor_cells) == floor
    assert list(np.flatnonzero(small.is_walkable)) == sorted(exits + floor)
    obstacles = flat(small, (1, 2), (2, 2), (2, 4), (3, 4))
    assert list(np.flatnonzero(small.is_obstacle)) == obstacles
    assert [int(small.exit_of_cell[cell]) for cell in exits] == [0, 1, 2, 3, 4]
    assert np.sum(np.asarray(small.exit_of_cell) == -1) == 30


def test_dtypes_do_not_hang_on_x64(x64):
    room = Room.from_text(SMALL)
    names = ("exit_of_cell", "exit_cells", "exit_group", "middle_cells", "nearest_cell")
    assert {getattr(room, name).dtype for name in (*names, "floor_cells")} == {np.dtype("int32")}
    assert room.mean_distance.dtype == np.float32
    assert room.moves.dtype == np.uint8
    assert jax.jit(lambda room: room.mean_distance)(room).dtype == jnp.float32
    assert squared_distance(room, 3, 20).dtype == jnp.int32


def test_letters_order_exits_whatever_their_places():
    room = Room.from_text("#Z###\n#...C\n##M##")
    assert list(room.exit_cells) == [9, 12, 1]
    assert room.to_text() == "#C###\n#...A\n##B##"


@pytest.mark.parametrize("text", [SMALL, TWIN, "A##\n#.#\n###"])
def test_maps_come_back(text):
    lines = [line.strip() for line in text.strip().splitlines()]
    room = Room.from_text(text)
    assert room.to_text() == "\n".join(lines)
    again = Room.from_text(room.to_text())
    for one, other in zip(jax.tree.leaves(room), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_exit_may_stand_inside_and_be_reached_by_a_diagonal():
    room = Room.from_text("#####\n#.#A#\n##.##\n#####")
    assert room.num_floor == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "text must hold the rows of a room, got none"),
        ("  \n \n", "text must hold the rows of a room, got none"),
        ("###\n#.#A\n###", "got 3 characters in row 0 and 4 in row 1"),
        ("###\n#xA\n###", "'A' to 'Z' .exits., got 'x' at row 1, column 1"),
        ("###\n#aA\n###", "got 'a' at row 1, column 1"),
        ("###\n#.A\n#.#", "outermost cells of text must be walls or exits, got '.' at row 2, col"),
        ("#o#\n#.A\n###", "must be walls or exits, got 'o' at row 0, column 1"),
        ("###\n#.#\n###", "text must have an exit: a cell with a letter 'A' to 'Z', got none"),
        ("###\n#oA\n###", "text must have a floor cell '.', got none"),
        ("#A#", "text must have a floor cell"),
        ("######\n#.A#.#\n####.#\n######", "got 2 without, the first at row 1, column 4"),
        ("#####\n#.o.A\n#####", "got 1 without, the first at row 1, column 1"),
    ],
)
def test_maps_that_are_no_rooms(text, message):
    with pytest.raises(ValueError, match=message):
        Room.from_text(text)


def test_a_map_is_a_string():
    with pytest.raises(TypeError, match="text must be a string, got list"):
        Room.from_text(["###"])


def test_a_long_corridor_is_searched_to_its_end():
    size = 41
    cells = np.full((size, size), "#")
    cells[1:-1:2, 1:-1] = "."
    cells[2:-2:4, -2], cells[4:-2:4, 1] = ".", "."
    cells[0, 1] = "A"
    text = ["".join(row) for row in cells]
    assert Room.from_text("\n".join(text)).num_floor == np.sum(cells == ".")
    text[2] = "#" * size
    with pytest.raises(ValueError, match="without, the first at row 3, column 1"):
        Room.from_text("\n".join(text))


# --- the two rooms given ------------------------------------------------------------------------


def test_room_of_the_paper(paper):
    left, bottom = [(15, 0), (16, 0), (17, 0)], [(32, 15), (32, 16), (32, 17)]
    assert [place(paper, cell) for cell in paper.exit_cells] == [*left, *bottom, (17, 32)]
    assert list(paper.exit_group) == [0, 0, 0, 1, 1, 1, 2]
    assert [place(paper, cell) for cell in paper.middle_cells] == [(16, 0), (32, 16), (17, 32)]
    inside = itertools.product(range(1, 32), range(1, 32))
    assert [place(paper, cell) for cell in paper.floor_cells] == list(inside)
    assert not np.any(paper.is_obstacle)
    assert np.sum(paper.is_walkable) == 31 * 31 + 7


def test_obstacles_of_the_paper(paper):
    room = reference_room(obstacles=True)
    found = {place(room, cell) for cell in np.flatnonzero(room.is_obstacle)}
    rows = {2, 4, 6, 8, 10, 12, 19, 21, 23, 25, 27, 29}
    assert found == set(itertools.product(rows, {*range(4, 15), *range(18, 29)}))
    assert room.num_floor == 31 * 31 - 12 * 22
    np.testing.assert_array_equal(room.exit_cells, paper.exit_cells)
    np.testing.assert_array_equal(room.mean_distance, paper.mean_distance)


def test_large_room(large):
    assert (large.height, large.width, large.num_floor) == (165, 165, 163 * 163)
    cells = [place(large, cell) for cell in large.exit_cells]
    left, bottom = [(k, 0) for k in range(75, 90)], [(164, k) for k in range(75, 90)]
    assert cells == [*left, *bottom, *((k, 164) for k in range(85, 90))]
    assert [place(large, c) for c in large.middle_cells] == [(82, 0), (164, 82), (87, 164)]


def test_large_room_at_scale_one_is_that_of_the_paper(paper):
    assert large_room(scale=1).to_text() == paper.to_text()


def test_scale_is_a_count():
    with pytest.raises(ValueError, match="scale must be at least 1, got 0"):
        large_room(scale=0)
    with pytest.raises(TypeError, match="scale must be a Python int"):
        large_room(scale=2.0)


# --- distances ----------------------------------------------------------------------------------


def distances_by_hand(room, cell):
    row, column = place(room, cell)
    places = [place(room, exit_cell) for exit_cell in room.exit_cells]
    return [math.dist((row, column), other) for other in places]


@pytest.mark.parametrize("name", ["small", "paper"])
def test_distances_against_brute_force(name, request):
    room = request.getfixturevalue(name)
    for cell in range(room.num_cells):
        found = distances_by_hand(room, cell)
        for group in range(room.num_exits):
            own = [k for k in range(room.num_exit_cells) if room.exit_group[k] == group]
            mean = math.fsum(found[k] for k in own) / len(own)
            assert room.mean_distance[cell, group] == pytest.approx(mean, rel=1e-7)
            assert room.nearest_cell[cell, group] == min(own, key=lambda k: found[k])


def test_distances_of_the_large_room_in_places(large):
    for cell in np.random.default_rng(0).integers(0, large.num_cells, 200):
        found = np.array(distances_by_hand(large, cell))
        means = [found[:15].mean(), found[15:30].mean(), found[30:].mean()]
        np.testing.assert_allclose(large.mean_distance[cell], means, rtol=1e-7)
        nearest = [np.argmin(found[:15]), 15 + np.argmin(found[15:30]), 30 + np.argmin(found[30:])]
        assert list(large.nearest_cell[cell]) == nearest


def test_distances_equal_by_symmetry_are_equal(paper):
    # Reflection in the diagonal from bottom left to top right swaps the two exits.
    on_diagonal = [(32 - k) * 33 + k for k in range(33)]
    distances = np.asarray(paper.mean_distance)[on_diagonal]
    np.testing.assert_array_equal(distances[:, 0], distances[:, 1])


def test_ties_of_the_nearest_cell_go_to_the_first():
    room = Room.from_text("#####\nA...#\n#...#\nA...#\n#####")
    assert [int(room.nearest_cell[5 * row + 1, 0]) for row in (1, 2, 3)] == [0, 0, 1]


def test_squared_distance_and_offset(small):
    cells = jnp.arange(35, dtype=jnp.int32)
    one, other = (jnp.ravel(pairs) for pairs in jnp.meshgrid(cells, cells))
    rows, columns = offset(small, one, other)
    squares = squared_distance(small, one, other)
    for k in range(0, 35 * 35, 7):
        (row, column), (to_row, to_column) = place(small, one[k]), place(small, other[k])
        assert (rows[k], columns[k]) == (to_row - row, to_column - column)
        assert squares[k] == (to_row - row) ** 2 + (to_column - column) ** 2


# --- moves --------------------------------------------------------------------------------------


def moves_by_hand(rows, columns):
    """Sorted improving moves of the menu for the offset of a target, then staying."""
    menu = [(0, 1), (1, 0), (0, -1), (-1, 0), (0, 0), (1, 1), (1, -1), (-1, -1), (-1, 1)]
    left = [(rows - down) ** 2 + (columns - right) ** 2 for down, right in menu]
    better = sorted((square, k) for k, square in enumerate(left) if square < left[4])
    return ([k for _, k in better] + [4] * 9)[:9]


def test_menu():
    menu = list(zip(MENU_ROWS.tolist(), MENU_COLUMNS.tolist(), strict=True))
    diagonals = [(1, 1), (1, -1), (-1, -1), (-1, 1)]
    assert menu == [(0, 1), (1, 0), (0, -1), (-1, 0), (0, 0), *diagonals]
    assert menu[STAY] == (0, 0)


def test_moves_against_brute_force(small):
    assert small.moves.shape == (9 * 13, 9)
    for rows, columns in itertools.product(range(-4, 5), range(-6, 7)):
        row = (rows + 4) * 13 + columns + 6
        assert small.moves[row].tolist() == moves_by_hand(rows, columns)


def test_moves_of_the_large_room_in_places(large):
    assert large.moves.shape == (329 * 329, 9)
    for rows, columns in np.random.default_rng(1).integers(-164, 165, (300, 2)).tolist():
        row = (rows + 164) * 329 + columns + 164
        assert large.moves[row].tolist() == moves_by_hand(rows, columns)


def test_moves_towards_a_target(small):
    cell, target = flat(small, (1, 1), (3, 6))
    ranked = jax.jit(moves_towards)(small, cell, target)
    assert ranked.tolist() == moves_by_hand(2, 5)
    assert ranked[0] == 5  # SE
    at_target = jax.vmap(moves_towards, (None, 0, 0))(small, jnp.arange(3), jnp.arange(3))
    assert np.all(at_target == STAY)


# --- programs -----------------------------------------------------------------------------------


def test_rooms_of_equal_sizes_share_a_program(count_compiles):
    @jax.jit
    def mean_step(room, cells):
        targets = jnp.asarray(room.exit_cells)[room.nearest_cell[cells, 0]]
        return squared_distance(room, cells, targets), moves_towards(room, cells, targets)

    with count_compiles() as compiles:
        first, _ = mean_step(Room.from_text(SMALL), jnp.asarray([8, 17], jnp.int32))
        second, _ = mean_step(Room.from_text(TWIN), jnp.asarray([8, 17], jnp.int32))
    assert compiles.count("mean_step") == 1
    assert first.tolist() == [2, 8]
    assert second.tolist() == [2, 4]
