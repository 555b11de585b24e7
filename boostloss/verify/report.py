"""What `check` returns: a table of the largest errors."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of a report: the largest error of one quantity, and where it is.

    Parameters
    ----------
    quantity : str
        One of `QUANTITIES`, or what else was checked: curvature, start, posterior.
    against : str
        What the kernel was compared with.
    dtype : str
        Of the kernel: float32 or float64.
    range : str
        Of the margins or residuals.
    error : float
        The largest one, in `unit`.
    unit : str
        Of `error` and `tolerance`: "ulp", or nothing for a relative error.
    tolerance : float
        What `error` may be.
    at : str, default=""
        The point of the largest error.
    not_judged : int, default=0
        Number of points where the truth is not known.
    """

    quantity: str
    against: str
    dtype: str
    range: str
    error: float
    unit: str
    tolerance: float
    at: str = ""
    not_judged: int = 0

    @property
    def ok(self) -> bool:
        """Whether the error is within the tolerance; a NaN is not."""
        return bool(self.error <= self.tolerance)

    def _cells(self) -> tuple[str, ...]:
        unit = f" {self.unit}" if self.unit else ""
        skipped = str(self.not_judged) if self.not_judged else ""
        error, tolerance = f"{self.error:.2g}{unit}", f"{self.tolerance:.2g}{unit}"
        verdict = "yes" if self.ok else "NO"
        return self.quantity, self.against, self.dtype, self.range, error, tolerance, self.at, skipped, verdict


HEADER = ("quantity", "against", "dtype", "range", "largest error", "tolerance", "at", "not judged", "ok")


def table(rows: list[tuple[str, ...]]) -> str:
    """Rows of cells as aligned text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


@dataclass(frozen=True, repr=False)
class Report:
    """What `check` found; ``print(report)`` is a table, ``report.ok`` the verdict.

    Parameters
    ----------
    loss : str
        The loss that was checked.
    rows : tuple of Row
        One per quantity, dtype and range.
    arithmetic : str
        What the kernels were compared with besides differences of themselves, or why with nothing else.
    """

    loss: str
    rows: tuple[Row, ...]
    arithmetic: str

    @property
    def ok(self) -> bool:
        """Whether every row is within its tolerance."""
        return not self.failures

    @property
    def failures(self) -> tuple[Row, ...]:
        """The rows that are not."""
        return tuple(row for row in self.rows if not row.ok)

    def _text(self, rows: tuple[Row, ...]) -> str:
        return f"{self.loss}: {self.arithmetic}\n{table([HEADER, *(row._cells() for row in rows)])}"

    def __str__(self) -> str:
        return self._text(self.rows)

    def __repr__(self) -> str:
        verdict = "ok" if self.ok else f"{len(self.failures)} of {len(self.rows)} rows failed"
        return f"<Report on {self.loss}: {verdict}>"
