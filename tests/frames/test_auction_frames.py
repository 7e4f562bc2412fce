"""Texts sold between agents with names: tables, words, files that are read back."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray

from jaxpapers import auctions, engine, frames
from jaxpapers.engine import Status
from jaxpapers.frames.auction_agents import named_agents
from jaxpapers.frames.auction_settings import PAYMENTS, chosen_payment

pytestmark = pytest.mark.usefixtures("quick_compiles")

TEXTS = {
    "Sun Hotel": ["Stay in the sun.", "Sleep well in the sun, and stay."],
    "Sky Line": ["Fly to the sun.", "Fly well, and fly high."],
}
LOVING = {
    "Sun Hotel": [
        "We stay in the sun.",
        "We sleep in the sun.",
        "We love the sun.",
        "You love it.",
    ],
    "Sky Line": [
        "We fly to the sun.",
        "We fly in the sun.",
        "You fly to the sun.",
        "We love the sun.",
    ],
}
BIDS = {"Sky Line": 2.0, "Sun Hotel": 1.0}
NUM_TEXTS, NUM_TOKENS = 3, 6
NAMES = list(TEXTS)


@pytest.fixture(scope="module")
def linear():
    return frames.token_auction(4, TEXTS, BIDS, num_tokens=NUM_TOKENS, num_texts=NUM_TEXTS)


@pytest.fixture(scope="module")
def log_linear():
    """Both brands love the sun, so that the rule makes that likelier than either says."""
    return frames.token_auction(4, LOVING, BIDS, rule="log-linear", num_tokens=6, num_texts=40)


# --- what was sold --------------------------------------------------------------------------------


def test_the_linear_rule_can_be_seen_in_the_table(linear):
    table = linear.tokens()
    assert len(table) == NUM_TEXTS * NUM_TOKENS * 2
    first, second = (table[table["agent"] == name].reset_index() for name in NAMES)
    np.testing.assert_array_equal(first["bid"], 1)
    np.testing.assert_array_equal(second["bid"], 2)
    np.testing.assert_allclose((first["p"] + 2 * second["p"]) / 3, first["q"], rtol=1e-12)
    np.testing.assert_array_equal(first["q"], second["q"])
    for own, other, bid in ((first, second, 1.0), (second, first, 2.0)):
        assert not (own["is_moved"] & (own["p"] <= other["p"])).any()
        assert own["payment"].between(0, bid).all()
    np.testing.assert_array_equal(table["payment"], table["switch_bid"])
    np.testing.assert_array_equal(table["is_moved"], table["switch_bid"] > 0)
    assert table["is_moved"].any()
    assert (table["is_moved"] == (table["word"] != table["counterfactual_word"])).all()
    assert set(table["status"]) == {"OK"}


def test_words_are_those_of_the_tokens(linear):
    table, words = linear.tokens(), linear.tokenizer.words
    assert [words[token] for token in table["token"]] == list(table["word"])
    assert [words[token] for token in table["counterfactual"]] == list(table["counterfactual_word"])
    of_first = table[(table["text"] == 0) & (table["agent"] == "Sky Line")]
    assert linear.tokenizer.decode(of_first["token"].to_numpy()) == linear.text == linear.texts[0]
    assert list(of_first["position"]) == list(range(NUM_TOKENS))


def test_attribution_sums_the_table(linear):
    table, found = linear.tokens(), linear.attribution()
    assert list(found.index) == NAMES
    table["welfare"] = table["bid"] * table["influence"]
    sums = table.groupby("agent")[["is_moved", "payment", "welfare", "influence"]].sum()
    sums = sums.loc[NAMES] / NUM_TEXTS
    np.testing.assert_allclose(found["tokens_moved"], sums["is_moved"])
    np.testing.assert_allclose(found["share_moved"], sums["is_moved"] / NUM_TOKENS)
    np.testing.assert_allclose(found["influence"], sums["influence"] / NUM_TOKENS)
    np.testing.assert_allclose(found["welfare"], sums["welfare"])
    np.testing.assert_allclose(found["paid"], sums["payment"])
    np.testing.assert_allclose(found["surplus"], sums["welfare"] - sums["payment"])
    assert linear.revenue == pytest.approx(sums["payment"].sum())
    np.testing.assert_array_equal(linear.bids, [1, 2])


def test_brands_are_those_of_auctions():
    """The same texts as by hand in the arrays layer, whatever JAX is set to here."""
    sold = frames.token_auction(7, "rivals", [1, 2], num_tokens=5, num_texts=2)
    with engine.double_precision():
        tokenizer, bidders = auctions.brand_bidders(auctions.RIVALS)
        prompt = jnp.asarray(tokenizer.encode(auctions.RIVALS.prompt))
        by_hand = auctions.replicate(
            jax.random.key(7),
            auctions.LinearRule(),
            bidders,
            jnp.asarray([1.0, 2.0]),
            prompt,
            num_tokens=5,
            num_replicates=2,
        )
        by_hand = jax.tree.map(np.asarray, by_hand)
    assert sold.agents == auctions.RIVALS.names
    assert sold.settings.prompt == auctions.RIVALS.query
    for field in dataclasses.fields(by_hand):
        ours = getattr(sold.generation, field.name)
        assert type(ours) is np.ndarray
        np.testing.assert_array_equal(ours, getattr(by_hand, field.name), err_msg=field.name)
    pair = frames.token_auction(7, auctions.RIVALS, (1, 2), num_tokens=5, num_texts=2)
    np.testing.assert_array_equal(pair.generation.tokens, sold.generation.tokens)


def test_more_texts_and_longer_ones_begin_with_the_same(linear):
    more = frames.token_auction(
        4, TEXTS, [1, 2], num_tokens=NUM_TOKENS + 2, num_texts=NUM_TEXTS + 1
    )
    np.testing.assert_array_equal(
        more.generation.tokens[:NUM_TEXTS, :NUM_TOKENS], linear.generation.tokens
    )
    keyed = frames.token_auction(jax.random.key(4), TEXTS, BIDS, num_tokens=NUM_TOKENS, num_texts=3)
    np.testing.assert_array_equal(keyed.generation.payments, linear.generation.payments)
    assert (keyed.settings.seed, linear.settings.seed) == (None, 4)


def test_single_precision_stays_single():
    sold = frames.token_auction(4, TEXTS, BIDS, num_tokens=4, precision="single")
    assert sold.generation.payments.dtype == np.float32
    assert dict(sold.summary().header)["Precision"] == "single"
    assert sold.attribution().dtypes.eq(np.float64).all()


def test_a_prompt_is_read():
    agents = named_agents(TEXTS, " Where to? ")
    assert agents.prompt == "Where to?"
    words = [agents.tokenizer.words[token] for token in agents.prompt_tokens]
    assert words == ["where", "to", "?", "<end>"]
    assert list(named_agents(TEXTS, None).prompt_tokens) == [0]
    assert named_agents("partners", None).prompt == auctions.PARTNERS.query
    assert named_agents("partners", "Hawaii").prompt_text == "Hawaii <end>"


# --- log-linear -----------------------------------------------------------------------------------


def test_tokens_without_a_switch_bid_are_marked(log_linear):
    table = log_linear.tokens()
    marked = table["status"] == "NOT_MONOTONE"
    assert marked.any()
    np.testing.assert_array_equal(marked, table["switch_bid"].isna())
    assert table["payment"].notna().all()
    assert table.loc[marked, "is_moved"].all()
    assert log_linear.status == Status.NOT_MONOTONE
    shown = str(log_linear.summary())
    assert "NOT_MONOTONE: " in shown
    assert "Payments are expectations" in shown


def test_expected_payments_are_told_apart_from_those_for_moved_words(log_linear):
    *_, last = log_linear.attribution_text().splitlines()
    found = log_linear.generation
    rest = found.payments[0][~log_linear.is_moved[0]].sum()
    assert last == f"Paid besides, whoever moved the word: {rest:.4f}"


def test_a_word_that_both_moved_has_two_lines(log_linear):
    both = np.argwhere(log_linear.is_moved.all(axis=2))
    text, position = (int(place) for place in both[0])
    lines = log_linear.attribution_text(text).splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith(f"{position + 1} "))
    assert "Sun Hotel" in lines[place]
    assert lines[place + 1].split()[:2] == ["Sky", "Line"]


def test_every_payment_has_a_name():
    kinds = {name: type(chosen_payment(name)) for name in PAYMENTS}
    assert kinds == {
        "second price": auctions.SecondPrice,
        "myerson": auctions.Myerson,
        "one draw": auctions.OneDraw,
        "vcg": auctions.VCG,
        "first price": auctions.FirstPrice,
        "all-pay": auctions.AllPay,
        "none": auctions.NoPayment,
    }


def test_all_pay_what_they_bid():
    found = frames.token_auction(4, TEXTS, BIDS, payment="all-pay", num_tokens=2).generation
    np.testing.assert_array_equal(found.payments, found.bids)
    assert found.is_expected.all()


# --- in words -------------------------------------------------------------------------------------


def test_who_moved_what_in_words(linear):
    lines = linear.attribution_text(1).splitlines()
    assert lines[0].split() == ["word", "moved", "by", "paid", "instead"]
    assert max(map(len, lines)) <= 80
    rows = linear.tokens()
    rows = rows[(rows["text"] == 1) & rows["is_moved"]]
    told = [line for line in lines[1:] if not line.rstrip().endswith("–")]
    assert len(told) == len(rows)
    for line, (_, row) in zip(told, rows.iterrows(), strict=True):
        assert line.split()[:2] == [str(row["position"] + 1), row["word"]]
        assert row["agent"] in line
        assert line.split()[-2:] == [f"{row['payment']:.4f}", row["counterfactual_word"]]


def test_long_names_do_not_make_long_lines(linear):
    named = dataclasses.replace(linear, agents=("A" * 90, "B" * 90))
    lines = named.attribution_text(1).splitlines()
    assert max(map(len, lines)) <= 80
    assert any("…" in line for line in lines)


def test_summary_tells_what_was_sold(linear):
    summary = linear.summary()
    header = dict(summary.header)
    assert (header["Rule"], header["Payment"]) == ("linear", "second price")
    assert (header["Texts"], header["Tokens of each"]) == ("3", str(NUM_TOKENS))
    assert header["Revenue"] == f"{linear.revenue:.4f}"
    assert [row[0] for row in summary.rows] == NAMES
    assert max(map(len, str(summary).splitlines())) <= 100
    assert "Sun Hotel" in summary.as_html()
    assert "Sun Hotel" in summary.as_latex()
    assert "linear rule, 2 agents, 3 x 6 tokens" in repr(linear)


# --- generations made elsewhere -------------------------------------------------------------------


@pytest.fixture(scope="module")
def by_hand():
    """A tokenizer, and a generation without an axis of texts."""
    tokenizer = auctions.WordTokenizer(("<end>", "yes", "no"))
    keys = jax.random.split(jax.random.key(0))
    bidders = [auctions.dirichlet_markov(k, vocab_size=3, concentration=1.0) for k in keys]
    sold = auctions.generate(
        jax.random.key(1),
        auctions.LinearRule(),
        bidders,
        jnp.asarray([1.0, 2.0]),
        jnp.asarray([0]),
        num_tokens=4,
    )
    return tokenizer, sold


def test_a_generation_gets_names(by_hand):
    tokenizer, sold = by_hand
    result = frames.label_generation(sold, tokenizer, ["A", "B"], rule="linear")
    assert (result.num_texts, result.num_tokens, result.agents) == (1, 4, ("A", "B"))
    np.testing.assert_array_equal(result.generation.payments[0], sold.payments)
    assert dict(result.summary().header)["Payment"] == "not named"
    assert result.settings.precision == ("double" if sold.payments.dtype == "f8" else "single")


def test_labels_that_do_not_fit(by_hand):
    tokenizer, sold = by_hand
    for arguments, kind, message in (
        ((None, tokenizer, ["A", "B"]), TypeError, "generation must be a Generation, got NoneType"),
        ((sold, ["yes"], ["A", "B"]), TypeError, "tokenizer must be a WordTokenizer, got list"),
        ((sold, tokenizer, "AB"), TypeError, "agents must be a list of names, got 'AB'"),
        ((sold, tokenizer, ["A"]), ValueError, "agents has 1 names for 2 agents"),
        ((sold, tokenizer, ["A", "A"]), ValueError, "agents has a name twice: A, A"),
        (
            (sold, auctions.WordTokenizer(("<end>",)), ["A", "B"]),
            ValueError,
            "tokens outside the vocabulary of 1 words",
        ),
    ):
        with pytest.raises(kind, match=message):
            frames.label_generation(*arguments)
    result = frames.label_generation(sold, tokenizer, ["A", "B"])
    with pytest.raises(ValueError, match="there is no text 1; there are 1, from 0 on"):
        result.attribution_text(1)


# --- files ----------------------------------------------------------------------------------------


@pytest.fixture
def path(linear, tmp_path):
    linear.to_netcdf(tmp_path / "some" / "auction.nc")
    return tmp_path / "some" / "auction.nc"


def test_tree_has_names_and_words(linear):
    tree = linear.to_datatree()
    assert set(tree.children) == {"generation", "vocabulary"}
    group = tree["generation"]
    assert dict(group.sizes) == {"text": NUM_TEXTS, "position": NUM_TOKENS, "agent": 2}
    one = group["payments"].sel(text=1, position=2, agent="Sky Line")
    np.testing.assert_array_equal(one, linear.generation.payments[1, 2, 1])
    assert group["words"].dims == ("text", "position")
    first = linear.tokens().query("agent == 'Sky Line'")
    assert list(group["words"].to_numpy().ravel()) == list(first["word"])
    assert json.loads(tree.attrs["settings"])["rule"] == "linear"
    assert {"python", "jaxpapers", "jax"} <= set(json.loads(tree.attrs["versions"]))


def test_a_file_is_read_back_whole(linear, path):
    again = frames.read_token_auction(path)
    assert (again.settings, again.agents) == (linear.settings, linear.agents)
    assert (again.tokenizer.words, again.texts) == (linear.tokenizer.words, linear.texts)
    for field in dataclasses.fields(linear.generation):
        ours, theirs = (getattr(r.generation, field.name) for r in (linear, again))
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    assert str(again.summary()) == str(linear.summary())
    again.to_netcdf(path)
    xarray.testing.assert_identical(
        frames.read_token_auction(path).to_datatree(), linear.to_datatree()
    )


def test_missing_switch_bids_survive_a_file(log_linear, tmp_path):
    log_linear.to_netcdf(tmp_path / "auction.nc")
    again = frames.read_token_auction(tmp_path / "auction.nc")
    pd.testing.assert_frame_equal(again.tokens(), log_linear.tokens())
    assert again.status == Status.NOT_MONOTONE


def test_tables_are_read_back(linear, tmp_path):
    linear.to_parquet(tmp_path / "deep" / "tokens.parquet")
    linear.to_csv(tmp_path / "tokens.csv")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "deep" / "tokens.parquet"), linear.tokens()
    )
    found = pd.read_csv(tmp_path / "tokens.csv")
    pd.testing.assert_frame_equal(found, linear.tokens(), check_dtype=False, rtol=1e-14)
    assert {entry.name for entry in tmp_path.iterdir()} == {"deep", "tokens.csv"}


@pytest.mark.parametrize(("kind", "write"), [("parquet", "to_parquet"), ("csv", "to_csv")])
def test_a_write_that_fails_leaves_the_old_file(linear, tmp_path, monkeypatch, kind, write):
    path = tmp_path / f"tokens.{kind}"
    path.write_text("old")

    def half(table, target, **settings):
        target.write_text("half")
        raise OSError("no space left")

    monkeypatch.setattr(pd.DataFrame, write, half)
    with pytest.raises(OSError, match="no space left"):
        getattr(linear, write)(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_files_that_are_no_auction(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*other.nc; check the name"):
        frames.read_token_auction(tmp_path / "other.nc")
    (tmp_path / "table.nc").write_text("text,token\n")
    with pytest.raises(ValueError, match=r"table.nc cannot be read as an auction"):
        frames.read_token_auction(tmp_path / "table.nc")
    xarray.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="it is no auction: it has no attribute"):
        frames.read_token_auction(tmp_path / "other.nc")
    tree = xarray.DataTree(xarray.Dataset(attrs={"jaxpapers_auction_format": 99}))
    tree.to_netcdf(tmp_path / "later.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="it has format 99, this version reads up to 1"):
        frames.read_token_auction(tmp_path / "later.nc")
