"""Policies of the games: the literature's players as pure functions."""

from .best_response import BestReply
from .ewa import EWA, Experience, ewa_update
from .exits import LogitExit, NearestExit
from .fictitious import FictitiousPlay
from .hierarchy import CognitiveHierarchy, hierarchy_choices
from .imitation import Imitate
from .level_k import LevelK
from .median_talk import MedianTalk, baseline_talk, cooperative_talk, uncooperative_talk
from .pledges import ConditionalCooperator, Persona
from .q_learning import QLearning
from .quantal import LogitEquilibrium, QuantalResponse, expected_payoffs, logit_equilibrium
from .rounded import Rounded
from .social import InequityAverse, SocialObservation, fehr_schmidt
from .triggers import FixedPrice, Forced, GrimTrigger, PriceMatching, TitForTat

__all__ = [
    "EWA",
    "BestReply",
    "CognitiveHierarchy",
    "ConditionalCooperator",
    "Experience",
    "FictitiousPlay",
    "FixedPrice",
    "Forced",
    "GrimTrigger",
    "Imitate",
    "InequityAverse",
    "LevelK",
    "LogitEquilibrium",
    "LogitExit",
    "MedianTalk",
    "NearestExit",
    "Persona",
    "PriceMatching",
    "QLearning",
    "QuantalResponse",
    "Rounded",
    "SocialObservation",
    "TitForTat",
    "baseline_talk",
    "cooperative_talk",
    "ewa_update",
    "expected_payoffs",
    "fehr_schmidt",
    "hierarchy_choices",
    "logit_equilibrium",
    "uncooperative_talk",
]
