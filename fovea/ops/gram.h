#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op gram, gram_gradient;
}

// x [N,C,H,W], window i64 [4] or not given → {products [N,C,C], answers [N,C]}: Σ_p x_p x_pᵀ and Σ_p x_p over the
// positions p = (row, column) with window[0] ≤ row < window[1] and window[2] ≤ column < window[3]; all of them where no
// window is given. What lies beyond the maps is cut off. f32 or f64; f32 is summed in double. Returns the products; the
// answers are {result.node, 1}. Source: Gatys, Ecker & Bethge, "Texture synthesis using convolutional neural networks",
// NIPS 2015, equation 2. Throws Error{shape} for another rank, Error{type} for other types.
Value gram(Graph& graph, Value x, Value window = {});
// Its gradient: (d_products + d_productsᵀ) x_p + d_answers at the positions in the window, 0 elsewhere: [N,C,H,W].
// d_answers [N,C] and window may be left out.
Value gram_gradient(Graph& graph, Value x, Value d_products, Value d_answers = {}, Value window = {});

}  // namespace fovea
