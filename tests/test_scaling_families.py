"""Published models: the shipped table against torchvision and a counter, users' tables, measured ones beside them."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scaling_example import curve_with, make_records

from ttscale.cost.analytic import count_analytic
from ttscale.errors import TtscaleError
from ttscale.records.records import Records
from ttscale.scaling.curves.combined import paired_difference
from ttscale.scaling.planning.options import Option
from ttscale.scaling.tradeoff.beside import beside
from ttscale.scaling.tradeoff.families import FAMILIES_FILE, reference_families
from ttscale.scaling.tradeoff.ladder import Rung, climb

SHIPPED = {one.name: one for one in reference_families()}
HEAD = "family,name,domain,source,gmacs,accuracy,benchmark,classes\n"


# The shipped table.


def test_families_of_the_issue_are_there_each_row_with_a_source():
    families = {one.family: one.domain for one in SHIPPED.values()}
    images, texts = (
        ("ResNet", "EfficientNet", "EfficientNet-Lite", "ConvNeXt", "DeiT"),
        ("SmolLM2", "Gemma-3", "Pythia"),
    )
    assert families == dict.fromkeys(images, "image") | dict.fromkeys(texts, "text")
    for one in SHIPPED.values():
        assert one.source and all(url.startswith("https://") for url in one.source.split()), one.name
        assert one.domain == "text" or (one.classes, one.images) == (1000, 1281167), one.name
    assert {one.domain for one in reference_families("imagenet")} == {"image"}
    assert len(reference_families("imagenet")) + len(reference_families("language")) == len(SHIPPED)


def test_models_of_one_family_and_recipe_were_trained_alike():
    """Figures join them: as many epochs or tokens, and either all or none with a teacher."""
    trained = {}
    for one in SHIPPED.values():
        if one.family not in ("SmolLM2", "Gemma-3"):  # whose sizes were trained on different amounts of text
            trained.setdefault((one.family, one.recipe), set()).add((str(one.epochs), str(one.tokens), one.teacher))
    assert all(len(ways) == 1 for ways in trained.values()), trained
    assert {recipe for family, recipe in trained if family == "ResNet"} == {"V1", "V2", "A1", "A2"}
    assert len({frozenset(ways) for (family, _), ways in trained.items() if family == "DeiT"}) == 2


def test_the_table_lies_in_the_package():
    assert FAMILIES_FILE.parent.parent == Path(__import__("ttscale").__file__).parent


@pytest.mark.parametrize("depth", [18, 34, 50, 101, 152])
@pytest.mark.parametrize("recipe", ["", " V2"])
def test_resnets_are_those_of_torchvision(depth, recipe):
    from torchvision.models import get_model_weights

    weights = getattr(get_model_weights(f"resnet{depth}"), f"IMAGENET1K_{recipe.strip() or 'V1'}", None)
    one = SHIPPED.get(f"ResNet-{depth}{recipe}")
    assert (one is None) == (weights is None)
    if one is not None:
        assert one.accuracy == pytest.approx(weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100)
        assert (one.params, one.gmacs) == (weights.meta["num_params"], weights.meta["_ops"])


# What is counted here and what is published differ by batch norm and biases, most in the small Lite models.
COUNTED = {
    "ResNet-18": ("resnet18", 0.005), "ResNet-152": ("resnet152", 0.005),
    "ConvNeXt-T": ("convnext_tiny", 0.005), "ConvNeXt-L": ("convnext_large", 0.005),
    "DeiT-Ti": ("deit_tiny_patch16_224", 0.01), "DeiT-S": ("deit_small_patch16_224", 0.01),
    "DeiT-B distilled": ("deit_base_distilled_patch16_224", 0.01),
    "EfficientNet-B0": ("tf_efficientnet_b0", 0.005), "EfficientNet-B2": ("tf_efficientnet_b2", 0.03),
    "EfficientNet-B7": ("tf_efficientnet_b7", 0.005),
    "EfficientNet-Lite0": ("tf_efficientnet_lite0", 0.06), "EfficientNet-Lite2": ("tf_efficientnet_lite2", 0.06),
    "EfficientNet-Lite4": ("tf_efficientnet_lite4", 0.06),
}  # fmt: skip


@pytest.mark.parametrize("name", COUNTED)
def test_multiply_adds_and_parameters_as_counted(name):
    import timm

    architecture, tolerance = COUNTED[name]
    one = SHIPPED[name]
    with torch.device("meta"):
        module = timm.create_model(architecture).eval()
        image = torch.zeros(1, 3, int(one.resolution), int(one.resolution))
    assert one.test_flops == pytest.approx(count_analytic(lambda: module(image)), rel=tolerance)
    assert one.params == pytest.approx(sum(p.numel() for p in module.parameters()), rel=0.011)  # 4.7 M for 4,652,008


def test_looked_up_embeddings_of_pythia_are_not_multiplied():
    widths = {"70M": 512, "160M": 768, "410M": 1024, "1B": 2048, "1.4B": 2048, "2.8B": 2560}
    for size, width in widths.items():
        one = SHIPPED[f"Pythia-{size}"]
        assert one.params - one.multiplied == 50304 * width
        assert f"{one.multiplied - 50304 * width:.0f} parameters without embeddings" in one.note
    assert SHIPPED["Pythia-70M"].params == 18915328 + 2 * 50304 * 512


# Estimates, by hand.


def test_training_estimates_by_hand():
    assert SHIPPED["ResNet-50"].train_flops == pytest.approx(3 * 2 * 4.089e9 * 1281167 * 90)
    assert SHIPPED["ResNet-50"].estimate == "3 × 2 × 4.089 GMACs × 1,281,167 images × 90 epochs"
    v2, a1 = SHIPPED["ResNet-50 V2"], SHIPPED["ResNet-50 A1"]
    assert v2.train_flops / a1.train_flops == pytest.approx((176 / 224) ** 2)
    assert "(176/224)²" in v2.estimate and "as if trained at the test resolution" in a1.estimate
    assert SHIPPED["Pythia-1B"].train_flops == pytest.approx(6 * (1011781632 - 50304 * 2048) * 299892736000)
    assert SHIPPED["SmolLM2-135M"].train_flops == pytest.approx(6 * 134515008 * 2e12)
    assert SHIPPED["SmolLM2-135M"].test_flops == 2 * 134515008


def test_what_an_estimate_leaves_out_is_said():
    for name, teacher in (("Gemma-3-1B", "undisclosed"), ("DeiT-B distilled", "RegNetY-160")):
        assert SHIPPED[name].distilled and f"without its teacher ({teacher}" in SHIPPED[name].estimate
    lite = SHIPPED["EfficientNet-Lite0"]
    assert math.isnan(lite.train_flops) and lite.estimate == "training FLOPs unknown: epochs not published"
    assert not SHIPPED["DeiT-B"].distilled and not SHIPPED["SmolLM2-1.7B"].distilled


# A user's table.


def write(folder: Path, text: str) -> Path:
    file = folder / "mine.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_table_of_ones_own(tmp_path):
    file = write(
        tmp_path, 'domain,name,family,gmacs,source,note\nimage,net,mine,1.5,here,"a, b"\n\nimage,big,mine,3,here,\n'
    )
    net, big = reference_families(file)
    assert (net.name, net.test_flops, net.note, big.note) == ("net", 3e9, "a, b", "")
    assert math.isnan(net.accuracy) and math.isnan(net.train_flops)
    assert "images and epochs not published" in net.estimate
    assert reference_families(str(file)) == (net, big)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("family,name,domain\n", "no source in mine.csv:1"),
        ("family,name,domain,source,name\n", r"\['name'\] twice"),
        ("family,name,domain,source,gmac\n", "Did you mean gmacs"),
        (HEAD, "none in mine.csv"),
        ("", "no family, name, domain, source"),
        (HEAD + "f,a,image,x,1,70,b,10\nf,b,image,x,one,70,b,10\n", "'one' in mine.csv:3"),
        (HEAD + "f,a,image,x,-1,70,b,10\n", "a positive number as gmacs, got '-1' in mine.csv:2"),
        (HEAD + "f,a,image,x,inf,70,b,10\n", "'inf' in mine.csv:2"),
        (HEAD + "f,a,image,x,nan,70,b,10\n", "'nan' in mine.csv:2"),
        (HEAD + "f,a,image,x,0,70,b,10\n", "'0' in mine.csv:2"),
        (HEAD + "f,a,image,x,1,170,b,10\n", "at most 100 per cent, got 170 in mine.csv:2"),
        (HEAD + "f,a,image,x,1,0.7,b,10\n", "accuracies in per cent, got none above 1"),
        (HEAD + "f,a,image,x,1,70,b,10\nf,a,image,x,2,70,b,10\n", "'a' of line 2 in mine.csv:3"),
        (HEAD + "f,a,video,x,1,70,b,10\n", "image or text, got 'video' in mine.csv:2"),
        (HEAD + "f,a,image,,1,70,b,10\n", "a source, got an empty cell in mine.csv:2"),
        (HEAD + "f,a,image,x,,70,b,10\n", "gmacs, which the cost of image hangs on, got none in mine.csv:2"),
        (HEAD + "f,a,text,x,1,70,b,10\n", "params, which the cost of text hangs on, got none in mine.csv:2"),
        (HEAD + "f,a,image,x,1,70,b\n", "fewer in mine.csv:2"),
        (HEAD + "f,a,image,x,1,70,b,10,c\n", "more in mine.csv:2"),
        (HEAD + 'f,"a"b,image,x,1,70,b,10\n', "a CSV file in UTF-8"),
    ],
)
def test_bad_tables_are_refused_with_their_line(tmp_path, text, told):
    with pytest.raises(TtscaleError, match=told):
        reference_families(write(tmp_path, text))


def test_unknown_tables_are_refused(tmp_path):
    with pytest.raises(TtscaleError, match="no file"):
        reference_families(tmp_path / "none.csv")
    with pytest.raises(TtscaleError, match="Did you mean imagenet"):
        reference_families("imagnet")
    with pytest.raises(TtscaleError, match="a path"):
        reference_families(3)  # type: ignore[arg-type]
    (tmp_path / "latin.csv").write_bytes(b"family,name\xe9\n")
    with pytest.raises(TtscaleError, match="UTF-8"):
        reference_families(tmp_path / "latin.csv")


# Beside what was measured.

RESNETS = [SHIPPED[f"ResNet-{depth}"] for depth in (18, 34, 50, 101, 152)]


def measured(name: str, right: list[int], flops: float, *, n: int = 1000, params: float = 1.0, **more):
    """A rung, and an option whose budget k costs k times its flops and has right[k - 1] of n items right."""
    credit = np.array([np.arange(n) < r for r in right], dtype=np.float32)
    costs = flops * np.arange(1, len(right) + 1)
    curve = curve_with(credit, flops=costs, name=f"tta/{name}", kind="tta", subject=name, n_boot=200, **more)
    rung = Rung(name, (name,), params, flops, math.nan, curve.at(1), curve, size=name)
    return rung, Option(name, curve, np.full(len(right), math.nan))


def test_ten_crops_of_resnet50_cost_five_times_a_resnet101():
    rung, option = measured("resnet50", [760] * 9 + [772], 2 * 4.089e9)
    found = beside(RESNETS, [rung], [option])
    assert (found.basis, found.benchmark) == ("anchored", "ImageNet-1k top-1")
    (anchor,) = found.anchors
    assert (anchor.rung, anchor.reference) == ("resnet50", "ResNet-50")
    assert anchor.offset.value == pytest.approx(0.760 - 0.7613) and anchor.flops_ratio == pytest.approx(1)
    assert anchor.offset.low == pytest.approx(option.curve.at(1).low - 0.7613)
    ten = found.laid[-1]
    assert (ten.k, ten.gain.value) == (10, pytest.approx(0.012))
    assert ten.scaled.value == pytest.approx(0.7613 + 0.012)
    by_hand = paired_difference(option.curve, 10, option.curve, 1)
    assert (ten.scaled.low, ten.scaled.high) == pytest.approx((0.7613 + by_hand.low, 0.7613 + by_hand.high))
    assert (ten.peer.name, ten.test_ratio.value) == ("ResNet-101", pytest.approx(10 * 4.089 / 7.801))
    assert ten.peer.train_flops == RESNETS[3].train_flops and ten.train_flops == RESNETS[2].train_flops
    assert ten.rival.name == "ResNet-152" and ten.difference.value == pytest.approx(0.7733 - 0.78312)
    assert "77.3%" in ten.text and "5.24 ×" in ten.text and "ResNet-152" in ten.text
    one = found.laid[0]
    assert one.gain.low == one.gain.high == 0 and one.peer.name == "ResNet-50"
    assert one.test_ratio.value == pytest.approx(1) and one.difference.value == 0


def test_rivals_and_peers_are_those_of_a_loop():
    references = reference_families("imagenet")
    rung, option = measured("mine", [100 * (k + 1) for k in range(9)], 5e8)
    for one in beside(references, [rung], [option], comparable=True).laid:
        assert one.scaled == one.accuracy
        paid = [r for r in references if r.test_flops <= one.flops * 1.1]
        assert one.rival.name == (max(paid, key=lambda r: r.accuracy).name if paid else "")
        enough = [r for r in references if r.accuracy >= one.scaled.value]
        assert one.peer.name == (min(enough, key=lambda r: r.test_flops).name if enough else "")
        for bound, end in ((one.test_ratio.low, one.scaled.high), (one.test_ratio.high, one.scaled.low)):
            able = [r.test_flops for r in references if r.accuracy >= end]
            assert not enough or bound == pytest.approx(one.flops / min(able) if able else 0)
    last = beside(references, [rung], [option], comparable=True).laid[-1]
    assert last.peer.name == "" and math.isnan(last.test_ratio.value) and "No published model reaches" in last.text


def test_a_name_of_several_recipes_must_be_told():
    references = reference_families("imagenet")
    rung, option = measured("resnet50", [800, 820], 2 * 4.089e9)
    found = beside(references, [rung], [option])
    assert found.basis == "costs" and any("ResNet-50 V2" in note and "`same`" in note for note in found.notes)
    told = beside(references, [rung], [option], same={"resnet50": "ResNet-50 V2"})
    assert told.anchors[0].published == pytest.approx(0.80858)
    with pytest.raises(TtscaleError, match="Did you mean ResNet-50"):
        beside(references, [rung], [option], same={"resnet50": "ResNet-5O V2"})
    with pytest.raises(TtscaleError, match="same"):
        beside(references, [rung], [option], same={"resnet5": "ResNet-50 V2"})
    with pytest.raises(TtscaleError, match="comparable"):
        beside(references, [rung], [option], comparable=False, same={"resnet50": "ResNet-50 V2"})


def test_without_an_anchor_costs_alone_are_compared():
    rung, option = measured("mine", [500, 600], 4e9)
    found = beside(RESNETS, [rung], [option])
    assert found.basis == "costs" and not found.anchors
    assert all(math.isnan(one.scaled.value) and not one.peer.name for one in found.laid)
    assert [one.rival.name for one in found.laid] == ["ResNet-18", "ResNet-50"]
    assert any("no rung is one of the published models" in note for note in found.notes)
    assert "as asked" in " ".join(beside(RESNETS, [rung], [option], comparable=False).notes)


def climbed(records: Records):
    return climb([records], vote="mean", ci=0.95, n_boot=50, seed=0, interval="percentile")


def test_items_of_another_number_of_classes_are_not_compared():
    rungs, options = climbed(make_records(60, sizes=("ResNet-18",), seeds=1, views=2))
    found = beside(RESNETS, rungs, options)
    assert found.basis == "costs" and any("among 5 classes" in note and "1,000" in note for note in found.notes)
    for claim in ({"comparable": True}, {"same": {"ResNet-18": "ResNet-18"}}):
        with pytest.raises(TtscaleError, match="5 classes"):
            beside(RESNETS, rungs, options, **claim)


def test_items_of_a_few_classes_are_anchored_but_no_sample():
    log_probs = np.full((60, 2, 1000), np.log(1e-3), dtype=np.float32)
    few = Records.from_arrays({"resnet18": log_probs}, np.arange(60) % 10, flops={"resnet18": 2 * 1.814e9})
    rungs, options = climbed(few)
    found = beside(RESNETS, rungs, options)
    assert found.basis == "anchored" and any("60 items of 10 of 1,000 classes" in note for note in found.notes)
    with pytest.raises(TtscaleError, match="60 items of 10 of 1,000 classes"):
        beside(RESNETS, rungs, options, comparable=True)
    spread = Records.from_arrays({"resnet18": log_probs}, np.arange(60) * 16, flops={"resnet18": 2 * 1.814e9})
    assert beside(RESNETS, *climbed(spread), comparable=True).basis == "declared"


def test_language_models_are_priced_by_the_token():
    mine = SHIPPED["SmolLM2-135M"]
    plain = 2 * mine.params * 100  # 100 tokens
    rung, option = measured("smollm2-135m", [10, 20, 30], plain, params=mine.params, tokens=np.array([80.0, 160, 240]))
    found = beside(reference_families(), [rung], [option])
    assert {one.domain for one in found.references} == {"text"} and found.basis == "costs"
    three = found.laid[-1]
    assert three.rival.name == "SmolLM2-360M"  # 2.69 times the tokens' cost of 135M; Pythia-410M would be 2.63
    assert three.rival.test_flops == pytest.approx(plain * 361821120 / 134515008)
    assert three.train_flops == pytest.approx(6 * 134515008 * 2e12) and not found.anchors
    assert any("as many tokens" in note for note in found.notes)
    with pytest.raises(TtscaleError, match="domain text"):
        beside(RESNETS, [rung], [option])


def test_several_benchmarks_must_be_told_apart(tmp_path):
    lines = "f,a,image,x,1,70,b,10\nf,c,image,x,2,80,d,10\nf,e,image,x,3,,,\n"
    references = reference_families(write(tmp_path, HEAD + lines))
    rung, option = measured("a", [500, 600], 2e9)
    with pytest.raises(TtscaleError, match="accuracies of b, d"):
        beside(references, [rung], [option])
    with pytest.raises(TtscaleError, match="benchmark"):
        beside(references, [rung], [option], benchmark="x")
    found = beside(references, [rung], [option], benchmark="b")
    assert [one.name for one in found.references] == ["a", "e"] and found.basis == "anchored"
