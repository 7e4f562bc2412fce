"""Games in which competing agents may come to cooperate (Wu et al.), and pricing by Q-learning.

Start with a game (`BeautyContest`, `Bertrand`, `Evacuation`) and a policy for its agents: `play`
plays one world, `replicate` averages many, `collect` keeps what each reports, `contrast` compares
two settings world by world, `sweep` walks over a grid. `equilibrium` and
`cartel` are the two ends of a market, `q_learning_sessions` the study of Calvano et al. A game is
`reset`, `turns`, `view`, `hear`, `observe`, `step`, pure functions all, so that decisions can also
be made outside, by a program of one's own.

Promises, *jit · vmap · grad · shard*:

``play``                | yes | yes | yes: where the game allows
| yes: evacuations with `check_vma=False`
``replicate``, ``collect``, ``contrast`` | yes: without progress | yes | yes: where the game allows
| yes: by `mesh`
``sweep``               | no: host loop | no: host loop | no: host loop | no: host loop
``play_round``, ``begin`` | yes | yes | yes: where the game allows
| yes: evacuations with `check_vma=False`
``equilibrium``         | yes | yes | yes: one-sided at corners | yes
``cartel``              | yes | yes | yes: one-sided at corners | yes
``best_response``       | yes | yes | yes: one-sided at corners | yes
``collusion_index``, ``price_index`` | yes | yes | yes | yes
``price_spread``, ``mean_collusion_index``, ``block_means`` | yes | yes | yes | yes
``time_to_collusion``, ``first_collusion`` | yes | yes | no: integers | yes
``q_learning_sessions`` | yes: without progress | yes | no: loops | yes: by `mesh`
``mean_impulse_response`` | yes | yes | no: loops | no: loops
``impulse_response``    | yes | yes | no: strategies are steps | yes
``limit_cycle``         | yes | yes | no: strategies are steps | no: loops
``price_grid``          | yes | yes | yes | yes
``winners``             | yes | yes | no: integers | yes
``spread``              | yes | yes | yes | yes
``crowd_counts``, ``traits`` | yes | yes | no: integers | yes
``cone_counts``         | yes | yes | no: counts are steps | yes
``ewa_update``          | yes | yes | yes | yes
``hierarchy_choices``   | yes | yes | yes | yes
``logit_equilibrium``   | yes | yes | no: loops | no: loops
``expected_payoffs``    | yes | yes | yes | yes
``fehr_schmidt``        | yes | yes | yes | yes
``population``, ``reference_room``, ``large_room``, ``baseline_talk``, ``cooperative_talk``,
``uncooperative_talk`` | no: host | no: host | no: host | no: host
"""

from .beauty_contest import BeautyContest
from .bertrand import Bertrand, MarketRecord, MarketState
from .collusion import (
    block_means,
    first_collusion,
    mean_collusion_index,
    price_spread,
    time_to_collusion,
)
from .cycles import ImpulseResponse, LimitCycle, impulse_response, limit_cycle
from .demand import Demand
from .evacuation import Evacuation, EvacuationObservation, EvacuationRecord, EvacuationState, traits
from .feedback import Feedback, FullFeedback, MeanFeedback, NoFeedback
from .guesses import GuessObservation, GuessRecord, GuessState, spread, winners
from .linear_demand import LinearDemand
from .logit_demand import LogitDemand
from .market import MarketOutcome, collusion_index, price_index
from .market_views import MarketObservation
from .model import Game, Policy, Record, Turns
from .moves import Crowd, Moves, Sequential, Synchronous
from .policies import (
    EWA,
    BestReply,
    CognitiveHierarchy,
    ConditionalCooperator,
    Experience,
    FictitiousPlay,
    FixedPrice,
    Forced,
    GrimTrigger,
    Imitate,
    InequityAverse,
    LevelK,
    LogitEquilibrium,
    LogitExit,
    MedianTalk,
    NearestExit,
    Persona,
    PriceMatching,
    QLearning,
    QuantalResponse,
    Rounded,
    SocialObservation,
    TitForTat,
    baseline_talk,
    cooperative_talk,
    ewa_update,
    expected_payoffs,
    fehr_schmidt,
    hierarchy_choices,
    logit_equilibrium,
    uncooperative_talk,
)
from .populations import Population, population
from .q_market import PriceGrid, QLearningMarket, price_grid
from .rewards import Amplified, Exclusive, Independent, Reward, Split
from .rooms import Room, large_room, reference_room
from .sessions import MeanResponse, Sessions, mean_impulse_response, q_learning_sessions
from .simulate import Play, begin, collect, play, play_round, replicate
from .solve import best_response, cartel, equilibrium
from .sweeps import Sweep, contrast, sweep
from .topologies import Adjacency, Complete, Ring, Star, Topology
from .vision import cone_counts, crowd_counts
from .walks import FloorField, Greedy, Walk

__all__ = [
    "EWA",
    "Adjacency",
    "Amplified",
    "BeautyContest",
    "Bertrand",
    "BestReply",
    "CognitiveHierarchy",
    "Complete",
    "ConditionalCooperator",
    "Crowd",
    "Demand",
    "Evacuation",
    "EvacuationObservation",
    "EvacuationRecord",
    "EvacuationState",
    "Exclusive",
    "Experience",
    "Feedback",
    "FictitiousPlay",
    "FixedPrice",
    "FloorField",
    "Forced",
    "FullFeedback",
    "Game",
    "Greedy",
    "GrimTrigger",
    "GuessObservation",
    "GuessRecord",
    "GuessState",
    "Imitate",
    "ImpulseResponse",
    "Independent",
    "InequityAverse",
    "LevelK",
    "LimitCycle",
    "LinearDemand",
    "LogitDemand",
    "LogitEquilibrium",
    "LogitExit",
    "MarketObservation",
    "MarketOutcome",
    "MarketRecord",
    "MarketState",
    "MeanFeedback",
    "MeanResponse",
    "MedianTalk",
    "Moves",
    "NearestExit",
    "NoFeedback",
    "Persona",
    "Play",
    "Policy",
    "Population",
    "PriceGrid",
    "PriceMatching",
    "QLearning",
    "QLearningMarket",
    "QuantalResponse",
    "Record",
    "Reward",
    "Ring",
    "Room",
    "Rounded",
    "Sequential",
    "Sessions",
    "SocialObservation",
    "Split",
    "Star",
    "Sweep",
    "Synchronous",
    "TitForTat",
    "Topology",
    "Turns",
    "Walk",
    "baseline_talk",
    "begin",
    "best_response",
    "block_means",
    "cartel",
    "collect",
    "collusion_index",
    "cone_counts",
    "contrast",
    "cooperative_talk",
    "crowd_counts",
    "equilibrium",
    "ewa_update",
    "expected_payoffs",
    "fehr_schmidt",
    "first_collusion",
    "hierarchy_choices",
    "impulse_response",
    "large_room",
    "limit_cycle",
    "logit_equilibrium",
    "mean_collusion_index",
    "mean_impulse_response",
    "play",
    "play_round",
    "population",
    "price_grid",
    "price_index",
    "price_spread",
    "q_learning_sessions",
    "reference_room",
    "replicate",
    "spread",
    "sweep",
    "time_to_collusion",
    "traits",
    "uncooperative_talk",
    "winners",
]
