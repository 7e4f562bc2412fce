"""Real small experiments for the tests of the framework; as a script it runs them."""

import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxpapers import engine
from jaxpapers.experiments import (
    Claim,
    Experiment,
    ExperimentResult,
    Picture,
    Table,
    reproduce,
)
from jaxpapers.plots import style

NUM_POINTS = 10_000
PI = Claim("The quarter circle has area pi / 4", float(np.pi / 4), "Archimedes")
DIGITS = Claim(
    "Pi to 10^9 digits", None, "no one's data", verdict="cannot", note="10,000 points stand in."
)


def share_inside(key, model, data):
    """Share of random points of the unit square inside the unit circle."""
    del model, data
    points = jax.random.uniform(key, (NUM_POINTS, 2))
    return jnp.mean(jnp.sum(points**2, axis=-1) < 1.0, dtype=points.dtype)


@style.paper_style()
def running_mean(shares):
    """Running mean of the shares."""
    figure, axes = style.new_figure("Area of the quarter circle", height=3.0)
    means = np.cumsum(shares) / np.arange(1, len(shares) + 1)
    axes.plot(np.arange(1, len(shares) + 1), means, label="simulated", **style.series_style(0))
    axes.axhline(np.pi / 4, **style.reference_style())
    style.label_axes(axes, x="replicates", y="area", x_unit="count", y_unit="share of the square")
    style.add_legend(axes)
    return figure


def shares_inside(context, **drive):
    """The replicates, their table, and the claim about their mean."""
    num_replicates = context.settings["num_replicates"]
    shares = np.asarray(
        engine.replicate(
            context.key,
            share_inside,
            None,
            None,
            num_replicates=num_replicates,
            batch_size=2,
            **drive,
        )
    )
    error = shares.std() / np.sqrt(num_replicates)
    near = abs(shares.mean() - np.pi / 4) < 4 * error
    claim = PI.found(shares.mean(), standard_error=error, verdict="reproduced" if near else "short")
    rows = [{"replicate": place, "share": share} for place, share in enumerate(shares)]
    return ExperimentResult(
        sentence="The area of the quarter circle comes out as pi / 4.",
        claims=(claim,),
        tables={"shares": Table(rows, "Share of points inside the circle.")},
        sizes={"num_points": NUM_POINTS},
    )


def short_run(context):
    """A few replicates with a figure."""
    result = shares_inside(context, progress=context.progress("draws"))
    shares = [row["share"] for row in result.tables["shares"].records()]
    picture = Picture(running_mean(shares), "Running mean of the shares.")
    return dataclasses.replace(result, figures={"running-mean": picture})


def long_run(context):
    """Many replicates, saved every 100 steps; the steps taken are logged beside the results."""
    context.output.mkdir(parents=True, exist_ok=True)
    with (context.output / "steps.log").open("a") as log:
        return shares_inside(
            context,
            progress=engine.Progress("draws", stream=log, seconds_between=0.0),
            checkpoint=context.checkpoint("draws", every_steps=100),
        )


def settings(num_replicates):
    """The same settings at the three scales, ten times larger from one to the next."""
    return {
        scale: {"num_replicates": num_replicates * factor}
        for scale, factor in (("quick", 1), ("paper", 10), ("full", 100))
    }


SHORT = Experiment("short", "ranks", "A short run", (PI, DIGITS), short_run, settings(40), 10.0)
LONG = Experiment("long", "ranks", "A long run", (PI,), long_run, settings(1_200), 10.0)


if __name__ == "__main__":
    sys.exit(reproduce((SHORT, LONG), scale="quick", output=Path(sys.argv[1]), seed=3).exit_code)
