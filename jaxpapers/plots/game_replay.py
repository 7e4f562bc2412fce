"""Evacuations step by step: a GIF of all of them, and one step as a figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Int, UInt8

from .. import engine, games
from .style import COLORS, label_axes, new_figure, paper_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FLOOR, WALL, OBSTACLE, GRID = 0, 1, 2, 3
FIRST_COLOR = 4
FIRST_GREY = FIRST_COLOR + len(COLORS)
NUM_GREYS = 16
PLACE_COLORS = ("#FFFFFF", "#4D4D4D", "#A6A6A6", "#EDEDED")
ROOM_PIXELS, LEAST_WIDTH = 520, 372
SMALLEST_CELL, LARGEST_CELL = 3, 40
FINE_CELL = 7
"""Pixels of a cell from which on cells have lines between them and agents are discs."""
TEXT_SIZE, LINE_PIXELS, MARGIN = 15, 24, 8
SECONDS_AT_THE_END = 2.0


def replay_evacuation(
    play: games.Play,
    room: games.Room,
    path: str | Path,
    *,
    seconds_per_step: float = 0.16,
) -> None:
    r"""Writes an evacuation as an animated GIF that runs over and over; whole or not at all.

    One frame per step until the room is empty: walls dark, obstacles grey, exits and the agents
    that walk to them in one colour. Below it the step, how many have left, and through which exit.

    Args:
        play: one evacuation, such as `games.play` gives.
        room: the room it was played in.
        path: of the file, ending in `.gif`; missing folders are made.
        seconds_per_step: how long a step is shown; the last one is held longer.

    Raises:
        TypeError: another kind of play or room.
        ValueError: many plays at once, another room, a path that does not end in `.gif`, or
            steps of no time.
        ImportError: without the extra `plot`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import jax
        >>> from jaxpapers import games, plots
        >>> room = games.Room.from_text("#####\nA...#\n#...B\n#####")
        >>> path = games.play(
        ...     jax.random.key(0), games.Evacuation(3, room), games.NearestExit(), num_rounds=6
        ... )
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "room.gif"
        ...     plots.replay_evacuation(path, room, file)
        ...     print(file.read_bytes()[:6])
        b'GIF89a'
    """
    path = Path(path)
    if path.suffix.lower() != ".gif":
        raise ValueError(f"path must end in .gif, got {str(path)!r}")
    if not seconds_per_step > 0:
        raise ValueError(f"seconds_per_step must be above 0, got {seconds_per_step}")
    frames = _frames(_Scene(play, room))
    engine.require_extra("PIL.GifImagePlugin", "plot")
    durations = [round(1000 * seconds_per_step)] * len(frames)
    durations[-1] += round(1000 * SECONDS_AT_THE_END)
    settings = {"append_images": frames[1:], "duration": durations, "loop": 0}
    engine.write_whole(path, lambda name: frames[0].save(name, "GIF", save_all=True, **settings))


@paper_style()
def draw_evacuation(play: games.Play, room: games.Room, step: int, *, title: str) -> "Figure":
    """One step of an evacuation: where everybody stands, and which exit each walks to.

    Args:
        play: one evacuation, such as `games.play` gives.
        room: the room it was played in.
        step: how many steps are done, from 1.
        title: title of the figure.

    Returns:
        The figure.

    Raises:
        TypeError: another kind of play or room, a step that is no int.
        ValueError: many plays at once, another room, or no such step.
    """
    scene = _Scene(play, room)
    engine.check_count("step", step)
    if step > scene.num_steps:
        raise ValueError(f"step must be at most {scene.num_steps}, those played; got {step}")
    patches = engine.require_extra("matplotlib.patches", "plot")
    colors = engine.require_extra("matplotlib.colors", "plot")
    inches = 5.6
    height = min(max(inches * room.height / room.width, 1.6), 8.0)
    figure, axes = new_figure(title, width=inches + 1.2, height=height + 1.5)
    palette = colors.ListedColormap([*PLACE_COLORS, *COLORS])
    axes.imshow(scene.places, cmap=palette, vmin=0, vmax=FIRST_GREY - 1, interpolation="none")
    cells, exits = scene.agents_at(step - 1)
    inch_per_cell = min(inches / room.width, height / room.height)
    axes.scatter(
        cells % room.width,
        cells // room.width,
        s=(72 * inch_per_cell * 0.62) ** 2,
        c=[COLORS[number % len(COLORS)] for number in exits],
        edgecolors="white",
        linewidths=0.5,
    )
    axes.grid(False)
    axes.locator_params(integer=True)
    label_axes(axes, x="column", x_unit="cells", y="row", y_unit="cells", title=scene.caption(step))
    handles = [
        patches.Patch(color=COLORS[number % len(COLORS)], label=text)
        for number, text in enumerate(scene.exit_texts(step - 1))
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=min(len(handles), 4))
    return figure


class _Scene:
    """An evacuation as NumPy arrays, with its room as a grid of palette indices."""

    def __init__(self, play: games.Play, room: games.Room):
        record = _record_of(play, room)
        self.room = room
        self.positions = np.asarray(record.positions)
        self.is_inside = np.asarray(record.is_inside)
        self.exits = np.asarray(record.exits)
        self.escaped = np.asarray(record.escaped)
        self.escaped_by_cell = np.asarray(record.escaped_by_cell)
        self.exit_of_cell = np.full(room.num_cells, -1)
        self.exit_of_cell[np.asarray(room.exit_cells)] = np.asarray(room.exit_group)
        places = np.where(room.is_walkable, FLOOR, np.where(room.is_obstacle, OBSTACLE, WALL))
        is_exit = self.exit_of_cell >= 0
        places = np.where(is_exit, _color_of(self.exit_of_cell), places)
        self.places = places.reshape(room.height, room.width).astype(np.uint8)

    @property
    def num_steps(self) -> int:
        """Steps played."""
        return self.positions.shape[0]

    @property
    def num_agents(self) -> int:
        """Agents at the beginning."""
        return self.positions.shape[1]

    def last_step(self) -> int:
        """Index of the step that finds the room empty, or of the last one."""
        is_empty = ~self.is_inside.any(axis=1)
        return int(np.argmax(is_empty)) if is_empty.any() else self.num_steps - 1

    def agents_at(self, index: int) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " a"]]:
        """Cells and exits of those in the room."""
        inside = self.is_inside[index]
        return self.positions[index, inside], self.exits[index, inside]

    def caption(self, step: int) -> str:
        """The step and how many have left."""
        return f"step {step}: {self.escaped[step - 1]} of {self.num_agents} escaped"

    def exit_texts(self, index: int) -> list[str]:
        """Each exit and how many have left through it."""
        group = np.asarray(self.room.exit_group)
        counts = np.bincount(group, self.escaped_by_cell[index], self.room.num_exits)
        return [f"exit {LETTERS[e]}: {count:.0f} out" for e, count in enumerate(counts)]


def _record_of(play: Any, room: Any) -> games.EvacuationRecord:
    """The record of a play that fits a room."""
    for name, value, kind in (("play", play, games.Play), ("room", room, games.Room)):
        if not isinstance(value, kind):
            raise TypeError(f"{name} must be a games.{kind.__name__}, got {type(value).__name__}")
    record = play.records
    if not isinstance(record, games.EvacuationRecord):
        raise TypeError(f"play must be of an evacuation, got a {type(record).__name__}")
    shape = np.shape(record.positions)
    if len(shape) != 2:
        raise ValueError(f"play must be of one world, got positions of shape {shape}")
    cells = np.asarray(record.positions)
    fits = np.shape(record.escaped_by_cell)[1] == room.num_exit_cells
    if not fits or cells.max() >= room.num_cells or not np.all(room.is_walkable[cells]):
        raise ValueError("room is another one than that of play: agents would stand in its walls")
    return record


def _frames(scene: _Scene) -> list[Any]:
    """Pictures with one palette."""
    images = engine.require_extra("PIL.Image", "plot")
    size = max(scene.room.height, scene.room.width)
    cell = min(max(ROOM_PIXELS // size, SMALLEST_CELL), LARGEST_CELL)
    captions = _Captions(scene, max(cell * scene.room.width, LEAST_WIDTH))
    background = _large(scene.places, cell)
    if cell >= FINE_CELL:
        is_line = np.zeros(background.shape, bool)
        is_line[::cell] = is_line[:, ::cell] = True
        background[is_line & (background == FLOOR)] = GRID
    mask = np.tile(_disc(cell), scene.places.shape)
    palette = _palette()
    pictures = []
    for index in range(scene.last_step() + 1):
        picture = images.fromarray(
            captions.under(_with_agents(scene, index, background, mask, cell), index)
        )
        picture.putpalette(palette)
        pictures.append(picture)
    return pictures


def _with_agents(scene, index, background, mask, cell) -> UInt8[np.ndarray, "y x"]:
    """The room in one step; an agent on an exit has a light rim."""
    cells, exits = scene.agents_at(index)
    here = np.zeros(scene.places.size, np.uint8)
    here[cells] = _color_of(exits)
    agents = _large(here.reshape(scene.places.shape), cell)
    has_agent = agents > 0
    shown = np.where(has_agent & (mask == 1), np.uint8(FLOOR), background)
    return np.where(has_agent & (mask == 2), agents, shown)


class _Captions:
    """Lines of text below the room."""

    def __init__(self, scene: _Scene, width: int):
        fonts = engine.require_extra("PIL.ImageFont", "plot")
        managers = engine.require_extra("matplotlib.font_manager", "plot")
        self.font = fonts.truetype(managers.findfont("DejaVu Sans"), TEXT_SIZE)
        self.scene, self.width = scene, width
        widest = f"exit W: {scene.num_agents} out"
        self.step_width = LINE_PIXELS + int(self.font.getlength(widest)) + MARGIN
        self.per_line = max((width - MARGIN) // self.step_width, 1)
        num_lines = 1 + -(-scene.room.num_exits // self.per_line)
        self.height = num_lines * LINE_PIXELS + MARGIN

    def under(self, picture: UInt8[np.ndarray, "y x"], index: int) -> UInt8[np.ndarray, "y x"]:
        """The picture with its captions."""
        images = engine.require_extra("PIL.Image", "plot")
        drawing = engine.require_extra("PIL.ImageDraw", "plot")
        strip = images.new("L", (self.width, self.height), 255)
        pen = drawing.Draw(strip)
        middle = LINE_PIXELS // 2 + MARGIN // 2
        pen.text((MARGIN, middle), self.scene.caption(index + 1), 0, self.font, anchor="lm")
        for number, text in enumerate(self.scene.exit_texts(index)):
            left, line = self._place(number)
            pen.text((left + LINE_PIXELS, line), text, 0, self.font, anchor="lm")
        greys = FIRST_GREY + np.asarray(strip, np.uint16) * NUM_GREYS // 256
        below = greys.astype(np.uint8)
        for number in range(self.scene.room.num_exits):
            left, line = self._place(number)
            half = TEXT_SIZE // 2
            below[line - half : line + half, left : left + 2 * half] = _color_of(number)
        above = np.full((picture.shape[0], self.width), FIRST_GREY + NUM_GREYS - 1, np.uint8)
        first = (self.width - picture.shape[1]) // 2
        above[:, first : first + picture.shape[1]] = picture
        return np.concatenate([above, below])

    def _place(self, number: int) -> tuple[int, int]:
        line, place = divmod(number, self.per_line)
        middle = LINE_PIXELS // 2 + MARGIN // 2
        return MARGIN + place * self.step_width, (1 + line) * LINE_PIXELS + middle


def _disc(cell: int) -> UInt8[np.ndarray, "y x"]:
    """A cell with an agent in it: 2 inside, 1 on the rim, 0 outside."""
    if cell < FINE_CELL:
        return np.full((cell, cell), 2, np.uint8)
    middle = cell / 2
    places = np.arange(cell) + 0.5 - middle
    distance = np.sqrt(places[:, None] ** 2 + places[None] ** 2)
    radius = 0.40 * cell
    return np.where(distance <= radius, 2, np.where(distance <= radius + 1.2, 1, 0)).astype("u1")


def _large(grid: UInt8[np.ndarray, "row column"], cell: int) -> UInt8[np.ndarray, "y x"]:
    return np.repeat(np.repeat(grid, cell, axis=0), cell, axis=1)


def _color_of(exits: Any) -> Any:
    """Palette index of exits."""
    return FIRST_COLOR + exits % len(COLORS)


def _palette() -> list[int]:
    """Red, green, blue of places, exits and greys from black to white."""
    values = [int(color[i : i + 2], 16) for color in (*PLACE_COLORS, *COLORS) for i in (1, 3, 5)]
    greys = [round(255 * level / (NUM_GREYS - 1)) for level in range(NUM_GREYS)]
    return values + [grey for grey in greys for _ in range(3)]
