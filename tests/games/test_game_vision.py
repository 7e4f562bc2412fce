"""What agents see: cells of a cone and the crowd ahead, against plain Python."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxpapers.games.rooms import Room, large_room, reference_room
from jaxpapers.games.vision import cone_counts, crowd_counts, rays_towards

# 14 x 15, small enough that rays leave the grid on all sides.
HALL = """
    ######BBB######
    #.............#
    #..oo....o....#
    #.........o...#
    A...o.........#
    A......ooo....#
    #.............C
    #..o..........#
    #..o...o......#
    #..........oo.#
    #.............#
    #.....o.......#
    #.............#
    ###############
"""
# The same sizes, other places.
TWIN = """
    ###############
    #.....o.......#
    #.............#
    #..oo....o....#
    #.........o...#
    A...o.........#
    A......ooo....#
    #.............C
    #..o..........#
    #..o...o......#
    #..........oo.#
    #.............#
    #.............#
    ####BBB########
"""


@pytest.fixture(scope="module")
def hall():
    return Room.from_text(HALL)


def place(room, cell):
    return divmod(int(cell), room.width)


# --- the cone in plain Python -------------------------------------------------------------------


def line_by_hand(down, right):
    """Bresenham's line by a running error in halves of a cell; a half stays with the start."""
    row = column = 0
    cells = [(0, 0)]
    tall, wide = abs(down), abs(right)
    longest, shortest = max(tall, wide), min(tall, wide)
    error = 0
    for _ in range(longest):
        error += 2 * shortest
        is_shift = error > longest
        error -= 2 * longest * is_shift
        if tall >= wide:
            row += int(math.copysign(1, down))
            column += int(math.copysign(is_shift, right))
        else:
            column += int(math.copysign(1, right))
            row += int(math.copysign(is_shift, down))
        cells.append((row, column))
    assert cells[-1] == (down, right)
    return cells


def angle_between(one, other):
    turn = math.atan2(one[1], one[0]) - math.atan2(other[1], other[0])
    return abs(math.degrees(math.remainder(turn, 2 * math.pi)))


def cone_by_hand(room, at, exit_cell, *, is_blocked=True):
    """Distinct visible cells on the way from `at` to an exit cell, both (row, column)."""
    to_exit = exit_cell[0] - at[0], exit_cell[1] - at[1]
    seen = set()
    if to_exit == (0, 0):
        return seen
    for k in range(101):
        ray = 10 * math.cos(2 * math.pi * k / 100), 10 * math.sin(2 * math.pi * k / 100)
        if angle_between(ray, to_exit) > 45 + 1e-9:
            continue
        for down, right in line_by_hand(round(ray[0]), round(ray[1])):
            row, column = at[0] + down, at[1] + right
            if not (0 <= row < room.height and 0 <= column < room.width):
                break
            seen.add((row, column))
            if is_blocked and room.is_obstacle[row * room.width + column]:
                break
    return seen


def counts_by_hand(room, occupied, cell, **options):
    sums, sizes = [0] * room.num_exits, [0] * room.num_exits
    for group, exit_cell in zip(room.exit_group, room.exit_cells, strict=True):
        seen = cone_by_hand(room, place(room, cell), place(room, exit_cell), **options)
        cells = [row * room.width + column for row, column in seen]
        sums[group] += sum(bool(occupied[c] or room.is_obstacle[c]) for c in cells)
        sizes[group] += 1
    return [total / size for total, size in zip(sums, sizes, strict=True)]


def random_crowd(generator, room, share=0.3):
    """Random agents on floor and exits: who stands where, as one flag per cell."""
    return np.asarray(room.is_walkable) & (generator.random(room.num_cells) < share)


count = jax.jit(cone_counts)
count_all = jax.jit(jax.vmap(cone_counts, (None, None, 0)))
crowd = jax.jit(crowd_counts)


def test_cone_counts_against_plain_python(hall):
    generator = np.random.default_rng(0)
    is_hidden = False
    for _ in range(3):
        occupied = random_crowd(generator, hall)
        found = np.asarray(count_all(hall, occupied, hall.floor_cells))
        for cell, counts in list(zip(hall.floor_cells, found, strict=True))[::2]:
            expected = counts_by_hand(hall, occupied, cell)
            np.testing.assert_allclose(counts, expected, rtol=1e-6)
            if not is_hidden:
                is_hidden = expected != counts_by_hand(hall, occupied, cell, is_blocked=False)
    assert is_hidden  # obstacles that do not block are seen by this test


@pytest.mark.parametrize("obstacles", [False, True])
def test_cone_counts_in_the_room_of_the_paper(obstacles):
    room = reference_room(obstacles=obstacles)
    occupied = random_crowd(np.random.default_rng(1), room, 0.15)
    cells = np.random.default_rng(2).choice(room.floor_cells, 40)
    corners = [34, 63, 31 * 33 + 1, 31 * 33 + 31, 16 * 33 + 16]
    cells = np.concatenate([cells, np.array(corners, np.int32)])
    found = np.asarray(count_all(room, occupied, cells))
    for cell, counts in zip(cells, found, strict=True):
        expected = counts_by_hand(room, occupied, cell)
        np.testing.assert_allclose(counts, expected, rtol=1e-6)


def test_a_cone_drawn_by_hand():
    room = Room.from_text("#######\n#.....#\n#.....A\n#.....#\n#######")
    occupied = np.zeros(35, bool)
    # From (2, 1) towards (2, 6): a wedge between the two diagonals.
    steps = [
        ([(2, 1)], 1),  # the one who looks
        ([(1, 2)], 2),  # on the diagonal
        ([(1, 1)], 2),  # beside it
        ([(2, 2), (2, 6)], 4),  # people do not block
    ]
    for places, expected in steps:
        for row, column in places:
            occupied[row * 7 + column] = True
        assert count(room, occupied, 15).tolist() == [expected]


def test_an_obstacle_is_counted_and_hides_what_is_behind():
    room = Room.from_text("#######\n#.....#\n#..o..A\n#.....#\n#######")
    occupied = np.zeros(35, bool)
    # From (2, 1): only the ray to (5, 11), three down and ten along, passes below the obstacle.
    for place_of_other, expected in [((2, 1), 2), ((2, 4), 2), ((3, 4), 3)]:
        occupied[place_of_other[0] * 7 + place_of_other[1]] = True
        assert count(room, occupied, 15).tolist() == [expected]


def test_the_cell_of_the_exit_itself_has_no_direction(hall):
    full = np.asarray(hall.is_walkable)
    counts = count(hall, full, hall.exit_cells[5])
    assert counts.tolist() == pytest.approx(counts_by_hand(hall, full, hall.exit_cells[5]))
    assert counts[2] == 0


def test_dtypes_of_the_cone(x64, hall):
    occupied = random_crowd(np.random.default_rng(3), hall).astype(np.uint8)
    counts = count(hall, occupied, jnp.asarray(100, jnp.int32))
    assert counts.dtype == jnp.float32
    np.testing.assert_allclose(counts, counts_by_hand(hall, occupied, 100), rtol=1e-6)


# --- rays ---------------------------------------------------------------------------------------


def targets_of_rays(largest):
    """All targets within 33 rows and columns, and for each ray those nearest to its limits."""
    reach = np.arange(-33, 34)
    parts = [np.stack(np.meshgrid(reach, reach)).reshape(2, -1).T]
    along = np.arange(1, largest + 1, 7)
    for angle in np.pi / 4 + 2 * np.pi * np.arange(100) / 100:
        slope = np.array([np.cos(angle), np.sin(angle)])
        slope /= np.abs(slope).max()
        parts.append(np.rint(along[:, None] * slope[None]).astype(int))
    targets = np.concatenate(parts)
    return targets[np.any(targets != 0, axis=1)].astype(np.int32).T


def test_rays_point_within_45_degrees():
    rows, columns = targets_of_rays(1000)
    found = np.asarray(jax.jit(rays_towards)(rows, columns))
    turn = np.arctan2(columns, rows)[:, None] - 2 * np.pi * np.arange(100)[None] / 100
    gap = np.abs(np.degrees((turn + np.pi) % (2 * np.pi) - np.pi)) - 45
    is_edge = np.abs(gap) < 1e-9
    np.testing.assert_array_equal(found, gap < 1e-9)
    # At the limit are diagonals against axes, and nothing else comes near to it.
    assert np.abs(gap)[~is_edge].min() > 1e-6
    is_diagonal = (np.abs(rows) == np.abs(columns)) | (rows == 0) | (columns == 0)
    assert not is_edge[~is_diagonal].any()
    assert is_edge[is_diagonal].any()


def test_no_ray_points_towards_the_own_cell():
    assert not np.any(rays_towards(np.zeros(1, np.int32), np.zeros(1, np.int32)))


# --- crowds -------------------------------------------------------------------------------------


def crowd_by_hand(room, positions, is_present, agent):
    """Counts by angles, and whether any of them is at the limit of 45 degrees."""
    at, counts, is_edge = place(room, positions[agent]), [], False
    for middle in room.middle_cells:
        row, column = place(room, middle)
        ahead, count = (row - at[0], column - at[1]), 0
        for other, position in enumerate(positions):
            if other == agent or not is_present[other] or ahead == (0, 0):
                continue
            there = place(room, position)
            if math.dist(at, there) <= 10:
                angle = angle_between(ahead, (there[0] - at[0], there[1] - at[1]))
                is_edge |= abs(angle - 45) < 1e-9
                count += angle <= 45 + 1e-9
        counts.append(count)
    return counts, is_edge


def everybody(room, positions, is_present):
    agents = jnp.arange(len(positions), dtype=jnp.int32)
    look = jax.jit(jax.vmap(crowd_counts, (None, None, None, 0)))
    return look(room, positions, is_present, agents)


@pytest.mark.parametrize("make", [reference_room, large_room])
def test_crowds_against_angles(make):
    room = make()
    generator = np.random.default_rng(4)
    # A crowd of one corner of the floor, so that many are near each other.
    rows, columns = np.divmod(np.asarray(room.floor_cells), room.width)
    corner = room.floor_cells[(rows < 25) & (columns > room.width - 25)]
    positions = generator.choice(corner, 80, replace=False)
    is_present = generator.random(80) < 0.8
    found = everybody(room, positions, is_present)
    assert found.dtype == jnp.int32
    expected = [crowd_by_hand(room, positions, is_present, agent) for agent in range(80)]
    np.testing.assert_array_equal(found, [counts for counts, _ in expected])
    assert any(is_edge for _, is_edge in expected)


def test_crowd_at_its_limits():
    room = large_room(scale=1)
    middle = 16 * 33 + 12  # straight to the left exit's middle at (16, 0)
    others = {
        (16, 2): True,  # distance 10
        (16, 1): False,  # 11
        (10, 4): True,  # 36 + 64 = 100, within 45 degrees
        (13, 9): True,  # on the diagonal
        (19, 9): True,
        (12, 9): False,  # beyond it
        (16, 14): False,  # behind
        (10, 12): False,  # at right angles
    }
    for (row, column), is_counted in others.items():
        positions = np.array([middle, row * 33 + column], np.int32)
        both, alone = np.array([True, True]), np.array([True, False])
        assert crowd(room, positions, both, 0)[0] == is_counted, (row, column)
        assert crowd(room, positions, alone, 0)[0] == 0


def test_nobody_is_ahead_on_the_middle_cell():
    room = reference_room()
    positions = np.concatenate([room.middle_cells[:1], room.floor_cells]).astype(np.int32)
    counts = crowd(room, positions, np.ones(len(positions), bool), 0)
    assert counts[0] == 0
    assert counts[2] > 0


# --- programs -----------------------------------------------------------------------------------


def test_rooms_of_equal_sizes_share_programs(count_compiles):
    @jax.jit
    def see(room, occupied, positions, is_present):
        seen = cone_counts(room, occupied, positions[0])
        return seen, crowd_counts(room, positions, is_present, 0)

    positions = np.array([100, 66, 55], np.int32)
    occupied = np.zeros(14 * 15, bool)
    occupied[positions] = True
    with count_compiles() as compiles:
        for text in (HALL, TWIN):
            room = Room.from_text(text)
            seen, ahead = see(room, occupied, positions, np.ones(3, bool))
            expected = counts_by_hand(room, occupied, 100)
            np.testing.assert_allclose(seen, expected, rtol=1e-6)
            assert ahead.tolist() == crowd_by_hand(room, positions, np.ones(3, bool), 0)[0]
    assert compiles.count("see") == 1


def test_cells_are_looked_from_one_by_one_or_together(hall):
    occupied = random_crowd(np.random.default_rng(5), hall)
    cells = np.asarray(hall.floor_cells)[::17]
    together = count_all(hall, occupied, cells)
    for cell, counts in zip(cells, together, strict=True):
        np.testing.assert_allclose(count(hall, occupied, cell), counts, rtol=2e-7)
