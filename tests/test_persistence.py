"""Losses as dicts, JSON and pickles: they come back exactly, and a hostile dict is an error that says what is wrong."""

import copy
import json
import pickle

import joblib
import numpy as np
import pytest
from conftest import CLASSIFICATION, LOSSES, over
from hypothesis import given, settings
from hypothesis import strategies as st

import boostloss as bl
from boostloss._engine import describe, restore
from boostloss.formula import exp, expm1


class GeneralisedCrossEntropy(bl.ClassificationLoss):
    """(1 - p^k) / k: the example of the README."""

    def __init__(self, *, k=0.5):
        self.k = k

    @staticmethod
    def point(log_p, log_q, p, q, k):
        return -expm1(k * log_p) / k, -q * exp(k * log_p), -k * q * q * exp(k * log_p)


def same_namesake(**params):
    """A user's class with the name of one of boostloss."""
    return type("Focal", (GeneralisedCrossEntropy,), {})(**params)


def through_json(loss):
    return type(loss).from_dict(json.loads(json.dumps(loss.to_dict(), allow_nan=False)))


def by_dict(loss):
    return bl.Loss.from_dict(loss.to_dict())


def by_joblib(loss, path):
    joblib.dump(loss, path)
    return joblib.load(path)


def assert_same(a, b):
    """Same kind, same parameters of the same types, whatever is nested."""
    assert type(a) is type(b)
    if isinstance(a, bl.Loss):
        assert vars(a).keys() == vars(b).keys()
        for name, value in vars(a).items():
            assert_same(value, vars(b)[name])
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, dict):
        for (k, x), (m, y) in zip(a.items(), b.items(), strict=True):
            assert_same(k, m)
            assert_same(x, y)
    else:
        assert a == b


@over(LOSSES)
def test_every_loss_comes_back(case, tmp_path):
    """Through a dict, through JSON, pickle and joblib, as the loss it was."""
    for copied in (by_dict(case.loss), through_json(case.loss), pickle.loads(pickle.dumps(case.loss))):
        assert_same(copied, case.loss)
    assert_same(by_joblib(case.loss, tmp_path / "loss.joblib"), case.loss)


@over(CLASSIFICATION)
def test_every_resolved_loss_comes_back(case):
    """What was worked out from training labels is in the dict; values, decisions and probabilities are the same."""
    y, raw, weight = case.sample()
    loss = case.loss.resolve(y, weight, n_classes=case.n_classes)
    for copied in (through_json(loss), restore(describe(loss)), pickle.loads(pickle.dumps(loss))):
        assert_same(copied, loss)
        np.testing.assert_array_equal(copied.loss(y, raw, weight), loss.loss(y, raw, weight))
        np.testing.assert_array_equal(copied.predict(raw), loss.predict(raw))
        if case.has_posterior:
            np.testing.assert_array_equal(copied.predict_proba(raw), loss.predict_proba(raw))


Y = np.repeat([0.0, 1.0], [90, 10])
MATRIX = np.column_stack([Y, Y[::-1]])
BARE = [
    bl.LDAM(),
    bl.LDAM().resolve(Y),
    bl.LogitAdjusted().resolve(Y),
    bl.CrossEntropy(class_weight="balanced").resolve(Y),
    bl.Focal(pos_weight="balanced").resolve(Y),
    bl.CrossEntropy(class_weight={"yes": 3.0, "no": 1}),
    bl.CrossEntropy(class_weight={np.int64(1): np.float32(3.1), 0: 2}),
    bl.CrossEntropy(class_weight={True: 3.1, False: 1}),
    bl.CrossEntropy(class_weight=(1.0, 2.0)),
    bl.CrossEntropy(class_weight=np.array([1, 2], np.int32)),
    bl.Focal(gamma=np.float64(0.1)),
    bl.Focal(gamma=np.float32(0.1), alpha=np.float16(0.3)),
    bl.Focal(gamma=np.array([0.1, 0.2], np.float32)),
    bl.Quantile(quantile=np.linspace(0.1, 0.9, 5)),
    bl.Quantile(quantile=(0.1, 0.9)),
    bl.GradientHarmonized(bins=np.int16(7), momentum=0.5),
    bl.Dice(),
    bl.FocalTversky(),
    bl.MultiLabel(),
    bl.MultiLabel().resolve(MATRIX),
    bl.MultiLabel(label_loss=bl.Focal(gamma=1.5, class_weight={1: 2.0})),
    bl.MultiLabel(label_loss=[bl.Asymmetric(), bl.Focal(gamma=(0.5, np.float32(1.1)))]),
    bl.MultiLabel(label_loss=(bl.CrossEntropy(class_weight="balanced"), bl.LDAM())).resolve(MATRIX),
    bl.MultiLabel(label_loss=bl.LDAM().resolve(Y)),
    bl.Tweedie(power=1.0 + 2**-52),
    bl.Huber(delta=5e-324),
    bl.Huber(delta=10**300),
]


@pytest.mark.parametrize("loss", BARE, ids=repr)
def test_types_come_back(loss):
    """NumPy's scalars and arrays, tuples, dicts with keys of any kind, losses in losses, tiny and huge numbers."""
    for copied in (by_dict(loss), through_json(loss), copy.deepcopy(loss)):
        assert_same(copied, loss)


def test_strings_of_numpy_become_plain():
    """Labels are strings, whoever made them."""
    by_label = {"a": 2.0, "b": 1.0}
    numpys = {np.str_(label): weight for label, weight in by_label.items()}
    assert_same(by_dict(bl.CrossEntropy(class_weight=numpys)), bl.CrossEntropy(class_weight=by_label))


def test_the_dict_is_plain():
    """What it looks like: JSON's own kinds, with one key for what JSON has not."""
    assert bl.Focal(gamma=2, class_weight={1: np.float32(0.5)}).to_dict() == {
        "schema": 2,
        "loss": "Focal",
        "params": {
            "gamma": 2,
            "alpha": None,
            "pos_weight": None,
            "class_weight": {"dict": [[1, {"array": 0.5, "dtype": "float32"}]]},
            "beta": 0.999,
            "label_smoothing": 0.0,
            "curvature": "auto",
        },
    }
    assert bl.MultiLabel(label_loss=bl.Hinge()).to_dict()["params"]["label_loss"] == bl.Hinge().to_dict()


# ------------------------------------------------------------------------------------------------- losses of the user


def test_a_loss_of_the_user_loads_through_its_class_only():
    """By its class it comes back; by name nobody looks for it."""
    loss = GeneralisedCrossEntropy(k=0.7)
    assert_same(through_json(loss), loss)
    assert_same(pickle.loads(pickle.dumps(loss)), loss)
    words = r"must be a loss of boostloss: one of your own loads through its class, GeneralisedCrossEntropy.from_dict"
    for other in (bl.Loss, bl.ClassificationLoss, bl.Focal):
        with pytest.raises(ValueError, match=f"user_loss == 'GeneralisedCrossEntropy', {words}"):
            other.from_dict(loss.to_dict())
    with pytest.raises(ValueError, match=r"loss == 'Hinge', must be GeneralisedCrossEntropy for "):
        GeneralisedCrossEntropy.from_dict(bl.Hinge().to_dict())


def test_a_namesake_is_not_mistaken():
    """A user's Focal does not become boostloss' Focal, nor the other way round."""
    own = same_namesake(k=0.7)
    with pytest.raises(ValueError, match="user_loss == 'Focal', must be Loss for"):
        bl.Loss.from_dict(own.to_dict())
    with pytest.raises(ValueError, match="user_loss == 'Focal', must be Focal for"):
        bl.Focal.from_dict(own.to_dict())
    with pytest.raises(ValueError, match="loss == 'Focal', must be Focal for"):
        type(own).from_dict(bl.Focal().to_dict())
    assert type(type(own).from_dict(own.to_dict())) is type(own)


def test_a_loss_of_the_user_inside_another_is_refused_by_name():
    """Its own dict loads through its class."""
    whole = bl.MultiLabel(label_loss=GeneralisedCrossEntropy(k=0.7)).to_dict()
    with pytest.raises(ValueError, match="user_loss == 'GeneralisedCrossEntropy', must be a loss of boostloss"):
        bl.MultiLabel.from_dict(whole)
    assert GeneralisedCrossEntropy.from_dict(whole["params"]["label_loss"]).k == 0.7


@pytest.mark.parametrize("k", [object(), {1, 2}, np.inf, float("nan"), 1j, np.longdouble(1), np.array([np.nan]),
                               {(1, 2): 3}, [[object()]], np.array(["a"]), b"x"])
def test_parameters_without_a_word_in_json(k):
    """An error that names the parameter, when the dict is made."""
    with pytest.raises(TypeError, match=r"(?s)k of GeneralisedCrossEntropy == .*, must be made of finite numbers"):
        GeneralisedCrossEntropy(k=k).to_dict()


# -------------------------------------------------------------------------------------------------------- saved models


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ('{"loss": "Focal", "n_classes": 2, "params": {"alpha": null, "class_weight": [1.0, 3.0], '
         '"gamma": [0.5, 2.0]}, "schema": 1}', bl.Focal(gamma=[0.5, 2.0], class_weight=[1.0, 3.0])),
        ('{"loss": "MultiLabel", "params": {"label_loss": {"loss": "Focal", "params": {"gamma": 2.0}}}, '
         '"n_classes": 2, "schema": 1}', bl.MultiLabel(label_loss=bl.Focal())),
    ],
)  # fmt: skip
def test_models_of_the_first_schema_are_read(text, loss):
    """It wrote class weights as lists, and the schema number at the outermost loss only."""
    loss.n_classes_ = 2
    assert_same(restore(text), loss)


NOT_A_LOSS = ["", "[", "null", "[]", "3", '{"loss": "Focal"}', "[" * 100_000, '{"loss": "os.system"}',
              '{"schema": 2, "user_loss": "Mine", "params": {}}']  # fmt: skip


@pytest.mark.parametrize("text", NOT_A_LOSS, ids=lambda text: text[:12])
def test_what_a_saved_model_may_not_say(text):
    """One kind of error, which says what to do."""
    with pytest.raises(ValueError, match="the loss in the saved model cannot be read, give loss="):
        restore(text)


# ------------------------------------------------------------------------------------------------------- hostile dicts


FOCAL = bl.Focal().to_dict()
MULTI = bl.MultiLabel(label_loss=bl.Focal()).to_dict()
ENDLESS = []
ENDLESS.append(ENDLESS)


def with_parameter(value, name="gamma", whole=FOCAL):
    return {**whole, "params": {name: value}}


@pytest.mark.parametrize(
    ("description", "error", "words"),
    [
        (None, TypeError, "description == None, must be a dict"),
        ("Focal", TypeError, "description == 'Focal', must be a dict"),
        ({}, ValueError, r"keys \[\], must have 'loss' or 'user_loss'"),
        ({**FOCAL, "user_loss": "Focal"}, ValueError, "must have 'loss' or 'user_loss'"),
        ({**FOCAL, "schema": 3}, ValueError, r"schema == 3 of the description, must be one of \(1, 2\)"),
        ({**FOCAL, "schema": True}, ValueError, "schema == True"),
        ({**FOCAL, "schema": [1]}, ValueError, r"schema == \[1\]"),
        ({"loss": "Focal", "params": {}}, ValueError, "schema == None"),
        ({**FOCAL, "module": "os"}, ValueError, "has the key 'module', must be one of"),
        ({**FOCAL, 3: "os"}, ValueError, "has the key 3, must be one of"),
        ({**FOCAL, "loss": "os.system"}, ValueError, "loss == 'os.system', must be a loss of boostloss"),
        ({**FOCAL, "loss": "__class__"}, ValueError, "loss == '__class__', must be a loss of boostloss"),
        ({**FOCAL, "loss": "Loss"}, ValueError, "loss == 'Loss', must be a loss of boostloss"),
        ({"schema": 2, "user_loss": "Loss", "params": {}}, ValueError, "user_loss == 'Loss', must be a loss of"),
        ({**FOCAL, "loss": "annotations"}, ValueError, "loss == 'annotations', must be"),
        ({**FOCAL, "loss": ["Focal"]}, ValueError, r"loss == \['Focal'\], must be Loss for"),
        ({**FOCAL, "loss": None}, ValueError, "loss == None, must be Loss for"),
        ({**FOCAL, "params": [1]}, TypeError, r"params == \[1\] of Focal, must be a dict"),
        ({"schema": 2, "loss": "Focal"}, TypeError, "params == None of Focal, must be a dict"),
        (with_parameter(1.0, "gama"), ValueError, "params has the key 'gama', must be a parameter of Focal: alpha, "),
        (with_parameter(1.0, "__class__"), ValueError, "params has the key '__class__'"),
        (with_parameter(1.0, "point"), ValueError, "params has the key 'point'"),
        (with_parameter(1.0, 3), ValueError, "params has the key 3"),
        (with_parameter(-1.0), ValueError, "gamma == -1.0, must be >= 0"),
        (with_parameter("2"), TypeError, "gamma == '2', must be a number >= 0"),
        (with_parameter(True), TypeError, "gamma == True, must be a number"),
        (with_parameter(10**400), ValueError, "gamma == 1000.*, must be >= 0"),
        (with_parameter(float("inf")), TypeError, "gamma of Focal == inf, must be made of finite numbers"),
        (with_parameter(float("nan")), TypeError, "gamma of Focal == nan, must be made of finite numbers"),
        (with_parameter(np.float64(2)), TypeError, r"gamma of Focal == np.float64\(2.0\), must be made of"),
        (with_parameter(print), TypeError, "gamma of Focal == <built-in function print>, must be made of"),
        (with_parameter((1, 2)), TypeError, r"gamma of Focal == \(1, 2\), must be made of"),
        (with_parameter({}), ValueError, "gamma of Focal == {}, must be an object of to_dict"),
        (with_parameter({"tuple": [1, 2], "x": 1}), ValueError, "gamma of Focal == .* must be an object of to_dict"),
        (with_parameter({"tuple": "ab"}), ValueError, "gamma of Focal == .* must be an object of to_dict"),
        (with_parameter({"array": [1], "dtype": "object"}), ValueError, "must be an object of to_dict"),
        (with_parameter({"array": [1], "dtype": "O"}), ValueError, "must be an object of to_dict"),
        (with_parameter({"array": [1], "dtype": ["float64"]}), ValueError, "must be an object of to_dict"),
        (with_parameter({"array": [0.1], "dtype": "float32"}), ValueError, "must be finite numbers of dtype float32"),
        (with_parameter({"array": [300], "dtype": "int8"}), ValueError, "must be finite numbers of dtype int8"),
        (with_parameter({"array": "1", "dtype": "float64"}), ValueError, "must be finite numbers of dtype float64"),
        (with_parameter({"array": [[1], [1, 2]], "dtype": "float64"}), ValueError, "must be numbers of dtype float64"),
        (with_parameter({"array": [1e9], "dtype": "float16"}), ValueError, "must be finite numbers of dtype float16"),
        (with_parameter({"array": {"a": 1}, "dtype": "float64"}), ValueError, "must be numbers of dtype float64"),
        (with_parameter({"dict": [[1, 2], [1, 3]]}, "class_weight"), ValueError, "must be an object of to_dict"),
        (with_parameter({"dict": [[[1], 2]]}, "class_weight"), ValueError, "must be an object of to_dict"),
        (with_parameter({"dict": [[1]]}, "class_weight"), ValueError, "must be an object of to_dict"),
        (with_parameter({"dict": [[1, -2.0]]}, "class_weight"), ValueError, r"class_weight\[1\] == -2.0, must be > 0"),
        (with_parameter(FOCAL), TypeError, r"gamma == Focal\(\), must be a number"),
        (with_parameter(ENDLESS), ValueError, "gamma of Focal is nested deeper than 32"),
        (with_parameter(MULTI, "label_loss", MULTI), TypeError, "label_loss == MultiLabel.*, must be a Classif"),
        (with_parameter(bl.Huber().to_dict(), "label_loss", MULTI), TypeError, r"label_loss == Huber\(\), must be"),
        ({**FOCAL, "n_classes": 1}, ValueError, "n_classes == 1, must be an integer >= 2"),
        ({**FOCAL, "n_classes": 2.0}, ValueError, "n_classes == 2.0, must be an integer >= 2"),
        ({**FOCAL, "n_classes": True}, ValueError, "n_classes == True, must be"),
        ({**FOCAL, "n_labels": "3"}, ValueError, "n_labels == '3', must be an integer >= 1"),
    ],
)
def test_hostile_dicts(description, error, words):
    """Every way to be no description has an error that says which."""
    with pytest.raises(error, match=words):
        bl.Loss.from_dict(description)


PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
KEYS = st.sampled_from(["schema", "loss", "user_loss", "params", "n_classes", "n_labels", "tuple", "dict", "array",
                        "dtype", "gamma", "class_weight", "label_loss", "quantile"])
WORDS = st.sampled_from([1, 2, "Focal", "MultiLabel", "Quantile", "LDAM", "float32", "int8", "auto", "balanced"])
TREES = st.recursive(
    PLAIN | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=600, deadline=None)
@given(
    description=TREES
    | st.fixed_dictionaries(
        {"schema": st.sampled_from([1, 2]), "loss": st.sampled_from(["Focal", "MultiLabel", "Quantile", "Huber"])},
        optional={"params": st.dictionaries(KEYS, TREES, max_size=3), "n_classes": TREES},
    )
)
def test_any_tree_is_a_loss_or_an_error(description):
    """Nothing but TypeError and ValueError comes out, and what loads is a loss that comes back."""
    try:
        loss = bl.Loss.from_dict(description)
    except (TypeError, ValueError):
        return
    assert isinstance(loss, bl.Loss)
    assert_same(by_dict(loss), loss)
