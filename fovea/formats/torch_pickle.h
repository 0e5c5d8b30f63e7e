// Python pickles, as far as checkpoints use them, read as inert data by a small stack machine: nothing is imported,
// called or executed. What a pickle may name stands in a fixed list (torch_globals.cpp); anything else is refused by
// name. Source: CPython's pickletools.py (opcodes of the protocols 0 to 5).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/bytes.h"

namespace fovea {

using PickleRef = uint32_t;  // an index into a PickleHeap

enum class PickleKind : uint8_t {
  none,
  boolean,
  integer,
  huge,  // an integer beyond 64 bits: its little-endian bytes or decimal digits in `text`
  real,
  text,
  bytes,
  tuple,
  list,
  dict,
  set,
  global,   // something importable: "collections.OrderedDict"; `integer` says what it is to us
  object,   // an instance nobody built: items = {class, arguments, state}
  storage,  // torch: `integer` indexes PickleHeap::storages
  tensor,   // torch: `integer` indexes PickleHeap::tensors
  array,    // numpy.ndarray: `integer` indexes PickleHeap::arrays
  element   // numpy.dtype: `text` "f4", `integer` the byte order's character
};

struct PickleValue {
  PickleKind kind = PickleKind::none;
  int64_t integer = 0;
  double real = 0;
  std::string_view text;         // into the file or the heap's own strings
  std::vector<PickleRef> items;  // dict: key, value, key, value, …
};

struct PickleStorage {
  std::string key, type;  // "0", "FloatStorage"
  int64_t count = 0;      // elements of the whole storage
  int64_t offset = 0;     // of a legacy view on it, in elements
  int64_t view = -1;      // elements of the view; -1: it is no view
};

struct PickleTensor {
  PickleRef storage = 0;
  int64_t offset = 0;                   // in elements
  std::vector<int64_t> shape, strides;  // in elements
  std::string dtype;                    // "uint16" where it is not the storage's own
};

struct PickleArray {
  std::string element = "|u1";  // numpy's type string
  std::vector<int64_t> shape;
  bool fortran = false;
  std::string_view data;
};

// Every value of a pickle; references may form cycles and share, they are never expanded. Bounded: throws Error{format}
// when a file asks for more than kMostObjects values or copies of more bytes than it has itself many times over.
class PickleHeap {
 public:
  static constexpr size_t kMostObjects = size_t{1} << 22;

  explicit PickleHeap(const Bytes& file) : file_(file), bytes_left_((size_t{64} << 20) + 4 * file.size()) {}

  const PickleValue& operator[](PickleRef ref) const { return values_[ref]; }
  PickleValue& operator[](PickleRef ref) { return values_[ref]; }
  size_t size() const { return values_.size(); }
  PickleRef add(PickleValue value);
  PickleRef add(PickleKind kind, std::vector<PickleRef> items = {});
  PickleRef add_text(std::string_view text, PickleKind kind = PickleKind::text);
  PickleRef add_integer(int64_t value);
  PickleRef add_real(double value);
  PickleRef add_storage(PickleStorage storage);
  PickleRef add_tensor(PickleTensor tensor);
  // Text that is not in the file as it stands.
  std::string_view keep(std::string text);
  // Counts `items` copied references against the bound.
  void spend(size_t items);

  const Bytes& file() const { return file_; }
  const PickleStorage& storage(PickleRef ref) const { return storages[static_cast<size_t>(values_[ref].integer)]; }
  const PickleTensor& tensor(PickleRef ref) const { return tensors[static_cast<size_t>(values_[ref].integer)]; }
  const PickleArray& array(PickleRef ref) const { return arrays[static_cast<size_t>(values_[ref].integer)]; }

  std::vector<PickleStorage> storages;
  std::vector<PickleTensor> tensors;
  std::vector<PickleArray> arrays;

 private:
  Bytes file_;
  size_t objects_left_ = kMostObjects, bytes_left_;
  std::deque<PickleValue> values_;
  std::deque<std::string> kept_;
};

struct PickleOptions {
  // What a persistent id stands for (a tuple, or a text in protocol 0). Without it, persistent ids are refused.
  std::function<PickleRef(PickleHeap&, PickleRef id)> persistent;
  bool script = false;  // classes under __torch__ are known: the archive is TorchScript
};

struct PickleEnd {
  PickleRef root = 0;
  size_t end = 0;  // where the next byte of the stream stands
};

// Reads one pickle that begins at a byte of the heap's file. Throws Error{format} with the byte at fault, and
// Error{unsupported} naming what it would run.
PickleEnd read_pickle(PickleHeap& heap, size_t begin, const PickleOptions& options = {});

// What REDUCE, NEWOBJ, OBJ and INST do with a known global, and BUILD with a value; all of it data → data.
PickleRef find_pickle_global(PickleHeap& heap, std::string_view module, std::string_view name, bool script);
PickleRef call_pickle_global(PickleHeap& heap, PickleRef callee, PickleRef arguments);
PickleRef new_pickle_object(PickleHeap& heap, PickleRef type, PickleRef arguments);
void build_pickle_object(PickleHeap& heap, PickleRef target, PickleRef state);

}  // namespace fovea
