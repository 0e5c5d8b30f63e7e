#include "fovea/commands/maximise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_record.h"
#include "fovea/commands/step_profile.h"
#include "fovea/commands/unit_list.h"
#include "fovea/compile/plan_book.h"
#include "fovea/image/codec.h"
#include "fovea/image/geometry.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/features.h"
#include "fovea/insight/guesses.h"
#include "fovea/model/conventions.h"
#include "fovea/model/labels.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/receptive_field.h"
#include "fovea/report/picture_plate.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(MaximiseOptions& o) {
  const OptionList model = describe(o.model);
  MaximisationSettings& s = o.settings;
  return OptionList{
             model[0],
             {"-o,--output", "FILE", "the sheet, a .png, .jpg or .ppm file", &o.output, true},
             {"--units", "LAYER:LIST",
              "units (channels) of a layer: conv1:0-63, \"mixed4a:3,7,12-15\" or fc8:all (may be repeated)", &o.units},
             {"--class", "NAME", "a class, by its name or number (may be repeated)", &o.classes},
             {"--objective", "TEXT", "anything else, such as \"channel(inception_4c, 12) - 0.5*neuron(fc8, 130)\"",
              &o.objective},
             {"--preset", "NAME", "how pictures are kept natural", &s.preset, false, maximisation_presets()},
             {"--pictures",
              "N",
              "pictures of each unit or class, made to differ from each other",
              &o.pictures,
              false,
              {},
              1,
              256},
             {"--diversity",
              "W",
              "how much they shall differ; 0: only the random starts do",
              &o.diversity,
              false,
              {},
              0,
              1e6},
             {"--between",
              "N",
              "a row of N pictures from one unit or class to another (give two)",
              &o.between,
              false,
              {},
              0,
              256},
             {"--neuron", "", "the middle neuron of a unit instead of the mean of all", &o.neuron},
             {"--side", "N", "side of the pictures; 0: the network's input", &s.side, false, {}, 0, 4096},
             {"--steps", "N", "steps of the descent; 0: the preset's (512, 300, 100)", &s.steps, false, {}, 0, 1e6},
             {"--rate", "X", "size of the steps; 0: the preset's", &s.rate, false, {}, 0, 1e12},
             {"--jitter",
              "N",
              "random shift in each step, in pixels; -1: the preset's",
              &s.jitter,
              false,
              {},
              -1,
              4096},
             {"--scale", "X", "random scaling by up to this share; -1: the preset's", &s.scale, false, {}, -1, 0.9},
             {"--rotate",
              "DEGREES",
              "random rotation by up to this angle; -1: the preset's",
              &s.degrees,
              false,
              {},
              -1,
              180},
             {"--correlated", "", "fourier: red, green and blue as they are", &o.correlated},
             {"--strength",
              "X",
              "natural: weight of the objective against the penalties",
              &s.strength,
              false,
              {},
              1e-9,
              1e9},
             {"--peak",
              "X",
              "natural: what a strong answer is; 0: three times the strongest one to noise",
              &s.peak,
              false,
              {},
              0,
              1e12},
             {"--tv-beta", "X", "natural: exponent of the total variation", &s.variation.beta, false, {}, 0.1, 16},
             {"--tv-form", "NAME", "natural: its convention", &s.variation.form, false, total_variation_forms()},
             {"--alpha", "X", "natural: exponent of the norm", &s.norm.alpha, false, {}, 1, 16},
             {"--alpha-form", "NAME", "natural: its convention", &s.norm.form, false, alpha_norm_forms()},
             {"--seed", "N", "another seed: other random starts and views", &o.seed, false, {}, 0, 1e9},
             {"--batch", "N", "pictures at once; 0: up to 8, as memory allows", &o.batch, false, {}, 0, 1024},
             {"--memory", "MIB", "memory that may be used; 0: 70 % of what is free", &o.memory, false, {}, 0, 1e9},
             {"--columns", "N", "columns of the sheet; 0: by the number of pictures", &o.columns, false, {}, 0, 64},
             {"--tile", "N", "longest side of a picture on the sheet; 0: by their number", &o.tile, false, {}, 0, 4096},
             {"--profile", "", "also print which steps of the compiled program take the time", &o.profile},
             {"--save", "DIR", "also write each picture in its own size into this folder", &o.save}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine) + plan_option(o.plan);
}

namespace {

using Json = nlohmann::ordered_json;

// Pictures that share a program.
struct Job {
  PictureObjective objective;
  std::vector<PictureWish> wishes;
  std::vector<int64_t> labels;  // the class of each wish, or -1
  std::string what;             // "unit", "class", "objective"
  int64_t together = 1;         // pictures that have to be of one batch
};

struct Shown {
  MadePicture made;
  std::string label, file;
  int64_t wanted = -1;         // class
  std::optional<Guess> guess;  // what the network takes the picture for
  double probability = 0;      // of the class wanted
};

std::vector<float> one_hot(int64_t units, int64_t unit) {
  std::vector<float> selection(static_cast<size_t>(units), 0.0f);
  selection[static_cast<size_t>(unit)] = 1;
  return selection;
}

// The last maps of more than one position: where pictures of one class can differ.
std::string last_maps(const Model& model) {
  std::string name;
  for (const Stage& stage : find_stages(model))
    if (!stage.classes && stage.height > 1) name = model.graph.node(stage.node).name;
  return name;
}

// One wish a picture, `count` a unit; with `between`, one row from the first of two units to the second.
void add_wishes(Job& job, const MaximiseOptions& o, int64_t units, const std::vector<int64_t>& chosen,
                const std::function<std::string(int64_t)>& name) {
  if (o.between > 0) {
    require(chosen.size() == 2, ErrorKind::usage, "--between needs two units or classes of one layer, {} are given",
            chosen.size());
    for (int64_t n = 0; n < o.between; ++n) {
      const double t = o.between > 1 ? static_cast<double>(n) / static_cast<double>(o.between - 1) : 0;
      std::vector<float> selection(static_cast<size_t>(units), 0.0f);
      selection[static_cast<size_t>(chosen[0])] += static_cast<float>(1 - t);
      selection[static_cast<size_t>(chosen[1])] += static_cast<float>(t);
      const std::string label = t == 0 ? name(chosen[0]) : t == 1 ? name(chosen[1]) : fmt::format("{:.2f}", t);
      job.wishes.push_back({label, static_cast<uint64_t>(chosen[0]), std::move(selection)});
      job.labels.push_back(-1);
    }
    return;
  }
  for (const int64_t unit : chosen)
    for (int64_t n = 0; n < o.pictures; ++n) {
      job.wishes.push_back({name(unit), static_cast<uint64_t>(unit * 1024 + n), one_hot(units, unit)});
      job.labels.push_back(job.what == "class" ? unit : -1);
    }
  if (o.diversity > 0) job.together = o.pictures;
}

std::vector<Job> jobs_of(const Model& model, const MaximiseOptions& o) {
  std::vector<Job> jobs;
  for (const std::string& text : o.units) {
    const size_t colon = text.rfind(':');
    require(colon != std::string::npos && colon > 0, ErrorKind::usage,
            "--units {}: expected a layer and its units, such as {}:0-15", text, text.empty() ? "conv1" : text);
    const UnitLayer layer = unit_layer(model, text.substr(0, colon));
    // A stimulus is one neuron's: the mean over a picture would be the same patch everywhere.
    Job job{selected_units(layer, o.neuron || o.settings.preset == "stimulus"), {}, {}, "unit", 1};
    add_wishes(job, o, layer.units, unit_list(text.substr(colon + 1), layer.units, "units of layer " + layer.node),
               [&](int64_t unit) { return fmt::format("{}:{}", layer.node, unit); });
    jobs.push_back(std::move(job));
  }
  if (!o.classes.empty()) {
    const UnitLayer layer = score_layer(model);
    std::vector<int64_t> chosen;
    for (const std::string& text : o.classes) {
      chosen.push_back(find_class(model, text));
      class_score(model, chosen.back());  // says when there is no such class
    }
    Job job{selected_units(layer), {}, {}, "class", 1};
    add_wishes(job, o, layer.units, chosen, [&](int64_t label) { return class_name(model.meaning.classes, label); });
    jobs.push_back(std::move(job));
  }
  if (!o.objective.empty()) {
    Job job{parse_objective(model, o.objective), {}, {}, "objective", o.pictures};
    for (int64_t n = 0; n < o.pictures; ++n) {
      job.wishes.push_back(
          {o.pictures > 1 ? fmt::format("{}", n + 1) : job.objective.description(), static_cast<uint64_t>(n), {}});
      job.labels.push_back(-1);
    }
    jobs.push_back(std::move(job));
  }
  require(
      !jobs.empty(), ErrorKind::usage,
      "nothing to make: give --units LAYER:LIST, --class NAME or --objective TEXT (`fovea layers` lists the layers)");
  return jobs;
}

// The preset's free numbers, and the diversity of a job's pictures, in the objective's own scale.
MaximisationSettings complete_settings(const Context& context, const Model& model, const MaximiseOptions& o,
                                       const Engine& engine, Job& job) {
  MaximisationSettings settings = o.settings;
  settings.decorrelate = !o.correlated;
  const bool differ = job.what != "objective" && job.together > 1;
  if ((settings.preset == "natural" && settings.peak == 0) || differ) {
    const double peak = estimated_peak(model, job.objective, job.wishes, settings.side, context.seed, *engine.backend,
                                       engine.compile_options);
    if (settings.peak == 0) settings.peak = peak;
    const std::string maps = job.what == "class" ? last_maps(model) : job.objective.nodes()[0];
    if (differ && !maps.empty()) job.objective = job.objective + (o.diversity * peak) * diversity(model, maps);
  }
  return settings;
}

std::string mebibytes(size_t bytes) { return short_bytes(static_cast<double>(bytes)); }

// The part of a picture that the middle neuron of a layer sees.
Image seen_part(const Model& model, const std::string& node, const Image& image) {
  const int index = model.graph.find(node);
  const Value picture = picture_input(model);
  const auto fields = receptive_fields(model.graph, picture);
  const auto& field = fields[static_cast<size_t>(index)];
  const Shape& shape = model.graph.node(index).outputs[0].shape;
  const Shape& whole = model.graph.shape(picture);
  if (shape.rank() != 4 || field.size() != 2 || image.height() != whole[2] || image.width() != whole[3]) return image;
  const Interval y = seen_by(field[0], shape[2] / 2, image.height()),
                 x = seen_by(field[1], shape[3] / 2, image.width());
  return crop(image, static_cast<int>(x.begin), static_cast<int>(y.begin), static_cast<int>(x.end - x.begin),
              static_cast<int>(y.end - y.begin));
}

// What memory may be used, whole MiB. All that is free for pictures that are made again by their plan and do not say
// it: they were made without regard to it.
size_t memory_budget(const MaximiseOptions& o) {
  if (o.memory > 0) return static_cast<size_t>(o.memory) << 20;
  const size_t free = available_memory();
  return (o.plan.empty() ? free / 10 * 7 : free) >> 20 << 20;
}

// As many pictures at once as the user wants, memory allows and the network takes; `by_memory` becomes true where it
// was memory that said how many.
std::unique_ptr<Maximisation> fitting(const Context& context, const Model& model, const Job& job,
                                      const MaximisationSettings& settings, const MaximiseOptions& o, size_t budget,
                                      bool& by_memory) {
  const auto count = static_cast<int64_t>(job.wishes.size());
  int64_t batch = std::max<int64_t>(job.together, o.batch > 0 ? o.batch : 8 / job.together * job.together);
  if (job.together > 1) batch = job.together;
  batch = std::min(batch, count);
  if (settings.preset == "stimulus") batch = 1;
  for (;; batch = (batch + 1) / 2) {
    std::unique_ptr<Maximisation> made;
    try {
      made = std::make_unique<Maximisation>(model, job.objective, settings, batch);
    } catch (const Error& e) {
      if (batch == 1 || job.together > 1 || e.message().find("at once") == std::string::npos) throw;
      context.note("one picture at a time: " + e.message());
      batch = 1;
      continue;
    }
    const size_t estimate = made->memory_estimate();
    if (budget == 0 || estimate <= budget) return made;
    by_memory = true;
    require(o.plan.empty() || o.memory > 0, ErrorKind::usage,
            "{} were made at once, which takes about {} of memory, and {} are free now; fewer at once would "
            "differ in their last bits, so they are not made again",
            counted(batch, "picture"), mebibytes(estimate), mebibytes(budget));
    require(batch > 1 && job.together == 1, ErrorKind::usage,
            "{} at once {} about {} of memory, {} may be used: make smaller ones (--side), fewer that have to "
            "differ (--pictures), or allow more (--memory)",
            counted(batch, "picture"), batch > 1 ? "need" : "needs", mebibytes(estimate), mebibytes(budget));
  }
}

// What the network says to the pictures as they are written, where they are of its input's size.
class Judge {
 public:
  Judge(const Model& model, const Engine& engine)
      : model_(model),
        shape_(model.graph.shape(picture_input(model))),
        program_(engine.compile(model, std::vector<Value>{scores_output(model)})) {}
  void operator()(Shown& shown) {
    const Image& image = shown.made.image;
    if (image.height() != shape_[2] || image.width() != shape_[3] || shape_[0] != 1) return;
    const Tensor pixels = normalise(image, *model_.meaning.preprocess);
    const Tensor scores = program_.run({{model_.graph.node(picture_input(model_)).name, pixels}})[0];
    shown.guess = best_guesses(scores, model_.meaning, 1)[0];
    const std::vector<double> all = probabilities_of(scores, model_.meaning.probabilities);
    if (shown.wanted >= 0) shown.probability = all[static_cast<size_t>(shown.wanted)];
  }

 private:
  const Model& model_;
  Shape shape_;
  Program program_;
};

std::string percent(double p) { return fmt::format("{:.{}f} %", 100 * p, p > 0.99 ? 2 : 1); }

Plate plate_of(const Model& model, const MaximiseOptions& o, const std::vector<Shown>& all) {
  Plate plate;
  const auto count = static_cast<int>(all.size());
  std::vector<PlatePicture> pictures;
  int largest = 1;
  for (const Shown& s : all) {
    std::vector<std::string> lines = {s.label};
    if (s.wanted >= 0 && s.guess)
      lines.push_back(s.guess->index == s.wanted ? fmt::format("p = {}", percent(s.probability))
                                                 : fmt::format("p = {}, {}", percent(s.probability), s.guess->name));
    pictures.push_back({s.made.image, std::move(lines)});
    largest = std::max({largest, s.made.image.width(), s.made.image.height()});
  }
  plate.tile = o.tile > 0 ? static_cast<int>(o.tile) : count <= 12 ? 224 : count <= 40 ? 160 : 112;
  // Pictures are not enlarged by parts of pixels, nor a few large ones reduced.
  if (o.tile == 0 && largest <= plate.tile) plate.tile = largest * std::max(1, plate.tile / largest);
  const int per_row = o.columns > 0    ? static_cast<int>(o.columns)
                      : o.between > 0  ? static_cast<int>(o.between)
                      : o.pictures > 1 ? static_cast<int>(o.pictures)
                                       : plate_columns(count);
  plate.rows = in_rows(std::move(pictures), per_row);
  plate.title = printable(model.meaning.name);
  plate.subtitle = o.objective.empty() ? fmt::format("activation maximisation, preset {}", o.settings.preset)
                                       : fmt::format("maximises {}", o.objective);
  return plate;
}

void write_pictures(const MaximiseOptions& o, std::vector<Shown>& all, Report& report, const PictureRecord& record,
                    const std::string& caption) {
  make_folder(o.save);
  std::set<std::string> taken;
  for (Shown& s : all) {
    std::string name;
    for (const char c : s.label) name += std::isalnum(static_cast<unsigned char>(c)) || c == '.' ? c : '_';
    if (name.empty() || name.size() > 80) name = "picture";
    std::string unique = name;
    for (int k = 2; !taken.insert(unique).second; ++k) unique = fmt::format("{}-{}", name, k);
    s.file = (fs::path(o.save) / (unique + ".png")).string();
    writing([&] { write_image(s.file, s.made.image, record_text(record, caption, unique + ".png")); });
    report.files.emplace_back(s.file);
  }
}

Json json_of(const Shown& s, const Job& job) {
  Json j = {{"label", s.label}, {"kind", job.what}, {"answer", s.made.answer}};
  if (!s.made.curve.empty()) j["objective_at_start"] = s.made.curve.front();
  if (!s.made.curve.empty()) j["objective_at_end"] = s.made.curve.back();
  if (s.guess) j["guess"] = {{"class", s.guess->index}, {"name", s.guess->name}, {"probability", s.guess->probability}};
  if (s.wanted >= 0) {
    j["class"] = s.wanted;
    if (s.guess) j["probability"] = s.probability;
  }
  if (!s.file.empty()) j["file"] = s.file;
  return j;
}

Table table_of(const std::vector<Shown>& all) {
  Table table({{"picture"}, {"answer", true}, {"p", true}, {"taken for"}});
  for (const Shown& s : all) {
    const bool right = s.wanted >= 0 && s.guess && s.guess->index == s.wanted;
    table.add({printable(s.label), fmt::format("{:.4g}", s.made.answer),
               s.wanted >= 0 && s.guess ? percent(s.probability) : "",
               s.guess ? coloured(printable(s.guess->name), right ? Ink::green : Ink::dim) : ""});
  }
  return table;
}

}  // namespace

Report run(const Context& outer, const MaximiseOptions& o) {
  require_picture_output(o.output);
  if (!o.save.empty()) require_writable_folder(o.save);
  const PlanBook book(plans_to_follow(o.plan));
  Context context = outer;
  context.seed = static_cast<uint64_t>(o.seed);
  const Model model = open(context, o.model);
  std::vector<Job> jobs = jobs_of(model, o);
  const Engine engine(o.engine);
  std::vector<Shown> all;
  std::string profiles;
  Json pictures = Json::array(), steps = Json::array();
  std::vector<size_t> job_of_picture;
  const size_t budget = memory_budget(o);
  bool by_memory = false;
  for (size_t k = 0; k < jobs.size(); ++k) {
    Job& job = jobs[k];
    const MaximisationSettings settings = complete_settings(context, model, o, engine, job);
    const auto maximisation = fitting(context, model, job, settings, o, budget, by_memory);
    maximisation->prepare(*engine.backend, engine.compile_options);
    std::vector<MadePicture> made = (*maximisation)(context, job.wishes);
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    if (o.profile) profiles += "\n" + step_profile(maximisation->program());
    steps.push_back(step_json(maximisation->program(), maximisation->step_seconds()));
    for (size_t i = 0; i < made.size(); ++i) {
      if (settings.preset == "stimulus" && job.what == "unit")
        made[i].image = seen_part(model, job.objective.nodes()[0], made[i].image);
      all.push_back({std::move(made[i]), job.wishes[i].label, "", job.labels[i], {}, 0});
      job_of_picture.push_back(k);
    }
  }
  if (!o.classes.empty()) {
    Judge judge(model, engine);
    for (Shown& s : all) judge(s);
  }
  MaximiseOptions recorded = o;
  if (by_memory) recorded.memory = static_cast<int64_t>(budget >> 20);
  const PictureRecord record = picture_record("maximise", recorded, model);
  const std::string caption = fmt::format("activation maximisation of {}: preset {}, seed {}",
                                          printable(model.meaning.name), o.settings.preset, o.seed);
  Report report;
  if (!o.save.empty()) write_pictures(o, all, report, record, caption);
  writing([&] { write_image(o.output, draw_plate(plate_of(model, o, all)), record_text(record, caption)); });
  report.files.emplace_back(o.output);
  report.text = table_of(all).text() + "wrote " + o.output + "\n" + profiles;
  for (size_t i = 0; i < all.size(); ++i) pictures.push_back(json_of(all[i], jobs[job_of_picture[i]]));
  report.set_json({{"model", printable(model.meaning.name)},
                   {"preset", o.settings.preset},
                   {"seed", o.seed},
                   {"steps", steps},
                   {"pictures", pictures},
                   {"output", o.output}});
  return report;
}

Command maximise_command() {
  return make_command<MaximiseOptions>(
      "maximise", "pictures that units, classes or any objective answer to most",
      "Starts from noise and changes the picture, step by step, so that a unit of any layer, a class, or a sum of such "
      "objectives answers more. The preset fourier draws in waves of decorrelated colours and looks at the picture "
      "through "
      "random views; natural keeps it smooth and within bounds by penalties; stimulus only fixes its norm. Pictures of "
      "classes carry the probability that the network gives them. docs/methods/maximisation.md says how to read them.",
      {{"fovea maximise builtin:cifar10 --class cat --class ship -o classes.png",
        "two classes of the built-in network"},
       {"fovea maximise model.onnx --units conv2:0-63 -o sheet.png", "64 units of a layer"},
       {"fovea maximise model.onnx --units mixed4a:476 --pictures 4 -o four.png",
        "four different pictures of one unit"},
       {"fovea maximise model.onnx --units mixed4a:476,460 --between 6 -o row.png", "from one unit to another"},
       {"fovea maximise model.onnx --objective \"channel(conv4, 12) - 0.5*class(goose)\" -o one.png", "an objective"},
       {"fovea maximise model.onnx --class goose --preset natural -o goose.png", "a natural pre-image"}},
      run);
}

}  // namespace fovea
