// Approximate nearest rows for large sets: a hierarchical navigable small world graph.
// Source: Y. Malkov, D. Yashunin, "Efficient and robust approximate nearest neighbor search using hierarchical
// navigable small world graphs" (TPAMI 2018), by hnswlib. M = 16 links a node; the lists while building hold 200.
#pragma once

#include "fovea/features/neighbours.h"

namespace fovea {

struct ApproximateNeighbours {
  Neighbours found;
  double recall = 0;   // the share of the true neighbours that were found, on the sample
  int64_t sample = 0;  // rows for which it was measured, by exact search
};

// About the k nearest other rows of each row of the set; the recall is measured on `sample` rows drawn with the seed.
// The graph holds the whole set in f32. It is built by one thread, so that the same seed gives the same result; the
// search uses all. Throws as nearest_rows, and Error{usage} when there is not enough memory for the graph.
ApproximateNeighbours approximate_rows(const Context& context, const RowSource& set, int64_t k, int64_t sample = 1000);
// About the k nearest rows of the set to each query; the recall is that of all queries.
ApproximateNeighbours approximate_rows(const Context& context, const RowSource& set, const RowSource& queries,
                                       int64_t k);

}  // namespace fovea
