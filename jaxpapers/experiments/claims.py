"""Claims of the papers: what was published, what came out here, and the verdict."""

import dataclasses
import math
from typing import Any, Literal, get_args

Verdict = Literal["open", "reproduced", "short", "observed", "stand-in", "cannot"]

_NOTES_NEEDED = {
    "observed": "why it is not judged",
    "stand-in": "what stands in for the paper's data",
    "cannot": "what stands in for the paper's data",
}


@dataclasses.dataclass(frozen=True)
class Claim:
    """One claim of a paper, before (`verdict="open"`) or after it was tried here.

    Attributes:
        text: The claim in one sentence; identifies the claim within its experiment.
        published: The published number, or None where the claim has none.
        source: Where it is stated, for example `"Chetverikov and Wilhelm (2023), Table 2"`.
        here: The number found in this run, or None where the claim has none.
        standard_error: The Monte Carlo or sampling standard error of `here`, or None.
        verdict: `"open"` before the run; then `"reproduced"`, `"short"` (it falls short),
            `"observed"` (a number by which the claim is not judged), `"stand-in"` (tried on other
            data than the paper's) or `"cannot"` (needs data that are proprietary or unpublished).
        note: What a reader must know: by what criterion it was judged; for `"observed"` why it
            was not; for `"stand-in"` and `"cannot"` what stands in for the paper's data. Required
            for these three.

    Raises:
        ValueError: An empty text, an unknown verdict, a verdict that needs a note and has none.
    """

    text: str
    published: float | None
    source: str
    here: float | None = None
    standard_error: float | None = None
    verdict: Verdict = "open"
    note: str = ""

    def __post_init__(self) -> None:
        """Check the fields and turn array scalars into Python floats."""
        if not self.text.strip():
            raise ValueError("text of a Claim is empty: state the claim in one sentence")
        if self.verdict not in get_args(Verdict):
            raise ValueError(f"verdict is {self.verdict!r}: it must be one of {get_args(Verdict)}")
        if self.verdict in _NOTES_NEEDED and not self.note:
            raise ValueError(
                f"the claim {self.text!r} has verdict {self.verdict!r} and no note: "
                f"say {_NOTES_NEEDED[self.verdict]}"
            )
        for name in ("published", "here", "standard_error"):
            object.__setattr__(self, name, self._number(name))

    def found(
        self,
        here: Any = None,
        *,
        verdict: Verdict,
        standard_error: Any = None,
        note: str | None = None,
    ) -> "Claim":
        """Give the claim with what came out of this run.

        Args:
            here: The number found, a scalar, or None for a claim without a number.
            verdict: How it ended.
            standard_error: Standard error of `here`, a scalar, or None.
            note: Replaces the note when given.

        Returns:
            A new claim with the same text, published number and source.
        """
        return dataclasses.replace(
            self,
            here=here,
            standard_error=standard_error,
            verdict=verdict,
            note=self.note if note is None else note,
        )

    def _number(self, name: str) -> float | None:
        value = getattr(self, name)
        if value is None:
            return None
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(
                f"{name} of the claim {self.text!r} is {number}: give a finite number or None"
            )
        return number


def settle_claims(registered: tuple[Claim, ...], found: tuple[Claim, ...]) -> tuple[Claim, ...]:
    """Match what an experiment found with what it was registered for.

    Args:
        registered: Claims of the registration, in the order of the report.
        found: Claims the run returned. A registered claim with verdict `"cannot"` need not be
            among them.

    Returns:
        One settled claim for each registered one, in the registered order.

    Raises:
        ValueError: A registered claim was left open, or a claim was returned that is not
            registered or comes twice.
    """
    by_text = {claim.text: claim for claim in found}
    if len(by_text) != len(found):
        raise ValueError("the run returned the same claim twice: every claim has one answer")
    unknown = sorted(set(by_text) - {claim.text for claim in registered})
    if unknown:
        raise ValueError(f"the run returned claims that are not registered: {unknown}")
    settled = tuple(by_text.get(claim.text, claim) for claim in registered)
    still_open = [claim.text for claim in settled if claim.verdict == "open"]
    if still_open:
        raise ValueError(f"the run left registered claims without a verdict: {still_open}")
    return settled
