#include "fovea/ops/list.h"

#include "fovea/ops/abs.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/add.h"
#include "fovea/ops/all_reduce.h"
#include "fovea/ops/and.h"
#include "fovea/ops/arg_max.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/ceil.h"
#include "fovea/ops/celu.h"
#include "fovea/ops/channel_affine.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/constant_of_shape.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/cos.h"
#include "fovea/ops/cumsum.h"
#include "fovea/ops/depth_to_space.h"
#include "fovea/ops/div.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/elu.h"
#include "fovea/ops/equal.h"
#include "fovea/ops/erf.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/floor.h"
#include "fovea/ops/fused_batch_norm_training.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/gather_elements.h"
#include "fovea/ops/gelu.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/gram.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/greater_equal.h"
#include "fovea/ops/hard_sigmoid.h"
#include "fovea/ops/hard_swish.h"
#include "fovea/ops/identity.h"
#include "fovea/ops/input.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/less.h"
#include "fovea/ops/less_equal.h"
#include "fovea/ops/locally_connected.h"
#include "fovea/ops/log.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/max.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/min.h"
#include "fovea/ops/mish.h"
#include "fovea/ops/mod.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/not.h"
#include "fovea/ops/one_hot.h"
#include "fovea/ops/or.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/pow.h"
#include "fovea/ops/prelu.h"
#include "fovea/ops/range.h"
#include "fovea/ops/reciprocal.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reduce_extreme_gradient.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/resize.h"
#include "fovea/ops/reverse.h"
#include "fovea/ops/roll.h"
#include "fovea/ops/root_trace.h"
#include "fovea/ops/round.h"
#include "fovea/ops/scatter_add.h"
#include "fovea/ops/selu.h"
#include "fovea/ops/shape.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/sign.h"
#include "fovea/ops/sin.h"
#include "fovea/ops/size.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/softmax_cross_entropy.h"
#include "fovea/ops/softplus.h"
#include "fovea/ops/softsign.h"
#include "fovea/ops/space_to_depth.h"
#include "fovea/ops/split.h"
#include "fovea/ops/spread.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/squeeze.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/sum_of_squares.h"
#include "fovea/ops/take_switches.h"
#include "fovea/ops/tanh.h"
#include "fovea/ops/thresholded_relu.h"
#include "fovea/ops/tile.h"
#include "fovea/ops/top_k.h"
#include "fovea/ops/transpose.h"
#include "fovea/ops/trilu.h"
#include "fovea/ops/unsqueeze.h"
#include "fovea/ops/update.h"
#include "fovea/ops/where.h"
#include "fovea/ops/xor.h"

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
    &ops::reduce_extreme_gradient,
    &ops::relu,
    &ops::relu_gradient,
    &ops::reshape,
    &ops::fused_conv,
    &ops::channel_affine,
    &ops::neg,
    &ops::mul,
    &ops::expand,
    &ops::equal,
    &ops::div,
    &ops::cast,
    &ops::matmul,
    &ops::gemm,
    &ops::average_pool,
    &ops::average_pool_gradient,
    &ops::adaptive_average_pool,
    &ops::adaptive_average_pool_gradient,
    &ops::global_average_pool,
    &ops::softmax,
    &ops::log_softmax,
    &ops::softmax_cross_entropy,
    &ops::softmax_cross_entropy_gradient,
    &ops::lrn,
    &ops::lrn_gradient,
    &ops::batch_norm,
    &ops::all_reduce,
    &ops::batch_norm_training,
    &ops::batch_norm_training_gradient,
    &ops::fused_batch_norm_training,
    &ops::fused_batch_norm_training_gradient,
    &ops::fused_batch_norm_training_gradient_of_sum,
    &ops::locally_connected,
    &ops::locally_connected_input_gradient,
    &ops::locally_connected_weight_gradient,
    &ops::resize,
    &ops::resize_gradient,
    &ops::arg_max,
    &ops::arg_min,
    &ops::top_k,
    &ops::dropout,
    &ops::gate,
    &ops::sub,
    &ops::pow,
    &ops::min,
    &ops::max,
    &ops::mod,
    &ops::and_,
    &ops::or_,
    &ops::xor_,
    &ops::not_,
    &ops::less,
    &ops::less_equal,
    &ops::greater,
    &ops::greater_equal,
    &ops::abs,
    &ops::exp,
    &ops::log,
    &ops::sqrt,
    &ops::reciprocal,
    &ops::sigmoid,
    &ops::tanh,
    &ops::softplus,
    &ops::softsign,
    &ops::elu,
    &ops::selu,
    &ops::celu,
    &ops::leaky_relu,
    &ops::prelu,
    &ops::thresholded_relu,
    &ops::hard_sigmoid,
    &ops::hard_swish,
    &ops::mish,
    &ops::gelu,
    &ops::gelu_gradient,
    &ops::erf,
    &ops::sign,
    &ops::floor,
    &ops::ceil,
    &ops::round,
    &ops::sin,
    &ops::cos,
    &ops::clip,
    &ops::identity,
    &ops::where,
    &ops::shape,
    &ops::size,
    &ops::constant_of_shape,
    &ops::range,
    &ops::squeeze,
    &ops::unsqueeze,
    &ops::flatten,
    &ops::transpose,
    &ops::concat,
    &ops::split,
    &ops::spread,
    &ops::slice,
    &ops::pad,
    &ops::gather,
    &ops::gather_elements,
    &ops::scatter_elements_add,
    &ops::scatter_add,
    &ops::tile,
    &ops::roll,
    &ops::reverse,
    &ops::depth_to_space,
    &ops::space_to_depth,
    &ops::one_hot,
    &ops::trilu,
    &ops::cumsum,
    &ops::update,
    &ops::sum_of_squares,
    &ops::gram,
    &ops::gram_gradient,
    &ops::root_trace,
};
}

std::span<const Op* const> all_ops() { return kOps; }

const Op* find_op(std::string_view name) {
  for (const Op* op : kOps)
    if (op->name == name) return op;
  return nullptr;
}

}  // namespace fovea
