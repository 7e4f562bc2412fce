"""What players of a guessing game are shown of the last round."""

import abc

import equinox as eqx


class Feedback(eqx.Module):
    """What is shown after a round. Every player knows its own choice in any case."""

    @property
    @abc.abstractmethod
    def shows_mean(self) -> bool:
        """True if the mean of all choices is shown; static."""

    @property
    @abc.abstractmethod
    def shows_choices(self) -> bool:
        """True if all choices and winners are shown; static."""


class NoFeedback(Feedback):
    """Nothing is shown. Source: Wu et al. (2024)."""

    @property
    def shows_mean(self) -> bool:
        """False."""
        return False

    @property
    def shows_choices(self) -> bool:
        """False."""
        return False


class MeanFeedback(Feedback):
    """The mean of all choices is shown."""

    @property
    def shows_mean(self) -> bool:
        """True."""
        return True

    @property
    def shows_choices(self) -> bool:
        """False."""
        return False


class FullFeedback(Feedback):
    """The mean, all choices and who won are shown."""

    @property
    def shows_mean(self) -> bool:
        """True."""
        return True

    @property
    def shows_choices(self) -> bool:
        """True."""
        return True
