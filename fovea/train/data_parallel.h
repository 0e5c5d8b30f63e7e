// Training on many ranks at once: each works on its share of every batch, and gradients are averaged over all, so that
// all take the same step. How the parts of a run change when a group has more than one rank.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/base/group.h"
#include "fovea/compile/program.h"
#include "fovea/data/batches.h"
#include "fovea/train/losses.h"

namespace fovea {

struct DataParallel {
  int64_t ranks = 1;                        // how many share each batch
  bool synchronised_batch_norm = false;     // batch norms use the statistics of the whole batch, not of each share
  int64_t bucket_bytes = int64_t{4} << 20;  // gradients are summed in groups of about so many bytes
};

// The samples of one share of a (micro-)batch. Throws Error{usage} when they do not divide it.
int64_t samples_of_share(int64_t batch, const DataParallel& parallel);

// The mean of each gradient over all ranks, of the same types. Values are put in buckets in the order in which the
// backward pass produces them, and each bucket is one all_reduce, which a compiled program starts as soon as its last
// gradient is there: the sums go on beside the rest of the backward pass. The gradients of equal shares' mean losses
// become the gradient of the whole batch's mean loss. With one rank: the gradients themselves.
std::vector<Value> averaged_gradients(Graph& graph, std::span<const Value> gradients, const DataParallel& parallel);

// What a step reports, over all ranks: the mean of their mean losses (scalars), the sum of their error counts (i64
// scalar). One small message. With one rank: the values themselves.
struct StepCounts {
  Value loss, total, errors;
};
StepCounts counted_over_ranks(Graph& graph, const NetworkLoss& loss, Value errors, const DataParallel& parallel);

// Options of the reader of one rank's share.
BatchOptions share_of(BatchOptions options, const Group& group);

// What is fed to a step: masks that are drawn for each sample (the "dropout key") differ from rank to rank, all else
// (rates, gates of whole paths) must be the same on every rank.
void own_masks(std::map<std::string, Tensor>& feeds, const Group& group);

// Gives every rank the root's carried values: at the beginning, after --resume, and now and then in long runs on
// machines that do not round alike.
void broadcast_states(Program& program, Group& group, int root = 0);

// Throws Error{internal} naming the first carried value that is not the same, bit for bit, on all ranks. Batch norms'
// running statistics are each rank's own unless synchronised: `except` names what may differ.
void check_states_agree(const Program& program, Group& group, std::span<const std::string> except = {});

}  // namespace fovea
