#include "fovea/commands/evaluate.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/commands/fused_models.h"
#include "fovea/commands/skipped_pictures.h"
#include "fovea/data/open_data.h"
#include "fovea/data/relabelled.h"
#include "fovea/image/codec.h"
#include "fovea/insight/calibration.h"
#include "fovea/model/labels.h"
#include "fovea/report/decision_surface.h"
#include "fovea/report/error_sheet.h"
#include "fovea/report/evaluation_figures.h"
#include "fovea/report/evaluation_record.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownClasses = 20, kShownConfusions = 10;

// The set with its labels in the network's numbers: matched by name where the names of all its classes are the
// network's too, otherwise taken as they are.
std::unique_ptr<Dataset> in_networks_numbers(const Context& context, std::unique_ptr<Dataset> data,
                                             const FusedModels& network) {
  const std::vector<std::string>& known = network.meaning().classes;
  if (const auto labels = matching_classes(data->classes(), known)) {
    bool same = true;
    for (size_t i = 0; i < labels->size(); ++i) same = same && (*labels)[i] == static_cast<int64_t>(i);
    if (same) return data;
    context.note(
        fmt::format("the {} classes of the data are matched with the network's by their names", labels->size()));
    return std::make_unique<Relabelled>(std::move(data), *labels, known);
  }
  const auto count = static_cast<int64_t>(data->classes().size());
  if (count > 0 && count < network.classes())
    context.note(
        fmt::format("the data has {} classes, the network scores {}; their names do not match, so class i of "
                    "the data is taken for the network's class i",
                    count, network.classes()));
  return data;
}

std::string name_of(const std::vector<std::string>& classes, int64_t index) {
  return printable(class_name(classes, index));
}

// The worst class first; equal ones by number.
std::vector<ClassResult> worst_first(const Evaluation& result) {
  std::vector<ClassResult> seen;
  for (const ClassResult& c : result.classes)
    if (c.count > 0) seen.push_back(c);
  std::stable_sort(seen.begin(), seen.end(),
                   [](const ClassResult& a, const ClassResult& b) { return a.top1 < b.top1; });
  return seen;
}

std::string class_table(const Evaluation& result, const std::vector<std::string>& names, bool all) {
  const std::vector<ClassResult> classes = worst_first(result);
  const size_t shown = all ? classes.size() : std::min(kShownClasses, classes.size());
  Table table({{"class"}, {result.rows ? "rows" : "pictures", true}, {"errors", true}, {"top-1", true}, {""}});
  for (size_t i = 0; i < shown; ++i)
    table.add({name_of(names, classes[i].index), fmt::format("{}", classes[i].count),
               fmt::format("{}", classes[i].errors), fmt::format("{:.2f} %", 100 * classes[i].top1),
               coloured(bar(classes[i].top1, 20), Ink::blue)});
  std::string text = table.text();
  if (shown < classes.size())
    text += coloured(fmt::format("{} better classes are not shown (--all)\n", classes.size() - shown), Ink::dim);
  return text;
}

std::string confusion_text(const Evaluation& result, const std::vector<std::string>& names) {
  const std::vector<Confusion> wrong = frequent_confusions(result, kShownConfusions);
  if (wrong.empty()) return {};
  Table table({{"truly"}, {"taken for"}, {"pictures", true}});
  for (const Confusion& c : wrong)
    table.add({name_of(names, c.truth), name_of(names, c.guess), fmt::format("{}", c.count)});
  return "\n" + table.text();
}

std::string calibration_text(const Evaluation& result) {
  if (result.samples.empty()) return {};
  const Calibration c = calibration(result.samples);
  return fmt::format(
      "calibration: expected error {:.2f} % in {} bins, greatest gap {:.2f} %; mean confidence {:.2f} %, right {:.2f} "
      "%\n",
      100 * c.expected_error, c.bins.size(), 100 * c.greatest_error, 100 * c.confidence, 100 * result.top1);
}

// The classes that both the set and the network name and that no picture was of.
std::vector<std::string> unseen_classes(const Evaluation& result, const std::vector<std::string>& names,
                                        const std::vector<std::string>& of_data) {
  std::vector<std::string> unseen;
  if (of_data.size() != result.classes.size()) return unseen;
  for (const ClassResult& c : result.classes)
    if (c.count == 0) unseen.push_back(name_of(names, c.index));
  return unseen;
}

std::string unseen_text(const std::vector<std::string>& unseen) {
  constexpr size_t kShown = 5;
  if (unseen.empty()) return {};
  const auto end = unseen.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, unseen.size()));
  return coloured(
      fmt::format("\n{} without samples here, of which nothing is known: {}{}\n", counted(unseen.size(), "class"),
                  fmt::join(unseen.begin(), end, ", "), unseen.size() > kShown ? ", …" : ""),
      Ink::yellow);
}

std::string result_text(const Evaluation& result, const std::vector<std::string>& names, double seconds,
                        const EvaluateOptions& options) {
  const std::string what = result.rows ? "row" : "picture";
  std::string text = fmt::format(
      "{}, {}: top-1 {} right ({:.2f} % error), top-5 {:.2f} % right, cross-entropy {:.4f}\n"
      "in {}: {} {}s a second\n{}\n",
      counted(result.count, what), counted(result.errors, "error"),
      coloured(fmt::format("{:.2f} %", 100 * result.top1), Ink::bold), 100 * (1 - result.top1), 100 * result.top5,
      result.loss, short_time(seconds), short_number(static_cast<double>(result.count) / std::max(seconds, 1e-9)), what,
      calibration_text(result));
  text += class_table(result, names, options.all);
  if (!result.confusion.empty()) text += confusion_text(result, names);
  return result.skipped.empty() ? text : text + "\n" + skipped_text(result.skipped, options.all);
}

}  // namespace

OptionList describe(EvaluateOptions& o) {
  const OptionList model = describe(o.model);
  Option network = model[0];
  network.help += "; several joined by '+' are averaged";
  return OptionList{
             network,
             {"DATA", "",
              "the pictures: MNIST's, CIFAR's or SVHN's files or their folder, an archive of them, a folder of "
              "pictures with a sub-folder a class or a list labels.csv, a list of lines \"file,class\"; rows "
              "of numbers: table.csv#label=NAME, arrays .npz or .npy; mnist and cifar10 when they were fetched; "
              "builtin:iris, drawn:glyphs and others",
              &o.data, true},
             {"--split", "NAME", "which part of the data", &o.split, false, {"test", "train", "val"}},
             {"--batch",
              "N",
              "pictures computed at once; 0: as many as suit the network's input",
              &o.batch,
              false,
              {},
              0,
              4096},
             {"--tta", "VIEWS",
              "test-time augmentation: average the scores of each picture as it is, with its mirror image, and with "
              "both shifted by a pixel",
              &o.tta, false, test_view_names()},
             {"--limit", "N", "only the first N pictures; 0: all", &o.limit, false, {}, 0, 1e15},
             {"--errors", "FILE", "write the sheet of errors: each wrong picture with \"true→guessed\" (PNG)",
              &o.errors},
             {"--error-order",
              "HOW",
              "the errors on the sheet: the surest first, or as they stand in the set",
              &o.error_order,
              false,
              {"confident", "set"}},
             {"--error-count",
              "N",
              "errors on the sheet at most, the surest ones",
              &o.error_count,
              false,
              {},
              1,
              20000},
             {"--surface", "FILE", "rows of two numbers: draw which class the network sees where (PNG)", &o.surface},
             {"--all", "", "show every class, not only the worst", &o.all},
             {"--confusion", "", "count which classes are taken for which", &o.confusion},
             {"--skip-broken", "", "leave out pictures that are missing or cannot be read, and say how many",
              &o.skip_broken}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

Report run(const Context& context, const EvaluateOptions& options) {
  std::unique_ptr<Dataset> data = open_data(options.data, {options.split, options.skip_broken});
  for (const std::string& file : {options.errors, options.surface})
    if (!file.empty()) require_writable_folder(std::filesystem::absolute(file).parent_path());
  FusedModels network(context, options.model, options.engine, options.batch, test_views(options.tta));
  EvaluationRecord record;
  record.model = network.meaning().name;
  record.data = options.data;
  record.views = options.tta;
  record.description = data->description();
  const std::vector<std::string> own_names = data->classes();
  data = in_networks_numbers(context, std::move(data), network);
  record.names = network.meaning().classes.empty() ? own_names : network.meaning().classes;
  const auto start = std::chrono::steady_clock::now();
  record.result =
      evaluate(context, *data, network, {options.limit, options.skip_broken, options.confusion, /*samples=*/true});
  record.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  Report report;
  report.text = fmt::format("{} on {} ({}): ", coloured(printable(record.model), Ink::bold), printable(record.data),
                            printable(record.description) + views_note(record.views)) +
                result_text(record.result, record.names, record.seconds, options);
  const std::vector<std::string> unseen =
      options.limit > 0 ? std::vector<std::string>() : unseen_classes(record.result, record.names, own_names);
  report.text += unseen_text(unseen);
  Json json = evaluation_json(record);
  json["batch"] = network.batches();
  json["unseen"] = unseen;
  if (!options.errors.empty()) {
    const ErrorSheet sheet =
        error_sheet(*data, record.result.samples, record.names,
                    {options.error_order == "set" ? ErrorOrder::set : ErrorOrder::confident, options.error_count});
    writing([&] { write_error_sheet(options.errors, sheet); });
    report.files.push_back(options.errors);
    report.text += fmt::format("\n{}: {}\n", coloured(printable(options.errors), Ink::bold), sheet.caption);
    json["error_sheet"] = {{"file", printable(options.errors)}, {"shown", sheet.shown}};
  }
  if (!options.surface.empty()) {
    const std::vector<std::byte> png = encode_png(decision_surface(network, *data));
    writing([&] { write_file(options.surface, png); });
    report.files.push_back(options.surface);
    report.text += fmt::format("\n{}: the decision surface\n", coloured(printable(options.surface), Ink::bold));
    json["surface"] = printable(options.surface);
  }
  report.set_json(json);
  return report;
}

Command evaluate_command() {
  return make_command<EvaluateOptions>(
      "evaluate", "how often the network is right on a set of labelled pictures",
      "Counts the errors on a data set and on each of its classes, worst first, with the top-5 score, the mean "
      "cross-entropy, and how far the network's confidence is from its accuracy. What the data is, is seen from what "
      "is "
      "there; the test split is the default where there are splits. The folder of a training run stands for "
      "the network that it has made so far. Networks joined by '+' are averaged: each prepares the pictures in its own "
      "way, and "
      "the "
      "mean of their probabilities counts.",
      {{"fovea evaluate run/ cifar10 --tta mirror,translate", "six views of each picture, averaged"},
       {"fovea evaluate model.onnx mnist/", "the test set of MNIST, as its four files lie in a folder"},
       {"fovea evaluate resnet.onnx cifar-10-binary.tar.gz --json", "CIFAR-10 out of its archive, for a program"},
       {"fovea evaluate a.onnx+b.onnx photos/ --limit 1000 --confusion", "two networks averaged, on own pictures"},
       {"fovea evaluate run/ mnist/ --errors errors.png", "what a training run has made, and a picture of its errors"},
       {"fovea evaluate run drawn:spirals --surface spirals.png", "what a network of two numbers decides where"},
       {"fovea evaluate model.onnx mnist/ --preprocess mnist", "a network that was trained on 0..255, not on 0..1"}},
      run);
}

}  // namespace fovea
