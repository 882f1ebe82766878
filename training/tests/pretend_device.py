"""A device that there is on every machine: its tensors lie in the CPU's memory, but meet the CPU's no better than a GPU's would.

    python pretend_device.py <data> <config> …

trains two steps of each file there and measures once; an operation on tensors of two devices raises, as it would on a GPU. Built on
PyTorch's backends in Python (torch.utils.backend_registration), which stay registered, so this runs in a process of its own.
"""

import sys

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

aten = torch.ops.aten
_INDEXED = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default}
# Copies from one device to the other.
_BRIDGES = {aten._to_copy.default, aten.copy_.default, aten._local_scalar_dense.default}


class _Module(_DummyBackendModule):
    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]


_setup_privateuseone_for_python_backend("pretended", backend_module=_Module())


class Pretended(torch.Tensor):
    @staticmethod
    def __new__(cls, raw: torch.Tensor) -> "Pretended":
        options = {"strides": raw.stride(), "storage_offset": raw.storage_offset(), "dtype": raw.dtype}
        return torch.Tensor._make_wrapper_subclass(cls, raw.size(), device=torch.device("pretended", 0), **options)

    def __init__(self, raw: torch.Tensor) -> None:
        self.raw = raw

    @classmethod
    def __torch_dispatch__(cls, operation, types, arguments=(), options=None):
        return _run(operation, arguments, options or {})


class _Everything(TorchDispatchMode):
    """Makes new tensors there, too."""

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        return _run(operation, arguments, options or {})


def _raw(value):
    return value.raw if isinstance(value, Pretended) else value


def _run(operation, arguments, options):
    tensors = [value for value in pytree.tree_leaves((arguments, options)) if isinstance(value, torch.Tensor)]
    there = [value for value in tensors if isinstance(value, Pretended)]
    # Indices may lie on the CPU; what they are for, and the values put, may not.
    bound = (arguments[0], *arguments[2:3]) if operation in _INDEXED else tensors
    here = [value for value in bound if not isinstance(value, Pretended) and value.dim() > 0]
    if there and here and operation not in _BRIDGES:
        raise RuntimeError(f"{operation}: tensors on two devices")
    goes_there = bool(there)
    if operation is aten.copy_.default:
        goes_there = isinstance(arguments[0], Pretended)
    if options.get("device") is not None:
        goes_there = torch.device(options["device"]).type == "pretended"
        options = {**options, "device": torch.device("cpu"), **({"pin_memory": False} if "pin_memory" in options else {})}
    known = {id(value.raw): value for value in there}
    results = operation(*pytree.tree_map(_raw, arguments), **pytree.tree_map(_raw, options))

    def placed(value):
        if not goes_there or not isinstance(value, torch.Tensor):
            return value
        return known[id(value)] if id(value) in known else Pretended(value)

    return pytree.tree_map(placed, results)


# What PyTorch calls from within, past the mode: indices from lists.
_library = torch.library.Library("aten", "IMPL")


def _empty_strided(size, stride, *, dtype=None, layout=None, device=None, pin_memory=None):
    return Pretended(torch.empty_strided(size, stride, dtype=dtype))


def _copy_from(source, target, non_blocking=False):
    _raw(target).copy_(_raw(source))
    return target


_library.impl("empty_strided", _empty_strided, "PrivateUse1")
_library.impl("_copy_from", _copy_from, "PrivateUse1")


def refuses(work) -> bool:
    try:
        work()
    except RuntimeError as error:
        return "two devices" in str(error)
    return False


def main(data: str, configs: list[str]) -> None:
    from clustseg.train import main as train

    torch.set_num_threads(1)
    with _Everything():
        x, w = torch.ones(3, device="pretended"), torch.ones(3).to("pretended").requires_grad_()
        (x * w).sum().backward()
        assert w.grad.device.type == "pretended" and x[torch.tensor([0])].device == x.device
        assert refuses(lambda: x + torch.ones(3)) and refuses(lambda: torch.ones(3)[x > 0])
        assert refuses(lambda: torch.cat([x, torch.ones(3)])) and refuses(lambda: x.index_put_((x > 0,), torch.ones(3)))
        for config in configs:
            # Autocast has no list of operations for such a device.
            train(["--config", config, "--data", data, "--dry-run", "--device", "pretended", "--threads", "1", "--precision", "fp32"])
    print(f"{len(configs)} files on one device")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
