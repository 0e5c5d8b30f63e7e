// What a checkpoint's pickle may name, and what each name does: data becomes other data. Nothing outside of this list
// exists, so nothing else can be reached. Sources: torch/_utils.py (the _rebuild functions), torch/storage.py,
// torch/csrc/jit/serialization/pickler.cpp, numpy/core/src/multiarray/methods.c (__reduce__ and __setstate__).
#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>

#include "fovea/base/error.h"
#include "fovea/formats/tensor_bytes.h"
#include "fovea/formats/torch_pickle.h"

namespace fovea {

namespace {

enum class Known : int64_t {
  inert,  // an instance is kept as {class, arguments, state} and means nothing to us
  dict,
  counted_dict,  // defaultdict(factory[, items])
  sequence,      // list, tuple, set: (iterable)
  bytes,
  identity,  // (value, …) → value
  storage,
  element,  // torch.float32
  rebuild_tensor,
  rebuild_tensor_v2,
  rebuild_tensor_v3,
  rebuild_from_type,
  reconstructor,
  array_scalar,
  array_reconstruct,
  array_from_buffer,
  array_element,
  encode
};

struct Entry {
  std::string_view name;
  Known known;
};

constexpr Entry kGlobals[] = {
    {"collections.OrderedDict", Known::dict},
    {"collections.Counter", Known::dict},
    {"collections.defaultdict", Known::counted_dict},
    {"collections.deque", Known::inert},
    {"builtins.dict", Known::dict},
    {"builtins.list", Known::sequence},
    {"builtins.tuple", Known::sequence},
    {"builtins.set", Known::sequence},
    {"builtins.frozenset", Known::sequence},
    {"builtins.bytes", Known::bytes},
    {"builtins.bytearray", Known::inert},
    {"builtins.slice", Known::inert},
    {"builtins.complex", Known::inert},
    {"builtins.range", Known::inert},
    {"builtins.xrange", Known::inert},
    {"builtins.object", Known::inert},
    {"builtins.int", Known::inert},
    {"builtins.float", Known::inert},
    {"builtins.bool", Known::inert},
    {"builtins.str", Known::inert},
    {"argparse.Namespace", Known::inert},
    {"types.SimpleNamespace", Known::inert},
    {"pathlib.Path", Known::inert},
    {"pathlib.PosixPath", Known::inert},
    {"pathlib.WindowsPath", Known::inert},
    {"datetime.datetime", Known::inert},
    {"datetime.date", Known::inert},
    {"datetime.timedelta", Known::inert},
    {"copyreg._reconstructor", Known::reconstructor},
    {"_codecs.encode", Known::encode},
    {"torch.device", Known::inert},
    {"torch.Size", Known::identity},
    {"torch.Tensor", Known::inert},
    {"torch.nn.parameter.Parameter", Known::inert},
    {"torch.nn.parameter.Buffer", Known::inert},
    {"torch.serialization._get_layout", Known::inert},
    {"torch._utils._rebuild_tensor", Known::rebuild_tensor},
    {"torch._utils._rebuild_tensor_v2", Known::rebuild_tensor_v2},
    {"torch._utils._rebuild_tensor_v3", Known::rebuild_tensor_v3},
    {"torch._utils._rebuild_parameter", Known::identity},
    {"torch._utils._rebuild_parameter_with_state", Known::identity},
    {"torch._tensor._rebuild_from_type_v2", Known::rebuild_from_type},
    {"torch.storage.UntypedStorage", Known::storage},
    {"torch.storage._UntypedStorage", Known::storage},
    {"torch.storage.TypedStorage", Known::inert},
    {"torch.storage._TypedStorage", Known::inert},
    {"torch.jit._pickle.restore_type_tag", Known::identity},
    {"torch.jit._pickle.build_intlist", Known::identity},
    {"torch.jit._pickle.build_tensorlist", Known::identity},
    {"torch.jit._pickle.build_doublelist", Known::identity},
    {"torch.jit._pickle.build_boollist", Known::identity},
    {"numpy.ndarray", Known::inert},
    {"numpy.dtype", Known::array_element},
    {"numpy.core.multiarray.scalar", Known::array_scalar},
    {"numpy.core.multiarray._reconstruct", Known::array_reconstruct},
    {"numpy.core.numeric._frombuffer", Known::array_from_buffer},
};

constexpr std::string_view kStorages[] = {"Double",       "Float", "Half",   "BFloat16", "Long",     "Int",
                                          "Short",        "Char",  "Byte",   "Bool",     "Untyped",  "ComplexDouble",
                                          "ComplexFloat", "QInt8", "QUInt8", "QInt32",   "QUInt4x2", "QUInt2x4"};

constexpr std::string_view kElements[] = {
    "float64", "double",    "float32",   "float",      "float16", "half",   "bfloat16", "int64",         "long",
    "int32",   "int",       "int16",     "short",      "int8",    "uint8",  "uint16",   "uint32",        "uint64",
    "bool",    "complex32", "complex64", "complex128", "qint8",   "quint8", "qint32",   "float8_e4m3fn", "float8_e5m2"};

bool one_of(std::span<const std::string_view> names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// The module's name as Python 3 and NumPy 1 have it.
std::string modern(std::string_view module) {
  if (module == "__builtin__") return "builtins";
  if (module == "copy_reg") return "copyreg";
  if (module.starts_with("numpy._core.")) return "numpy.core." + std::string(module.substr(12));
  return std::string(module);
}

std::string advice(std::string_view module) {
  if (module.starts_with("torch.nn") || module.starts_with("torchvision") || module == "__main__" ||
      module.starts_with("models") || module.starts_with("timm"))
    return "a whole network was pickled, code and all; in Python, save its state_dict() instead";
  if (module.starts_with("__torch__")) return "it is a TorchScript class; save the network's state_dict() instead";
  return "weights have no need of it; in Python, save the state_dict() alone";
}

[[noreturn]] void wrong(std::string_view callee, std::string_view why) {
  fail(ErrorKind::format, "{}: {}", callee, why);
}

// The arguments of a call, checked one by one.
struct Arguments {
  PickleHeap& heap;
  std::string_view callee;
  const std::vector<PickleRef>& items;

  PickleRef ref(size_t i) const {
    if (i >= items.size()) wrong(callee, fmt::format("argument {} is missing", i));
    return items[i];
  }
  const PickleValue& value(size_t i) const { return heap[ref(i)]; }
  const PickleValue& value(size_t i, PickleKind kind) const {
    if (value(i).kind != kind) wrong(callee, fmt::format("argument {} is of another kind than expected", i));
    return value(i);
  }
  int64_t integer(size_t i) const {
    const PickleValue& v = value(i);
    if (v.kind != PickleKind::integer && v.kind != PickleKind::boolean)
      wrong(callee, fmt::format("argument {} is no integer", i));
    return v.integer;
  }
  // A tuple or list of integers, such as a shape.
  std::vector<int64_t> integers(size_t i) const {
    constexpr size_t kMostRank = 32;
    const PickleValue& list = value(i);
    if (list.kind != PickleKind::tuple && list.kind != PickleKind::list)
      wrong(callee, fmt::format("argument {} is no tuple", i));
    if (list.items.size() > kMostRank) wrong(callee, fmt::format("{} dimensions", list.items.size()));
    std::vector<int64_t> result;
    for (const PickleRef item : list.items) {
      if (heap[item].kind != PickleKind::integer) wrong(callee, "a size is no integer");
      result.push_back(heap[item].integer);
    }
    return result;
  }
};

PickleRef rebuild_tensor(const Arguments& call, bool typed) {
  call.value(0, PickleKind::storage);
  PickleTensor tensor;
  tensor.storage = call.ref(0);
  tensor.offset = call.integer(1);
  tensor.shape = call.integers(2);
  tensor.strides = call.integers(3);
  if (tensor.shape.size() != tensor.strides.size())
    wrong(call.callee, fmt::format("{} sizes and {} strides", tensor.shape.size(), tensor.strides.size()));
  if (typed) {
    const PickleValue& element = call.value(6, PickleKind::global);
    if (element.integer != static_cast<int64_t>(Known::element)) wrong(call.callee, "argument 6 is no dtype");
    tensor.dtype = element.text.substr(element.text.find('.') + 1);
  }
  call.heap.spend(2 * tensor.shape.size());
  return call.heap.add_tensor(std::move(tensor));
}

// The type string numpy would print: order and element.
std::string element_of(const PickleValue& element) {
  return fmt::format("{}{}", static_cast<char>(element.integer), element.text);
}

// scalar(dtype, bytes) → a number; other elements stay inert.
PickleRef array_scalar(const Arguments& call) {
  const PickleValue& element = call.value(0, PickleKind::element);
  const std::string type(element.text);
  if (call.items.size() < 2 || (call.value(1).kind != PickleKind::bytes && call.value(1).kind != PickleKind::text))
    return call.heap.add(PickleKind::none);
  std::string bytes(call.value(1).text.substr(0, 8));
  if (element.integer == '>') std::reverse(bytes.begin(), bytes.end());
  bytes.resize(8, '\0');
  uint64_t bits = 0;
  std::memcpy(&bits, bytes.data(), 8);
  if (type == "f8") return call.heap.add_real(std::bit_cast<double>(bits));
  if (type == "f4") return call.heap.add_real(double{std::bit_cast<float>(static_cast<uint32_t>(bits))});
  if (type == "i8" || type == "u8") return call.heap.add_integer(static_cast<int64_t>(bits));
  if (type == "i4") return call.heap.add_integer(static_cast<int32_t>(bits));
  if (type == "i2") return call.heap.add_integer(static_cast<int16_t>(bits));
  if (type == "i1") return call.heap.add_integer(static_cast<int8_t>(bits));
  if (type == "u4" || type == "u2" || type == "u1" || type == "b1")
    return call.heap.add_integer(static_cast<int64_t>(bits));
  return call.heap.add(PickleKind::none);
}

PickleRef add_array(PickleHeap& heap, PickleArray array) {
  PickleValue value;
  value.kind = PickleKind::array;
  value.integer = static_cast<int64_t>(heap.arrays.size());
  heap.arrays.push_back(std::move(array));
  return heap.add(std::move(value));
}

bool holds_bytes(const PickleValue& value) { return value.kind == PickleKind::bytes || value.kind == PickleKind::text; }

// _frombuffer(buffer, dtype, shape, order)
PickleRef array_from_buffer(const Arguments& call) {
  PickleArray array;
  if (!holds_bytes(call.value(0))) wrong(call.callee, "argument 0 holds no bytes");
  array.data = call.value(0).text;
  array.element = element_of(call.value(1, PickleKind::element));
  array.shape = call.integers(2);
  array.fortran = call.value(3).text == "F";
  return add_array(call.heap, std::move(array));
}

// dtype("f4", align, copy)
PickleRef array_element(const Arguments& call) {
  std::string_view text = call.value(0, PickleKind::text).text;
  PickleValue value;
  value.kind = PickleKind::element;
  value.integer = '|';
  if (!text.empty() && (text[0] == '<' || text[0] == '>' || text[0] == '|' || text[0] == '=')) {
    value.integer = text[0];
    text.remove_prefix(1);
  }
  value.text = text;
  return call.heap.add(std::move(value));
}

// encode(text, "latin1") → bytes
PickleRef encode(const Arguments& call) {
  const std::string_view text = call.value(0, PickleKind::text).text;
  const std::string_view by = call.items.size() > 1 ? call.value(1, PickleKind::text).text : "utf-8";
  if (by != "latin1" && by != "latin-1") return call.heap.add_text(text, PickleKind::bytes);
  std::string bytes;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      bytes.push_back(text[i]);
    } else {
      if ((c != 0xC2 && c != 0xC3) || i + 1 == text.size()) wrong(call.callee, "the text is not Latin-1");
      bytes.push_back(static_cast<char>((c & 3) << 6 | (static_cast<unsigned char>(text[++i]) & 63)));
    }
  }
  return call.heap.add_text(call.heap.keep(std::move(bytes)), PickleKind::bytes);
}

// dict() and dict([(key, value), …]); what else a dictionary is made of.
PickleRef make_dict(const Arguments& call, size_t first) {
  std::vector<PickleRef> items;
  if (first < call.items.size()) {
    const PickleValue& source = call.value(first);
    if (source.kind == PickleKind::dict) {
      items = source.items;
    } else {
      if (source.kind != PickleKind::list && source.kind != PickleKind::tuple)
        wrong(call.callee, "its items are no list");
      for (const PickleRef pair : source.items) {
        const PickleValue& p = call.heap[pair];
        if ((p.kind != PickleKind::tuple && p.kind != PickleKind::list) || p.items.size() != 2)
          wrong(call.callee, "an item is no pair");
        items.insert(items.end(), p.items.begin(), p.items.end());
      }
    }
  }
  return call.heap.add(PickleKind::dict, std::move(items));
}

PickleRef make_sequence(const Arguments& call) {
  const PickleKind kind = call.callee.ends_with("list")    ? PickleKind::list
                          : call.callee.ends_with("tuple") ? PickleKind::tuple
                                                           : PickleKind::set;
  std::vector<PickleRef> items;
  if (!call.items.empty()) {
    const PickleValue& source = call.value(0);
    if (source.kind != PickleKind::list && source.kind != PickleKind::tuple && source.kind != PickleKind::set)
      wrong(call.callee, "its items are no list");
    items = source.items;
  }
  return call.heap.add(kind, std::move(items));
}

}  // namespace

PickleRef find_pickle_global(PickleHeap& heap, std::string_view module, std::string_view name, bool script) {
  const std::string home = modern(module), full = home + "." + std::string(name);
  std::optional<Known> known;
  for (const Entry& entry : kGlobals)
    if (entry.name == full) known = entry.known;
  const bool torch = home == "torch" || home == "torch.cuda";
  if (torch && name.ends_with("Storage") && one_of(kStorages, name.substr(0, name.size() - 7))) known = Known::storage;
  if (torch && name.ends_with("Tensor") && one_of(kStorages, name.substr(0, name.size() - 6))) known = Known::inert;
  if (home == "torch" && one_of(kElements, name)) known = Known::element;
  if (script && home.starts_with("__torch__")) known = Known::inert;
  require(known.has_value(), ErrorKind::unsupported, "refuses to run {}: {}", shown(full), advice(module));
  PickleValue value;
  value.kind = PickleKind::global;
  value.integer = static_cast<int64_t>(*known);
  value.text = heap.keep(full);
  return heap.add(std::move(value));
}

PickleRef call_pickle_global(PickleHeap& heap, PickleRef callee, PickleRef arguments) {
  // _rebuild_from_type_v2(function, type, arguments, state) calls its first argument.
  for (int depth = 0; depth < 4; ++depth) {
    require(heap[callee].kind == PickleKind::global, ErrorKind::format, "calls what is no function");
    require(heap[arguments].kind == PickleKind::tuple, ErrorKind::format, "{}: its arguments are no tuple",
            heap[callee].text);
    const Arguments call{heap, heap[callee].text, heap[arguments].items};
    switch (static_cast<Known>(heap[callee].integer)) {
      case Known::inert: return heap.add(PickleKind::object, {callee, arguments});
      case Known::dict: return make_dict(call, 0);
      case Known::counted_dict: return make_dict(call, 1);
      case Known::sequence: return make_sequence(call);
      case Known::bytes:
        return call.items.empty() ? heap.add_text("", PickleKind::bytes)
                                  : heap.add(PickleKind::object, {callee, arguments});
      case Known::identity: return call.ref(0);
      case Known::rebuild_tensor:
      case Known::rebuild_tensor_v2: return rebuild_tensor(call, false);
      case Known::rebuild_tensor_v3: return rebuild_tensor(call, true);
      case Known::rebuild_from_type:
        callee = call.ref(0);
        arguments = call.ref(2);
        continue;
      case Known::reconstructor: return new_pickle_object(heap, call.ref(0), heap.add(PickleKind::tuple));
      case Known::array_scalar: return array_scalar(call);
      case Known::array_reconstruct: return add_array(heap, {});
      case Known::array_from_buffer: return array_from_buffer(call);
      case Known::array_element: return array_element(call);
      case Known::encode: return encode(call);
      case Known::storage:
      case Known::element: break;
    }
    fail(ErrorKind::format, "calls {}, which is no function", heap[callee].text);
  }
  fail(ErrorKind::format, "{} calls itself", heap[callee].text);
}

PickleRef new_pickle_object(PickleHeap& heap, PickleRef type, PickleRef arguments) {
  require(heap[type].kind == PickleKind::global, ErrorKind::format, "makes an object of what is no class");
  switch (static_cast<Known>(heap[type].integer)) {
    case Known::dict:
    case Known::counted_dict:
    case Known::sequence:
    case Known::identity: return call_pickle_global(heap, type, arguments);
    default: return heap.add(PickleKind::object, {type, arguments});
  }
}

void build_pickle_object(PickleHeap& heap, PickleRef target, PickleRef state) {
  PickleValue& value = heap[target];
  const PickleValue& given = heap[state];
  if (value.kind == PickleKind::object) {
    heap.spend(1);
    value.items.resize(2);
    value.items.push_back(state);
  } else if (value.kind == PickleKind::element) {  // (version, order, …)
    if (given.kind == PickleKind::tuple && given.items.size() >= 2 && heap[given.items[1]].text.size() == 1)
      value.integer = heap[given.items[1]].text[0];
  } else if (value.kind == PickleKind::array) {  // (version, shape, dtype, is it Fortran's order, bytes)
    require(given.kind == PickleKind::tuple, ErrorKind::format, "the state of a numpy.ndarray is no tuple");
    const Arguments call{heap, "numpy.ndarray", given.items};
    PickleArray& array = heap.arrays[static_cast<size_t>(value.integer)];
    array.shape = call.integers(1);
    array.element = element_of(call.value(2, PickleKind::element));
    array.fortran = call.integer(3) != 0;
    require(holds_bytes(call.value(4)), ErrorKind::unsupported, "a numpy.ndarray of Python objects");
    array.data = call.value(4).text;
  }
  // Attributes of anything else (a state_dict's _metadata) mean nothing to us.
}

}  // namespace fovea
