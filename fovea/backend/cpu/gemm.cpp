// Matrix products through oneDNN's matmul.
#include "fovea/ops/gemm.h"

#include "fovea/backend/cpu/candidates.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/ops/matmul.h"

namespace fovea::cpu {

namespace {

using onednn::Desc;
using onednn::Dims;

// [...,M,K] stored row-major, or transposed as [...,K,M].
Desc matrix_desc(const Dims& sizes, bool transposed, onednn::Storage storage) {
  if (!transposed) return onednn::plain_desc(sizes, storage);
  const size_t n = sizes.size();
  Dims strides(n, 1);
  strides[n - 2] = 1;
  strides[n - 1] = sizes[n - 2];
  int64_t step = sizes[n - 2] * sizes[n - 1];
  for (size_t k = n - 2; k-- > 0; step *= sizes[k]) strides[k] = step;
  return onednn::strided_desc(sizes, strides, storage);
}

// A bias that broadcasts along the rows only is oneDNN's own; anything else is added afterwards.
struct Sum {
  Desc bias;  // empty: none
  bool binary = false;
};

std::string product(const Request& request, const Desc& a, const Desc& b, const Desc& y, const Sum& sum,
                    std::vector<Lowering>& choices) {
  dnnl::primitive_attr attributes = onednn::attributes();
  dnnl::post_ops after;
  if (sum.binary) after.append_binary(dnnl::algorithm::binary_add, sum.bias);
  attributes.set_post_ops(after);
  const auto d = onednn::describe<dnnl::matmul>(attributes, a, b, sum.binary ? Desc() : sum.bias, y);
  if (!d || onednn::is_reference(d)) return "oneDNN has only its reference loop";
  onednn::Execution execution{dnnl::matmul(d)};
  execution.input(DNNL_ARG_SRC, a, 0);
  execution.input(DNNL_ARG_WEIGHTS, b, 1);
  Lowering lowering;
  for (size_t i = 0; i < request.inputs.size(); ++i)
    lowering.inputs.push_back(request.op_node().inputs[i] ? plain_layout(request.type(i)) : Layout{});
  // Stored transposed or not, the operand's memory is row-major; in bf16 it is another layout.
  for (const size_t i : {size_t{0}, size_t{1}})
    if (const Desc stored = onednn::plain_desc(request.type(i).shape, onednn::storage_of(i == 0 ? a : b));
        onednn::storage_of(stored) != onednn::Storage::f32)
      lowering.inputs[i] = onednn::layout_of(stored);
  if (request.inputs.size() > 2 && request.op_node().inputs[2])
    execution.input(sum.binary ? DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1 : DNNL_ARG_BIAS, sum.bias, 2);
  execution.output(DNNL_ARG_DST, y, 0);
  onednn::bind_scratchpad(execution, d);
  lowering.implementation = onednn::implementation(d);
  lowering.outputs = {plain_layout(request.op_node().outputs[0])};
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.run = execution;
  choices.push_back(std::move(lowering));
  return "";
}

std::string unsupported(const Request& request) {
  const Type& y = request.op_node().outputs[0];
  if (y.dtype != DType::f32) return fmt::format("computes in f32, not {}", to_string(y.dtype));
  if (y.shape.count() == 0 || request.type(0).shape.count() == 0) return "an operand has no elements";
  return "";
}

onednn::Storage operands(const CpuOptions& options) {
  return options.bf16 && onednn::has_bf16() ? onednn::Storage::bf16 : onednn::Storage::f32;
}

}  // namespace

std::string lower_gemm(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  if (std::string reason = unsupported(request); !reason.empty()) return reason;
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<GemmAttributes>();
  const bool has_c = node.inputs.size() > 2 && node.inputs[2];
  if (a.alpha != 1 || (has_c && a.beta != 1)) return "alpha and beta must be 1";
  const Shape &x = request.type(0).shape, &w = request.type(1).shape, &y = node.outputs[0].shape;
  const Dims x_sizes = a.trans_a ? Dims{x[1], x[0]} : Dims(x), w_sizes = a.trans_b ? Dims{w[1], w[0]} : Dims(w);
  Sum sum;
  if (has_c) {
    Dims sizes(request.type(2).shape);
    while (sizes.size() < 2) sizes.insert(sizes.begin(), 1);
    sum.bias = onednn::plain_desc(sizes);
    sum.binary = sizes != Dims{1, y[1]};
  }
  const auto storage = operands(options);
  return product(request, matrix_desc(x_sizes, a.trans_a, storage), matrix_desc(w_sizes, a.trans_b, storage),
                 onednn::plain_desc(y), sum, choices);
}

std::string lower_matmul(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  if (std::string reason = unsupported(request); !reason.empty()) return reason;
  const auto& attributes = request.op_node().attributes.as<MatmulAttributes>();
  Dims a(request.type(0).shape), b(request.type(1).shape), y(request.op_node().outputs[0].shape);
  const bool row = a.size() == 1, column = b.size() == 1;
  if (row) a.insert(a.begin(), 1);
  if (column) b.push_back(1);
  if (attributes.transpose_a) std::swap(a[a.size() - 2], a[a.size() - 1]);
  if (attributes.transpose_b) std::swap(b[b.size() - 2], b[b.size() - 1]);
  if (row) y.insert(y.end() - (column ? 0 : 1), 1);
  if (column) y.push_back(1);
  const size_t rank = std::max({a.size(), b.size(), y.size()});
  if (rank > 6) return fmt::format("at most 4 batch axes, not {}", rank - 2);
  for (Dims* sizes : {&a, &b, &y})
    while (sizes->size() < rank) sizes->insert(sizes->begin(), 1);
  const auto storage = operands(options);
  return product(request, matrix_desc(a, attributes.transpose_a, storage),
                 matrix_desc(b, attributes.transpose_b, storage), onednn::plain_desc(y), {}, choices);
}

}  // namespace fovea::cpu
