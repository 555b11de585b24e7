"""LossRegressor: a loss and a regressor of XGBoost or LightGBM as one scikit-learn estimator."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.utils import check_consistent_length, column_or_1d

from boostloss._validation import check_real_array, fail_at
from boostloss.estimators.base import LossEstimator, with_common_attributes
from boostloss.losses import Huber, RegressionLoss


@with_common_attributes
class LossRegressor(RegressorMixin, LossEstimator):
    """Regressor that trains an estimator of XGBoost or LightGBM with a loss.

    Parameters
    ----------
    estimator : XGBRegressor or LGBMRegressor, optional
        Trained as a copy. None is ``xgboost.XGBRegressor()``. What the loss decides (``objective``, ``base_score``,
        ``alpha`` of LightGBM, ...) must be left at its default.
    loss : RegressionLoss, optional
        None is ``Huber()``.
    verbose : bool or int, default=False
        Whether a progress bar of the rounds is drawn, with the metrics of `eval_set` (needs the ``progress`` extra,
        which is tqdm).

    Attributes
    ----------
    estimator_ : XGBRegressor or LGBMRegressor
        The trained copy. Its saved file holds the start, and the link where that is a logarithm (not of ``MSLE``).
    loss_ : RegressionLoss
        The loss with everything that depends on the training labels as numbers.

    Examples
    --------
    >>> from boostloss import LossRegressor, Quantile
    >>> from lightgbm import LGBMRegressor
    >>> regressor = LossRegressor(LGBMRegressor(n_estimators=200), loss=Quantile(quantile=0.9))
    >>> regressor.fit(X, y).predict(X)  # doctest: +SKIP
    """

    _kind = "Regressor"
    _kind_of_loss = RegressionLoss
    _default_loss = Huber

    def _encoded(self, y: ArrayLike, features: Any) -> NDArray[Any]:
        target = check_real_array("y", column_or_1d(y, warn=True))
        fail_at("y", target, ~np.isfinite(target), "finite")
        check_consistent_length(features, target)
        return target

    def predict(self, X: Any) -> NDArray[Any]:
        """Predictions on the scale of y.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)

        Returns
        -------
        ndarray of shape (n_samples,), or (n_samples, n_quantiles) for several
        """
        return self._decision_of(self._raw_predictions(X))

    def score(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """Coefficient of determination; of several quantiles the mean of their D^2 pinball scores.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), optional

        Returns
        -------
        float
            At most 1, higher is better; 0 for the best constant.
        """
        prediction = self.predict(X)
        if prediction.ndim == 1:
            return float(r2_score(y, prediction, sample_weight=sample_weight))
        scores = [
            d2_pinball_score(y, column, alpha=level, sample_weight=sample_weight)
            for level, column in zip(self.loss_.quantile, prediction.T, strict=True)
        ]
        return float(np.mean(scores))
