"""Judges a run by what its sweeps have proven, and by what speaks against it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from connector.listing.proof import Outcome
from connector.listing.reasons import Cause
from connector.runs.policy import RunReason, Verdict, error_code


@dataclass
class Judgement:
    """Collects what decides a run's verdict. The verdict so far is right whenever the run ends, also by an error.

    `outcomes` are those of the run's sweeps, of which the last one counts. With a `doubt`, the run is partial. What was
    unusual are `remarks`. `is_over`: whether the last sweep has ended.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    doubt: Cause | None = None
    remarks: list[Cause] = field(default_factory=list)
    is_over: bool = False
    _left_out: list[Cause] = field(default_factory=list)
    _error: Cause | None = None
    _error_code: str = "error"

    def fail(self, error: Exception) -> None:
        """Note that an error ended the run."""
        self._error = RunReason.ERROR.given(error=getattr(error, "sentence", error))
        self._error_code = error_code(error)

    def leave_out(self, causes: Iterable[Cause]) -> None:
        """Note that a pipeline takes not all rows: with a cause, the run is partial. Its sweep may have ended early."""
        self._left_out += causes
        self.is_over = self.is_over or bool(self._left_out)

    @property
    def verdict(self) -> Verdict:
        if self._error is not None or not self.is_over:
            return Verdict.FAILED
        doubt = self.doubt or self._left_out
        return Verdict.COMPLETE if self.outcomes[-1].complete and not doubt else Verdict.PARTIAL

    @property
    def reason_code(self) -> str:
        """A stable code for the reason of the verdict: the proof of a complete run, else the cause."""
        if self.verdict == Verdict.FAILED:
            return self._error_code
        last = self.outcomes[-1]
        if self._left_out:
            return self._left_out[0].reason.code
        if self.doubt is None and last.proof is not None:
            return last.proof.name.lower()
        cause = self.doubt or last.cause
        return cause.reason.code if cause is not None else "error"

    def reasons(self) -> list[str]:
        """Return the sentences that explain the verdict: its proof, or what is missing, and what was unusual."""
        decisive = self._error or self.doubt or (self.outcomes[-1].reason if self.is_over else None)
        notes = [note for outcome in self.outcomes for note in outcome.notes]
        given = [*self._left_out, decisive, *([] if self._error or self.doubt else self.remarks), *notes]
        return [*dict.fromkeys(str(cause) for cause in given if cause)]

    @property
    def found(self) -> Outcome:
        """The counts of all sweeps of the run, and what the last sweep has proven."""
        last = self.outcomes[-1] if self.outcomes else Outcome()
        return Outcome(
            order_proven=last.order_proven,
            total_count=last.total_count,
            passes=sum(outcome.passes for outcome in self.outcomes),
            seam_repairs=sum(outcome.seam_repairs for outcome in self.outcomes),
            listed_twice=last.listed_twice,
        )
