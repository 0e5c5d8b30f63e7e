#include "fovea/features/block_product.h"

#include "fovea/backend/cpu/cpu.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"

namespace fovea {

BlockProduct::BlockProduct(int64_t rows, int64_t columns, int64_t inner, Form form)
    : backend_(cpu_backend({.exact = true})) {
  const bool a_bt = form == Form::a_bt;
  Graph graph;
  const Value a = input(graph, "a", {DType::f32, a_bt ? Shape{rows, inner} : Shape{inner, rows}});
  const Value b = input(graph, "b", {DType::f32, a_bt ? Shape{columns, inner} : Shape{inner, columns}});
  const std::vector<Value> wants = {matmul(graph, a, b, {.transpose_a = !a_bt, .transpose_b = a_bt})};
  CompileOptions options;
  options.tune = false;
  options.exact = true;
  program_ = compile(graph, wants, {}, *backend_, options);
  in_a_ = program_.input("a");
  in_b_ = program_.input("b");
  a_ = in_a_.data<float>().data();
  b_ = in_b_.data<float>().data();
}

const float* BlockProduct::run() {
  program_.execute();
  out_ = program_.want(0);
  return std::as_const(out_).data<float>().data();
}

}  // namespace fovea
