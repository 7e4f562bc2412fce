"""Bidders: agents that are language models, behind one interface.

A `Bidder` reads a prompt by `init` and one token at a time by `step`. Models by themselves are
`MarkovBidder` (given, `dirichlet_markov`, `zipf_markov`) and `NGramBidder` (`fit_ngram`); models
made of others are `TiltedBidder`, `MixtureBidder`, `Tempered` and `TopP`. `SharedBidder` is several
agents on one model; `init_all` and `step_all` drive agents of all kinds together. `brand_bidders`
are two brands that advertise in one text.

Promises, *jit · vmap · grad · shard*:

``init_all``         | yes | yes | yes: in the models' numbers | yes
``step_all``         | yes | yes | yes: in the models' numbers | yes
``num_agents``       | yes: static | yes: static | no: an integer | yes: static
``dirichlet_markov`` | yes | yes | no: slopes of the law, not of draws | yes
``zipf_markov``      | yes | yes | yes: inside the ranges | yes
``fit_ngram``        | no: counts on the host | no: host | no: counts | no: host
``brand_texts``, ``brand_bidders`` | no: host | no: host | no: host | no: host
"""

from .agents import SharedBidder, init_all, num_agents, step_all
from .bidder import Bidder
from .brands import PARTNERS, RIVALS, BrandPair, brand_bidders, brand_texts
from .fitting import fit_ngram
from .markov import MarkovBidder, dirichlet_markov, zipf_markov
from .mixture import MixtureBidder
from .ngram import NGramBidder
from .sharpened import Tempered, TopP
from .smoothing import AddK, BackOff, Smoothing
from .tilted import TiltedBidder
from .tokenizer import WordTokenizer

__all__ = [
    "PARTNERS",
    "RIVALS",
    "AddK",
    "BackOff",
    "Bidder",
    "BrandPair",
    "MarkovBidder",
    "MixtureBidder",
    "NGramBidder",
    "SharedBidder",
    "Smoothing",
    "Tempered",
    "TiltedBidder",
    "TopP",
    "WordTokenizer",
    "brand_bidders",
    "brand_texts",
    "dirichlet_markov",
    "fit_ngram",
    "init_all",
    "num_agents",
    "step_all",
    "zipf_markov",
]
