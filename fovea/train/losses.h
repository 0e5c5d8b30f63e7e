// What a classifier is trained to make small, and what is counted beside it, as nodes of the graph.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

struct LossSettings {
  std::string kind = "cross_entropy";  // see loss_kinds() and the table in losses.cpp
  double label_smoothing = 0;  // cross_entropy: the share ε of the target spread evenly over all classes, [0, 1]
  double margin = 1;           // hinges: by how much the right score has to lead; above 0
  int64_t power = 1;           // hinges: 1, or 2 for squared violations
};

// cross_entropy, logistic, squared, weston_watkins, crammer_singer.
const std::vector<std::string>& loss_kinds();

// The mean loss of a batch, a scalar of the logits' type. logits [N,C], f32 or f64, are scores before any softmax or
// sigmoid; labels i64 [N], each in [0, C). A sample with another label (−1, say, where the last batch is filled up)
// counts for nothing, and the mean is over the samples that count; with none it is 0. Finite for any finite logits
// whose own differences (and squares, for losses that square) are. Throws Error{usage} for an unknown kind or settings
// out of range, Error{shape} or Error{type} for logits and labels that do not fit.
Value classification_loss(Graph& graph, Value logits, Value labels, const LossSettings& settings = {});

// How many samples are guessed wrong: an i64 scalar. A guess is right when fewer than `k` classes score better than the
// label's (k = 1: top-1). Of equal scores the first class wins, as for arg_max; a NaN among the scores is never right.
// Samples labelled outside of [0, C) are not counted. Throws as classification_loss does, and Error{usage} for k < 1.
Value error_count(Graph& graph, Value logits, Value labels, int64_t k = 1);
// The share of right guesses among the samples that count, in [0, 1], a scalar of the logits' type; 0 with none.
Value accuracy(Graph& graph, Value logits, Value labels, int64_t k = 1);

// The logits behind a scores output: the value before its final softmax, log-softmax or sigmoid, or `scores` itself
// where there is none, as a matrix [N,C] (nodes are appended where it has to be flattened). Nodes that only reshape
// are seen through: Caffe's networks end in `prob`, a softmax of N,C,1,1 or N,C. A softmax over another axis than the
// classes' stays. Throws Error{shape} for scores that are not one number a class, as those of a fully convolutional
// network on a picture larger than its window.
Value logits_of(Graph& graph, Value scores);

// An auxiliary classifier: one of the graph's outputs, and what its loss weighs in the sum.
struct Head {
  std::string output;
  double weight = 0.3;
};

// The outputs named "aux" and a number, as the zoo's GoogLeNets have them when built with heads; each weighs 0.3.
// Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015, section 5.
std::vector<Head> auxiliary_heads(const Graph& graph);

struct NetworkLoss {
  Value total;                    // scalar: main + Σ weight · head
  Value main;                     // scalar: the loss of the scores
  Value logits;                   // [N,C], of the scores
  std::vector<NamedValue> heads;  // the loss of each head, before its weight, by its output's name
};

// The loss to train a network with: that of the output `scores` (its logits, see logits_of) and of its heads. Throws
// Error{usage} with the nearest names when the graph has no such output or a weight is negative or not finite, and as
// logits_of and classification_loss do, naming the output.
NetworkLoss network_loss(Graph& graph, std::string_view scores, Value labels, const LossSettings& settings,
                         const std::vector<Head>& heads);

}  // namespace fovea
