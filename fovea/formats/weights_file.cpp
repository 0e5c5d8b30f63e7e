#include "fovea/formats/weights_file.h"

#include <optional>

#include "fovea/base/error.h"
#include "fovea/formats/archive.h"
#include "fovea/formats/npy_read.h"
#include "fovea/formats/safetensors_read.h"
#include "fovea/formats/tensor_bytes.h"
#include "fovea/formats/torch_read.h"
#include "fovea/formats/zip_file.h"

namespace fovea {

namespace {

using namespace std::string_view_literals;

enum class Kind { none, torch, safetensors, npy, npz };

bool is_zip(const Bytes& file) { return file.view().starts_with("PK\x03\x04"); }

// By the name in the first local header (at byte 30, its length at 26): all that the beginning of a stream tells.
Kind kind_of_zip_head(const Bytes& head) {
  if (head.size() < 30) return Kind::none;
  const size_t length = static_cast<size_t>(head.span()[26]) | static_cast<size_t>(head.span()[27]) << 8;
  const std::string_view name = head.view().substr(30, length);
  if (name.ends_with(".npy")) return Kind::npz;
  return name.find('/') != name.npos && (name.ends_with("/data.pkl") || name.find("/data/") != name.npos ||
                                         name.ends_with("/version") || name.ends_with("/byteorder"))
             ? Kind::torch
             : Kind::none;
}

Kind kind_of_zip(const Bytes& file) {
  const ZipFile zip(file);
  if (is_torch_zip(zip)) return Kind::torch;
  for (const ZipFile::Entry& entry : zip.entries())
    if (entry.name.ends_with(".npy")) return Kind::npz;
  return Kind::none;
}

// All kinds but zip.
Kind kind_of_plain(const Bytes& file) {
  if (is_npy(file)) return Kind::npy;
  if (is_torch_tar(file) || is_torch_stream(file) || is_pickle(file)) return Kind::torch;
  return is_safetensors(file) ? Kind::safetensors : Kind::none;
}

// "dir/array.npy" → "array".
std::string stem_of(const Bytes& file) {
  const std::string stem = std::filesystem::path(file.label()).filename().stem().string();
  return stem.empty() ? "array" : stem;
}

WeightsFile read_plain(const Bytes& file) {
  switch (is_zip(file) ? kind_of_zip(file) : kind_of_plain(file)) {
    case Kind::torch: return read_torch(file);
    case Kind::safetensors: return read_safetensors(file);
    case Kind::npz: return read_npz(file);
    case Kind::npy: {
      WeightsFile result;
      result.kind = "NumPy array";
      result.order = {stem_of(file)};
      result.weights.emplace(result.order[0], read_npy(file));
      return result;
    }
    case Kind::none: break;
  }
  if (is_zip(file)) return read_torch(file);  // says what is missing
  const std::string_view hint = file.view().starts_with("version https://git-lfs")
                                    ? "; it is a Git LFS pointer, not the file"
                                : file.view().starts_with("<") ? "; it looks like a web page"
                                : file.empty()                 ? "; it is empty"
                                                               : "";
  fail(ErrorKind::format,
       "{}: no file of weights: neither a PyTorch checkpoint (.pth), safetensors nor a NumPy array (.npy, .npz){}",
       file.label(), hint);
}

// The f32 X that X_u8, X_scale and X_min stand for: X = X_u8 · X_scale + X_min (8-bit affine, one scale a tensor).
std::optional<Tensor> expanded(const Weights& weights, const std::string& name) {
  const auto codes = weights.find(name + "_u8"), scale = weights.find(name + "_scale"),
             low = weights.find(name + "_min");
  if (codes == weights.end() || scale == weights.end() || low == weights.end() || weights.contains(name)) return {};
  if (codes->second.dtype() != DType::u8) return {};
  for (const auto& part : {scale, low})
    if (part->second.dtype() != DType::f32 || part->second.count() != 1) return {};
  Tensor result(DType::f32, codes->second.shape());
  const float factor = static_cast<const Tensor&>(scale->second).data<float>()[0];
  const float offset = static_cast<const Tensor&>(low->second).data<float>()[0];
  const auto from = static_cast<const Tensor&>(codes->second).data<uint8_t>();
  const auto to = result.data<float>();
  for (size_t i = 0; i < from.size(); ++i) to[i] = static_cast<float>(from[i]) * factor + offset;
  return result;
}

void expand_quantised(WeightsFile& file) {
  std::vector<std::string> order;
  size_t count = 0;
  const std::vector<std::string> names = file.order;
  for (const std::string& name : names) {
    const std::string base = name.ends_with("_u8") ? name.substr(0, name.size() - 3) : "";
    const std::optional<Tensor> tensor = base.empty() ? std::nullopt : expanded(file.weights, base);
    if (!tensor) continue;
    for (const char* part : {"_u8", "_scale", "_min"}) file.weights.erase(base + part);
    file.weights.emplace(base, *tensor);
    ++count;
  }
  if (count == 0) return;
  for (const std::string& name : names) {
    if (file.weights.contains(name)) order.push_back(name);
    else if (name.ends_with("_u8")) order.push_back(name.substr(0, name.size() - 3));
  }
  file.order = std::move(order);
  file.notes.push_back(fmt::format("{} quantised tensors (X_u8 · X_scale + X_min) are expanded to f32", count));
}

}  // namespace

bool is_weights_file(const Bytes& file) try {
  if (is_compressed(file)) {
    constexpr size_t kHead = 8192;
    const Bytes head = unpacked_head(file, kHead);
    return (is_zip(head) ? kind_of_zip_head(head) : kind_of_plain(head)) != Kind::none;
  }
  return (is_zip(file) ? kind_of_zip(file) : kind_of_plain(file)) != Kind::none;
} catch (const Error&) { return is_zip(file) && kind_of_zip_head(file) != Kind::none; }

WeightsFile read_weights(const Bytes& file) try {
  WeightsFile result = read_plain(unpacked(file));
  expand_quantised(result);
  return result;
} catch (const Error&) { throw; } catch (const std::exception& error) {  // such as memory running out
  fail(ErrorKind::format, "{}: cannot be read: {}", file.label(), error.what());
}

WeightsFile read_weights(const std::filesystem::path& path) { return read_weights(Bytes::map(path)); }

}  // namespace fovea
