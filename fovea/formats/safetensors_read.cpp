// The file: length n of the header (u64, little-endian; at most 100 MB), n bytes of JSON
//   {"__metadata__": {text: text}, name: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …}
// and the data, which the offsets (from the end of the header) cover without holes or overlaps.
// Source: safetensors/src/tensor.rs of huggingface/safetensors and its README ("Format").
#include "fovea/formats/safetensors_read.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "fovea/base/error.h"
#include "fovea/formats/tensor_bytes.h"

namespace fovea {

namespace {

constexpr uint64_t kMostHeader = 100'000'000;

struct Entry {
  std::string name;
  std::string dtype;
  Shape shape;
  std::vector<uint64_t> offsets;
  bool has_shape = false;
};

// Follows the parser's events; the depth is bounded because only the shape above is accepted.
class HeaderReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;

  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a truth value"); }
  bool number_integer(number_integer_t value) override {
    fail(ErrorKind::format, "{}: the number {} is negative", here(), value);
  }
  bool number_float(number_float_t, const string_t& text) override {
    fail(ErrorKind::format, "{}: {} is no whole number", here(), shown(text));
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (place_ != Place::sizes && place_ != Place::offsets) return unexpected("a number");
    if (place_ == Place::sizes) {
      require(value <= INT64_MAX && entries.back().shape.size() < 32, ErrorKind::format,
              "{}: size {} or the number of dimensions is too large", here(), value);
      entries.back().shape.push_back(static_cast<int64_t>(value));
    } else {
      require(entries.back().offsets.size() < 2, ErrorKind::format, "{}: more than two offsets", here());
      entries.back().offsets.push_back(value);
    }
    return true;
  }
  bool string(string_t& value) override {
    if (place_ == Place::metadata) {
      require(metadata.emplace(key_, value).second, ErrorKind::format, "__metadata__ has \"{}\" twice", shown(key_));
      return true;
    }
    if (place_ != Place::entry || key_ != "dtype") return unexpected("a text");
    entries.back().dtype = value;
    return true;
  }
  bool binary(binary_t&) override { return unexpected("binary data"); }
  bool start_object(size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::top;
    } else if (place_ == Place::top && key_ == "__metadata__") {
      require(!has_metadata_, ErrorKind::format, "__metadata__ is there twice");
      has_metadata_ = true;
      place_ = Place::metadata;
    } else if (place_ == Place::top) {
      require(names_.insert(key_).second, ErrorKind::format, "the tensor \"{}\" is there twice", shown(key_));
      entries.push_back({key_, {}, {}, {}, false});
      keys_.clear();
      place_ = Place::entry;
    } else {
      return unexpected("an object");
    }
    return true;
  }
  bool key(string_t& value) override {
    key_ = value;
    if (place_ == Place::entry)
      require(keys_.insert(value).second, ErrorKind::format, "{}: \"{}\" is there twice", here(), shown(value));
    return true;
  }
  bool end_object() override {
    place_ = place_ == Place::top ? Place::outside : Place::top;
    return true;
  }
  bool start_array(size_t) override {
    if (place_ != Place::entry || (key_ != "shape" && key_ != "data_offsets")) return unexpected("a list");
    place_ = key_ == "shape" ? Place::sizes : Place::offsets;
    if (key_ == "shape") entries.back().has_shape = true;
    return true;
  }
  bool end_array() override {
    place_ = Place::entry;
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorKind::format, "byte {} of the file: the header is no JSON", position + 8);
  }

 private:
  enum class Place { outside, top, metadata, entry, sizes, offsets };

  std::string here() const {
    return entries.empty() ? std::string("the header") : fmt::format("tensor \"{}\"", shown(entries.back().name));
  }
  bool unexpected(std::string_view what) const {
    fail(ErrorKind::format, "{}: {} at the key \"{}\" is not expected", here(), what, shown(key_));
  }

  Place place_ = Place::outside;
  std::string key_;
  bool has_metadata_ = false;
  std::unordered_set<std::string> names_, keys_;
};

DType dtype_of_entry(const Entry& entry) {
  constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"BOOL", DType::boolean}, {"I8", DType::i8},   {"I16", DType::i16}, {"I32", DType::i32}, {"I64", DType::i64},
      {"U8", DType::u8},        {"U16", DType::u16}, {"U32", DType::u32}, {"U64", DType::u64}, {"F16", DType::f16},
      {"BF16", DType::bf16},    {"F32", DType::f32}, {"F64", DType::f64}};
  for (const auto& [name, dtype] : kTypes)
    if (entry.dtype == name) return dtype;
  fail(ErrorKind::unsupported, "tensor \"{}\": unsupported element type \"{}\"", shown(entry.name), shown(entry.dtype));
}

// Every byte of the data belongs to exactly one tensor.
void check_coverage(const std::vector<Entry>& entries, size_t size) {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries) sorted.push_back(&entry);
  std::ranges::stable_sort(sorted, {}, [](const Entry* e) { return std::pair(e->offsets[0], e->offsets[1]); });
  uint64_t end = 0;
  const Entry* before = nullptr;
  for (const Entry* entry : sorted) {
    const std::string last = before ? fmt::format("tensor \"{}\" ends", shown(before->name)) : "the data begin";
    require(entry->offsets[0] == end, ErrorKind::format, "tensor \"{}\" begins at byte {} of the data, {} at {}: {}",
            shown(entry->name), entry->offsets[0], last, end, entry->offsets[0] < end ? "they overlap" : "a hole");
    end = entry->offsets[1];
    before = entry;
  }
  require(end == size, ErrorKind::format, "the tensors take {} bytes, the file holds {} bytes of data", end, size);
}

uint64_t header_size(const Bytes& file) {
  uint64_t size = 0;
  std::memcpy(&size, file.data(), sizeof size);
  return size;
}

}  // namespace

bool is_safetensors(const Bytes& file) {
  if (file.size() < 10) return false;
  const uint64_t size = header_size(file);
  return size >= 2 && size <= kMostHeader && file.view()[8] == '{';
}

WeightsFile read_safetensors(const Bytes& file) try {
  require(file.size() >= 8, ErrorKind::format, "not a safetensors file: it has {} bytes", file.size());
  const uint64_t size = header_size(file);
  require(size <= kMostHeader && size <= file.size() - 8, ErrorKind::format,
          "its header of {} bytes does not fit: the file has {}, and a header may have {}", size, file.size(),
          kMostHeader);
  HeaderReader header;
  nlohmann::json::sax_parse(file.view().substr(8, size), &header);
  const Bytes data = file.slice(8 + size, file.size() - 8 - size);
  for (const Entry& entry : header.entries) {
    require(entry.has_shape && entry.offsets.size() == 2 && !entry.dtype.empty(), ErrorKind::format,
            "tensor \"{}\" lacks its dtype, shape or two data_offsets", shown(entry.name));
    require(entry.offsets[0] <= entry.offsets[1] && entry.offsets[1] <= data.size(), ErrorKind::format,
            "tensor \"{}\" is said to lie at bytes {} to {} of {}", shown(entry.name), entry.offsets[0],
            entry.offsets[1], data.size());
  }
  check_coverage(header.entries, data.size());
  WeightsFile result;
  result.kind = "safetensors";
  result.metadata = std::move(header.metadata);
  for (const Entry& entry : header.entries) {
    const DType dtype = dtype_of_entry(entry);
    try {
      const Bytes bytes = data.slice(entry.offsets[0], entry.offsets[1] - entry.offsets[0]);
      result.weights.emplace(entry.name, tensor_over(bytes, dtype, entry.shape));
    } catch (const Error& error) { throw error.within(fmt::format("tensor \"{}\"", shown(entry.name))); }
    result.order.push_back(entry.name);
  }
  return result;
} catch (const Error& error) { throw error.within(file.label()); }

}  // namespace fovea
