import pytest
import torch

from clustseg.training.average_runs import averaged, main
from clustseg.training.earlier_runs import begin_with, earlier_of, total_cost


def test_weights_are_averaged_and_counters_are_the_last_runs():
    first = {"w": torch.tensor([1.0, 3.0]), "seen": torch.tensor(4)}
    last = {"w": torch.tensor([3.0, 5.0]), "seen": torch.tensor(9)}
    mean = averaged([first, last])
    assert mean["w"].tolist() == [2.0, 4.0]
    assert mean["seen"].item() == 9


def test_runs_of_different_networks_are_refused():
    with pytest.raises(ValueError, match="different networks"):
        averaged([{"w": torch.zeros(2)}, {"w": torch.zeros(3)}])


def test_the_result_is_a_run_that_goes_on_from_the_mean(tmp_path):
    for name, weight in (("a", 0.0), ("b", 1.0)):
        (tmp_path / name).mkdir()
        torch.save({"average": {"w": torch.tensor([weight])}, "step": 7, "seconds": 120.0}, tmp_path / name / "checkpoint.pt")
        (tmp_path / name / "log.jsonl").write_text(f'{{"of": "{name}"}}\n')
    main([str(tmp_path / "a"), str(tmp_path / "b"), "--out", str(tmp_path / "c")])
    checkpoint = torch.load(tmp_path / "c" / "checkpoint.pt", weights_only=True)
    assert checkpoint["average"]["w"].item() == 0.5 and checkpoint["step"] == 7
    assert total_cost(tmp_path / "c", checkpoint) == {"steps": 14, "minutes": 4.0}
    assert "b" in (tmp_path / "c" / "log.jsonl").read_text()


def test_a_run_that_begins_with_another_knows_what_that_one_cost(tmp_path):
    network = torch.nn.Linear(1, 1)
    (tmp_path / "a").mkdir()
    torch.save({"average": {name: value * 0 + 2 for name, value in network.state_dict().items()}, "step": 7, "seconds": 60.0}, tmp_path / "a" / "checkpoint.pt")
    begin_with(network, tmp_path / "a", tmp_path / "b")
    assert network.weight.item() == 2.0
    assert earlier_of(tmp_path / "b") == {"a": {"steps": 7, "minutes": 1.0}}
