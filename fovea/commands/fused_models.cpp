#include "fovea/commands/fused_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "fovea/model/conventions.h"
#include "fovea/model/for_pictures.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/input.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

constexpr int64_t kLargestBatch = 128, kSmallestBatch = 8;
// The inputs of a batch should fill about this many bytes: enough to keep threads busy, little enough for the caches.
constexpr int64_t kBatchBytes = int64_t{2} << 20;

bool is_file(const std::string& name) {
  std::error_code error;
  return fs::is_regular_file(name, error);
}

// Classes that the model scores when it is given `batch` pictures: the scores must be [batch, classes, 1…]; 0 if not.
int64_t classes_at(const Model& model, int64_t batch) {
  const Shape shape = model.graph.shape(scores_output(model));
  const int64_t count = shape.count();
  if (batch == 1) return *std::max_element(shape.begin(), shape.end()) == count ? count : 0;
  if (shape.rank() < 2 || shape[0] != batch) return 0;
  return *std::max_element(shape.begin() + 1, shape.end()) * batch == count ? count / batch : 0;
}

// The model for `batch` pictures, or as it is when its batch is fixed.
Model rebatched(Model model, int64_t batch) {
  const int64_t own = model.graph.shape(data_input(model))[0];
  if (own == batch) return model;
  try {
    Model other = for_pictures(model, batch);
    // A batch that the network folds away (a Reshape to 1 x N) would mix pictures.
    if (classes_at(other, batch) == classes_at(model, own) && classes_at(other, batch) > 0) return other;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::usage) throw;
  }
  return model;
}

// In place: a row of scores becomes logarithms of probabilities. What softmax rounded to zero in f32 counts as the
// smallest normal number.
void to_log_probabilities(double* row, int64_t classes, bool already) {
  if (already) {
    constexpr double kSmallest = 1.17549435e-38;
    for (int64_t c = 0; c < classes; ++c) row[c] = std::isnan(row[c]) ? row[c] : std::log(std::max(row[c], kSmallest));
    return;
  }
  double highest = -INFINITY, sum = 0;
  for (int64_t c = 0; c < classes; ++c) highest = std::max(highest, row[c]);
  for (int64_t c = 0; c < classes; ++c) sum += std::exp(row[c] - highest);
  for (int64_t c = 0; c < classes; ++c) row[c] -= highest + std::log(sum);
}

}  // namespace

std::vector<std::string> joined_models(const std::string& argument) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= argument.size();) {
    size_t end = argument.size();
    while (end > begin && end != argument.npos && !is_file(argument.substr(begin, end - begin)))
      end = end == 0 ? argument.npos : argument.rfind('+', end - 1);
    if (end == argument.npos || end <= begin) end = std::min(argument.find('+', begin), argument.size());
    names.push_back(argument.substr(begin, end - begin));
    if (end == argument.size()) break;
    begin = end + 1;
  }
  return names;
}

// Takes note of what a further model scores and how many pictures suit it.
void FusedModels::check(const std::string& name, const Model& model, int64_t batch, bool first) {
  const Shape shape = model.graph.shape(data_input(model));
  const int64_t classes = classes_at(model, shape[0]);
  require(classes > 0, ErrorKind::usage, "{}: its scores {} are not one row of classes a picture", name,
          to_string(model.graph.shape(scores_output(model))));
  if (first) classes_ = classes;
  require(classes == classes_, ErrorKind::usage, "{}: scores {} classes, {} scores {}: they cannot be averaged", name,
          classes, meaning_.name, classes_);
  const int64_t bytes = std::max<int64_t>(1, shape.count() / std::max<int64_t>(1, shape[0]) * 4);
  const int64_t suits = std::clamp(kBatchBytes / bytes, kSmallestBatch, kLargestBatch);
  batch_ = batch > 0 ? batch : first ? suits : std::min(batch_, suits);
  if (first) meaning_ = model.meaning;
}

FusedModels::FusedModels(Model model, const EngineOptions& engine, int64_t batch, std::vector<TestView> views)
    : views_(std::move(views)), engine_(engine) {
  check(model.meaning.name, model, batch, true);
  members_.push_back(member(std::move(model), batch_));
}

FusedModels::FusedModels(const Context& context, const ModelOptions& options, const EngineOptions& engine,
                         int64_t batch, std::vector<TestView> views)
    : views_(std::move(views)), engine_(engine) {
  std::vector<Model> models;
  for (const std::string& name : joined_models(options.model)) {
    ModelOptions one = options;
    one.model = name;
    models.push_back(open(context, one));
    check(name, models.back(), batch, models.size() == 1);
  }
  for (size_t i = 1; i < models.size(); ++i) {
    meaning_.name += " + " + models[i].meaning.name;
    if (meaning_.classes.empty()) meaning_.classes = models[i].meaning.classes;
    meaning_.probabilities = true;
  }
  for (Model& model : models) members_.push_back(member(std::move(model), batch_));
}

FusedModels::Member FusedModels::member(Model model, int64_t batch) const {
  model = rebatched(std::move(model), batch);
  Member result;
  result.how = model.meaning.preprocess;
  result.name = model.meaning.name;
  if (auto stated = stated_standardisation(model.meaning)) result.standardise = *std::move(stated);
  result.probabilities = model.meaning.probabilities;
  require(views_.size() == 1 || result.how, ErrorKind::usage,
          "{}: takes no pictures, so there is nothing to mirror; expected plain views", model.meaning.name);
  const Value input = data_input(model);
  result.input = model.graph.node(input).name;
  Shape shape = model.graph.shape(input);
  require(model.graph.dtype(input) == DType::f32, ErrorKind::usage, "{}: takes its input as {}, expected f32",
          model.meaning.name, to_string(model.graph.dtype(input)));
  result.batch = shape[0];
  shape[0] = (batch + result.batch - 1) / result.batch * result.batch;
  result.pictures = Tensor(DType::f32, shape);
  const Value scores = scores_output(model);
  result.program = engine_.compile_only(model, std::vector<Value>{scores});
  return result;
}

std::vector<int64_t> FusedModels::batches() const {
  std::vector<int64_t> result;
  for (const Member& member : members_) result.push_back(member.batch);
  return result;
}

void FusedModels::prepare(int64_t slot, const Image& picture) {
  require(slot >= 0 && slot < batch_, ErrorKind::usage, "there is no slot {} of {}", slot, batch_);
  for (Member& member : members_) {
    require(member.how.has_value(), ErrorKind::usage,
            "{}: it is not known how pictures become this network's input {}, and the set holds pictures", member.name,
            to_string(member.pictures.shape()));
    const Tensor input = preprocess(picture, *member.how);
    const Shape& shape = member.pictures.shape();
    require(input.shape()[1] == shape[1] && input.shape()[2] == shape[2] && input.shape()[3] == shape[3],
            ErrorKind::usage, "preprocessing gives {}, the network takes {}", to_string(input.shape()),
            to_string(shape));
    std::memcpy(member.pictures.raw() + static_cast<size_t>(slot) * input.bytes(), input.raw(), input.bytes());
  }
}

void FusedModels::prepare_values(int64_t slot, const Tensor& values) {
  require(slot >= 0 && slot < batch_, ErrorKind::usage, "there is no slot {} of {}", slot, batch_);
  for (Member& member : members_) {
    const Shape& shape = member.pictures.shape();
    const int64_t each = shape.count(1, shape.rank());
    const Shape sample(std::vector<int64_t>(shape.begin() + 1, shape.end()));
    require(values.count() == each, ErrorKind::usage,
            "{}: takes {} numbers a sample ({}), the set's samples are rows of {} ({})", member.name, each,
            to_string(sample), values.count(), to_string(values.shape()));
    const Tensor input = standardised(values, member.standardise);
    std::memcpy(member.pictures.raw() + static_cast<size_t>(slot) * input.bytes(), input.raw(), input.bytes());
  }
}

void FusedModels::run(Member& member, int64_t count, std::vector<double>& scores) const {
  if (views_.size() == 1) return run_view(member, views_[0], count, scores);
  scores.assign(static_cast<size_t>(count * classes_), 0);
  std::vector<double> seen;
  for (const TestView& view : views_) {
    run_view(member, view, count, seen);
    for (int64_t row = 0; member.probabilities && row < count; ++row)
      to_log_probabilities(seen.data() + row * classes_, classes_, true);
    for (size_t i = 0; i < seen.size(); ++i) scores[i] += view.weight * seen[i];
  }
}

void FusedModels::run_view(Member& member, const TestView& view, int64_t count, std::vector<double>& scores) const {
  scores.resize(static_cast<size_t>(count * classes_));
  Tensor input = member.program.input(member.input);
  const bool plain = !view.mirrored && view.down == 0 && view.right == 0;
  for (int64_t first = 0; first < count; first += member.batch) {
    const std::byte* pictures =
        std::as_const(member.pictures).raw() + static_cast<size_t>(first / member.batch) * input.bytes();
    if (plain) std::memcpy(input.raw(), pictures, input.bytes());
    else make_view(view, input.shape(), reinterpret_cast<const float*>(pictures), input.data<float>().data());
    member.program.execute();
    const Tensor output = member.program.want(0);
    const int64_t rows = std::min(member.batch, count - first);
    double* to = scores.data() + first * classes_;
    if (output.dtype() == DType::f32) {
      const float* from = output.data<float>().data();
      std::copy(from, from + rows * classes_, to);
    } else {
      for (int64_t i = 0; i < rows * classes_; ++i) to[i] = output.at(i);
    }
  }
}

std::vector<double> FusedModels::log_probabilities(int64_t count) {
  require(count > 0 && count <= batch_, ErrorKind::usage, "a batch of {}, expected 1 to {}", count, batch_);
  std::vector<double> result, scores;
  for (Member& member : members_) {
    run(member, count, scores);
    for (int64_t row = 0; row < count; ++row)
      to_log_probabilities(scores.data() + row * classes_, classes_, gives_probabilities(member));
    if (members_.size() == 1) return scores;
    result.resize(scores.size());
    for (size_t i = 0; i < scores.size(); ++i) result[i] += std::exp(scores[i]);
  }
  for (double& p : result) p = std::log(p / static_cast<double>(members_.size()));
  return result;
}

Tensor FusedModels::scores(const Image& picture) {
  prepare(0, picture);
  std::vector<double> values;
  if (members_.size() == 1) {
    run(members_[0], 1, values);
  } else {
    values = log_probabilities(1);
    for (double& v : values) v = std::exp(v);
  }
  return Tensor::of<double>({classes_}, values);
}

}  // namespace fovea
