// The containers. Zip: ROOT/data.pkl, one pickle whose persistent ids ("storage", class, key, device, count) name the
// entries ROOT/data/KEY; ROOT/byteorder says "little" or "big". Stream: pickles of a magic number, a version, facts on
// the system, the object, the list of storage keys; then per storage its count (i64) and its bytes. Tar: entries
// "storages", "tensors" (pickles with raw parts between) and "pickle", whose persistent ids are keys of the other two.
// Source: torch/serialization.py (_load, _legacy_load, legacy_load) and torch/csrc/generic/serialization.cpp, by which
// raw storages outside of a zip are always little-endian.
#include "fovea/formats/torch_read.h"

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "fovea/base/error.h"
#include "fovea/formats/archive.h"
#include "fovea/formats/tensor_bytes.h"
#include "fovea/formats/torch_state.h"
#include "fovea/formats/torch_tensor.h"

namespace fovea {

namespace {

using namespace std::string_view_literals;

// 0x1950a86a20f9469cfc6c as a LONG1 and as a decimal LONG.
constexpr std::string_view kMagic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."sv;
constexpr std::string_view kMagicText = "L119547037146038801333356L\n."sv;
constexpr int64_t kProtocol = 1001;

// Keys are short: a long one shared by many storages would be copied for each.
std::string checked_key(std::string_view key) {
  constexpr size_t kLongest = 256;
  require(key.size() <= kLongest, ErrorKind::format, "the key of a storage has {} characters", key.size());
  return std::string(key);
}

// The text of a key: a string, or the number that old files use.
std::string key_of(const PickleHeap& heap, PickleRef ref) {
  const PickleValue& value = heap[ref];
  if (value.kind == PickleKind::integer) return std::to_string(value.integer);
  require(value.kind == PickleKind::text || value.kind == PickleKind::huge, ErrorKind::format,
          "the key of a storage is neither text nor number");
  return checked_key(value.text);
}

int64_t integer_of(const PickleHeap& heap, PickleRef ref, std::string_view what) {
  require(heap[ref].kind == PickleKind::integer, ErrorKind::format, "{} is no integer", what);
  return heap[ref].integer;
}

std::string storage_type(const PickleHeap& heap, PickleRef ref) {
  const PickleValue& type = heap[ref];
  require(type.kind == PickleKind::global && type.text.ends_with("Storage"), ErrorKind::format,
          "the class of a storage is none");
  const std::string_view name = type.text.substr(type.text.rfind('.') + 1);
  element_of_storage(name);  // refuses what is not known
  return std::string(name);
}

// Protocol 0 can only write the id's repr: ('storage', <class 'torch.FloatStorage'>, '0', 'cpu', 6[, None]).
PickleRef storage_from_text(PickleHeap& heap, std::string_view text) {
  constexpr std::string_view kNoView = ", None)";
  if (text.ends_with(kNoView)) text.remove_suffix(kNoView.size());  // of a legacy stream
  else if (text.ends_with(")")) text.remove_suffix(1);
  constexpr std::string_view kBegin = "('storage', <class '", kMiddle = "'>, '";
  const size_t type_end = text.find(kMiddle), key = type_end + kMiddle.size();
  const size_t key_end = type_end == text.npos ? text.npos : text.find('\'', key);
  const size_t comma = text.rfind(", ");
  require(text.starts_with(kBegin) && key_end != text.npos && comma != text.npos && comma > key_end, ErrorKind::format,
          "the persistent id \"{}\" is none of a storage", shown(text));
  PickleStorage storage;
  const std::string_view type = text.substr(kBegin.size(), type_end - kBegin.size());
  storage.type = type.substr(type.rfind('.') + 1);
  element_of_storage(storage.type);
  storage.key = checked_key(text.substr(key, key_end - key));
  const std::string count(text.substr(comma + 2));
  require(!count.empty() && count.size() < 16 && count.find_first_not_of("0123456789") == count.npos, ErrorKind::format,
          "the persistent id \"{}\" has no count", shown(text));
  storage.count = std::stoll(count);
  return heap.add_storage(std::move(storage));
}

// ("storage", class, key, device, count[, None or (key, offset, count)]); ("module", …) of whole networks is refused.
PickleRef storage_from_id(PickleHeap& heap, PickleRef id) {
  if (heap[id].kind == PickleKind::text) return storage_from_text(heap, heap[id].text);
  const std::vector<PickleRef>& items = heap[id].items;
  require(heap[id].kind == PickleKind::tuple && items.size() >= 2, ErrorKind::format, "a persistent id is no tuple");
  require(heap[items[0]].text != "module", ErrorKind::unsupported,
          "refuses to load the class {}: a whole network was pickled, code and all; in Python, save its state_dict() "
          "instead",
          shown(heap[items[1]].text));
  require(heap[items[0]].text == "storage" && (items.size() == 5 || items.size() == 6), ErrorKind::format,
          "a persistent id \"{}\" of {} parts is none of a storage", shown(heap[items[0]].text), items.size());
  PickleStorage storage;
  storage.type = storage_type(heap, items[1]);
  storage.key = key_of(heap, items[2]);
  storage.count = integer_of(heap, items[4], "the count of a storage");
  if (items.size() == 6 && heap[items[5]].kind == PickleKind::tuple) {
    const std::vector<PickleRef>& view = heap[items[5]].items;
    require(view.size() == 3, ErrorKind::format, "a storage's view has {} parts instead of 3", view.size());
    storage.offset = integer_of(heap, view[1], "the offset of a storage's view");
    storage.view = integer_of(heap, view[2], "the count of a storage's view");
    require(storage.view >= 0, ErrorKind::format, "a storage's view has {} elements", storage.view);
  }
  return heap.add_storage(std::move(storage));
}

WeightsFile read_state(const PickleHeap& heap, PickleRef root, TorchTensors& tensors, std::string kind) {
  WeightsFile result;
  result.kind = std::move(kind);
  read_torch_state(
      heap, root, [&](PickleRef ref) { return tensors.make(heap, ref); }, result);
  return result;
}

// ---- zip

const ZipFile::Entry* pickle_entry(const ZipFile& zip) {
  for (const ZipFile::Entry& entry : zip.entries()) {
    const size_t slash = entry.name.find('/');
    if (slash != entry.name.npos && std::string_view(entry.name).substr(slash) == "/data.pkl") return &entry;
  }
  return nullptr;
}

// Reads "metadata.json", which fovea writes beside the weights.
void read_metadata(const Bytes& file, WeightsFile& result) {
  const auto skip_deep = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) { return depth < 2; };
  const nlohmann::json json = nlohmann::json::parse(file.view(), skip_deep, false);
  if (!json.is_object()) return;
  for (const auto& [key, value] : json.items())
    if (value.is_string()) result.metadata.insert_or_assign(key, value.get<std::string>());
}

WeightsFile read_zip(const Bytes& file) {
  ZipFile zip(file);
  const ZipFile::Entry* pickle = pickle_entry(zip);
  require(pickle != nullptr, ErrorKind::unsupported,
          "{}: a zip archive without a data.pkl: no checkpoint of torch.save (an exported program holds code as well; "
          "save the state_dict())",
          file.label());
  const std::string root = pickle->name.substr(0, pickle->name.find('/') + 1);
  bool script = zip.find(root + "constants.pkl") != nullptr;
  for (const ZipFile::Entry& entry : zip.entries()) {
    require(entry.name.starts_with(root), ErrorKind::format, "{}: the entry \"{}\" lies outside of \"{}\"",
            file.label(), shown(entry.name), shown(root));
    script = script || entry.name.starts_with(root + "code/");
  }
  bool swap = false;
  if (const ZipFile::Entry* order = zip.find(root + "byteorder")) {
    require(order->size <= 16, ErrorKind::format, "{}: the entry byteorder has {} bytes", file.label(), order->size);
    const Bytes text = zip.read(*order);
    swap = text.view() == "big";
    require(swap || text.view() == "little", ErrorKind::format, "{}: the byte order \"{}\" is not known", file.label(),
            shown(text.view()));
  }
  std::map<std::string, Bytes> storages;
  const auto fetch = [&](const PickleStorage& storage, size_t bytes) {
    const ZipFile::Entry* entry = zip.find(root + "data/" + storage.key);
    require(entry != nullptr, ErrorKind::format, "the storage \"{}\" is not in the file", shown(storage.key));
    require(entry->size == bytes, ErrorKind::format, "the storage \"{}\" has {} bytes in the file, {} are promised",
            shown(storage.key), entry->size, bytes);
    Bytes& data = storages[storage.key];
    if (data.empty()) data = zip.read(*entry);
    return data;
  };
  PickleHeap heap(zip.read(*pickle));
  const PickleEnd end = read_pickle(heap, 0, {storage_from_id, script});
  TorchTensors tensors(file, fetch, swap);
  WeightsFile result = read_state(heap, end.root, tensors, script ? "TorchScript archive" : "PyTorch checkpoint (zip)");
  if (script) result.notes.push_back("a TorchScript archive: its code is left out, the weights are read");
  if (const ZipFile::Entry* entry = zip.find(root + "metadata.json")) read_metadata(zip.read(*entry), result);
  return result;
}

// ---- stream

template <class T>
T number_at(const Bytes& file, size_t& at) {
  T value;
  require(at <= file.size() && sizeof(T) <= file.size() - at, ErrorKind::format, "{}: cut short at byte {}",
          file.label(), at);
  std::memcpy(&value, file.data() + at, sizeof(T));
  at += sizeof(T);
  return value;
}

// A storage written raw: its count, then its elements.
Bytes raw_storage(const Bytes& file, size_t& at, const std::string& key, size_t element) {
  const auto count = number_at<int64_t>(file, at);
  require(count >= 0 && static_cast<uint64_t>(count) <= (file.size() - at) / element, ErrorKind::format,
          "{}: the storage \"{}\" of {} elements of {} bytes does not fit into the {} bytes left", file.label(),
          shown(key), count, element, file.size() - at);
  const size_t size = static_cast<size_t>(count) * element;
  const Bytes bytes = file.slice(at, size);
  at += size;
  return bytes;
}

Bytes known_storage(const std::map<std::string, Bytes>& storages, const PickleStorage& storage, size_t bytes) {
  const auto found = storages.find(storage.key);
  require(found != storages.end(), ErrorKind::format, "the storage \"{}\" is not in the file", shown(storage.key));
  require(found->second.size() == bytes, ErrorKind::format,
          "the storage \"{}\" has {} bytes in the file, {} are promised", shown(storage.key), found->second.size(),
          bytes);
  return found->second;
}

WeightsFile read_stream(const Bytes& file) {
  PickleHeap heap(file);
  PickleEnd part = read_pickle(heap, 0);  // the magic number, known already
  part = read_pickle(heap, part.end);
  require(heap[part.root].kind == PickleKind::integer && heap[part.root].integer == kProtocol, ErrorKind::unsupported,
          "{}: another protocol of legacy checkpoints than {}", file.label(), kProtocol);
  part = read_pickle(heap, part.end);  // facts on the system: the storages are little-endian whatever they say
  const PickleEnd object = read_pickle(heap, part.end, {storage_from_id, false});
  part = read_pickle(heap, object.end);
  require(heap[part.root].kind == PickleKind::list, ErrorKind::format, "{}: the storages' keys are no list",
          file.label());
  std::map<std::string, size_t> elements;  // of the storages that the object mentions
  for (const PickleStorage& storage : heap.storages) {
    const size_t element = element_of_storage(storage.type);
    require(elements.emplace(storage.key, element).first->second == element, ErrorKind::format,
            "{}: the storage \"{}\" has elements of two sizes", file.label(), shown(storage.key));
  }
  std::map<std::string, Bytes> storages;
  size_t at = part.end;
  for (const PickleRef ref : heap[part.root].items) {
    const std::string key = key_of(heap, ref);
    const auto known = elements.find(key);
    require(known != elements.end(), ErrorKind::format, "{}: no tensor has the storage \"{}\"", file.label(),
            shown(key));
    require(storages.emplace(key, raw_storage(file, at, key, known->second)).second, ErrorKind::format,
            "{}: two storages are named \"{}\"", file.label(), shown(key));
  }
  TorchTensors tensors(file, [&](const PickleStorage& s, size_t bytes) { return known_storage(storages, s, bytes); });
  return read_state(heap, object.root, tensors, "PyTorch checkpoint (legacy)");
}

// ---- tar

class TarReader {
 public:
  explicit TarReader(const Bytes& file) : file_(file) {
    const auto wanted = [](std::string_view path) {
      return path == "storages" || path == "tensors" || path == "pickle";
    };
    for (ArchiveEntry& entry : read_archive(file, wanted, file.size()))
      require(entries_.emplace(entry.path, std::move(entry.data)).second, ErrorKind::format,
              "{}: two entries are named \"{}\"", file.label(), entry.path);
    for (const char* name : {"storages", "tensors", "pickle"})
      require(entries_.contains(name), ErrorKind::format, "{}: the archive has no entry \"{}\"", file.label(), name);
  }

  WeightsFile read() {
    read_storages();
    read_tensors();
    PickleHeap heap(entries_["pickle"]);
    const PickleEnd end = read_pickle(heap, 0, {[this](PickleHeap& h, PickleRef id) { return resolve(h, id); }, false});
    TorchTensors tensors(file_,
                         [&](const PickleStorage& s, size_t bytes) { return known_storage(storages_, s, bytes); });
    return read_state(heap, end.root, tensors, "PyTorch checkpoint (tar)");
  }

 private:
  struct Described {
    PickleStorage storage;
    PickleTensor tensor;
  };

  static int64_t read_count(PickleHeap& heap, size_t& at) {
    const PickleEnd part = read_pickle(heap, at);
    at = part.end;
    return integer_of(heap, part.root, "a count");
  }

  static std::vector<PickleRef> read_tuple(PickleHeap& heap, size_t& at, size_t size) {
    const PickleEnd part = read_pickle(heap, at);
    at = part.end;
    require(heap[part.root].kind == PickleKind::tuple && heap[part.root].items.size() == size, ErrorKind::format,
            "{}: a record of {} parts is expected before byte {}", heap.file().label(), size, at);
    return heap[part.root].items;
  }

  // A count; per storage (key, device, class) and its raw elements; a list of views (key, root, offset, count).
  void read_storages() {
    const Bytes& part = entries_["storages"];
    PickleHeap heap(part);
    size_t at = 0;
    const int64_t count = read_count(heap, at);
    for (int64_t i = 0; i < count; ++i) {
      const std::vector<PickleRef> record = read_tuple(heap, at, 3);
      PickleStorage storage;
      storage.key = key_of(heap, record[0]);
      storage.type = storage_type(heap, record[2]);
      const size_t element = element_of_storage(storage.type);
      const Bytes bytes = raw_storage(part, at, storage.key, element);
      storage.count = static_cast<int64_t>(bytes.size() / element);
      require(storages_.emplace(storage.key, bytes).second, ErrorKind::format, "{}: two storages are named \"{}\"",
              part.label(), shown(storage.key));
      known_.emplace(storage.key, storage);
    }
    const PickleEnd views = read_pickle(heap, at);
    require(heap[views.root].kind == PickleKind::list, ErrorKind::format, "{}: the storages' views are no list",
            part.label());
    for (const PickleRef ref : heap[views.root].items) {
      const std::vector<PickleRef>& view = heap[ref].items;
      require(heap[ref].kind == PickleKind::tuple && view.size() == 4, ErrorKind::format,
              "{}: a storage's view is no tuple of 4", part.label());
      PickleStorage storage = storage_named(key_of(heap, view[1]));
      storage.offset = integer_of(heap, view[2], "the offset of a view");
      storage.view = integer_of(heap, view[3], "the count of a view");
      require(storage.view >= 0, ErrorKind::format, "{}: a view of {} elements", part.label(), storage.view);
      known_.emplace(key_of(heap, view[0]), std::move(storage));
    }
  }

  PickleStorage storage_named(const std::string& key) const {
    const auto found = known_.find(key);
    require(found != known_.end(), ErrorKind::format, "{}: the storage \"{}\" is not in the file", file_.label(),
            shown(key));
    return found->second;
  }

  // A count; per tensor (key, storage, class), the rank (i32 and 4 bytes), sizes, strides and the offset (i64 each).
  void read_tensors() {
    const Bytes& part = entries_["tensors"];
    PickleHeap heap(part);
    size_t at = 0;
    const int64_t count = read_count(heap, at);
    for (int64_t i = 0; i < count; ++i) {
      const std::vector<PickleRef> record = read_tuple(heap, at, 3);
      Described described{storage_named(key_of(heap, record[1])), {}};
      const auto rank = number_at<int32_t>(part, at);
      number_at<int32_t>(part, at);
      require(rank >= 0 && rank <= 32, ErrorKind::format, "{}: a tensor of {} dimensions before byte {}", part.label(),
              rank, at);
      for (int32_t k = 0; k < rank; ++k) described.tensor.shape.push_back(number_at<int64_t>(part, at));
      for (int32_t k = 0; k < rank; ++k) described.tensor.strides.push_back(number_at<int64_t>(part, at));
      described.tensor.offset = number_at<int64_t>(part, at);
      require(tensors_.emplace(key_of(heap, record[0]), std::move(described)).second, ErrorKind::format,
              "{}: two tensors have one key", part.label());
    }
  }

  PickleRef resolve(PickleHeap& heap, PickleRef id) const {
    const PickleValue& value = heap[id];
    if (value.kind == PickleKind::tuple) {  // (class, source file, source)
      require(!value.items.empty(), ErrorKind::format, "a persistent id is empty");
      return value.items[0];
    }
    const std::string key = key_of(heap, id);
    const auto found = tensors_.find(key);
    if (found == tensors_.end()) return heap.add_storage(storage_named(key));
    PickleTensor tensor = found->second.tensor;
    tensor.storage = heap.add_storage(found->second.storage);
    return heap.add_tensor(std::move(tensor));
  }

  const Bytes file_;
  std::map<std::string, Bytes> entries_;
  std::map<std::string, Bytes> storages_;
  std::map<std::string, PickleStorage> known_;  // storages and views on them
  std::map<std::string, Described> tensors_;
};

// A pickle of its own, such as a dictionary of NumPy arrays.
WeightsFile read_plain_pickle(const Bytes& file) {
  PickleHeap heap(file);
  const PickleEnd end = read_pickle(heap, 0);
  TorchTensors tensors(
      file, [](const PickleStorage&, size_t) -> Bytes { fail(ErrorKind::format, "a plain pickle holds no storages"); });
  return read_state(heap, end.root, tensors, "pickle");
}

}  // namespace

bool is_torch_stream(const Bytes& file) {
  const std::string_view head = file.view().substr(0, 64);
  if (head.starts_with(kMagicText)) return true;
  const size_t found = head.find(kMagic);  // after the protocol and a frame, where there are
  return found != head.npos && found <= 11;
}

bool is_torch_tar(const Bytes& file) {
  constexpr size_t kBlock = 512, kLook = 16 * kBlock;  // the first entry may have a header of its own before it
  const std::string_view text = file.view().substr(0, kLook);
  if (text.size() < kBlock || text.substr(257, 5) != "ustar") return false;
  for (size_t at = 0; at + kBlock <= text.size(); at += kBlock)
    for (const std::string_view name : {"sys_info\0"sv, "storages\0"sv, "tensors\0"sv, "pickle\0"sv})
      if (text.substr(at + 257, 5) == "ustar" && text.substr(at).starts_with(name)) return true;
  return false;
}

bool is_pickle(const Bytes& file) {
  return file.size() >= 4 && file.view()[0] == '\x80' && file.view()[1] >= 2 && file.view()[1] <= 5;
}

bool is_torch_zip(const ZipFile& zip) { return pickle_entry(zip) != nullptr; }

WeightsFile read_torch(const Bytes& file) try {
  if (is_torch_tar(file)) return TarReader(file).read();
  if (is_torch_stream(file)) return read_stream(file);
  if (is_pickle(file)) return read_plain_pickle(file);
  return read_zip(file);
} catch (const Error& error) {
  if (file.label().empty() || error.message().starts_with(file.label())) throw;
  throw error.within(file.label());
}

}  // namespace fovea
