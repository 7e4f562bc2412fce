"""Token auctions between language models (Duetting et al.).

Start with a rule (`LinearRule`), what the agents say and what they bid: `clear` sells one token,
`generate` a text, `replicate` many. `influence`, `expected_payments` and `expected_charges` need no
draw. `check_monotonicity` and its sisters look for violations of the theory at one auction,
`find_violations` searches auctions that show them. `best_response`, `equilibrium` and
`bid_repeatedly` are about bidding, `measure` and `frontier` about welfare and revenue, `sell_text`
and its sisters sell whole texts. Agents are the language models of `bidders`.

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
``measure``            | yes | yes | yes | yes
``total_value``        | yes | yes | yes | yes
``regret``             | yes | yes | yes | yes
``utility``            | yes | yes | yes | yes
``best_response``      | yes | yes | yes: in closed form | yes
``equilibrium``        | yes | yes | yes: in closed form | yes
``bid_repeatedly``     | yes | yes | yes: gradient play | yes
``frontier``           | yes | yes | yes | yes
``hedge_rate``         | yes | yes | yes: in the width | yes
``pareto_efficient``   | yes | yes | no: no floats | yes
``sell_text``          | yes | yes | yes: the price | yes
``sell_segment``       | yes | yes | yes: payments | yes
``sell_candidate``     | yes | yes | yes: payments | yes
``init_all``           | yes | yes | yes: in the models' numbers | yes
``step_all``           | yes | yes | yes: in the models' numbers | yes
``dirichlet_markov``   | yes | yes | no: slopes of the law, not of draws | yes
``zipf_markov``        | yes | yes | yes: inside the ranges | yes
``num_agents``, ``fit_ngram``, ``brand_texts``, ``brand_bidders``
| no: host | no: host | no: host | no: host
"""

from .baselines import (
    SoldCandidate,
    SoldSegment,
    SoldText,
    sell_candidate,
    sell_segment,
    sell_text,
)
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
from .bidding import BestResponse, Market, Utilities, best_response, utility
from .checkers import (
    Certificate,
    check_monotonicity,
    check_payments,
    check_unbiased,
    crossed_tokens,
)
from .dynamics import (
    BudgetPacing,
    GradientPlay,
    HedgePlay,
    Learner,
    RepeatedBidding,
    Round,
    bid_repeatedly,
    hedge_rate,
)
from .equilibria import BestResponsePlay, Equilibrium, equilibrium
from .frontier import Frontier, frontier, pareto_efficient
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
from .welfare import Measures, PowerMean, Regret, measure, regret, total_value

__all__ = [
    "PARTNERS",
    "RIVALS",
    "VCG",
    "AddK",
    "AllPay",
    "Ancestral",
    "BackOff",
    "BaseModelRule",
    "BestResponse",
    "BestResponsePlay",
    "Bidder",
    "BrandPair",
    "BudgetPacing",
    "CalledRule",
    "Certificate",
    "Clearing",
    "Conversation",
    "Counterexamples",
    "Equilibrium",
    "ExpectedPayments",
    "ExponentialRace",
    "FirstPrice",
    "Frontier",
    "Generation",
    "GradientPlay",
    "HedgePlay",
    "Influence",
    "InverseCDF",
    "Learner",
    "LinearRule",
    "LogLinearRule",
    "Market",
    "MarkovBidder",
    "Measures",
    "MixtureBidder",
    "Myerson",
    "NGramBidder",
    "NoPayment",
    "OneDraw",
    "Payment",
    "PowerMean",
    "Preference",
    "Regret",
    "RepeatedBidding",
    "Round",
    "Rule",
    "Sampler",
    "SecondPrice",
    "SharedBidder",
    "Smoothing",
    "SoldCandidate",
    "SoldSegment",
    "SoldText",
    "Tempered",
    "TiltedBidder",
    "TokenAuction",
    "TopP",
    "Utilities",
    "WordTokenizer",
    "best_response",
    "bid_repeatedly",
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
    "equilibrium",
    "expected_charges",
    "expected_payments",
    "find_violations",
    "fit_ngram",
    "frontier",
    "generate",
    "hedge_rate",
    "influence",
    "init_all",
    "measure",
    "num_agents",
    "pareto_efficient",
    "read",
    "regret",
    "replicate",
    "sell_candidate",
    "sell_segment",
    "sell_text",
    "step_all",
    "total_value",
    "utility",
    "zipf_markov",
]
