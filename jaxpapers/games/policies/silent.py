"""Price policies that make no pledges, and those among them that remember nothing."""

from jaxtyping import Array, Float, PRNGKeyArray, PyTree

from ..market_views import MarketObservation, silence
from ..model import Policy


class Silent(Policy):
    """A price policy that says nothing when it is its turn."""

    def speak(
        self, key: PRNGKeyArray, observation: MarketObservation, memory: PyTree
    ) -> Float[Array, ""]:
        """No pledge."""
        del key, memory
        return silence(observation)


class Memoryless(Silent):
    """A silent policy whose price follows from what it sees now."""

    def init(self, key: PRNGKeyArray, observation: MarketObservation) -> tuple[()]:
        """Nothing to remember."""
        del key, observation
        return ()
