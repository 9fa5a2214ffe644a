"""Old names keep working for one release, and say what to use."""

from __future__ import annotations

import importlib
import types
import warnings

import pytest

from finn_imec.layer import ConvGeometry, storage
from finn_imec.util.deprecation import deprecated_names, renamed_argument


@pytest.fixture
def module():
    """A module that knows an old name of math.tau."""
    module = types.ModuleType("shapes")
    module.__getattr__ = deprecated_names("shapes", {"turn": "math.tau"})
    return module


def test_an_old_name_gives_the_new_one_and_a_warning_at_its_user(module):
    with pytest.warns(DeprecationWarning, match=r"^shapes\.turn is deprecated, use math\.tau$") as caught:
        assert module.turn == pytest.approx(6.2832, abs=1e-4)
    assert caught[0].filename == __file__


def test_a_name_that_never_was_is_an_attribute_error(module):
    with pytest.raises(AttributeError, match="'shapes' has no attribute 'trun'"):
        _ = module.trun


@renamed_argument("old", "new")
def double(new: int = 1) -> int:
    return 2 * new


def test_an_old_argument_is_passed_on_with_a_warning_at_its_user():
    with pytest.warns(DeprecationWarning, match=r"^old of double is deprecated, use new$") as caught:
        assert double(old=3) == 6
    assert caught[0].filename == __file__


def test_new_arguments_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (double(3), double(new=4), double()) == (6, 8, 2)


def test_an_argument_by_both_names_is_an_error():
    with pytest.warns(DeprecationWarning), pytest.raises(TypeError, match="old is the old name of new"):
        double(old=3, new=4)


#: module, old name, new name: all old names that the package still has from 0.1.
RENAMED = (
    ("finn_imec.transformation", "SpecialiseIMECConv", "finn_imec.transformation.SpecializeIMECConv"),
    (
        "finn_imec.transformation.specialise_imec_conv",
        "SpecialiseIMECConv",
        "finn_imec.transformation.specialize_imec_conv.SpecializeIMECConv",
    ),
    ("finn_imec.partition", "specialised", "finn_imec.partition.specialized"),
    (
        "finn_imec.networks.lowering",
        "minimise_bit_widths",
        "finn_imec.networks.lowering.minimize_bit_widths",
    ),
)


@pytest.mark.parametrize(("owner", "old", "new"), RENAMED)
def test_old_names_of_the_package(owner, old, new):
    pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")
    with pytest.warns(DeprecationWarning, match=f"{old} is deprecated, use {new}"):
        found = getattr(importlib.import_module(owner), old)
    module, _, name = new.rpartition(".")
    assert found is getattr(importlib.import_module(module), name)


def test_the_old_argument_of_simulations():
    from finn_imec.simulation import build

    with (
        pytest.warns(DeprecationWarning, match="optimised of build is deprecated, use optimized"),
        pytest.raises(ValueError, match="^designs: none"),
    ):
        build([], optimised=False)


def test_the_swaps_old_argument():
    pytest.importorskip("finn.custom_op", reason="needs FINN: pip install 'finn-imec[finn]'")
    from finn_imec.transformation import InferIMECConv

    with pytest.warns(DeprecationWarning, match="max_slowdown .* use cycle_tolerance"):
        assert InferIMECConv(max_slowdown=2).cycle_tolerance == 2


# ---- old names of this package ----------------------------------------------------------------------

OLD_HOMES = [
    ("finn_imec.geometry", "ConvGeometry"),
    ("finn_imec.window", "WindowUnit"),
    ("finn_imec.datapath", "Datapath"),
    ("finn_imec.errors", "ImecError"),
    ("finn_imec.rtl", "encode"),
    ("finn_imec.simulation.partition", "Partition"),
    ("finn_imec.simulation.network", "run_network"),
]


@pytest.mark.parametrize(("home", "name"), OLD_HOMES)
def test_names_where_they_were(home, name):
    with pytest.warns(DeprecationWarning, match=f"^{home}.{name} is deprecated, use finn_imec") as caught:
        found = getattr(importlib.import_module(home), name)
    new = str(caught[0].message).rpartition(" ")[2]
    module, _, attribute = new.rpartition(".")
    assert found is getattr(importlib.import_module(module), attribute)


def test_attributes_that_a_geometry_had():
    layer = ConvGeometry((3, 3), (8, 9), 4, 6, simd=2, pe=3)
    with pytest.warns(DeprecationWarning, match="use finn_imec.layer's"):
        assert layer.cycles_per_frame == storage(layer).cycles_per_frame
        assert layer.total_cycles(2) == storage(layer).total_cycles(2)
        assert layer.swg_bits(4) == (2 * 9 + 3) * 4 * 4
        assert layer.replay_bits(4) == 32 * 2 * 4  # SF = 18 in a power of two
        assert layer.strip_words == storage(layer).words
        assert layer.window is None
        assert layer.cheapest_folding(10**6) == (1, 1)
