#include "fovea/commands/classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/base/counted.h"
#include "fovea/commands/fused_models.h"
#include "fovea/commands/picture_file.h"
#include "fovea/data/label_list.h"
#include "fovea/image/codec.h"
#include "fovea/insight/guesses.h"
#include "fovea/model/labels.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/figure.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;
using Truth = std::map<std::string, int64_t>;

// Files are compared by their last part; of two lines for one, the last counts.
Truth read_truth(const fs::path& path) {
  require_file(path, "a file of true classes");
  Truth truth;
  for (const LabelledFile& line : parse_label_list(Bytes::map(path)))
    truth[fs::path(line.file).filename().string()] = line.label;
  return truth;
}

struct Classified {
  fs::path file;
  std::vector<Guess> guesses;  // at least five
  std::optional<int64_t> truth;
};

struct Score {
  int64_t known = 0, top1 = 0, top5 = 0;
  void count(const Classified& a) {
    if (!a.truth) return;
    ++known;
    for (size_t i = 0; i < std::min<size_t>(5, a.guesses.size()); ++i) {
      if (a.guesses[i].index != *a.truth) continue;
      ++top5;
      top1 += i == 0;
    }
  }
};

std::string answer_text(const Classified& answer, const Meaning& meaning, size_t top) {
  std::string text = coloured(printable(answer.file.string()), Ink::bold);
  if (answer.truth)
    text += coloured(fmt::format("  (truly {})", printable(class_name(meaning.classes, *answer.truth))), Ink::dim);
  text += "\n";
  for (size_t i = 0; i < std::min(top, answer.guesses.size()); ++i) {
    const Guess& g = answer.guesses[i];
    const std::string shape = bar(g.probability, 30), name = printable(g.name);
    const std::string space(30 - std::min<size_t>(30, shown_width(shape)), ' ');
    const bool right = answer.truth && *answer.truth == g.index;
    text += fmt::format("  {}{} {:6.2f} %  {}\n", coloured(shape, right ? Ink::green : Ink::blue), space,
                        g.probability * 100, right ? coloured(name, Ink::green) : name);
  }
  return text;
}

Json answer_json(const Classified& answer, size_t top) {
  Json guesses = Json::array();
  for (size_t i = 0; i < std::min(top, answer.guesses.size()); ++i)
    guesses.push_back({{"class", answer.guesses[i].index},
                       {"name", answer.guesses[i].name},
                       {"probability", answer.guesses[i].probability},
                       {"score", answer.guesses[i].score}});
  Json j = {{"file", answer.file.string()}, {"guesses", guesses}};
  if (answer.truth) j["truth"] = *answer.truth;
  return j;
}

GuessPanel panel_of(const Classified& answer, Image picture, const Meaning& meaning, size_t top) {
  GuessPanel panel{std::move(picture),
                   answer.truth ? class_name(meaning.classes, *answer.truth) : answer.file.filename().string(),
                   {}};
  for (size_t i = 0; i < std::min(top, answer.guesses.size()); ++i)
    panel.bars.push_back({answer.guesses[i].name, answer.guesses[i].probability,
                          answer.truth && *answer.truth == answer.guesses[i].index});
  return panel;
}

}  // namespace

OptionList describe(ClassifyOptions& o) {
  const OptionList model = describe(o.model);
  Option network = model[0];
  network.help += "; several joined by '+' are averaged";
  return OptionList{network,
                    {"IMAGE", "", "pictures, or folders of pictures", &o.images, true},
                    {"--top", "N", "guesses a picture", &o.top, false, {}, 1, 1000},
                    {"--truth", "FILE", "true classes, lines \"file,class\" or \"file class\": prints the error rates",
                     &o.truth},
                    {"-o,--output", "FILE.png", "a sheet of the pictures with their guesses", &o.output}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

Report run(const Context& context, const ClassifyOptions& options) {
  require_picture_output(options.output);
  const std::vector<fs::path> files = picture_paths(options.images);
  Truth truth;
  if (!options.truth.empty()) truth = read_truth(options.truth);
  FusedModels network(context, options.model, options.engine, 1);
  const Meaning& meaning = network.meaning();
  const auto top = static_cast<size_t>(options.top);
  Report report;
  Score score;
  Json images = Json::array();
  std::vector<GuessPanel> panels;
  for (size_t i = 0; i < files.size(); ++i) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    context.report(
        {"classifying", static_cast<int64_t>(i), static_cast<int64_t>(files.size()), files[i].filename().string()});
    const Image picture = read_image(files[i]);
    Classified answer{files[i], best_guesses(network.scores(picture), meaning, std::max<int64_t>(5, options.top)), {}};
    if (const auto found = truth.find(files[i].filename().string()); found != truth.end()) answer.truth = found->second;
    score.count(answer);
    report.text += answer_text(answer, meaning, top);
    images.push_back(answer_json(answer, top));
    if (!options.output.empty())
      panels.push_back(panel_of(answer, fit_picture(picture, *meaning.preprocess), meaning, top));
  }
  context.report({"classifying", static_cast<int64_t>(files.size()), static_cast<int64_t>(files.size()), ""});
  Json json = {{"model", printable(meaning.name)}, {"images", images}};
  if (!truth.empty()) {
    require(score.known > 0, ErrorKind::usage, "{}: names none of {}", options.truth, counted(files.size(), "picture"));
    const auto error = [&](int64_t right) {
      return 1.0 - static_cast<double>(right) / static_cast<double>(score.known);
    };
    report.text += fmt::format("\n{}: top-1 {} right ({:.1f} % error), top-5 {} right ({:.1f} % error)\n",
                               counted(score.known, "picture"), score.top1, 100 * error(score.top1), score.top5,
                               100 * error(score.top5));
    json["known"] = score.known;
    json["top1"] = score.top1;
    json["top5"] = score.top5;
    json["top1_error"] = error(score.top1);
    json["top5_error"] = error(score.top5);
  }
  if (!options.output.empty()) {
    writing([&] { write_image(options.output, guess_sheet(panels, panels.size() > 12 ? 6 : 4)); });
    report.files.push_back(options.output);
    report.text += "wrote " + options.output + "\n";
    json["output"] = options.output;
  }
  report.set_json(json);
  return report;
}

Command classify_command() {
  return make_command<ClassifyOptions>(
      "classify", "what the network takes pictures for",
      "Prints the best guesses for each picture with their probabilities. Scores become probabilities by softmax "
      "unless the network ends in one.",
      {{"fovea classify model.onnx cat.jpg", "the five best guesses"},
       {"fovea classify model.onnx photos/ -o sheet.png", "a sheet of all pictures in a folder, guesses beneath"},
       {"fovea classify model.onnx photos/ --truth labels.csv", "the top-1 and top-5 error"},
       {"fovea classify a.onnx+b.onnx cat.jpg", "the mean of what two networks say"},
       {"fovea classify model.onnx cat.jpg --preprocess caffe --labels names.txt",
        "another convention, own class names"}},
      run);
}

}  // namespace fovea
