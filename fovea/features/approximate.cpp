#include "fovea/features/approximate.h"

#include <hnswlib/hnswlib.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/base/rng.h"

namespace fovea {

namespace {

constexpr size_t kLinks = 16, kBuildList = 200;

class Index {
 public:
  Index(const Context& context, const RowSource& set) : set_(set), space_(static_cast<size_t>(set.dimensions)) {
    try {
      graph_ = std::make_unique<hnswlib::HierarchicalNSW<float>>(&space_, static_cast<size_t>(set.count), kLinks,
                                                                 kBuildList, static_cast<size_t>(context.seed) + 100);
    } catch (const std::runtime_error&) {
      fail(ErrorKind::usage, "there is not enough memory for a graph of {} rows of {} numbers; search exactly",
           set.count, set.dimensions);
    }
    std::vector<float> row(static_cast<size_t>(set.dimensions));
    for (int64_t i = 0; i < set.count; ++i) {
      if (i % 256 == 0) {
        if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
        context.report({"building the graph of neighbours", i, set.count, ""});
      }
      set.read(i, 1, row.data());
      graph_->addPoint(row.data(), static_cast<size_t>(i));
    }
    context.report({"building the graph of neighbours", set.count, set.count, ""});
  }

  // own: the query is row `q` of the set itself, which is left out.
  Neighbours search(const RowSource& queries, int64_t k, bool own) {
    graph_->setEf(static_cast<size_t>(std::max<int64_t>(2 * k, 128)));
    Neighbours result{k, std::vector<int32_t>(static_cast<size_t>(queries.count * k)),
                      std::vector<float>(static_cast<size_t>(queries.count * k))};
    parallel_tasks(queries.count, [&](int64_t q) {
      std::vector<float> query(static_cast<size_t>(set_.dimensions)), row(query.size());
      queries.read(q, 1, query.data());
      auto heap = graph_->searchKnn(query.data(), static_cast<size_t>(std::min(k + own, set_.count)));
      std::vector<std::pair<double, int32_t>> found;
      for (; !heap.empty(); heap.pop()) {
        const auto index = static_cast<int32_t>(heap.top().second);
        if (own && index == q) continue;
        set_.read(index, 1, row.data());
        double sum = 0;
        for (size_t i = 0; i < row.size(); ++i) sum += std::pow(static_cast<double>(query[i]) - row[i], 2);
        found.emplace_back(sum, index);
      }
      std::sort(found.begin(), found.end());
      require(static_cast<int64_t>(found.size()) >= k, ErrorKind::usage,
              "the graph finds {} of {} neighbours of row {}: it is not connected well enough; search exactly",
              found.size(), k, q);
      for (int64_t i = 0; i < k; ++i) {
        result.index[static_cast<size_t>(q * k + i)] = found[static_cast<size_t>(i)].second;
        result.distance[static_cast<size_t>(q * k + i)] =
            static_cast<float>(std::sqrt(found[static_cast<size_t>(i)].first));
      }
    });
    return result;
  }

 private:
  const RowSource& set_;
  hnswlib::L2Space space_;
  std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph_;
};

double recall_of(const Neighbours& exact, const Neighbours& found, const std::vector<int64_t>& rows) {
  int64_t hits = 0;
  for (size_t s = 0; s < rows.size(); ++s) {
    const auto begin = found.index.begin() + static_cast<std::ptrdiff_t>(rows[s] * found.k);
    const std::set<int32_t> mine(begin, begin + static_cast<std::ptrdiff_t>(found.k));
    for (int64_t i = 0; i < exact.k; ++i)
      hits += mine.count(exact.index[s * static_cast<size_t>(exact.k) + static_cast<size_t>(i)]);
  }
  return static_cast<double>(hits) / static_cast<double>(rows.size() * static_cast<size_t>(exact.k));
}

}  // namespace

ApproximateNeighbours approximate_rows(const Context& context, const RowSource& set, int64_t k, int64_t sample) {
  require(k >= 1 && k < set.count, ErrorKind::usage, "{} neighbours were asked for, there are {} other rows", k,
          set.count - 1);
  ApproximateNeighbours result;
  result.found = Index(context, set).search(set, k, true);
  const Rng rng = Rng(context.seed).fork("recall");
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < std::min(sample, set.count); ++i)
    rows.push_back(static_cast<int64_t>(rng.below(static_cast<uint64_t>(i), static_cast<uint64_t>(set.count))));
  std::sort(rows.begin(), rows.end());
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  result.sample = static_cast<int64_t>(rows.size());
  result.recall = recall_of(nearest_rows(context, set, rows, k), result.found, rows);
  return result;
}

ApproximateNeighbours approximate_rows(const Context& context, const RowSource& set, const RowSource& queries,
                                       int64_t k) {
  require(k >= 1 && k <= set.count, ErrorKind::usage, "{} neighbours were asked for, there are {} rows", k, set.count);
  ApproximateNeighbours result;
  result.found = Index(context, set).search(queries, k, false);
  std::vector<int64_t> rows(static_cast<size_t>(queries.count));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = static_cast<int64_t>(i);
  result.sample = queries.count;
  result.recall = recall_of(nearest_rows(context, set, queries, k), result.found, rows);
  return result;
}

}  // namespace fovea
