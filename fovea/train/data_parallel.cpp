// With K ranks, shares of n = B / K samples and mean losses L_r over each share, the loss of the batch is L = Σ_r L_r /
// K and its gradient the mean of the ranks' gradients. Source: Li et al., "PyTorch Distributed: experiences on
// accelerating data parallel training", VLDB 2020, section 3.2 (buckets in the order of the backward pass).
#include "fovea/train/data_parallel.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/ops/all_reduce.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/scale.h"

namespace fovea {

namespace {

// Indices into `gradients`, one list a bucket, in the order of the nodes that produce them.
std::vector<std::vector<size_t>> buckets_of(const Graph& graph, std::span<const Value> gradients,
                                            int64_t bucket_bytes) {
  std::vector<size_t> order;
  for (size_t i = 0; i < gradients.size(); ++i)
    if (!graph.known(gradients[i])) order.push_back(i);  // the zeros of what the loss does not depend on
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return gradients[a] < gradients[b]; });
  std::vector<std::vector<size_t>> buckets;
  int64_t bytes = 0;
  for (const size_t i : order) {
    const Type& type = graph.type(gradients[i]);
    const bool fits =
        !buckets.empty() && bytes < bucket_bytes && graph.dtype(gradients[buckets.back().front()]) == type.dtype;
    if (!fits) {
      buckets.emplace_back();
      bytes = 0;
    }
    buckets.back().push_back(i);
    bytes += static_cast<int64_t>(type.bytes());
  }
  return buckets;
}

bool contains(std::span<const std::string> names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// FNV-1a over words.
uint64_t digest(const Tensor& tensor) {
  uint64_t hash = 0xcbf29ce484222325;
  const std::byte* bytes = tensor.raw();
  for (size_t i = 0; i < tensor.bytes(); ++i) hash = (hash ^ static_cast<uint64_t>(bytes[i])) * 0x100000001b3;
  return hash;
}

}  // namespace

int64_t samples_of_share(int64_t batch, const DataParallel& parallel) {
  require(parallel.ranks >= 1 && batch % parallel.ranks == 0, ErrorKind::usage,
          "a batch of {} cannot be shared out evenly among {} ranks; choose a batch that they divide", batch,
          parallel.ranks);
  return batch / parallel.ranks;
}

std::vector<Value> averaged_gradients(Graph& graph, std::span<const Value> gradients, const DataParallel& parallel) {
  std::vector<Value> result(gradients.begin(), gradients.end());
  if (parallel.ranks <= 1) return result;
  for (const std::vector<size_t>& bucket : buckets_of(graph, gradients, parallel.bucket_bytes)) {
    std::vector<Value> members;  // without repetitions: two parameters may share one gradient
    for (const size_t i : bucket)
      if (members.empty() || members.back() != gradients[i]) members.push_back(gradients[i]);
    const std::vector<Value> means = all_reduce(graph, members, {.kind = "mean", .ranks = parallel.ranks});
    size_t k = 0;
    for (const size_t i : bucket) {
      if (members[k] != gradients[i]) ++k;
      result[i] = means[k];
    }
  }
  return result;
}

StepCounts counted_over_ranks(Graph& graph, const NetworkLoss& loss, Value errors, const DataParallel& parallel) {
  if (parallel.ranks <= 1) return {loss.main, loss.total, errors};
  const Value all[] = {cast(graph, loss.main, DType::f64), cast(graph, loss.total, DType::f64),
                       cast(graph, errors, DType::f64)};  // counts are exact in f64
  const std::vector<Value> sums = all_reduce(graph, all, {.kind = "sum", .ranks = parallel.ranks});
  const auto mean = [&](Value sum) {
    return cast(graph, scale(graph, sum, 1 / static_cast<double>(parallel.ranks)), graph.dtype(loss.main));
  };
  return {mean(sums[0]), mean(sums[1]), cast(graph, sums[2], graph.dtype(errors))};
}

BatchOptions share_of(BatchOptions options, const Group& group) {
  options.shards = group.size();
  options.shard = group.rank();
  return options;
}

void own_masks(std::map<std::string, Tensor>& feeds, const Group& group) {
  const auto found = feeds.find("dropout key");
  if (group.size() == 1 || found == feeds.end()) return;
  const uint64_t key = found->second.data<uint64_t>()[0];
  found->second = Tensor::scalar(Rng(key).fork("rank").fork(static_cast<uint64_t>(group.rank())).key());
}

void broadcast_states(Program& program, Group& group, int root) {
  if (group.size() == 1) return;
  for (const std::string& name : program.state_names()) {
    Tensor value = program.state(name);
    group.broadcast({value.raw(), value.bytes()}, root);
    if (group.rank() != root) program.set_state(name, value);
  }
}

void check_states_agree(const Program& program, Group& group, std::span<const std::string> except) {
  if (group.size() == 1) return;
  for (const std::string& name : program.state_names())
    require(contains(except, name) || group.agree(digest(program.state(name))), ErrorKind::internal,
            "\"{}\" is not the same on all {} ranks; they have trained different networks", name, group.size());
}

}  // namespace fovea
