#!/usr/bin/env python3
"""Writes files/ : checkpoints in every encoding by PyTorch 1.13, and hostile ones.

  files/*.pth      what torch.save writes, or what older and newer versions write, put together by hand where it says so
  expected.txt     file TAB tensor TAB dtype TAB shape TAB the elements' little-endian bytes in hex, in the file's order
  bad.txt          file TAB kind of the error TAB a part of its message

Run: python3 make.py   (needs torch, numpy; legacy files name their storages by address, so their bytes differ from run to run)
"""
import argparse
import collections
import io
import os
import pathlib
import pickle
import struct
import sys
import tarfile
import warnings
import zipfile

import numpy as np
import torch
from torch import nn

warnings.filterwarnings("ignore")
HERE = pathlib.Path(__file__).resolve().parent
FILES = HERE / "files"
DTYPES = {torch.float32: "f32", torch.float64: "f64", torch.float16: "f16", torch.bfloat16: "bf16", torch.int64: "i64", torch.int32: "i32",
          torch.int16: "i16", torch.int8: "i8", torch.uint8: "u8", torch.bool: "bool"}
expected, bad = [], []


def values(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed + 1)
    return (torch.randn(*shape, generator=generator) * 50).to(dtype)


def hex_of(tensor):
    tensor = tensor.detach().contiguous()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.view(torch.int16)
    return tensor.numpy().tobytes().hex()


def expect(file, tensors):
    for name, t in tensors.items():
        if isinstance(t, np.ndarray):
            kind = {"f": "f", "i": "i", "u": "u"}[t.dtype.kind] + str(8 * t.dtype.itemsize)
            data = np.ascontiguousarray(t.astype(t.dtype.newbyteorder("<"))).tobytes().hex()
        else:
            kind, data = DTYPES[t.dtype], hex_of(t)
        expected.append("\t".join([file, name, kind, "x".join(map(str, t.shape)) or "scalar", data]))


def save(file, value, tensors, legacy=False, protocol=2):
    torch.save(value, FILES / file, _use_new_zipfile_serialization=not legacy, pickle_protocol=protocol)
    expect(file, tensors)


def refuse(file, kind, part, data=None):
    if data is not None:
        (FILES / file).write_bytes(data)
    bad.append("\t".join([file, kind, part]))


# ---- good files


def plain():
    state = collections.OrderedDict([("conv.weight", values(3, 2, 3, 3)), ("conv.bias", values(3, seed=1)), ("bn.num_batches_tracked", torch.tensor(7))])
    for protocol in range(6):
        save(f"zip_{protocol}.pth", state, state, protocol=protocol)
        save(f"legacy_{protocol}.pth", state, state, legacy=True, protocol=protocol)


def dtypes():
    state = {name: values(5, dtype=dtype, seed=i) for i, (dtype, name) in enumerate(DTYPES.items())}
    state["wide"] = torch.tensor([2**62 + 1, -(2**62) - 1])
    save("dtypes_zip.pth", state, state)
    save("dtypes_legacy.pth", state, state, legacy=True)


def views():
    base = values(6, 8)
    state = {"base": base, "transposed": base.t(), "column": base[:, 3], "part": base[1:3, 2:7], "steps": base[::2, 1::3], "row": base[5],
             "same": base, "permuted": values(2, 3, 4, seed=2).permute(2, 0, 1), "scalar": base[2, 3], "empty": torch.zeros(0, 4),
             "expanded": base[0, :1].expand(3, 4), "half": values(4, 4, dtype=torch.float16).t()}
    save("views_zip.pth", state, state)
    save("views_legacy.pth", state, state, legacy=True)


def nested():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(values(*p.shape, seed=i))
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 1, 2, 2)).sum().backward()
    optimiser.step()
    state = model.state_dict()
    beside = {"epoch": 90, "arch": "resnet18", "best_acc1": torch.tensor(70.5), "loss": 0.25, "done": True, "steps": [30, 60],
              "args": argparse.Namespace(lr=0.1, milestones=(1, 2)), "score": np.float64(0.125), "count": np.int64(12), "seen": {1, 2},
              "device": torch.device("cpu"), "table": collections.defaultdict(list, a=1)}
    prefixed = collections.OrderedDict(("module." + k, v) for k, v in state.items())
    for legacy in (False, True):
        save(f"nested_{'legacy' if legacy else 'zip'}.pth", {**beside, "state_dict": prefixed, "optimizer": optimiser.state_dict()}, state, legacy)
    save("model_state_dict.pth", {"model_state_dict": state, "optimizer_state_dict": optimiser.state_dict(), "epoch": 3}, state)
    save("ema.pth", {"params_ema": prefixed, "params": {k: v.float() for k, v in state.items()}}, {k: v.float() for k, v in state.items()})
    save("compiled.pth", {"net": {"_orig_mod.module." + k: v for k, v in state.items()}}, state)
    save("own_key.pth", {"my_weights": state, "epoch": 3}, state)
    save("two_networks.pth", {"encoder": {"w": values(2)}, "decoder": {"w": values(3)}}, {"encoder.w": values(2), "decoder.w": values(3)})
    odd_keys = {"history": {(0, 1): 2.5, None: 1, 3: {0.5: "x"}, frozenset([1]): 2}, "state_dict": {"w": values(2)}}
    save("odd_keys.pth", odd_keys, odd_keys["state_dict"])
    save("bare_tensor.pth", values(4), {"tensor": values(4)})
    attributed = values(3)
    attributed.note = "an attribute"
    parameters = {"p": nn.Parameter(values(2, 2)), "frozen": nn.Parameter(values(2), requires_grad=False), "attributed": attributed}
    save("parameters.pth", parameters, parameters)
    arrays = {"f": np.arange(6, dtype=np.float32).reshape(2, 3), "t": np.arange(6, dtype=np.float64).reshape(2, 3).T, "i": np.array([1, -2], np.int16),
              "big": np.array([1, 2], ">i4"), "torch": values(2)}
    for protocol in (2, 4, 5):
        save(f"arrays_{protocol}.pth", arrays, arrays, protocol=protocol)
    with open(FILES / "arrays.pkl", "wb") as out:
        pickle.dump({"model": {k: v for k, v in arrays.items() if k != "torch"}}, out, protocol=4)
    expect("arrays.pkl", {k: v for k, v in arrays.items() if k != "torch"})
    with open(FILES / "later_types.pth", "wb") as out:  # as PyTorch 2.3 writes uint16
        write_later_types(out)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return torch.relu(self.norm(self.conv(x)))


def script():
    model = Small().eval()
    with torch.no_grad():
        for i, p in enumerate(model.parameters()):
            p.copy_(values(*p.shape, seed=i))
    for file, scripted in (("script.pt", torch.jit.script(model)), ("trace.pt", torch.jit.trace(model, torch.ones(1, 1, 4, 4)))):
        scripted.save(str(FILES / file))
        expect(file, dict(model.state_dict()))


# ---- files of other versions, by hand


def rezip(data, change, compress=zipfile.ZIP_STORED):
    """The archive with every entry passed through change(name, data) -> data or None."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", compress) as target:
        for name in source.namelist():
            changed = change(name, source.read(name))
            if changed is not None:
                target.writestr(zipfile.ZipInfo(name) if compress == zipfile.ZIP_STORED else name, changed)
    return out.getvalue()


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def with_entry(data, name, content):
    out = io.BytesIO(data)
    with zipfile.ZipFile(out, "a") as target:
        target.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def orders():
    state = {"a": values(2, 3), "b": values(4, dtype=torch.float64), "c": torch.tensor([1, -2]), "t": values(2, 3, seed=3).t(), "u": values(3, dtype=torch.uint8)}
    data = saved(state)
    sizes = {"0": 4, "1": 8, "2": 8, "3": 4, "4": 1}

    def swap(name, content):
        key = name.rsplit("/", 1)[1]
        return np.frombuffer(content, f"V{sizes[key]}").byteswap().tobytes() if "/data/" in name and sizes[key] == 1 else (
            np.frombuffer(content, f"<i{sizes[key]}").byteswap().tobytes() if "/data/" in name else content)

    (FILES / "big_endian.pth").write_bytes(with_entry(rezip(data, swap), "archive/byteorder", "big"))
    (FILES / "little_endian.pth").write_bytes(with_entry(data, "archive/byteorder", "little"))
    (FILES / "deflated.pth").write_bytes(rezip(data, lambda n, c: c, zipfile.ZIP_DEFLATED))
    (FILES / "other_root.pth").write_bytes(rename_root(data, "resnet18 (1)"))
    for file in ("big_endian.pth", "little_endian.pth", "deflated.pth", "other_root.pth"):
        expect(file, state)


def rename_root(data, root):
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(zipfile.ZipInfo(root + name[name.index("/"):]), source.read(name))
    return out.getvalue()


class Storage:
    """Stands for a storage while an archive is put together by hand."""

    def __init__(self, *persistent):
        self.persistent = persistent


class Rebuild:
    """Pickled as a call of a global with arguments."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class HandPickler(pickle._Pickler):
    def persistent_id(self, value):
        return value.persistent if isinstance(value, Storage) else None


def by_hand(value, protocol=2):
    out = io.BytesIO()
    HandPickler(out, protocol).dump(value)
    return out.getvalue()


def zip_by_hand(pickled, storages):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr(zipfile.ZipInfo("archive/data.pkl"), pickled)
        for key, content in storages.items():
            target.writestr(zipfile.ZipInfo("archive/data/" + key), content)
        target.writestr(zipfile.ZipInfo("archive/version"), "3\n")
    return out.getvalue()


def tensor_by_hand(key, count, offset=0, shape=(2, 2), stride=(2, 1), storage=torch.FloatStorage):
    return Rebuild(torch._utils._rebuild_tensor_v2, Storage("storage", storage, key, "cpu", count), offset, shape, stride, False, collections.OrderedDict())


def write_later_types(out):
    def _rebuild_tensor_v3():
        raise NotImplementedError

    _rebuild_tensor_v3.__module__, _rebuild_tensor_v3.__qualname__ = "torch._utils", "_rebuild_tensor_v3"
    torch._utils._rebuild_tensor_v3 = _rebuild_tensor_v3
    untyped = torch.storage._UntypedStorage if hasattr(torch.storage, "_UntypedStorage") else torch.UntypedStorage
    tensor = Rebuild(_rebuild_tensor_v3, Storage("storage", untyped, "0", "cpu", 12), 1, (2, 2), (1, 2), False, collections.OrderedDict(), torch.int16)
    data = by_hand({"u": tensor}).replace(b"ctorch\nint16\n", b"ctorch\nuint16\n").replace(b"_UntypedStorage", b"UntypedStorage")
    numbers = np.array([1, 2, 3, 65535, 5, 6], "<u2")
    out.write(zip_by_hand(data, {"0": numbers.tobytes()}))
    expect("later_types.pth", {"u": numbers[1:5].reshape(2, 2).T})


def legacy_by_hand(value, storages):
    """storages: key -> (element size, bytes)."""
    out = by_hand(0x1950A86A20F9469CFC6C) + by_hand(1001) + by_hand({"protocol_version": 1001, "little_endian": True, "type_sizes": {"int": 4}})
    out += by_hand(value) + by_hand(list(storages))
    for size, content in storages.values():
        out += struct.pack("<q", len(content) // size) + content
    return out


def older():
    numbers = np.arange(12, dtype="<f4")
    # A storage that is a view on another: (key of the view, offset, count), as PyTorch before 0.4 wrote them.
    view = Storage("storage", torch.FloatStorage, "7", "cpu", 12, ("8", 4, 6))
    whole = Storage("storage", torch.FloatStorage, "7", "cpu", 12, None)
    value = collections.OrderedDict(
        view=Rebuild(torch._utils._rebuild_tensor, view, 1, (2, 2), (2, 1)), whole=Rebuild(torch._utils._rebuild_tensor, whole, 0, (3, 4), (4, 1)))
    (FILES / "legacy_views.pth").write_bytes(legacy_by_hand(value, {"7": (4, numbers.tobytes())}))
    expect("legacy_views.pth", {"view": numbers[5:9].reshape(2, 2), "whole": numbers.reshape(3, 4)})
    tar(numbers)


class Tensor:
    def __init__(self, key):
        self.key = key


class TarPickler(pickle._Pickler):
    def persistent_id(self, value):
        return str(value.key) if isinstance(value, Tensor) else None


def tar(numbers):
    """The layout of PyTorch before 0.3: torch/serialization.py, legacy_load."""
    storages = by_hand(2) + by_hand((1001, "cpu", torch.FloatStorage)) + struct.pack("<q", 12) + numbers.tobytes()
    longs = np.array([5, -6], "<i8")
    storages += by_hand((1002, "cpu", torch.LongStorage)) + struct.pack("<q", 2) + longs.tobytes() + by_hand([(1003, 1001, 4, 6)])

    def tensor(key, storage, kind, shape, strides, offset):
        return by_hand((key, storage, kind)) + struct.pack(f"<ii{2 * len(shape) + 1}q", len(shape), 0, *shape, *strides, offset)

    tensors = by_hand(4) + tensor(1, 1001, torch.FloatTensor, (3, 4), (4, 1), 0) + tensor(2, 1001, torch.FloatTensor, (4, 3), (1, 4), 0)
    tensors += tensor(3, 1003, torch.FloatTensor, (5,), (1,), 1) + tensor(4, 1002, torch.LongTensor, (2,), (1,), 0)
    out = io.BytesIO()
    TarPickler(out, 2).dump(collections.OrderedDict(a=Tensor(1), b=Tensor(2), c=Tensor(3), d=Tensor(4)))
    parts = {"sys_info": by_hand({"little_endian": True}), "pickle": out.getvalue(), "storages": storages, "tensors": tensors}
    with tarfile.open(FILES / "old.tar", "w", format=tarfile.PAX_FORMAT) as target:
        for name, content in parts.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(content), 1.5  # a fraction: every entry gets a header of its own before it
            target.addfile(info, io.BytesIO(content))
    expect("old.tar", {"a": numbers.reshape(3, 4), "b": numbers.reshape(3, 4).T, "c": numbers[5:10], "d": longs})
    loaded = torch.load(FILES / "old.tar")
    assert np.array_equal(loaded["b"].numpy(), numbers.reshape(3, 4).T) and np.array_equal(loaded["c"].numpy(), numbers[5:10])


# ---- hostile files


def legacy_of(pickled):
    return by_hand(0x1950A86A20F9469CFC6C) + by_hand(1001) + by_hand({}) + pickled + by_hand([])


def runners():
    from posix import system
    cases = {"os_system": (os.system, ("true",), "refuses to run posix.system"), "eval": (eval, ("1",), "refuses to run builtins.eval"),
             "exec": (exec, ("1",), "refuses to run builtins.exec"), "getattr": (getattr, (1, "real"), "refuses to run builtins.getattr"),
             "popen": (os.popen, ("true",), "refuses to run os.popen")}
    for name, (function, arguments, part) in cases.items():
        for protocol in (0, 2, 4):
            data = by_hand({"w": tensor_by_hand("0", 4), "x": Rebuild(function, *arguments)}, protocol) if protocol else by_hand(Rebuild(function, *arguments), 0)
            refuse(f"bad_{name}_{protocol}.pth", "unsupported", part, zip_by_hand(data, {"0": bytes(16)}))
    refuse("bad_legacy_system.pth", "unsupported", "refuses to run posix.system", legacy_of(by_hand(Rebuild(system, "true"))))
    opcodes = {"global": b"cos\nsystem\n(S'true'\ntR.", "inst": b"(S'true'\nios\nsystem\n.", "obj": b"(cos\nsystem\nS'true'\no.",
               "newobj": b"\x80\x02cos\nsystem\nX\x04\x00\x00\x00true\x85\x81.", "nt": b"cnt\nsystem\n(S'true'\ntR.",
               "stack_global": b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93\x8c\x04true\x85R.",
               "dotted": b"\x80\x04\x8c\x0bcollections\x8c\x1eOrderedDict.__init__.__globals\x93.", "subprocess": b"csubprocess\nPopen\n(S'true'\ntR.",
               "torch_load": b"ctorch\nload\n(S'x'\ntR.", "from_bytes": b"ctorch.storage\n_load_from_bytes\n(S'x'\ntR.", "import": b"c__builtin__\n__import__\n(S'os'\ntR.",
               "nested_function": b"ctorch._tensor\n_rebuild_from_type_v2\n(cos\nsystem\nN(tNtR."}
    names = {"nt": "nt.system", "dotted": "collections.OrderedDict.__init__", "subprocess": "subprocess.Popen", "torch_load": "torch.load",
             "from_bytes": "torch.storage._load_from_bytes", "import": "builtins.__import__"}
    for name, data in opcodes.items():
        refuse(f"bad_{name}.pth", "unsupported", "refuses to run " + names.get(name, "os.system"), zip_by_hand(data, {}))
    refuse("bad_extension.pth", "unsupported", "extension registry", zip_by_hand(b"\x80\x02\x82\x01.", {}))
    refuse("bad_buffer.pth", "unsupported", "buffer outside", zip_by_hand(b"\x80\x05\x97.", {}))
    refuse("bad_module_zip.pth", "unsupported", "save its state_dict()", saved(nn.Conv2d(1, 1, 1)))
    refuse("bad_module_legacy.pth", "unsupported", "save its state_dict()", saved(nn.Conv2d(1, 1, 1), _use_new_zipfile_serialization=False))


def shapes():
    def one(file, part, tensor, storages, kind="format"):
        refuse(file, kind, part, zip_by_hand(by_hand({"conv.weight": tensor}), storages))

    sixteen = {"0": bytes(16)}
    one("bad_key.pth", 'tensor "conv.weight": the storage "9" is not in the file', tensor_by_hand("9", 4), sixteen)
    one("bad_path_key.pth", "is not in the file", tensor_by_hand("../../etc/passwd", 4), sixteen)
    one("bad_size.pth", "has 16 bytes in the file, 20 are promised", tensor_by_hand("0", 5), sixteen)
    one("bad_stride.pth", 'tensor "conv.weight": shape 2x2, strides 3,1', tensor_by_hand("0", 4, stride=(3, 1)), sixteen)
    one("bad_offset.pth", "lead outside", tensor_by_hand("0", 4, offset=1), sixteen)
    one("bad_negative.pth", "lead outside", tensor_by_hand("0", 4, offset=3, stride=(-2, -1)), sixteen)
    one("bad_huge.pth", "lead outside", tensor_by_hand("0", 4, shape=(25 * 10**9,), stride=(1,)), sixteen)
    one("bad_expanded.pth", "as a copy", tensor_by_hand("0", 4, shape=(25 * 10**9,), stride=(0,)), sixteen)
    one("bad_overflow.pth", "cannot be", tensor_by_hand("0", 4, shape=(2**40, 2**40), stride=(0, 0)), sixteen)
    one("bad_count.pth", "elements", tensor_by_hand("0", 2**61), sixteen)
    one("bad_negative_size.pth", "cannot be", tensor_by_hand("0", 4, shape=(-1, 4)), sixteen)
    one("bad_rank.pth", "2 sizes and 1 strides", tensor_by_hand("0", 4, stride=(1,)), sixteen)
    one("bad_rank_40.pth", "40 dimensions", tensor_by_hand("0", 4, shape=(1,) * 40, stride=(1,) * 40), sixteen)
    one("bad_complex.pth", "unsupported elements: torch.ComplexFloatStorage", tensor_by_hand("0", 2, shape=(2,), stride=(1,), storage=torch.ComplexFloatStorage),
        sixteen, "unsupported")
    value = {"w": tensor_by_hand("0", 4)}
    refuse("bad_legacy_count.pth", "format", 'the storage "0" of 1152921504606846976 elements',
           legacy_by_hand(value, {"0": (4, b"")})[:-8] + struct.pack("<q", 2**60))
    refuse("bad_legacy_short.pth", "format", 'the storage "0" of 4 elements', legacy_by_hand(value, {"0": (4, bytes(16))})[:-1])
    refuse("bad_legacy_stranger.pth", "format", 'no tensor has the storage "5"', legacy_by_hand(value, {"0": (4, bytes(16)), "5": (4, bytes(16))}))
    refuse("bad_legacy_missing.pth", "format", 'the storage "0" is not in the file', legacy_by_hand(value, {}))
    view = Storage("storage", torch.FloatStorage, "0", "cpu", 4, ("1", 2, 3))
    refuse("bad_legacy_view.pth", "format", "a view of 3 elements at 2 leaves", legacy_by_hand(
        {"w": Rebuild(torch._utils._rebuild_tensor, view, 0, (2,), (1,))}, {"0": (4, bytes(16))}))
    twice = b"\x80\x02}(" + 2 * (b"X\x01\x00\x00\x00w" + by_hand(tensor_by_hand("0", 4))[2:-1]) + b"u."
    refuse("bad_twice.pth", "format", 'the tensor "w" is there twice', zip_by_hand(twice, sixteen))
    refuse("bad_nothing.pth", "format", "there is no tensor in it", saved({"epoch": 3}))


def bombs():
    # Each list (dictionary) holds the one before twice: 2^60 paths from the last.
    lists = b"\x80\x02](X\x03\x00\x00\x00lolX\x03\x00\x00\x00loleq\x000" + 60 * b"](h\x00h\x00eq\x000"
    dicts = b"\x80\x02}X\x01\x00\x00\x00aK\x01sq\x000" + 60 * b"}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00uq\x000"
    refuse("bad_laughs.pth", "format", "there is no tensor in it", zip_by_hand(lists + b"h\x00.", {}))
    refuse("bad_memo.pth", "format", "there is no tensor in it", zip_by_hand(dicts + b"h\x00.", {}))
    refuse("bad_laughs_deep.pth", "format", "nested deeper than 64", zip_by_hand(
        b"\x80\x02](" + by_hand(tensor_by_hand("0", 4)).replace(b"q\x00", b"q\x07")[2:-1] + b"eq\x000" + 100 * b"](h\x00h\x00eq\x000" + b"h\x00.", {"0": bytes(16)}))
    numbers = values(2, 2)
    state = b"}(X\x01\x00\x00\x00w" + by_hand(tensor_by_hand("0", 4)).replace(b"q\x00", b"q\x07")[2:-1] + b"u"
    (FILES / "bombs_beside.pth").write_bytes(zip_by_hand(
        lists + b"h\x00q\x08" + dicts[2:] + b"q\x09" + b"0}(X\x05\x00\x00\x00listsh\x08X\x05\x00\x00\x00dictsh\x00X\x0a\x00\x00\x00state_dict" + state + b"u.", {"0": numbers.numpy().tobytes()}))
    expect("bombs_beside.pth", {"w": numbers})
    refuse("bad_cycle.pth", "format", "there is no tensor in it", zip_by_hand(b"\x80\x02]q\x00h\x00a.", {}))
    refuse("bad_deep.pth", "format", "nested deeper than 64", zip_by_hand(
        b"\x80\x02" + b"](" * 5000 + by_hand(tensor_by_hand("0", 4))[2:-1] + b"e" * 5000 + b".", {"0": bytes(16)}))
    refuse("bad_text.pth", "format", "bytes are announced", zip_by_hand(b"\x80\x02X\xff\xff\xff\x7fabc.", {}))
    refuse("bad_text8.pth", "format", "bytes are announced", zip_by_hand(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc.", {}))
    refuse("bad_stack.pth", "format", "the stack is empty", zip_by_hand(b"\x80\x020.", {}))
    refuse("bad_recall.pth", "format", "memo 7 is empty", zip_by_hand(b"\x80\x02h\x07.", {}))
    refuse("bad_stop.pth", "format", "it ends there", zip_by_hand(b"\x80\x02}", {}))
    refuse("bad_protocol.pth", "unsupported", "pickle protocol 9", zip_by_hand(b"\x80\x09}.", {}))
    refuse("bad_opcode.pth", "format", "0xff is no pickle opcode", zip_by_hand(b"\x80\x02\xff.", {}))


def archives():
    data = saved({"w": values(2)})
    refuse("bad_zip_outside.pth", "format", 'refuses the entry "../evil"', with_entry(data, "../evil", "x"))
    refuse("bad_zip_root.pth", "format", 'the entry "other/data/1" lies outside', with_entry(data, "other/data/1", "x"))
    refuse("bad_zip_twice.pth", "format", "two entries are named", with_entry(data, "archive/data/0", "x"))
    refuse("bad_zip_cut.pth", "format", "zip", data[:-30])
    refuse("bad_zip_checksum.pth", "format", "is damaged", data.replace(values(2).numpy().tobytes(), b"\0" * 8))
    refuse("bad_byteorder.pth", "format", 'the byte order "middle"', with_entry(data, "archive/byteorder", "middle"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:  # 100 MB of zeros in 100 KB
        target.writestr("archive/data.pkl", by_hand({"w": tensor_by_hand("0", 4)}))
        target.writestr("archive/data/0", bytes(16))
    bomb = out.getvalue()  # the directory then promises 4 GB
    at = bomb.rindex(b"archive/data/0") - 46
    refuse("bad_zip_bomb.pth", "format", "cannot unpack from", bomb[:at + 24] + struct.pack("<I", 0xFFFFFFF0) + bomb[at + 28:])
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        target.writestr("root/model.json", "{}")
        target.writestr("root/version", "1")
    refuse("bad_no_pickle.pth", "unsupported", "without a data.pkl", out.getvalue())


def main():
    FILES.mkdir(exist_ok=True)
    for file in FILES.iterdir():
        file.unlink()
    for step in (plain, dtypes, views, nested, script, orders, older, runners, shapes, bombs, archives):
        step()
    (HERE / "expected.txt").write_text("".join(line + "\n" for line in expected))
    (HERE / "bad.txt").write_text("".join(line + "\n" for line in bad))
    print(sum(f.stat().st_size for f in FILES.iterdir()), "bytes in", len(list(FILES.iterdir())), "files")


if __name__ == "__main__":
    sys.exit(main())
