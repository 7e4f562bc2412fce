"""One small call of every verb with a row of promises that takes arrays: arrays in, arrays out.

A case is a function of a `Pair`, one sample and what is made of it, that runs the verb and returns
arrays. Verbs that take something else build it from the pair.
"""

import dataclasses
import functools

import equinox as eqx
import jax
import jax.numpy as jnp
from algorithms import Exploding
from game_promises import GAMES, GAMES_BY_MESH, ROOM

from jaxpapers import auctions, copulas, engine, frames, games, numerics, plots, ranks

NUM_OBS = 40
NUM_GROUPS = 3
MODEL = ranks.RankRegression(tie_weight=0.5)
KEY = jax.random.key(3)
FACTOR_MODEL = copulas.TFactorModel(2, 1)


class Pair:
    """One sample; what several verbs take is made once, so that it is traced once.

    Attributes:
        child: the outcome, with ties.
        parent: the regressor, with ties.
    """

    def __init__(self, child, parent):
        self.child = child
        self.parent = parent

    @functools.cached_property
    def fit(self):
        """Rank on rank: a step function of the data."""
        return ranks.fit(MODEL, self.child, self.parent)

    @functools.cached_property
    def smooth_fit(self):
        """Level on rank: smooth in the outcome, so that what follows has a derivative."""
        model = ranks.RankRegression(outcome="level", tie_weight=0.5)
        return ranks.fit(model, self.child, self.parent)

    @functools.cached_property
    def grouped(self):
        return ranks.fit(MODEL, self.child, self.parent, groups=self.groups, num_groups=NUM_GROUPS)

    @property
    def groups(self):
        return jnp.arange(self.child.shape[0], dtype=jnp.int32) % NUM_GROUPS

    @property
    def whole(self):
        """Integers that move with the data."""
        return jnp.round(jnp.abs(self.child)).astype(jnp.int32)

    @functools.cached_property
    def blocks(self):
        order = numerics.rank_order(self.child)
        return numerics.tie_blocks(order, numerics.rank_order(self.parent), increasing=True)

    @property
    def weight(self):
        """A tie weight that moves with the data."""
        return jax.nn.sigmoid(self.child[0])

    @property
    def counts(self):
        return jax.nn.softmax(self.child) * NUM_OBS

    @property
    def rows(self):
        return jnp.stack([self.child, self.parent])

    @property
    def levels(self):
        """Copula data."""
        return jax.nn.sigmoid(self.rows.T)

    @property
    def copula(self):
        rho = 0.5 * jnp.tanh(self.child[0])
        correlation = jnp.asarray([[1, rho], [rho, 1]])
        return copulas.TCopula.from_correlation(correlation, nu=3 + self.weight)

    @property
    def auction(self):
        """Bids of two agents and their log-probabilities of three tokens."""
        bids = 0.2 + jax.nn.softplus(self.parent[:2] + self.child[:2])
        return bids, jax.nn.log_softmax(self.child[2:8].reshape(2, 3))

    @property
    def speakers(self):
        """Two Markov models of three tokens."""
        tables = jax.nn.log_softmax(self.rows[:, :9].reshape(2, 3, 3))
        return [auctions.MarkovBidder(table) for table in tables]

    @property
    def posterior(self):
        """A fit that knows its model and draws only."""
        nothing = {field.name: None for field in dataclasses.fields(copulas.CopulaFit)}
        draws = jnp.tanh(self.rows[:, :3])
        return copulas.CopulaFit(**nothing | {"model": FACTOR_MODEL, "draws": draws})


def batch(num_samples=2):
    """Outcome and regressor with ties, one sample per row."""
    noise, regressor = jax.random.normal(jax.random.key(0), (2, num_samples, NUM_OBS))
    return jnp.round(0.5 * regressor + noise, 1), jnp.round(regressor, 1)


def noisy(key, model, data):
    return model * data + jax.random.normal(key, data.shape, data.dtype)


def _arrays(tree):
    return jax.tree.leaves(tree)


def _ran(_):
    return jnp.asarray(0, jnp.int32)


def _resampled(d, **settings):
    return ranks.bootstrap(KEY, MODEL, d.child, d.parent, num_replicates=6, **settings).params


def _perturbed(d, **settings):
    return ranks.multiplier_bootstrap(KEY, d.smooth_fit, num_replicates=6, **settings).errors


def _simulated(d, **settings):
    population = ranks.Flip(jnp.abs(d.child[0]) / 10)
    return ranks.coverage(KEY, MODEL, population, num_obs=NUM_OBS, num_replicates=6, **settings)


def _replicated(d, **settings):
    return engine.replicate(KEY, noisy, d.child[0], d.parent, num_replicates=6, **settings)


def _simulated_worlds(d, **settings):
    return engine.simulate(KEY, noisy, d.child[0], d.parent, num_worlds=6, **settings)


def _averaged(d, **settings):
    moments = engine.average(KEY, noisy, d.child[0], d.parent, num_worlds=6, **settings)
    return _arrays((moments.mean, moments.variance))


def _distributions(d):
    """What the modules of distributions promise along with `bivariate_t_cdf`."""
    x, nu = d.child[:4], 2.5 + d.counts[:4]
    skewness = jnp.tanh(d.parent[:4])
    probability = jax.nn.sigmoid(x)
    families = ((numerics.student_t, (nu,)), (numerics.skew_t, (skewness, nu)))
    return [
        getattr(module, name)(probability if name == "ppf" else x, *params)
        for module, params in (*families, (numerics.skew_normal, (skewness,)))
        for name in ("logpdf", "logcdf", "cdf", "sf", "ppf")
    ]


def _sharded(d, mesh, batch_size):
    return engine.sharded_map(jnp.sin, d.child, mesh=mesh, batch_size=batch_size)


RANKS = {
    "fit": lambda d: _arrays(d.fit),
    "rank_order": lambda d: _arrays(ranks.rank_order(d.child)),
    "bootstrap": lambda d: _resampled(d, batch_size=3),
    "multiplier_bootstrap": lambda d: _perturbed(d, batch_size=3),
    "coverage": lambda d: _arrays(_simulated(d, batch_size=3)),
    "contrast": lambda d: _arrays(ranks.contrast(d.smooth_fit, jnp.eye(2, dtype=d.child.dtype))),
    "relative_mobility": lambda d: _arrays(ranks.relative_mobility(d.smooth_fit)),
    "absolute_mobility": lambda d: _arrays(ranks.absolute_mobility(d.smooth_fit, 0.25)),
    "wald_test": lambda d: _arrays(ranks.wald_test(d.fit, jnp.eye(2, dtype=d.child.dtype)[1:])),
    "equality_test": lambda d: _arrays(ranks.equality_test(d.grouped)),
    "predict": lambda d: _arrays(ranks.predict(d.fit, d.parent, d.child[:3])),
}


def _going_on(d):
    return copulas.resume(KEY, d.posterior, d.levels, copulas.FactorGaussianVI(), num_steps=2)


def _margins(d):
    margins = copulas.kernel_margins(d.rows.T)
    return [margins.bandwidth, margins.cdf(d.rows[:, 0])]


COPULAS = {
    "fit": lambda d: copulas.fit(KEY, FACTOR_MODEL, d.levels, num_steps=2).draws,
    "resume": lambda d: _going_on(d).draws,
    "find_modes": lambda d: [
        copulas.find_modes(
            KEY, FACTOR_MODEL, copulas.observe(d.levels), num_adam_steps=2, max_steps=2
        ).params
    ],
    # Its root is of differences of gradients: three digits in float32.
    "whiten": lambda d: [
        whitening.highest + 0 * whitening.root[0]
        for whitening in [
            copulas.whiten(FACTOR_MODEL, copulas.observe(d.levels), d.posterior.draws[0])
        ]
    ],
    "observe": lambda d: copulas.observe(d.levels).weights,
    "pseudo_observations": lambda d: copulas.pseudo_observations(d.rows.T),
    "kernel_margins": _margins,
    "quantile_dependence": lambda d: _arrays(copulas.quantile_dependence(d.copula, 0.1)),
    "posterior_quantile_dependence": lambda d: (
        copulas.posterior_quantile_dependence(
            jax.vmap(FACTOR_MODEL.copula)(d.posterior.draws), 0.1
        ).lower_lower
    ),
    "empirical_quantile_dependence": lambda d: _arrays(
        copulas.empirical_quantile_dependence(d.levels, 0.2)
    ),
    "tail_dependence": lambda d: _arrays(copulas.tail_dependence(d.copula)),
    "rank_correlation": lambda d: _arrays(copulas.rank_correlation(d.copula)),
    "predictive_draws": lambda d: copulas.predictive_draws(KEY, d.posterior, 3),
    "log_score": lambda d: copulas.log_score(
        d.posterior, jnp.linspace(0.1, 0.9, 10, dtype=d.child.dtype).reshape(5, 2)
    ),
    "crps": lambda d: copulas.crps(d.child, d.parent[0]),
    "lower_tail_crps": lambda d: copulas.lower_tail_crps(d.child, d.parent[0], 0.33),
    "energy_score": lambda d: copulas.energy_score(d.rows.T, d.rows[:, 1]),
}

LINEAR = auctions.LinearRule()
PROMPT = jnp.zeros(1, jnp.int32)


def _texts(d, **settings):
    bids, _ = d.auction
    return _arrays(
        auctions.replicate(
            KEY, LINEAR, d.speakers, bids, PROMPT, num_tokens=2, num_replicates=6, **settings
        )
    )


def _next(d):
    return auctions.step_all(d.speakers, auctions.init_all(d.speakers, PROMPT), jnp.zeros(2, int))


AUCTIONS = {
    "clear": lambda d: auctions.clear(KEY, LINEAR, *d.auction, payment=auctions.Myerson()).payments,
    "influence": lambda d: auctions.influence(LINEAR, *d.auction).influence,
    "expected_payments": lambda d: auctions.expected_payments(LINEAR, *d.auction).payments,
    "expected_charges": lambda d: auctions.expected_charges(
        LINEAR, *d.auction, payment=auctions.VCG()
    ),
    "generate": lambda d: _arrays(
        auctions.generate(KEY, LINEAR, d.speakers, d.auction[0], PROMPT, num_tokens=2)
    ),
    "replicate": lambda d: _texts(d, batch_size=3),
    "read": lambda d: auctions.read(d.speakers, PROMPT, jnp.asarray([1, 2], jnp.int32)),
    "compare": lambda d: (
        auctions.compare(
            *(jax.nn.softmax(x) for x in (d.child[:3], d.parent[:3], d.child[3:6]))
        ).shortfall
    ),
    "check_monotonicity": lambda d: (
        100
        * auctions.check_monotonicity(auctions.LogLinearRule(), *d.auction, num_bids=5).violation
    ),
    "check_payments": lambda d: (
        1e-4  # bids of up to a million
        * auctions.check_payments(
            LINEAR, *d.auction, payment=auctions.NoPayment(), num_bids=5
        ).violation
    ),
    "check_rationality": lambda d: (
        auctions.check_rationality(LINEAR, *d.auction, payment=auctions.VCG(), num_bids=5).violation
    ),
    "check_incentives": lambda d: (
        auctions.check_incentives(
            LINEAR, *d.auction, payment=auctions.FirstPrice(), num_bids=5
        ).violation
    ),
    "check_consistency": lambda d: (
        auctions.check_consistency(
            auctions.LogLinearRule(1.0),
            jnp.stack([d.auction[0], 9 * d.auction[0]]),
            d.auction[1],
            jax.nn.log_softmax(d.child[8:11]),
            num_bids=9,
        ).violation
    ),
    "check_unbiased": lambda d: (
        auctions.check_unbiased(
            KEY, LINEAR, *d.auction, payment=auctions.OneDraw(), num_draws=4
        ).violation
    ),
    "crossed_tokens": lambda d: auctions.crossed_tokens(*d.auction),
    "find_violations": lambda d: (
        auctions.find_violations(
            KEY,
            auctions.LogLinearRule(),
            num_restarts=6,
            num_steps=4,
            learning_rate=0.3 * d.weight,
        ).violation
    ),
    "measure": lambda d: auctions.measure(LINEAR, *d.auction).entropy,
    "total_value": lambda d: auctions.total_value(d.child[:2], d.auction[0]),
    "regret": lambda d: auctions.regret(LINEAR, *d.auction, jax.nn.softmax(d.parent[3:6])).regret,
    "utility": lambda d: (
        auctions.utility(LINEAR, d.child[:2], *d.auction, payment=auctions.FirstPrice()).utilities
    ),
    "best_response": lambda d: (
        auctions.best_response(
            LINEAR, 3 * d.auction[0], *d.auction, payment=auctions.FirstPrice()
        ).bids
    ),
    "equilibrium": lambda d: (
        auctions.equilibrium(LINEAR, *d.auction, payment=auctions.FirstPrice(), num_steps=3).bids
    ),
    "bid_repeatedly": lambda d: (
        auctions.bid_repeatedly(
            KEY, LINEAR, auctions.GradientPlay(auctions.FirstPrice(), 0.3), *d.auction, num_rounds=2
        ).rounds.bids
    ),
    "frontier": lambda d: auctions.frontier([LINEAR], *(x[None] for x in d.auction)).revenue,
    "hedge_rate": lambda d: auctions.hedge_rate(num_bids=4, num_rounds=9, width=0.5 + d.weight),
    "pareto_efficient": lambda d: auctions.pareto_efficient(d.rows[:, :5].T),
    "sell_text": lambda d: auctions.sell_text(d.auction[0]).payments,
    "sell_segment": lambda d: (
        auctions.sell_segment(KEY, d.auction[0], d.counts[:2]).expected_payments
    ),
    "sell_candidate": lambda d: (
        auctions.sell_candidate(
            KEY, d.rows[:, :3], d.parent[3:6], temperature=0.5 + d.weight
        ).payments
    ),
    "init_all": lambda d: _next(d)[0],
    "step_all": lambda d: _next(d)[0],
    "dirichlet_markov": lambda d: (
        auctions.dirichlet_markov(
            _moving_key(d), vocab_size=3, concentration=0.5 + d.weight
        ).log_transitions
    ),
    "zipf_markov": lambda d: (
        auctions.zipf_markov(KEY, vocab_size=3, exponent=0.5 + d.weight).log_transitions
    ),
}

NUMERICS = {
    "find_root": lambda d: (
        numerics.find_root(lambda v, a: v**3 - a, -9.0, 9.0, jnp.sum(d.child)).value
    ),
    "gauss_legendre": lambda d: tuple(
        numerics.gauss_legendre(4, jnp.min(d.child), jnp.max(d.child))
    ),
    "gauss_hermite": lambda d: tuple(numerics.gauss_hermite(4)),
    "gauss_laguerre": lambda d: tuple(numerics.gauss_laguerre(4)),
    "rank_order": lambda d: _arrays(numerics.rank_order(d.child)),
    "inverse_permutation": lambda d: numerics.inverse_permutation(
        numerics.rank_order(d.child).order
    ),
    "tie_blocks": lambda d: _arrays(d.blocks),
    "sample_ranks": lambda d: numerics.sample_ranks(d.blocks, d.weight, d.counts),
    "indicator_shares": lambda d: numerics.indicator_shares(d.blocks, d.weight, d.counts),
    "indicator_means": lambda d: numerics.indicator_means(d.blocks, d.weight, d.child),
    "prefix_sums": lambda d: numerics.prefix_sums(d.child),
    "combined": lambda d: numerics.combined(d.child[:2], d.rows),
    "matmul": lambda d: numerics.matmul(d.child[None], d.parent[:, None]),
    "products": lambda d: numerics.products(d.rows, d.parent[None]),
    "stacked": lambda d: numerics.stacked((d.child, d.parent)),
    "group_sums": lambda d: numerics.group_sums(d.child, d.groups, NUM_GROUPS),
    "qr_by_group": lambda d: _arrays(numerics.qr_by_group(d.rows)),
    "bivariate_t_cdf": lambda d: [
        numerics.bivariate_t_cdf(d.child[:4], d.parent[:4], jnp.tanh(d.child[4:8]), d.counts[:4]),
        *_distributions(d),
    ],
    "bivariate_skew_t_cdf": lambda d: numerics.bivariate_skew_t_cdf(
        d.child[:4], d.parent[:4], 0.5, 0.5 * d.weight, jnp.tanh(d.child[4:8]) / 2, d.counts[:4]
    ),
}

ENGINE = {
    "run": lambda d: engine.run(KEY, Exploding(), None, d.child * 0.5, num_steps=2).state,
    "unroll": lambda d: engine.unroll(KEY, Exploding(), None, d.child * 0.5, num_steps=2).state,
    "replicate": lambda d: _replicated(d, batch_size=3),
    "simulate": lambda d: _simulated_worlds(d, batch_size=3),
    "average": lambda d: _averaged(d, batch_size=3),
    "stream": lambda d: jax.random.key_data(engine.stream(_moving_key(d))),
    "mix": lambda d: engine.mix(d.whole.astype(jnp.uint32)),
    "batched_map": lambda d: engine.batched_map(
        lambda row: jnp.sin(row * d.child[0]), d.parent, batch_size=16
    ),
    "sharded_map": lambda d: _sharded(d, engine.replicate_mesh(jax.devices()[:1]), 16),
    "finite_status": lambda d: engine.finite_status(d.child),
    "require_ok": lambda d: engine.require_ok(d.whole * 0),
    "check_array": lambda d: _ran(engine.check_array("child", d.child, ("obs",))),
    "check_count": lambda d: _ran(engine.check_count("obs", d.child.shape[0])),
    "check_finite": lambda d: _ran(engine.check_finite({"child": d.child})),
    "check_key": lambda d: _ran(engine.check_key(jax.random.fold_in(KEY, d.whole[0]))),
    "check_probability": lambda d: _ran(engine.check_probability("weight", d.weight)),
    "check_shapes": lambda d: _ran(engine.check_shapes({"child": (d.child, ("obs",))})),
    "is_concrete": lambda d: _ran(engine.is_concrete(d.child)),
    "warn_if_truncated": lambda d: _ran(engine.warn_if_truncated("child", d.child)),
}


def _moving_key(d):
    return jax.random.fold_in(KEY, d.whole[0])


FRAMES = {
    "rank_regression": lambda d: (
        frames.rank_regression("r(y) ~ r(x)", {"y": d.child, "x": d.parent}).fit.params
    ),
    "rank_order": lambda d: _arrays(frames.rank_order(d.child)),
    "fit_copula": lambda d: (
        frames.fit_copula(
            3, {"y": d.child, "x": d.parent}, num_factors=1, values="returns"
        ).fit.draws
    ),
    "log_returns": lambda d: frames.log_returns({"y": d.child, "x": d.parent}).to_numpy(),
    "token_auction": lambda d: frames.token_auction(0, "partners", d.auction[0]).tokens(),
    "sweep_bids": lambda d: frames.sweep_bids(_moving_key(d), "partners"),
    "check_rule": lambda d: frames.check_rule(_moving_key(d), "linear"),
    "play_game": lambda d: frames.play_game(
        _moving_key(d), "beauty", talk=False, num_agents=2, num_rounds=1
    ),
    "calvano": lambda d: frames.calvano(
        _moving_key(d), num_sessions=1, num_prices=2, decay=1.0, patience=1
    ),
    "to_dataset": lambda d: frames.to_dataset(
        engine.Moments({"mean": d.child}, {"mean": d.child**2}, jnp.asarray(2, jnp.int32))
    ),
}

_LABELS = {"title": "Title", "num_replicates": 9}


def _evacuated(d):
    """A play of the right shapes whose numbers move with the data."""
    fields = {field.name: d.rows for field in dataclasses.fields(games.EvacuationRecord)}
    return games.Play(games.EvacuationRecord(**fields), d.rows, d.rows, None, None)


PLOTS = {
    "asymmetry_map": lambda d: plots.asymmetry_map(
        d.rows[:, :2], d.rows[:, :2], ["a", "b"], title="Title"
    ),
    "asymmetric_pairs": lambda d: plots.asymmetric_pairs(
        ["a", "b"], d.child[:2], d.rows[:, :2], title="Title"
    ),
    "posterior_comparison": lambda d: plots.posterior_comparison(
        ["a", "b"], {"m": d.child[:2]}, {"m": d.child[:2]}, title="Title"
    ),
    "maximal_asymmetry_chart": lambda d: plots.maximal_asymmetry_chart(
        ["a", "b"], {"f": d.rows[:, :2]}, [5.0, 6.0], title="Title"
    ),
    "elbo_by_factors": lambda d: plots.elbo_by_factors(
        d.child[:2], d.parent[:2], true_number=1, title="Title"
    ),
    "binned_scatter": lambda d: plots.binned_scatter(
        d.parent, d.child, grid=d.child, fitted=d.child, band=d.rows.T, title="Title",
        regressor_name="x", outcome_name="y",
    ),
    "interval_comparison": lambda d: plots.interval_comparison(
        ["a", "b"], d.child[:2], {"kind": d.rows[:, :2]}, title="Title", quantity="slope"
    ),
    "coverage_chart": lambda d: plots.coverage_chart(["a", "b"], {"kind": d.counts[:2]}, **_LABELS),
    "standard_error_check": lambda d: plots.standard_error_check(
        ["a", "b"], d.counts[:2], {"kind": d.counts[:2]}, **_LABELS
    ),
    "slope_ranking": lambda d: plots.slope_ranking(d.child, d.rows.T, title="Title"),
    "attribution_strip": lambda d: plots.attribution_strip(
        ["a", "b"], d.rows[:, :2] > 0, d.rows[:, :2], [["a", "b"]] * 2, ["x", "y"], title="Title"
    ),
    "texts_by_share": lambda d: plots.texts_by_share(
        d.counts[:1], [["a", "b"]], [d.whole[:2]], [d.child[:2] > 0], ["x", "y"], title="Title"
    ),
    "sweep_chart": lambda d: plots.sweep_chart(
        d.counts[:3], {"q": {"r": d.child[:3]}}, {"q": {"r": d.counts[:3]}}, units={"q": "u"},
        title="Title",
    ),
    "crossing_gallery": lambda d: plots.crossing_gallery(
        d.counts[:3], d.counts[None, :3], d.counts[None, :2], ["a"], title="Title"
    ),
    "violation_shares": lambda d: plots.violation_shares(
        [0.5, 1.0], d.counts[:2], d.counts[:2], d.counts[:2], title="Title"
    ),
    "bidding_paths": lambda d: plots.bidding_paths(
        {"p": d.rows.T}, {"p": d.child[:2]}, ["x", "y"], title="Title"
    ),
    "payment_comparison": lambda d: plots.payment_comparison(
        d.counts[:3], d.counts[:3], d.counts[:3], d.counts[:3], title="Title"
    ),
    "variance_curves": lambda d: plots.variance_curves(
        d.counts[:3], {"s": d.counts[:3]}, title="Title"
    ),
    "price_paths": lambda d: plots.price_paths(
        {"s": d.counts[:3]}, competitive=1.0, collusive=2.0, title="Title"
    ),
    "escape_curves": lambda d: plots.escape_curves(
        d.counts[:3], {"s": d.counts[:3]}, title="Title"
    ),
    "talk_effect": lambda d: plots.talk_effect(
        d.counts[:3], {"s": (d.child[:3], d.counts[:3])}, title="Title"
    ),
    "collusion_map": lambda d: plots.collusion_map(
        d.counts[:2], d.counts[:2], d.rows[:, :2], title="Title"
    ),
    "impulse_response_chart": lambda d: plots.impulse_response_chart(
        d.counts, d.rows.T, competitive=1.0, collusive=2.0, title="Title"
    ),
    "collusion_histogram": lambda d: plots.collusion_histogram(d.child, title="Title"),
    "replay_evacuation": lambda d: plots.replay_evacuation(_evacuated(d), ROOM, "room.gif"),
    "draw_evacuation": lambda d: plots.draw_evacuation(
        _evacuated(d), ROOM, 1, title="Title"
    ),
}  # fmt: skip

CASES = {
    "auctions": AUCTIONS,
    "games": GAMES,
    "copulas": COPULAS,
    "ranks": RANKS,
    "numerics": NUMERICS,
    "engine": ENGINE,
    "frames": FRAMES,
    "plots": PLOTS,
    "experiments": {},
}

# Verbs that are spread over devices by their own argument: functions of a pair and a mesh.
MESH_CASES = {
    "games": GAMES_BY_MESH,
    "auctions": {"replicate": lambda d, mesh: _texts(d, batch_size=2, mesh=mesh)},
    "ranks": {
        "bootstrap": lambda d, mesh: _resampled(d, batch_size=2, mesh=mesh),
        "multiplier_bootstrap": lambda d, mesh: _perturbed(d, batch_size=2, mesh=mesh),
        "coverage": lambda d, mesh: _arrays(_simulated(d, batch_size=2, mesh=mesh)),
    },
    "engine": {
        "replicate": lambda d, mesh: _replicated(d, batch_size=2, mesh=mesh),
        "simulate": lambda d, mesh: _simulated_worlds(d, batch_size=2, mesh=mesh),
        "average": lambda d, mesh: _averaged(d, batch_size=2, mesh=mesh),
        "sharded_map": lambda d, mesh: _sharded(d, mesh, 3),
    },
}


def _nearly_singular(d, gap):
    """A fit whose last two slopes are the same but for a gap."""
    cov = jnp.eye(2 * NUM_GROUPS, dtype=d.child.dtype).at[4, 5].set(1 - gap).at[5, 4].set(1 - gap)
    return eqx.tree_at(lambda fit: fit.cov, d.grouped, cov)


# Verbs that decide on a rank: functions of a pair and of a gap, the decision turning at some gap.
DECISIONS = {
    "wald_test": lambda d, gap: ranks.wald_test(
        _nearly_singular(d, gap), jnp.eye(2 * NUM_GROUPS, dtype=d.child.dtype)[4:]
    ),
    "equality_test": lambda d, gap: ranks.equality_test(_nearly_singular(d, gap)),
    "qr_by_group": lambda d, gap: numerics.qr_by_group(
        jnp.stack([d.child, d.child + gap * d.parent])
    ),
}
