// rank of a picture = how many classes go before its true one t: those with p_c > p_t, or p_c = p_t and c < t.
// top-k = share of pictures with rank < k; loss = mean of -ln p_t. Source: the classification task of ILSVRC (O.
// Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", 2015, section 4.1).
#include "fovea/insight/evaluation.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"

namespace fovea {

namespace {

constexpr int64_t kMaxConfusionClasses = 4096;  // the matrix then takes 128 MiB

// Decodes one batch into the slots of the network.
struct Prepared {
  std::vector<int64_t> labels;
  std::vector<std::string> broken;  // why the picture of a slot could not be read; empty: it could
  std::vector<uint8_t> rows;        // whether a slot holds a row of numbers
};
Prepared prepared(const Dataset& data, BatchClassifier& network, int64_t first, int64_t count, bool skip_broken) {
  Prepared batch{std::vector<int64_t>(static_cast<size_t>(count)), std::vector<std::string>(static_cast<size_t>(count)),
                 std::vector<uint8_t>(static_cast<size_t>(count))};
  const int64_t classes = network.classes();
  parallel_tasks(count, [&](int64_t slot) {
    Sample sample;
    try {
      sample = data.get(first + slot);
    } catch (const Error& error) {
      if (!skip_broken || (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format)) throw;
      batch.broken[static_cast<size_t>(slot)] = error.message();
      return;
    }
    require(sample.label >= 0 && sample.label < classes, ErrorKind::usage,
            "{}: has label {}, but the network scores {} classes (0 to {})", data.name(first + slot), sample.label,
            classes, classes - 1);
    batch.labels[static_cast<size_t>(slot)] = sample.label;
    batch.rows[static_cast<size_t>(slot)] = sample.has_values();
    if (sample.has_values()) network.prepare_values(slot, sample.values);
    else network.prepare(slot, sample.image);
  });
  return batch;
}

struct Sums {
  double loss = 0;
  int64_t right1 = 0, right5 = 0;
};

// One picture with its row of log probabilities.
void score(const double* row, int64_t classes, int64_t index, int64_t label, bool keep, Evaluation& result,
           Sums& sums) {
  const auto value = [&](int64_t c) { return std::isnan(row[c]) ? -INFINITY : row[c]; };
  const double of_label = value(label);
  int64_t rank = 0, best = 0;
  for (int64_t c = 0; c < classes; ++c) {
    const double v = value(c);
    rank += v > of_label || (v == of_label && c < label);
    if (v > value(best)) best = c;
  }
  // A label without a probability is never a right guess, wherever it stands.
  if (std::isnan(row[label])) rank = classes;
  sums.loss -= row[label];
  sums.right1 += rank == 0;
  sums.right5 += rank < 5;
  ClassResult& of_class = result.classes[static_cast<size_t>(label)];
  ++of_class.count;
  of_class.errors += rank != 0;
  ++result.count;
  result.errors += rank != 0;
  if (!result.confusion.empty()) ++result.confusion[static_cast<size_t>(label * classes + best)];
  if (keep) result.samples.push_back({index, label, best, std::exp(row[best]), -row[label], rank == 0});
}

}  // namespace

void BatchClassifier::prepare_values(int64_t, const Tensor&) {
  fail(ErrorKind::usage, "the network takes pictures, but the set holds rows of numbers");
}

Evaluation evaluate(const Context& context, const Dataset& data, BatchClassifier& network,
                    const EvaluationOptions& options) {
  const int64_t classes = network.classes(), step = network.batch();
  const int64_t total = options.limit > 0 ? std::min(options.limit, data.size()) : data.size();
  require(total > 0, ErrorKind::usage, "the data set is empty");
  Evaluation result;
  for (int64_t c = 0; c < classes; ++c) result.classes.push_back({c, 0, 0, 0});
  require(!options.confusion || classes <= kMaxConfusionClasses, ErrorKind::usage,
          "a table of confusions for {} classes is too large; at most {}", classes, kMaxConfusionClasses);
  if (options.confusion) result.confusion.assign(static_cast<size_t>(classes * classes), 0);
  Sums sums;
  for (int64_t first = 0; first < total; first += step) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    const std::string so_far =
        result.count == 0
            ? ""
            : fmt::format("top-1 {:.2f} %", 100 * static_cast<double>(sums.right1) / static_cast<double>(result.count));
    context.report({"evaluating", first, total, so_far});
    const int64_t count = std::min(step, total - first);
    Prepared batch = prepared(data, network, first, count, options.skip_broken);
    const std::vector<double> rows = network.log_probabilities(count);
    for (int64_t slot = 0; slot < count; ++slot) {
      std::string& broken = batch.broken[static_cast<size_t>(slot)];
      result.rows = result.rows || batch.rows[static_cast<size_t>(slot)] != 0;
      if (broken.empty())
        score(rows.data() + slot * classes, classes, first + slot, batch.labels[static_cast<size_t>(slot)],
              options.samples, result, sums);
      else result.skipped.push_back(std::move(broken));
    }
  }
  context.report({"evaluating", total, total, ""});
  require(result.count > 0, ErrorKind::format, "0 of {} can be read; the first: {}", counted(total, "picture"),
          result.skipped.empty() ? "" : result.skipped[0]);
  const auto count = static_cast<double>(result.count);
  result.top1 = static_cast<double>(sums.right1) / count;
  result.top5 = static_cast<double>(sums.right5) / count;
  result.loss = sums.loss / count;
  for (ClassResult& c : result.classes)
    if (c.count > 0) c.top1 = 1 - static_cast<double>(c.errors) / static_cast<double>(c.count);
  return result;
}

}  // namespace fovea
