// How the signal passes rectifiers on its way down: what deconvnet and guided back-propagation change of the gradient.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/transform/gradient.h"

namespace fovea {

// The rules by name:
//   gradient   the derivative, as it is
//   deconvnet  a rectifier passes the positive part of the signal, whatever it saw on the way up: max(0, d). Zeiler &
//              Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 2.1
//   guided     the derivative of the positive part: max(0, d) where the rectifier was open. Springenberg, Dosovitskiy,
//              Brox & Riedmiller, "Striving for simplicity: the all convolutional net", 2015, figure 1
// Rectifiers are relu and its relatives (rectifier_names()); a clip is one when it cuts off at zero below, as ReLU6
// does. Everything else passes its derivative under every rule: convolutions are transposed, max pooling goes back by
// its switches, batch norms scale, and local response normalisation, of which neither paper speaks, is differentiated.
// So the rules coincide on a network without rectifiers. Throws Error{usage} with the nearest name for another rule.
const Rules& gradient_rules(std::string_view name);
const std::vector<std::string>& gradient_rule_names();

// The operators that the rules speak of.
const std::vector<std::string>& rectifier_names();

// Layer-wise relevance propagation with the epsilon rule, carried as relevance divided by the value, so that relevance
// is value times what arrives, and is summed over branches as gradients are:
//   R_j = a_j · Σ_k w_jk R_k / (z_k + ε sign z_k)
// with ε = the number fed as kRelevanceEpsilon times the root mean square of the layer's z. Bach et al., "On
// pixel-wise explanations for non-linear classifier decisions by layer-wise relevance propagation", PLoS ONE 2015,
// equation 58. Biases take their share of the relevance and keep it. A
// batch norm and the layer before it are one linear layer. Max pooling: the winner takes all. Average
// pooling: shares by value. Activations and local response normalisation pass relevance on unchanged (y R/y = x R/x).
// Of a product of two values that both depend on the picture each gets half. For graphs of one picture that hold an
// f32 input of rank 0 named kRelevanceEpsilon.
const Rules& relevance_rules();
inline constexpr const char* kRelevanceEpsilon = "relevance_epsilon";

// DeepLIFT's rescale rule, for graphs of two pictures [2,C,H,W]: a picture and its baseline. What is carried down are
// multipliers m, equal in both rows when the seeds are: m_x = m_y · Δy / Δx at activations, with Δ the difference of
// the rows (the mean of both derivatives where Δx is lost in rounding); linear layers pass their derivative; of a
// product each factor counts with the mean of the other; max pooling shares its difference between the places of both
// maxima. Then Σ m · Δ of the pictures is the difference of the scores. Local response normalisation, layer
// normalisation and quotients pass their derivative, and leave a gap. Source: Shrikumar, Greenside & Kundaje, "Learning
// important features through propagating activation differences", ICML 2017, equations 6 to 9 (rescale); max pooling as
// in their tool, deeplift. Throws Error{unsupported} where a value does not keep the two rows apart.
const Rules& rescale_rules();

}  // namespace fovea
