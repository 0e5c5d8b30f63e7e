// With M parts: G ← (0 at the first part, else G) + g/M; after the last part, state ← update(state, G).
// The mean loss of a batch is the mean of its parts' when all parts have equally many samples that count.
#include "fovea/train/micro_batches.h"

#include "fovea/base/error.h"
#include "fovea/ops/add.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

constexpr const char* kGoesOn = "adds to gradients";
constexpr const char* kUpdates = "updates";
constexpr const char* kWaits = "waits for more parts";

Value boolean(Graph& graph, const char* name) {
  if (const int found = graph.find(name); found >= 0) return {found, 0};
  return input(graph, name, {DType::boolean, {}});
}

}  // namespace

std::vector<Value> added_up(Graph& graph, std::span<const Value> parameters, std::span<const Value> gradients,
                            std::vector<Carry>& carry) {
  require(parameters.size() == gradients.size(), ErrorKind::internal, "{} parameters with {} gradients",
          parameters.size(), gradients.size());
  const Value goes_on = boolean(graph, kGoesOn);
  std::vector<Value> sums;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Value before = input(graph, "gradient of " + graph.node(parameters[i]).name, graph.type(parameters[i]));
    sums.push_back(add(graph, gate(graph, before, goes_on), gradients[i]));
    carry.push_back({sums.back(), before});
  }
  return sums;
}

std::vector<Carry> after_last_part(Graph& graph, std::span<const Carry> carries) {
  const Value updates = boolean(graph, kUpdates), waits = boolean(graph, kWaits);
  std::vector<Carry> result;
  for (const Carry& c : carries)
    result.push_back({add(graph, gate(graph, c.from, updates), gate(graph, c.to, waits)), c.to});
  return result;
}

std::map<std::string, Tensor> part_feeds(int64_t part, int64_t parts) {
  require(part >= 0 && part < parts, ErrorKind::internal, "part {} of {}", part, parts);
  return {{kGoesOn, Tensor::scalar<bool>(part > 0)},
          {kUpdates, Tensor::scalar<bool>(part + 1 == parts)},
          {kWaits, Tensor::scalar<bool>(part + 1 < parts)}};
}

}  // namespace fovea
