#include "fovea/formats/weights_write.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/formats/npy_write.h"
#include "fovea/formats/safetensors_write.h"
#include "fovea/formats/tensor_bytes.h"
#include "fovea/formats/torch_write.h"

namespace fovea {

namespace {

enum class Container { none, torch, safetensors, npz };

Container container_of(const std::filesystem::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".pth" || extension == ".pt" || extension == ".th") return Container::torch;
  if (extension == ".safetensors") return Container::safetensors;
  return extension == ".npz" ? Container::npz : Container::none;
}

}  // namespace

Tensor halved(const std::string& name, const Tensor& tensor) {
  if (!is_float(tensor.dtype())) return tensor;
  Tensor result = tensor.cast(DType::f16);
  const Tensor wide = tensor.cast(DType::f64);
  const auto was = wide.data<double>();
  const auto is = static_cast<const Tensor&>(result).data<f16>();
  for (size_t i = 0; i < was.size(); ++i)
    require(!std::isfinite(was[i]) || std::isfinite(static_cast<float>(is[i])), ErrorKind::unsupported,
            "tensor \"{}\": its value {} does not fit into f16 (up to 65504); keep f32", shown(name), was[i]);
  return result;
}

bool is_weights_extension(const std::filesystem::path& path) { return container_of(path) != Container::none; }

void write_weights(const Weights& weights, const std::vector<std::string>& order,
                   const std::map<std::string, std::string>& metadata, const std::filesystem::path& path, bool half) {
  const Container container = container_of(path);
  require(container != Container::none, ErrorKind::usage,
          "cannot write weights to {}: its extension is none of .pth, .pt, .th, .safetensors, .npz", path.string());
  std::vector<std::pair<std::string, Tensor>> tensors;
  std::unordered_set<std::string> done;
  const auto add = [&](const std::string& name, const Tensor& tensor) {
    if (done.insert(name).second) tensors.emplace_back(name, half ? halved(name, tensor) : tensor);
  };
  try {
    for (const std::string& name : order) {
      const auto found = weights.find(name);
      require(found != weights.end(), ErrorKind::usage, "there is no tensor \"{}\" to write", shown(name));
      add(name, found->second);
    }
    for (const auto& [name, tensor] : weights) add(name, tensor);
    write_file(path, container == Container::torch         ? torch_bytes(tensors, metadata)
                     : container == Container::safetensors ? safetensors_bytes(tensors, metadata)
                                                           : npz_bytes(tensors));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io) throw;
    throw error.within(path.string());
  }
}

}  // namespace fovea
