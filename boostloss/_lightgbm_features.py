"""Features in the containers that LightGBM knows."""

from typing import Any

from scipy import sparse

from boostloss._device_arrays import in_memory, is_of_cudf

NUMBERS = "bool", "double", "float", "halffloat", "int", "uint"  # how Polars and Arrow begin the names of types


def takes_frames_of_others() -> bool:
    """Whether this version of LightGBM has estimators that take frames of Polars and Arrow."""
    import lightgbm

    major, minor = map(int, lightgbm.__version__.split(".")[:2])
    return (major, minor) >= (4, 7)


def known_to_lightgbm(X: Any) -> Any:
    """`X`, but SciPy's sparse arrays as its older matrices, and frames of Polars or Arrow with categories as pandas'.

    At a column of Arrow that is not of numbers LightGBM 4.7 aborts the process; estimators of 4.6 refuse all of them.
    What is on a device comes down.
    """
    X = X.to_pandas() if is_of_cudf(X) else in_memory(X)
    if sparse.issparse(X) and not isinstance(X, sparse.spmatrix):
        return {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix}[X.format](X)
    if hasattr(X, "to_pandas"):
        types = X.schema.types if hasattr(X.schema, "types") else X.dtypes
        if not takes_frames_of_others() or not all(str(kind).lower().startswith(NUMBERS) for kind in types):
            return X.to_pandas()
    return X
