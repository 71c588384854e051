import io
import json
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier

from core.change.learning import modelfile
from core.change.learning.decisions import Aim, Criterion
from core.change.learning.model import Card, Classifier, Fitted, Model, Samples, fit, modelled
from core.change.learning.training import RECIPES, Method, Recipe
from core.errors import BadModel, ModelMismatch, TooFewSamples

RECIPE = Recipe(trees=20, seed=1)
CARD = Card(
    tuple(f"feature {number}" for number in range(8)),
    ("1",) * 8,
    {"red": 665.0, "nir": float("nan")},
    {"red": (1.03, -12.5)},
    {"service": "1.0.0"},
    {"trained on": "areas of a simulated event"},
)


@pytest.fixture(scope="module")
def fitted(event: Callable[..., Samples]) -> Fitted:
    return fit(event(1), RECIPE)


@pytest.fixture(scope="module")
def classifier(fitted: Fitted) -> Classifier:
    return fitted.classifier


@pytest.fixture(scope="module")
def model(classifier: Classifier, event: Callable[..., Samples]) -> Model:
    return modelled(event(1), classifier, CARD)


@pytest.fixture(scope="module")
def saved(model: Model) -> bytes:
    return modelfile.written(model)


def f1(called: np.ndarray, truth: np.ndarray) -> float:
    return 2 * (called & truth).sum() / (called.sum() + truth.sum())


@pytest.mark.parametrize("method", Method)
def test_landslides_of_fresh_areas_are_found(method: Method, event: Callable) -> None:
    fresh = event(2)
    recipe = replace(RECIPES[method], trees=40, tried=0.5)
    model = fit(event(1), recipe).classifier
    told = model.probability(fresh.features.T)
    assert f1(told >= model.threshold(Aim()), fresh.landslide) > 0.6
    # Calibrated out of fold: the mean probability is near the share of landslides.
    assert told.mean() == pytest.approx(fresh.landslide.mean(), rel=0.25)


def test_the_folds_are_told(fitted: Fitted) -> None:
    # Only four of eight areas hold landslides.
    assert fitted.folds.number == 4
    assert (
        fitted.folds.note
        == "4 folds instead of 5: of 8 areas 4 hold landslides and 8 ground without"
    )
    assert np.isfinite(fitted.out_of_fold).all()


def test_a_sample_s_own_label_has_no_part_in_what_is_said_of_it_out_of_fold(
    event: Callable[..., Samples],
) -> None:
    """A sample whose label is turned round is believed by its trees, and not out of fold."""
    samples = event(3)
    turned = np.flatnonzero(~samples.landslide & (samples.group == 2))[:20]
    labels = samples.landslide.copy()
    labels[turned] = True
    plain, lied = (
        fit(replace(samples, landslide=which), replace(RECIPE, leaf_samples=1))
        for which in (samples.landslide, labels)
    )
    assert (lied.folds.of == plain.folds.of).all()
    seen = lied.classifier.probability(samples.features[turned].T)
    assert np.median(lied.out_of_fold[turned]) < 0.5 * np.median(seen)


def test_a_threshold_for_the_scene_s_prevalence(classifier: Classifier) -> None:
    share = classifier.calibration.prevalence
    assert classifier.threshold(Aim(), share) == classifier.threshold(Aim())
    assert classifier.threshold(Aim(Criterion.F2)) < classifier.threshold(Aim())
    assert classifier.threshold(Aim(Criterion.COST, 9.0), share) == pytest.approx(0.1)


def test_one_area_with_landslides_is_refused(event: Callable[..., Samples]) -> None:
    samples = event(4)
    with pytest.raises(TooFewSamples, match="1 of 5 training areas hold landslides"):
        fit(samples.of((samples.group % 2 == 1) | (samples.group == 0)), RECIPE)


def test_features_of_another_scene_are_compared_by_name(model: Model) -> None:
    model.check(CARD.features, CARD.units)
    with pytest.raises(ModelMismatch, match="lacks feature 3 and has slope besides"):
        model.check((*CARD.features[:3], "slope", *CARD.features[4:]), CARD.units)
    with pytest.raises(ModelMismatch, match="another order"):
        model.check(CARD.features[::-1], CARD.units)
    with pytest.raises(ModelMismatch, match="feature 2 in 1, the scene has it in m"):
        model.check(CARD.features, ("1", "1", "m", *CARD.units[3:]))


def test_a_model_predicts_the_same_after_a_round_trip(
    model: Model, saved: bytes, event: Callable[..., Samples]
) -> None:
    again = modelfile.read(saved)
    one, two = again.classifier, model.classifier
    features = event(5).features.T
    for share in (None, 0.01):
        np.testing.assert_array_equal(
            one.probability(features, share), two.probability(features, share)
        )
        for criterion in (Criterion.F1, Criterion.F2):
            aim = Aim(criterion)
            assert one.threshold(aim, share) == two.threshold(aim, share)
    assert repr(again.card) == repr(CARD)
    assert again.domain.limit == model.domain.limit


def test_the_same_model_gives_the_same_bytes(saved: bytes, event: Callable) -> None:
    assert modelfile.written(modelfile.read(saved)) == saved
    again = modelled(event(1), fit(event(1), RECIPE).classifier, CARD)
    assert modelfile.written(again) == saved


def test_the_file_is_one_of_skops_that_needs_no_trust(saved: bytes) -> None:
    assert skops.io.get_untrusted_types(data=saved) == []
    assert set(skops.io.loads(saved)) == {
        "form", "form_version", "trees", "calibration", "evidence", "domain", "card",
    }  # fmt: skip


def content(saved: bytes) -> dict:
    return skops.io.loads(saved)


def changed(saved: bytes, path: str, value: object) -> bytes:
    """A file of skops with one entry of ours changed."""
    whole = content(saved)
    *parts, last = path.split("/")
    place = whole
    for part in parts:
        place = place[part]
    if value is KeyError:
        del place[last]
    else:
        place[last] = value(place[last]) if callable(value) else value
    return skops.io.dumps(whole)


def put(at: int, value: object) -> Callable[[np.ndarray], np.ndarray]:
    """Puts a value into an array."""

    def change(array: np.ndarray) -> np.ndarray:
        out = array.copy()
        out[at] = value
        return out

    return change


WRONG = {
    "another form": ("form", "weather", "something else"),
    "a later version": ("form_version", 2, "version 2"),
    "no trees": ("trees", KeyError, "no trees"),
    "trees that are text": ("trees", "oak", "no dictionary"),
    "a node out of bounds": ("trees/nodes", put(0, 0x0005FFF0), "outside its tree"),
    "a feature out of bounds": ("trees/nodes", put(0, 0xFE000001), "feature that there is not"),
    "starts out of bounds": ("trees/starts", put(-1, 10**9), "do not cover"),
    "nodes of another type": ("trees/nodes", lambda a: a.astype(np.int64), "no array of uint32"),
    "leaves that are NaN": ("trees/leaves", put(3, np.nan), "no numbers"),
    "leaves beyond all numbers": ("trees/leaves", put(3, 1e200), "too large"),
    "few leaves": ("trees/leaves", lambda a: a[:-1], "has the shape"),
    "edges that fall": ("trees/edges", lambda a: a[:, ::-1], "do not ascend"),
    "an unknown link": ("trees/link", "probit", "probit"),
    "a prevalence of 1": ("calibration/prevalence", 1.0, "not 1e-09 to 1"),
    "a slope below 0": ("calibration/slope", -0.5, "is -0.5"),
    "an offset that is NaN": ("calibration/offset", float("nan"), "is nan"),
    "an offset that is true": ("calibration/offset", True, "no number"),
    "no evidence": ("evidence/landslide", lambda a: 0 * a, "no samples of one class"),
    "a domain of other features": ("domain/turn", lambda a: a[1:], "has the shape"),
    "a spread of 0": ("domain/spread", lambda a: 0 * a, "not above 0"),
    "no centres": ("domain/centres", lambda a: a[:0], "no centres"),
    "too few names": ("card/features", ["red"], "names 1 features"),
    "names that are numbers": ("card/units", [1] * 8, "no text"),
    "a text of a megabyte": ("card/notes", {"x": "y" * 10**6}, "no text"),
    "a band at no wavelength": ("card/bands", {"red": -1.0}, "is -1"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_contents_are_refused_in_words(name: str, saved: bytes) -> None:
    path, value, reason = WRONG[name]
    with pytest.raises(BadModel, match="no model that this service saved") as caught:
        modelfile.read(changed(saved, path, value))
    assert reason in caught.value.message


class Evil:
    def __reduce__(self) -> tuple:
        return print, ("run",)


def packed(entries: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def array_file(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def not_models(saved: bytes) -> dict[str, bytes]:
    entries = unpacked(saved)
    schema = entries.pop("schema.json")
    forest = RandomForestClassifier(2).fit([[0.0], [1.0]], [0, 1])
    huge = bytearray(entries["0.npy"])
    header = bytes(huge[:128]).replace(b"(8, 255)", b"(9999999999, 255)")
    objects = io.BytesIO()
    np.save(objects, np.array([Evil()], object), allow_pickle=True)
    twice = json.loads(schema)
    twice["content"]["trees"]["content"]["nodes"]["__loader__"] = "ObjectNode"
    named = {**entries, "schema.json": schema}
    return {
        "nothing": b"",
        "a pickle": pickle.dumps({"form": "optiground-landslide-model"}),
        "a pickle that runs something": pickle.dumps(Evil()),
        "a classifier of scikit-learn": skops.io.dumps(forest),
        "a zip of something": packed({"a.txt": b"text"}),
        "half of a file": saved[: len(saved) // 2],
        "a file without its end": saved[:-10],
        "a changed byte": saved[:2000] + bytes([saved[2000] ^ 255]) + saved[2001:],
        "a bomb": packed({"schema.json": schema, "0.npy": bytes(300 * 2**20)}),
        "a file beside": packed(named | {"more.npy": array_file(np.ones(3))}),
        "a file too few": packed({"schema.json": schema}),
        "many files": packed({f"{n}.npy": b"" for n in range(99)} | {"schema.json": schema}),
        "an array that says it is huge": packed(named | {"0.npy": header + bytes(huge[128:])}),
        "an array of objects": packed(named | {"0.npy": objects.getvalue()}),
        "an array of text": packed(named | {"0.npy": array_file(np.array(["a"]))}),
        "no array": packed(named | {"0.npy": b"text"}),
        "a header that is cut off": packed(named | {"0.npy": bytes(huge[:30])}),
        "a header that is no header": packed(
            named | {"0.npy": bytes(huge).replace(b"(8,", b"('8")}
        ),
        "a header of an older Python": packed(
            named | {"0.npy": bytes(huge).replace(b"8, 2", b"8L,2")}
        ),
        "another loader": packed(named | {"schema.json": json.dumps(twice).encode()}),
        "a schema that is a list": packed(named | {"schema.json": b"[]"}),
        "a schema that is no JSON": packed(named | {"schema.json": b"{"}),
        "a deep schema": packed(named | {"schema.json": b"[" * 10**5}),
        "text": skops.io.dumps("a model"),
        "a function": skops.io.dumps({"form": np.add}),
    }


def test_what_is_no_model_is_refused_and_nothing_runs(
    saved: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, data in not_models(saved).items():
        with pytest.raises(BadModel) as caught:
            modelfile.read(data)
        assert caught.value.message.startswith("the file is no model"), name
    assert capsys.readouterr().out == ""


def test_a_damaged_file_is_refused_or_can_be_used(
    saved: bytes, event: Callable[..., Samples]
) -> None:
    """Whatever byte is another: no error of any other kind, and no number from beyond an array."""
    rng = np.random.default_rng(1)
    entries, values = unpacked(saved), event(6).features.T
    refused = 0
    for turn in range(150):
        name = list(entries)[turn % len(entries)]
        part = bytearray(entries[name])
        for place in rng.integers(0, len(part), 3):
            part[place] = rng.integers(256)
        try:
            told = modelfile.read(packed(entries | {name: bytes(part)})).classifier
        except BadModel:
            refused += 1
        else:
            found = told.probability(values)
            assert ((found >= 0) & (found <= 1)).all()
    assert 50 < refused < 150
