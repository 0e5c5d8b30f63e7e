#include "fovea/features/neighbours.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/features/block_product.h"

namespace fovea {

namespace {

constexpr int64_t kQueryBlock = 512, kSetBlock = 2048;
constexpr int64_t kBlockFloats = int64_t{1} << 24;  // of a block of long rows, at most
constexpr int64_t kChunk = 64;                      // distances looked at together

int64_t block_rows(int64_t most, int64_t count, int64_t width) {
  return std::max<int64_t>(1, std::min({most, count, kBlockFloats / std::max<int64_t>(1, width)}));
}

struct Candidate {
  float value;  // ‖x‖² − 2 q·x
  int32_t index;
};

// The k smallest values seen so far, and all that may still turn out to be among them.
class Shortlist {
 public:
  void begin(int64_t k, float slack) {
    k_ = static_cast<size_t>(k);
    slack_ = slack;
    limit_ = std::numeric_limits<float>::infinity();
    most_ = 2 * k_ + 64;
    found_.clear();
  }
  float limit() const { return limit_; }
  void add(float value, int32_t index) {
    found_.push_back({value, index});
    if (found_.size() >= most_) compact();
  }
  // Those that may be among the k nearest.
  const std::vector<Candidate>& finish() {
    compact();
    return found_;
  }

 private:
  void compact() {
    if (found_.size() <= k_) return;
    const auto by_value = [](const Candidate& a, const Candidate& b) { return a.value < b.value; };
    const auto kth = found_.begin() + static_cast<std::ptrdiff_t>(k_ - 1);
    std::nth_element(found_.begin(), kth, found_.end(), by_value);
    limit_ = kth->value + slack_;
    std::erase_if(found_, [&](const Candidate& c) { return c.value > limit_; });
    if (found_.size() * 2 > most_) most_ *= 2;  // many nearly equal ones
  }
  size_t k_ = 0, most_ = 0;
  float slack_ = 0, limit_ = 0;
  std::vector<Candidate> found_;
};

double squared_distance(const float* a, const float* b, int64_t width) {
  double sums[4] = {};
  int64_t i = 0;
  for (; i + 4 <= width; i += 4)
    for (int64_t l = 0; l < 4; ++l) {
      const double d = static_cast<double>(a[i + l]) - b[i + l];
      sums[l] += d * d;
    }
  for (; i < width; ++i) {
    const double d = static_cast<double>(a[i]) - b[i];
    sums[0] += d * d;
  }
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

class Search {
 public:
  Search(const Context& context, const RowSource& set, int64_t k) : context_(context), set_(set), k_(k) {
    mean_ = mean_of(set);
    for (const double m : mean_) mean_length_ += m * m;
    mean_length_ = std::sqrt(mean_length_);
  }

  // `own`: for each query the row that it is itself, or none.
  Neighbours run(const RowSource& queries, const std::vector<int64_t>* own) {
    const int64_t width = set_.dimensions;
    const int64_t query_block = block_rows(kQueryBlock, queries.count, width),
                  set_block = block_rows(kSetBlock, set_.count, width);
    BlockProduct product(query_block, set_block, width);
    norms_.resize(static_cast<size_t>(set_.count));
    Neighbours result{k_, std::vector<int32_t>(static_cast<size_t>(queries.count * k_)),
                      std::vector<float>(static_cast<size_t>(queries.count * k_))};
    shortlists_.resize(static_cast<size_t>(query_block));
    measure(product.b(), set_block);
    for (int64_t first = 0; first < queries.count; first += query_block) {
      if (context_.cancelled()) fail(ErrorKind::usage, "interrupted");
      context_.report({"searching neighbours", first, queries.count, ""});
      const int64_t number = std::min(query_block, queries.count - first);
      centred(queries, first, number, product.a());
      begin(product.a(), number);
      for (int64_t at = 0; at < set_.count; at += set_block) {
        const int64_t rows = std::min(set_block, set_.count - at);
        centred(set_, at, rows, product.b());
        const float* dots = product.run();
        parallel_for(number, 8, [&](int64_t q) {
          scan(dots + q * set_block, at, rows, own ? (*own)[static_cast<size_t>(first + q)] : -1,
               shortlists_[static_cast<size_t>(q)]);
        });
      }
      decide(queries, first, number, result);
    }
    context_.report({"searching neighbours", queries.count, queries.count, ""});
    return result;
  }

 private:
  // RowSource minus the mean of the set: their lengths, and with them the error, are smaller.
  void centred(const RowSource& rows, int64_t first, int64_t number, float* to) const {
    const int64_t width = rows.dimensions;
    parallel_ranges(number, 16, [&](int64_t begin, int64_t end) {
      rows.read(first + begin, end - begin, to + begin * width);
      for (int64_t row = begin; row < end; ++row)
        for (int64_t i = 0; i < width; ++i) {
          float& value = to[row * width + i];
          value = static_cast<float>(value - mean_[static_cast<size_t>(i)]);
        }
    });
  }

  double squared_length(const float* row) const {
    double sum = 0;
    for (int64_t i = 0; i < set_.dimensions; ++i) sum += static_cast<double>(row[i]) * row[i];
    return sum;
  }

  void measure(float* buffer, int64_t block) {
    for (int64_t first = 0; first < set_.count; first += block) {
      const int64_t rows = std::min(block, set_.count - first);
      centred(set_, first, rows, buffer);
      parallel_for(rows, 16, [&](int64_t row) {
        norms_[static_cast<size_t>(first + row)] = static_cast<float>(squared_length(buffer + row * set_.dimensions));
      });
    }
    longest_ = std::sqrt(static_cast<double>(*std::max_element(norms_.begin(), norms_.end())));
  }

  // The bound on the error of a distance² in f32, for each query: of the dot product (any order of summation), of the
  // two additions and of the norm, and of the rounding of centred values.
  void begin(const float* rows, int64_t number) {
    constexpr double kUnit = 0x1p-24;
    parallel_for(number, 16, [&](int64_t q) {
      const double length = std::sqrt(squared_length(rows + q * set_.dimensions)), sum = length + longest_;
      const double error = kUnit * (2 * static_cast<double>(set_.dimensions + 2) * length * longest_ + 4 * sum * sum +
                                    4 * sum * (sum + 2 * mean_length_));
      shortlists_[static_cast<size_t>(q)].begin(k_, static_cast<float>(2 * error * (1 + 1e-6)));
    });
  }

  void scan(const float* dots, int64_t first, int64_t rows, int64_t own, Shortlist& list) const {
    float values[kChunk];
    for (int64_t begin = 0; begin < rows; begin += kChunk) {
      const int64_t number = std::min(kChunk, rows - begin);
      const float* norms = norms_.data() + first + begin;
      int any = 0;
      const float limit = list.limit();
      for (int64_t i = 0; i < number; ++i) {
        values[i] = norms[i] - 2 * dots[begin + i];
        any |= values[i] <= limit;
      }
      if (!any) continue;
      for (int64_t i = 0; i < number; ++i)
        if (values[i] <= list.limit() && first + begin + i != own)
          list.add(values[i], static_cast<int32_t>(first + begin + i));
    }
  }

  void decide(const RowSource& queries, int64_t first, int64_t number, Neighbours& result) {
    const int64_t width = set_.dimensions;
    parallel_ranges(number, 1, [&](int64_t begin, int64_t end) {
      std::vector<float> query(static_cast<size_t>(width)), row(static_cast<size_t>(width));
      std::vector<std::pair<double, int32_t>> exact;
      for (int64_t q = begin; q < end; ++q) {
        queries.read(first + q, 1, query.data());
        exact.clear();
        for (const Candidate& c : shortlists_[static_cast<size_t>(q)].finish()) {
          set_.read(c.index, 1, row.data());
          exact.emplace_back(squared_distance(query.data(), row.data(), width), c.index);
        }
        std::partial_sort(exact.begin(), exact.begin() + k_, exact.end());
        for (int64_t i = 0; i < k_; ++i) {
          const auto at = static_cast<size_t>((first + q) * k_ + i);
          result.index[at] = exact[static_cast<size_t>(i)].second;
          result.distance[at] = static_cast<float>(std::sqrt(exact[static_cast<size_t>(i)].first));
        }
      }
    });
  }

  const Context& context_;
  const RowSource& set_;
  int64_t k_;
  std::vector<double> mean_;
  double mean_length_ = 0, longest_ = 0;
  std::vector<float> norms_;  // of the set's centred rows
  std::vector<Shortlist> shortlists_;
};

void check(const RowSource& set, const RowSource& queries, int64_t k, int64_t others) {
  require(set.dimensions == queries.dimensions, ErrorKind::usage,
          "rows of {} numbers cannot be compared with rows of {}", queries.dimensions, set.dimensions);
  require(set.count < std::numeric_limits<int32_t>::max(), ErrorKind::usage, "{} rows are too many for a search",
          set.count);
  require(k >= 1 && k <= others, ErrorKind::usage, "{} neighbours were asked for, there are {} other rows", k, others);
}

}  // namespace

Neighbours nearest_rows(const Context& context, const RowSource& set, const RowSource& queries, int64_t k) {
  check(set, queries, k, set.count);
  return Search(context, set, k).run(queries, nullptr);
}

Neighbours nearest_rows(const Context& context, const RowSource& set, int64_t k) {
  std::vector<int64_t> all(static_cast<size_t>(set.count));
  for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
  return nearest_rows(context, set, all, k);
}

Neighbours nearest_rows(const Context& context, const RowSource& set, const std::vector<int64_t>& of, int64_t k) {
  check(set, set, k, set.count - 1);
  for (const int64_t row : of)
    require(row >= 0 && row < set.count, ErrorKind::usage, "there is no row {} of {}", row, set.count);
  const RowSource queries = {static_cast<int64_t>(of.size()), set.dimensions,
                             [&](int64_t first, int64_t number, float* to) {
                               for (int64_t i = 0; i < number; ++i)
                                 set.read(of[static_cast<size_t>(first + i)], 1, to + i * set.dimensions);
                             }};
  return Search(context, set, k).run(queries, &of);
}

Agreement class_agreement(const Neighbours& neighbours, const std::vector<int64_t>& labels) {
  Agreement result;
  double shares = 0;
  int64_t right = 0;
  for (int64_t row = 0; row < neighbours.count(); ++row) {
    const int64_t label = labels[static_cast<size_t>(row)];
    if (label < 0) continue;
    std::map<int64_t, int64_t> votes;
    std::vector<int64_t> order;  // of labels by their nearest neighbour
    int64_t same = 0;
    for (int64_t i = 0; i < neighbours.k; ++i) {
      const int64_t other = labels[static_cast<size_t>(neighbours.index[static_cast<size_t>(row * neighbours.k + i)])];
      same += other == label;
      if (other < 0) continue;
      if (votes[other]++ == 0) order.push_back(other);
    }
    int64_t best = -1;
    for (const int64_t candidate : order)
      if (best < 0 || votes[candidate] > votes[best]) best = candidate;
    shares += static_cast<double>(same) / static_cast<double>(neighbours.k);
    right += best == label;
    ++result.rows;
  }
  if (result.rows > 0) {
    result.share = shares / static_cast<double>(result.rows);
    result.majority = static_cast<double>(right) / static_cast<double>(result.rows);
  }
  return result;
}

}  // namespace fovea
