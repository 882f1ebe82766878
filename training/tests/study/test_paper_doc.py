"""docs/paper.md says where everything is and what was measured: it is so."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from mask_cases import tiny_config
from torch.distributed.run import parse_args as torchrun

from clustseg.study import flops
from clustseg.study.documents import filled
from clustseg.study.paper_table import COMMAND, tables
from clustseg.training.masks import parse_arguments as train_arguments

ROOT = Path(__file__).parents[3]
TRAINING = ROOT / "training"
DOC = ROOT / "docs" / "paper.md"
TEXT = DOC.read_text(encoding="utf-8")
SYMBOLS = re.findall(r"\[`([\w.-]+)#([\w.]+)`\]\(([^)]+)\)", TEXT)


def has(tree: ast.AST, names: list[str]) -> bool:
    """Whether a module has a function, class, method or constant of that dotted name."""
    for node in ast.iter_child_nodes(tree):
        found = [getattr(node, "name", None)]
        if isinstance(node, ast.Assign):
            found = [getattr(target, "id", None) for target in node.targets]
        elif isinstance(node, ast.AnnAssign):
            found = [getattr(node.target, "id", None)]
        if names[0] in found:
            return len(names) == 1 or has(node, names[1:])
    return False


@pytest.mark.parametrize(("file", "symbol", "link"), SYMBOLS, ids=[f"{file}#{symbol}" for file, symbol, _ in SYMBOLS])
def test_what_is_named_is_there(file, symbol, link):
    path = (DOC.parent / link).resolve()
    assert path.name == file and path.is_file(), f"docs/paper.md links to {link}"
    assert has(ast.parse(path.read_text(encoding="utf-8")), symbol.split(".")), f"{link} has no {symbol}"


def test_there_are_links_and_all_lead_somewhere():
    assert len(SYMBOLS) > 40 and not re.search(r"`[\w.]+\.py#[\w.]+`(?!\])", TEXT)
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in TEXT.splitlines() if line.startswith("#")}
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif not link.startswith("https:"):
            assert (DOC.parent / link).exists(), link


def test_its_tables_are_what_is_configured_and_was_measured():
    now = filled(TEXT, tables(TRAINING / "configs", TRAINING / "results"), COMMAND)
    assert now == TEXT, "run python -m clustseg.study.paper_table in training/"


def test_a_document_without_a_tables_place_is_refused():
    with pytest.raises(SystemExit, match="needs one line <!-- size"):
        filled("", {"size": []}, COMMAND)
    before = "a\n<!-- size: python -m clustseg.study.paper_table -->\nold\n<!-- end of size -->\nb"
    assert filled(before, {"size": ["new \\1"]}, COMMAND) == before.replace("\nold\n", "\n\nnew \\1\n\n")


def test_recurrence_costs_no_parameters():
    once, thrice = (flops.count(tiny_config(steps=steps), 64, 64) for steps in (1, 3))
    assert once["parameters"] == thrice["parameters"] and once["flops"]["clustering"] < thrice["flops"]["clustering"]


@pytest.mark.parametrize("path", [DOC, TRAINING / "README.md"], ids=["paper.md", "README.md"])
def test_commands_are_understood_by_torchrun_and_by_training(path):
    """torchrun refuses arguments of the script that abbreviate several of its own."""
    lines = [line.split("#")[0] for line in path.read_text(encoding="utf-8").splitlines() if "clustseg.train --config" in line]
    assert any(line.startswith("torchrun ") for line in lines) and any(line.startswith("python ") for line in lines)
    for line in lines:
        words = shlex.split(line)
        if words[0] == "torchrun":
            launched = torchrun(words[1:])
            assert launched.module and launched.training_script == "clustseg.train" and launched.nproc_per_node == "8"
            arguments = launched.training_script_args
        else:
            assert words[:3] == ["python", "-m", "clustseg.train"]
            arguments = words[3:]
        parsed = train_arguments(arguments)
        assert parsed.run == Path("runs/panoptic-coco-r50") and (TRAINING / parsed.config).is_file()


def test_the_files_named_can_be_run():
    for command in re.findall(r"python -m (clustseg[\w.]*)", TEXT):
        path = TRAINING / Path(*command.split(".")).with_suffix(".py")
        assert path.is_file() and "__main__" in path.read_text(encoding="utf-8"), command
