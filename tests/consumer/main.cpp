// Builds, compiles and runs one convolution with the installed library.
#include <fmt/format.h>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/compile/program.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"

int main() {
  fovea::Graph graph;
  const fovea::Value x = fovea::input(graph, "x", {fovea::DType::f32, {1, 1, 4, 4}});
  const fovea::Value w = fovea::constant(graph, fovea::Tensor::full(fovea::DType::f32, {1, 1, 2, 2}, 0.25));
  const fovea::Value y = fovea::conv(graph, x, w, {}, {.stride = 2});
  const auto backend = fovea::cpu_backend();
  const fovea::Value wants[] = {y};
  fovea::Program program = fovea::compile(graph, wants, {}, *backend);
  const fovea::Tensor out = program.run({{"x", fovea::Tensor::full(fovea::DType::f32, {1, 1, 4, 4}, 2)}})[0];
  fmt::print("{} {}\n", to_string(out.shape()), out.at(3));
  return out.at(3) == 2 ? 0 : 1;
}
