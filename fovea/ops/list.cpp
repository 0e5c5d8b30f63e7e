#include "fovea/ops/list.h"

#include "fovea/ops/add.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/take_switches.h"

namespace fovea {

namespace {
const Op* const kOps[] = {
    &ops::input,
    &ops::parameter,
    &ops::constant,
    &ops::add,
    &ops::conv,
    &ops::conv_input_gradient,
    &ops::conv_weight_gradient,
    &ops::max_pool,
    &ops::unpool,
    &ops::take_switches,
    &ops::reduce,
    &ops::relu,
    &ops::relu_gradient,
    &ops::reshape,
};
}

std::span<const Op* const> all_ops() { return kOps; }

const Op* find_op(std::string_view name) {
  for (const Op* op : kOps)
    if (op->name == name) return op;
  return nullptr;
}

}  // namespace fovea
