// ONNX pooling operators. ONNX counts the places of maxima over the whole tensor, we count them inside each H·W plane.
#include "fovea/formats/onnx_node.h"
#include "fovea/formats/onnx_windows.h"
#include "fovea/ops/add.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/div.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/lp_pool.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mod.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/shape.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

OnnxWindow pool_window(OnnxNode& n) {
  OnnxWindow w = onnx_window(n);
  require(!w.kernel.empty(), ErrorKind::format, "kernel_shape is missing");
  w.ceil = n.flag("ceil_mode", false);
  return w;
}

// Elements [first, last) of a shape, as i64.
Value sizes(Graph& g, Value x, int64_t first, int64_t last) { return shape(g, x, {.start = first, .end = last}); }

// Switches inside planes → positions in the whole tensor, row-major or (storage_order 1) with the spatial axes
// column-major. Written with shape arithmetic, so that it holds for any picture size.
Value whole_positions(OnnxNode& n, Value y, bool column_major) {
  Graph& g = n.graph;
  const int64_t rank = n.rank(0);
  Value at = cast(g, {y.node, 1}, DType::i64);
  if (column_major) {
    require(rank == 4, ErrorKind::unsupported, "storage_order 1 for {} spatial axes", rank - 2);
    const Value height = sizes(g, n.in(0), 2, 3), width = sizes(g, n.in(0), 3, 4);
    const Value row = div(g, at, width);
    at = add(g, row, mul(g, sub(g, at, mul(g, row, width)), height));
  }
  const Shape planes{g.shape(y)[0], g.shape(y)[1]};
  std::vector<int64_t> index(static_cast<size_t>(planes.count()));
  for (size_t i = 0; i < index.size(); ++i) index[i] = static_cast<int64_t>(i);
  const Value ones = fovea::ints(g, std::vector<int64_t>(static_cast<size_t>(rank - 2), 1));
  const Value each = reshape(g, fovea::ints(g, index), concat(g, std::vector<Value>{sizes(g, y, 0, 2), ones}, 0));
  const Value plane = reduce(g, sizes(g, n.in(0), 2, rank), {.kind = "prod"});
  return add(g, at, mul(g, each, plane));
}

std::vector<Value> maximum_pool(OnnxNode& n) {
  const OnnxWindow w = pool_window(n);
  const bool column_major = n.flag("storage_order", false);
  const Value y = max_pool(n.graph, n.in(0),
                           {.kernel = w.kernel,
                            .stride = w.stride,
                            .dilation = w.dilation,
                            .pad = w.pad,
                            .auto_pad = w.auto_pad,
                            .ceil = w.ceil});
  if (!n.wants(1)) return {y};
  return {y, whole_positions(n, y, column_major)};
}

std::vector<Value> mean_pool(OnnxNode& n) {
  const OnnxWindow w = pool_window(n);
  return {average_pool(n.graph, n.in(0),
                       {.kernel = w.kernel,
                        .stride = w.stride,
                        .dilation = w.dilation,
                        .pad = w.pad,
                        .auto_pad = w.auto_pad,
                        .ceil = w.ceil,
                        .include_pad = n.flag("count_include_pad", false)})};
}

double exponent(OnnxNode& n) { return n.opset < 2 ? n.real("p", 2) : static_cast<double>(n.integer("p", 2)); }

std::vector<Value> norm_pool(OnnxNode& n) {
  const OnnxWindow w = pool_window(n);
  return {lp_pool(n.graph, n.in(0),
                  {.kernel = w.kernel,
                   .stride = w.stride,
                   .dilation = w.dilation,
                   .pad = w.pad,
                   .auto_pad = w.auto_pad,
                   .ceil = w.ceil,
                   .p = exponent(n)})};
}

std::vector<Value> global_mean(OnnxNode& n) { return {global_average_pool(n.graph, n.in(0))}; }
std::vector<Value> global_maximum(OnnxNode& n) { return {global_max_pool(n.graph, n.in(0))}; }
std::vector<Value> global_norm(OnnxNode& n) { return {global_lp_pool(n.graph, n.in(0), exponent(n))}; }

// The positions count in the tensor that the windows span; a larger output_shape is filled up with zeros at the ends.
std::vector<Value> maximum_unpool(OnnxNode& n) {
  Graph& g = n.graph;
  const OnnxWindow w = pool_window(n);
  const Shape from = n.shape(0);
  require(from.rank() >= 3 && w.kernel.size() + 2 == from.size(), ErrorKind::shape, "kernel {} for input {}",
          to_string(w.kernel), to_string(from));
  const size_t axes = w.kernel.size();
  Ints spanned;
  int64_t plane = 1;
  for (size_t k = 0; k < axes; ++k) {
    spanned.push_back((from[k + 2] - 1) * w.stride_of(k) + w.kernel[k] - w.pad_of(k) - w.pad_of(k + axes));
    require(spanned[k] > 0 && spanned[k] < (int64_t{1} << 31), ErrorKind::shape, "the result has size {}", spanned[k]);
    plane *= spanned[k];
    require(plane < (int64_t{1} << 31), ErrorKind::shape, "planes have {} elements", plane);
  }
  const Value local = cast(g, mod(g, n.in(1), fovea::ints(g, {plane})), DType::i32);
  Value y = unpool(g, n.in(0), local, spanned);
  if (!n.has(2)) return {y};
  const std::vector<int64_t> wanted = n.known_ints(2, "output_shape");
  require(wanted.size() == from.size(), ErrorKind::shape, "output_shape has {} sizes for input {}", wanted.size(),
          to_string(from));
  std::vector<int64_t> pads(2 * from.size(), 0);
  for (size_t k = 0; k < axes; ++k) {
    pads[from.size() + 2 + k] = wanted[k + 2] - spanned[k];
    require(pads[from.size() + 2 + k] >= 0, ErrorKind::shape, "output_shape {} is smaller than {}",
            to_string(Ints(wanted)), to_string(spanned));
  }
  return {pad(g, y, fovea::ints(g, pads))};
}

constexpr OnnxOperator kOperators[] = {
    {"AveragePool", mean_pool},    {"GlobalAveragePool", global_mean},
    {"GlobalLpPool", global_norm}, {"GlobalMaxPool", global_maximum},
    {"LpPool", norm_pool},         {"MaxPool", maximum_pool},
    {"MaxUnpool", maximum_unpool},
};

}  // namespace

std::span<const OnnxOperator> onnx_pool_operators() { return kOperators; }

}  // namespace fovea
