from __future__ import annotations

import os
import subprocess
import sys

import pytest

from abl.errors import InputError
from abl.nets.build import build_network
from abl.nets.registry import (
    NETWORKS,
    check_network,
    library_names,
    library_of,
    network_names,
    own_names,
)
from abl.nets.user_module import load_module, unload_module

USER_FILE = """
from torch import nn
from abl.nets.registry import network

@network("mine", version={version})
def mine(classes, channels, image_size):
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * image_size**2, {out}))
"""


def test_names_of_torchvision_are_those_it_lists_itself():
    from torchvision import models

    assert library_names("torchvision") == set(models.list_models(module=models))


def test_names_of_timm_are_those_it_lists_itself():
    import timm

    assert library_names("timm") == set(timm.list_models())


def test_a_network_is_declared_under_the_name_it_is_listed_by():
    names = own_names()
    assert {name for name in names if callable(NETWORKS[name])} == set(names) == set(own_names())
    assert len(names) >= 7


def test_checking_a_name_imports_no_framework():
    code = (
        "import sys; from abl.nets.registry import check_network, network_names; "
        "network_names(timm=True); check_network('resnet18'); check_network('nonsense'); "
        "print([m for m in ('torch', 'torchvision', 'timm') if m in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "name",
    ["cnn1", "resnet18", "torchvision/resnet18", "timm/resnet18", "vit_tiny_patch16_224"],
)
def test_known_names(name):
    assert check_network(name) is None


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("cnn3", "cnn"),
        ("resnet19", "resnet18"),
        ("torchvision/alexnt", "alexnet"),
        ("timm/vit_tiny_patch16_225", "vit_tiny_patch16_224"),
        ("vit_tiny_patch16_225", "vit_tiny_patch16_224"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(wrong, right):
    message = check_network(wrong)
    assert message is not None
    assert right in message


def test_ours_come_before_torchvision_and_torchvision_before_timm():
    assert library_of("plain4") == ("abl", "plain4")
    assert library_of("resnet18") == ("torchvision", "resnet18")
    assert library_of("timm/resnet18") == ("timm", "resnet18")
    assert library_of("resnet10t") == ("timm", "resnet10t")
    names = network_names(timm=True)
    assert len(names) == len(set(names))


def test_a_users_network_is_used_and_replaced_when_its_file_changes(tmp_path):
    file = tmp_path / "my nets.py"
    file.write_text(USER_FILE.format(version=1, out="classes"))
    load_module(file)
    load_module(file)
    assert check_network("mine") is None
    assert NETWORKS.version("mine") == 1
    network = build_network("mine", classes=3, channels=1, image_size=16)
    assert sum(p.numel() for p in network.parameters()) == 256 * 3 + 3
    file.write_text(USER_FILE.format(version=2, out="classes + 1"))
    load_module(file)
    assert NETWORKS.version("mine") == 2
    with pytest.raises(InputError, match=r"gives \(2, 4\)"):
        build_network("mine", classes=3, channels=1, image_size=16)


def test_files_of_two_sweeps_may_use_one_name(tmp_path):
    first, second = tmp_path / "first.py", tmp_path / "second.py"
    first.write_text(USER_FILE.format(version=1, out="classes"))
    second.write_text(USER_FILE.format(version=2, out="classes"))
    for file, version in ((first, 1), (second, 2), (first, 1)):
        load_module(file)
        assert NETWORKS.version("mine") == version


def test_a_users_network_cannot_take_a_name_in_use(tmp_path):
    file = tmp_path / "taken.py"
    file.write_text(USER_FILE.format(version=1, out="classes").replace('"mine"', '"cnn1"'))
    with pytest.raises(InputError, match="'cnn1' exists already"):
        load_module(file)
    assert build_network("cnn1", classes=2, channels=3, image_size=32) is not None


@pytest.mark.parametrize(
    ("text", "line"), [("import os\nx = = 1\n", 2), ("import os\n\nraise ValueError('no')\n", 3)]
)
def test_a_users_file_that_fails_is_told_with_its_line(tmp_path, text, line):
    file = tmp_path / "broken.py"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_module(file)
    assert str(caught.value).startswith(f"broken.py:{line}: ")


def test_a_missing_users_file_is_told(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        load_module(tmp_path / "absent.py")


def test_a_file_of_the_folder_is_imported_as_it_is_now_and_installed_names_go_first(tmp_path):
    file, helper = tmp_path / "mine.py", tmp_path / "beside.py"
    file.write_text(
        USER_FILE.format(version=1, out="beside.OUT").replace(
            "from torch", "import beside\nimport json\nfrom torch", 1
        )
    )
    (tmp_path / "json.py").write_text("raise ValueError('not this one')\n")
    for out in (3, 4):
        helper.write_text(f"OUT = {out}\n")
        os.utime(helper, (1e9, 1e9))  # as large and as old as the one before
        load_module(file)
        assert NETWORKS["mine"](2, 1, 8)[-1].out_features == out
    load_module(_plain_file(tmp_path))
    assert "beside" not in sys.modules


def _plain_file(folder):
    (folder / "plain.py").write_text("x = 1\n")
    return folder / "plain.py"


def test_a_file_is_left_while_another_thread_imports(tmp_path, monkeypatch):
    class Importing(str):
        """The name of a module; as it is looked at another module comes to be."""

        def partition(self, sep):
            monkeypatch.setitem(sys.modules, "abl_test_imported_meanwhile", sys)
            return super().partition(sep)

    file = tmp_path / "mine.py"
    file.write_text(USER_FILE.format(version=1, out=2))
    load_module(file)
    monkeypatch.setitem(sys.modules, Importing("abl_test_being_looked_at"), sys)
    unload_module()
    assert "mine" not in NETWORKS
