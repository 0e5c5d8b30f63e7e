// gather and scatter_add, plain, with indices that may come only at run time.
#include "fovea/ops/gather.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/kernels/gather.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/base/error.h"
#include "fovea/ops/movement.h"
#include "fovea/ops/scatter_add.h"

namespace fovea::cpu {

namespace {

constexpr int64_t kMost = INT32_MAX;  // positions

size_t line_bytes(size_t bytes) { return (bytes + 63) / 64 * 64; }

// Positions from 0 on as i32. Throws Error{usage} for an index outside of [-size, size), as the reference does.
template <class Index>
void normal_positions(const Index* indices, int64_t count, int64_t size, int32_t* positions) {
  bool inside = true;
  for (int64_t i = 0; i < count; ++i) {
    const auto index = static_cast<int64_t>(indices[i]);
    inside &= index >= -size && index < size;
    positions[i] = static_cast<int32_t>(index < 0 ? index + size : index);
  }
  if (inside) return;
  for (int64_t i = 0; i < count; ++i)
    require(indices[i] >= -size && indices[i] < size, ErrorKind::usage, "index {} is outside of an axis of size {}",
            indices[i], size);
}

void normal_positions(DType dtype, const std::byte* indices, int64_t count, int64_t size, int32_t* positions) {
  if (dtype == DType::i32) normal_positions(reinterpret_cast<const int32_t*>(indices), count, size, positions);
  else normal_positions(reinterpret_cast<const int64_t*>(indices), count, size, positions);
}

Lowering plain(const Request& request, const char* kernel, const kernels::GatherShape& s) {
  Lowering lowering;
  lowering.implementation = kernel_name(kernel);
  lowering.inputs = {plain_layout(request.type(0)), plain_layout(request.type(1))};
  lowering.outputs = {plain_layout(request.op_node().outputs[0])};
  lowering.scratch = line_bytes(static_cast<size_t>(s.count) * sizeof(int32_t));
  return lowering;
}

}  // namespace

std::string lower_gather(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &indices = request.type(1);
  if (size_of(x.dtype) != sizeof(float)) return "not elements of 4 bytes";
  const int64_t axis = normal_axis(request.op_node().attributes.as<GatherAttributes>().axis, x.shape.rank(), "gather");
  const kernels::GatherShape s{x.shape.count(0, axis), x.shape[static_cast<size_t>(axis)], indices.shape.count(),
                               x.shape.count(axis + 1, x.shape.rank())};
  if (s.size > kMost) return "too many positions";
  Lowering lowering = plain(request, "gather", s);
  lowering.run = [s, dtype = indices.dtype](const Buffers& b) {
    auto* positions = reinterpret_cast<int32_t*>(b.scratch);
    normal_positions(dtype, b.in[1], s.count, s.size, positions);
    kernels::gather(s, reinterpret_cast<const float*>(b.in[0]), positions, reinterpret_cast<float*>(b.out[0]));
  };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_scatter_add(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &d = request.type(0), &indices = request.type(1), &y = request.op_node().outputs[0];
  if (d.dtype != DType::f32) return "not f32";
  const auto& a = request.op_node().attributes.as<ScatterAddAttributes>();
  const kernels::GatherShape s{y.shape.count(0, a.axis), a.size, indices.shape.count(),
                               y.shape.count(a.axis + 1, y.shape.rank())};
  if (s.size > kMost) return "too many positions";
  Lowering lowering = plain(request, "scatter_add", s);
  const size_t at = lowering.scratch;
  lowering.scratch += static_cast<size_t>(y.shape.count()) * sizeof(double);
  lowering.run = [s, at, dtype = indices.dtype](const Buffers& b) {
    auto* positions = reinterpret_cast<int32_t*>(b.scratch);
    normal_positions(dtype, b.in[1], s.count, s.size, positions);
    kernels::scatter_add(s, reinterpret_cast<const float*>(b.in[0]), positions, reinterpret_cast<float*>(b.out[0]),
                         reinterpret_cast<double*>(b.scratch + at));
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
