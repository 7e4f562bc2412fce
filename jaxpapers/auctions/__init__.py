"""Token auctions between language models (Duetting et al.).

Start with a rule (`LinearRule`), what the agents say and what they bid: `clear` sells one token,
`generate` a text, `replicate` many. `influence`, `expected_payments` and `expected_charges` need no
draw. `check_monotonicity` and its sisters look for violations of the theory at one auction,
`find_violations` searches auctions that show them. Agents are the language models of `bidders`.

Promises, *jit · vmap · grad · shard*:

``clear``              | yes | yes | yes: payments, in bids and distributions | yes
``influence``          | yes | yes | yes | yes
``expected_payments``  | yes | yes | yes | yes
``expected_charges``   | yes | yes | yes | yes
``generate``           | yes | yes | yes: payments, tokens held | yes
``replicate``          | yes: without progress | yes | yes: payments, tokens held | yes: by `mesh`
``read``               | yes | yes | yes: in the models' numbers | yes
``compare``            | yes | yes | yes: the shortfall | yes
``check_monotonicity`` | yes | yes | yes: the violation | yes
``check_payments``, ``check_rationality``, ``check_incentives``, ``check_consistency`` | yes
| yes | yes: the violation | yes
``check_unbiased``     | yes | yes | yes: the violation | yes
``crossed_tokens``     | yes | yes | no: no floats | yes
``find_violations``    | yes | yes | no: a search | yes
``init_all``           | yes | yes | yes: in the models' numbers | yes
``step_all``           | yes | yes | yes: in the models' numbers | yes
``dirichlet_markov``   | yes | yes | no: slopes of the law, not of draws | yes
``zipf_markov``        | yes | yes | yes: inside the ranges | yes
``num_agents``, ``fit_ngram``, ``brand_texts``, ``brand_bidders`` | no: host | no: host
| no: host | no: host
"""

from .bidders import (
    PARTNERS,
    RIVALS,
    AddK,
    BackOff,
    Bidder,
    BrandPair,
    MarkovBidder,
    MixtureBidder,
    NGramBidder,
    SharedBidder,
    Smoothing,
    Tempered,
    TiltedBidder,
    TopP,
    WordTokenizer,
    brand_bidders,
    brand_texts,
    dirichlet_markov,
    fit_ngram,
    init_all,
    num_agents,
    step_all,
    zipf_markov,
)
from .checkers import (
    Certificate,
    check_monotonicity,
    check_payments,
    check_unbiased,
    crossed_tokens,
)
from .incentives import check_consistency, check_incentives, check_rationality
from .model import BaseModelRule, CalledRule, LinearRule, LogLinearRule, Rule
from .payments import (
    VCG,
    AllPay,
    FirstPrice,
    Myerson,
    NoPayment,
    OneDraw,
    Payment,
    SecondPrice,
)
from .preferences import Preference, compare
from .results import Clearing, ExpectedPayments, Generation, Influence
from .samplers import Ancestral, ExponentialRace, InverseCDF, Sampler
from .search import Counterexamples, find_violations
from .simulate import Conversation, TokenAuction, generate, read, replicate
from .solve import clear, expected_charges, expected_payments, influence

__all__ = [
    "PARTNERS",
    "RIVALS",
    "VCG",
    "AddK",
    "AllPay",
    "Ancestral",
    "BackOff",
    "BaseModelRule",
    "Bidder",
    "BrandPair",
    "CalledRule",
    "Certificate",
    "Clearing",
    "Conversation",
    "Counterexamples",
    "ExpectedPayments",
    "ExponentialRace",
    "FirstPrice",
    "Generation",
    "Influence",
    "InverseCDF",
    "LinearRule",
    "LogLinearRule",
    "MarkovBidder",
    "MixtureBidder",
    "Myerson",
    "NGramBidder",
    "NoPayment",
    "OneDraw",
    "Payment",
    "Preference",
    "Rule",
    "Sampler",
    "SecondPrice",
    "SharedBidder",
    "Smoothing",
    "Tempered",
    "TiltedBidder",
    "TokenAuction",
    "TopP",
    "WordTokenizer",
    "brand_bidders",
    "brand_texts",
    "check_consistency",
    "check_incentives",
    "check_monotonicity",
    "check_payments",
    "check_rationality",
    "check_unbiased",
    "clear",
    "compare",
    "crossed_tokens",
    "dirichlet_markov",
    "expected_charges",
    "expected_payments",
    "find_violations",
    "fit_ngram",
    "generate",
    "influence",
    "init_all",
    "num_agents",
    "read",
    "replicate",
    "step_all",
    "zipf_markov",
]
