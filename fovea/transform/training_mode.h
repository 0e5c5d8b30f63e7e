// The form that a network has while it is trained: batch norms use the batch's own statistics, dropout drops.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

struct TrainingMode {
  double momentum = 0.1;  // share of the batch in the new running statistics, 0..1
  bool unbiased = true;   // the running variance is made from the unbiased batch variance (PyTorch); false: from
                          // the biased one (the paper's tools, ONNX)
  bool frozen_statistics = false;  // batch norms stay as they are at inference: fine-tuning with small batches
  std::set<std::string, std::less<>> frozen = {};  // names of single batch norms that do
  int64_t ranks = 1;  // above 1: batch norms are synchronised, their statistics are those of the batches
                      // of so many ranks together, by all_reduce; each rank's batch is of one size
};

// A running statistic of the training graph.
struct RunningStatistic {
  Value next;     // its value after this step
  Value current;  // the parameter [C] that it replaces
};

struct TrainingGraph {
  Graph graph;
  Mapping map;                               // old value → new value
  std::vector<RunningStatistic> statistics;  // to be carried from step to step, one a parameter
  Value dropout_key;                         // the u64 scalar input "dropout key"; not given where nothing drops
};

// Copies what `wants` need (and all inputs), with
//   - every batch_norm whose mean and variance are parameters turned into batch_norm_training, and the running
//     statistics' new values beside it, in nodes "<parameter>.next". Parameters that several batch norms share are
//     updated by each in turn. Gradients with respect to these parameters are zero. A batch norm that is needed behind
//     one gate only (see gates_behind) leaves its running statistics as they are while that gate is closed.
//     With ranks above 1 the batch norm is written out in nodes around two all_reduces, so that its gradient is the
//     exact one of the whole batch.
//   - every dropout without a key given one: the input "dropout key", to be fed another number each step, mixed with
//     the node's name, so that each layer and each step draw another mask, and equal keys equal ones. Dropout of rate 0
//     stays as it is.
// Names and outputs are kept. Weights are those of the inference graph (initial_weights reads that one). Throws
// Error{usage} for a momentum outside of 0..1, Error{shape} for a batch norm that sees one value a channel: its
// variance is 0, or not defined (take more pictures a step, or frozen statistics). Source: Ioffe & Szegedy, "Batch
// normalization", ICML 2015, algorithm 2; PyTorch BatchNorm2d; Srivastava et al., "Dropout", JMLR 15, 2014.
TrainingGraph training_mode(const Graph& graph, std::span<const Value> wants, const TrainingMode& mode = {});

}  // namespace fovea
