// Maps from the gradient of a class's score with respect to the picture.
#pragma once

#include "fovea/insight/attribution.h"

namespace fovea {

// The gradient of one class's score (before a final softmax) with respect to the input: the greatest |gradient| over
// the channels, a map [H][W] that is never negative. Source: Simonyan, Vedaldi, Zisserman, "Deep inside convolutional
// networks", 2014, section 3.1. The input is [1,C,H,W] as preprocess() gives it. Throws Error{unsupported} when an
// operator on the way has no gradient.
AttributionMap gradient_map(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);

// The mean of such maps over options().samples noisy copies of the input, whose noise is normal with options().noise
// times the input's range as its standard deviation, keyed by the context's seed. Source: Smilkov, Thorat, Kim,
// Viégas & Wattenberg, "SmoothGrad: removing noise by adding noise", 2017, equation of section 2, on magnitudes.
AttributionMap smooth_gradient(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);

// Σ_c x_c · ∂S/∂x_c: signed. Source: Shrikumar, Greenside, Shcherbina & Kundaje, "Not just a black box", 2016.
AttributionMap gradient_times_input(AttributionNetwork& network, const Tensor& input, int64_t label,
                                    const Context& context);

// Guided back-propagation (see rules.h): the greatest magnitude over the channels; `signal` is what reached the
// picture.
AttributionMap guided_map(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);

}  // namespace fovea
