"""Experiments on token auctions; the first fills the tile of the report."""

from .auctions_bidding import BIDDING
from .auctions_counterexamples import COUNTEREXAMPLES
from .auctions_payments import PAYMENTS
from .auctions_sweep import SWEEP

EXPERIMENTS = (SWEEP, COUNTEREXAMPLES, BIDDING, PAYMENTS)
