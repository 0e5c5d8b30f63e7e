#include "fovea/commands/dream.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fovea/commands/dream_report.h"
#include "fovea/commands/dream_state.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_report.h"
#include "fovea/commands/picture_run.h"
#include "fovea/commands/start_picture.h"
#include "fovea/commands/step_profile.h"
#include "fovea/commands/style_model.h"
#include "fovea/compile/plan_book.h"
#include "fovea/data/fetched.h"
#include "fovea/image/codec.h"
#include "fovea/insight/parametrisation.h"
#include "fovea/insight/preimage.h"
#include "fovea/insight/unit_layers.h"
#include "fovea/model/layers.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

// The options of a model but its name, without those that fix the size of its input: any picture will do.
OptionList model_options(DreamOptions& o) {
  OptionList all = describe(o.model), result;
  const std::string help =
      "the network, as for every command; left out: GoogLeNet where it is found (below FOVEA_DATA, or fetched), else "
      "builtin:cifar10";
  result.push_back({"--model", "MODEL", help, &o.model.model});
  for (Option& option : all)
    if (option.name == "--weights" || option.name == "--arch" || option.name == "--prototxt" ||
        option.name == "--preprocess" || option.name == "--mean")
      result.push_back(std::move(option));
  return result;
}

}  // namespace

OptionList describe(DreamOptions& o) {
  return OptionList{
             {"IMAGE", "", "the picture to draw into, or \"noise\"", &o.image, true},
             {"-o,--output", "FILE", "the dream, a .png, .jpg or .ppm file", &o.output, true},
             {"--layer,--layers", "NAME",
              "whose answers are amplified: NAME, or NAME:WEIGHT (may be repeated; fovea layers lists them); left out: "
              "inception_4c/output of GoogLeNet, else a layer at two thirds of the depth",
              &o.layers},
             {"--objective", "TEXT", "instead of layers, such as \"channel(inception_4c/output, 12) - 0.01*tv()\"",
              &o.objective},
             {"--preset", "NAME",
              "google-2015: exactly the published notebook; modern: the same with even bands and smooth resizing",
              &o.preset, false, dream_presets()},
             {"--octaves", "N", "sizes that it is drawn at; -1: the preset's (4)", &o.octaves, false, {}, -1, 64},
             {"--octave-scale",
              "X",
              "from one size to the next; -1: the preset's (1.4)",
              &o.octave_scale,
              false,
              {},
              -1,
              16},
             {"--steps", "N", "steps at each size; -1: the preset's (10)", &o.steps, false, {}, -1, 1e6},
             {"--step",
              "LEVELS",
              "mean change in a step, of 255 grey levels; -1: the preset's (1.5)",
              &o.step,
              false,
              {},
              -1,
              255},
             {"--jitter", "PIXELS", "random shift in each step; -1: the preset's (32)", &o.jitter, false, {}, -1, 4096},
             {"--gradient", "NAME", "how the gradient is scaled; left out: the preset's (plain, pyramid)", &o.gradient},
             {"--resize", "NAME", "how sizes follow from each other; left out: the preset's (zoom, smooth)", &o.resize},
             {"--guide", "FILE", "a picture: only what is like something in it is drawn", &o.guide},
             {"--mask", "FILE", "a picture: drawn where it is white, nothing where it is black", &o.mask},
             {"--size",
              "N",
              "longest side of the dream; 0: as the picture is (noise: 512)",
              &o.size,
              false,
              {},
              0,
              16384},
             {"--zoom-frames",
              "N",
              "dream on N times, each time into the enlarged middle (needs --save)",
              &o.zoom_frames,
              false,
              {},
              0,
              100000},
             {"--zoom",
              "SHARE",
              "how much of the picture is left out from one frame to the next",
              &o.zoom,
              false,
              {},
              0.001,
              0.9},
             {"--seed", "N", "other random shifts, other noise", &o.seed, false, {}, 0, 1e9},
             {"--memory",
              "MIB",
              "memory that may be used: larger pictures are worked on in tiles; 0: 70 % of what is free",
              &o.memory,
              false,
              {},
              0,
              1e9},
             {"--tile", "N", "side of the tiles; 0: none where memory allows it", &o.tile, false, {}, 0, 16384},
             {"--save", "DIR", "write every frame into this folder: frame-0000.png, …", &o.save},
             {"--preview-every",
              "SECONDS",
              "how often the file, and the state of the work beside it, are written on the way; 0: only at the end",
              &o.preview_every,
              false,
              {},
              0,
              1e6},
             {"--resume", "FILE", "go on from a state, OUT.state, with the same command", &o.resume},
             {"--profile", "", "also print which steps of the compiled program take the time", &o.profile}} +
         page_options(o.report, o.open) + model_options(o) + describe(o.engine) + plan_option(o.plan);
}

std::string dream_layer(const Model& model) {
  try {
    return model.graph.node(find_layer(model, "inception_4c/output")).name;
  } catch (const Error&) {}  // another network
  std::vector<std::string> maps;
  for (const Value v : unit_layers(model))
    if (const Shape& shape = model.graph.shape(v); shape.rank() == 4 && shape[2] > 1 && shape[3] > 1)
      maps.push_back(model.graph.node(v).name);
  require(!maps.empty(), ErrorKind::usage, "the network has no maps to dream of: name a layer with --layer");
  return maps[maps.size() * 2 / 3];
}

namespace {

using Clock = std::chrono::steady_clock;

// GoogLeNet, as it lies on this machine.
std::string found_googlenet() {
  if (const auto published = find_fetched("googlenet_bvlc")) return published->string();
  if (const char* data = std::getenv("FOVEA_DATA"))
    for (const char* name : {"weights/bvlc_googlenet_f16/bvlc_googlenet.f16.safetensors",
                             "weights/bvlc_googlenet/bvlc_googlenet.caffemodel"}) {
      std::error_code error;
      if (fs::exists(fs::path(data) / name, error)) return (fs::path(data) / name).string();
    }
  const auto other = find_fetched("googlenet");
  return other ? other->string() : "";
}

Model opened(const Context& context, const DreamOptions& o) {
  ModelOptions named = o.model;
  if (named.model.empty()) {
    named.model = found_googlenet();
    if (named.model.empty()) {
      named.model = "builtin:cifar10";
      context.note(
          "dreams with builtin:cifar10, a small network of ten things. GoogLeNet, which has seen a thousand, dreams "
          "far "
          "richer ones: `fovea fetch googlenet_bvlc` (51 MiB, once), or name a network with --model");
    }
  }
  Model model = open(context, named);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage, "{}: it is not known how pictures become its input",
          named.model);
  Preprocess& how = *model.meaning.preprocess;
  if (o.preset == "google-2015") {
    how = google_2015_preprocess(std::move(how));
    if (how.name != "google-2015")
      context.note(
          fmt::format("{}: the preset's colours, BGR minus (104,116,122), are for Caffe's networks; this one "
                      "keeps its own",
                      printable(model.meaning.name)));
  }
  return model;
}

DreamObjective objective_of(const Model& model, const DreamOptions& o) {
  DreamObjective objective;
  if (!o.objective.empty()) {
    require(o.layers.empty(), ErrorKind::usage, "--layer and --objective: give one of them");
    require(o.guide.empty(), ErrorKind::usage, "--guide goes with --layer, not with --objective");
    objective.objective = parse_objective(model, o.objective);
    return objective;
  }
  for (const std::string& text : o.layers) {
    std::string name = text;
    double weight = 1;
    const size_t colon = text.rfind(':');
    if (colon != text.npos && colon + 1 < text.size()) {
      const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), weight);
      if (error == std::errc() && end == text.data() + text.size()) name = text.substr(0, colon);
      else weight = 1;
    }
    require(weight != 0, ErrorKind::usage, "--layer {}: a weight of 0 asks for nothing", text);
    objective.layers.emplace_back(unit_layer(model, name).node, weight);
  }
  if (objective.layers.empty()) objective.layers.emplace_back(dream_layer(model), 1.0);
  return objective;
}

DreamSettings settings_of(const DreamOptions& o) {
  DreamSettings s = dream_settings(o.preset);
  const auto take = [](auto given, auto& to) {
    if (given >= 0) to = given;
  };
  take(o.octaves, s.octaves);
  take(o.steps, s.steps);
  take(o.jitter, s.jitter);
  take(o.octave_scale, s.octave_scale);
  take(o.step, s.rule.step);
  if (!o.gradient.empty()) s.rule.gradient = o.gradient;
  if (!o.resize.empty()) s.resize = o.resize;
  const auto check = [](const std::string& value, const std::vector<std::string>& known, const char* option) {
    require(std::find(known.begin(), known.end(), value) != known.end(), ErrorKind::usage, "{}: \"{}\" is none of {}{}",
            option, value, fmt::join(known, ", "), did_you_mean(value, known));
  };
  check(s.rule.gradient, dream_gradients(), "--gradient");
  check(s.resize, level_resizes(), "--resize");
  s.tile = o.tile;
  return s;
}

Tensor mask_of(const Image& picture) {
  const Image grey = picture.to_8bit().to_grey();
  Tensor mask(DType::f32, {1, 1, grey.height(), grey.width()});
  auto to = mask.data<float>();
  const auto from = grey.samples();
  for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<float>(from[i]) / 255;
  return mask;
}

void check_files(const DreamOptions& o) {
  if (o.image != "noise") require_file(o.image, "a picture, or \"noise\"");
  require_picture_output(o.output);
  for (const std::string& file : {o.guide, o.mask})
    if (!file.empty()) require_file(file, "a picture");
  require(o.zoom_frames == 0 || !o.save.empty(), ErrorKind::usage,
          "--zoom-frames {}: where shall the frames go? Give --save DIR", o.zoom_frames);
  if (!o.save.empty()) require_writable_folder(o.save);
  require_page(o.report, o.open);
}

// The work of a command under way.
struct Work {
  const Context& context;
  const DreamOptions& o;  // with the tile that was chosen
  const Model& model;
  Dream& dream;
  const PlanBook& book;
  std::string caption;
  DreamState state;  // what the run depends on, and where it stands; to begin with: where it goes on from
  bool resumed = false;
  bool state_written = false;
  Clock::time_point began = Clock::now(), shown = Clock::now();

  Image image(const Tensor& levels) const { return level_image(levels, 0, *model.meaning.preprocess); }

  void write_state(DreamPoint point) {
    state.point = std::move(point);
    state.plans = book.plans();
    writing([&] { write_dream_state(state, state_file(o.output)); });
    state_written = true;
  }

  void watch(const DreamMoment& m) {
    const double frames = static_cast<double>(o.zoom_frames + 1);
    const double done = (static_cast<double>(state.frame) + m.done) / frames;
    std::string detail = fmt::format("octave {}/{} ({} x {}), step {}/{}, objective {:.4g}", m.octave + 1, m.octaves,
                                     m.width, m.height, m.step + 1, m.steps, m.value);
    if (o.zoom_frames > 0) detail += fmt::format(", frame {}/{}", state.frame + 1, o.zoom_frames + 1);
    context.report({"dreaming", std::llround(1000 * done), 1000, detail});
    const double since = std::chrono::duration<double>(Clock::now() - shown).count();
    if (o.preview_every == 0 || since < static_cast<double>(o.preview_every) || m.done >= 1) return;
    try {
      // The text says what it is, and nothing of how to make it again: that would give the whole picture.
      writing([&] { write_image(o.output, image(m.picture()), {{"Description", caption + ", not finished"}}); });
      write_state(m.point());
    } catch (const WriteError& e) {
      context.note(
          fmt::format("{}; the work goes on without it", e.message()));  // a full disk may have room at the end
    }
    shown = Clock::now();
  }
};

std::string frame_name(int64_t frame) { return fmt::format("frame-{:04}.png", frame); }

// All frames from the state's on; the first is the dream itself. Returns the last one, or what there is of it.
DreamResult dreamt(Work& work, const Tensor& start) {
  const Rng random = Rng(work.context.seed).fork("dream");
  Tensor levels = work.state.frame > 0 ? work.state.picture : start;
  std::optional<DreamPoint> from;
  if (work.resumed) from = std::move(work.state.point);
  for (;; ++work.state.frame) {
    const int64_t frame = work.state.frame;
    if (frame > 0) work.state.picture = levels;
    DreamResult result = work.dream.run(
        work.context, levels, random.fork(static_cast<uint64_t>(frame)), [&](const DreamMoment& m) { work.watch(m); },
        from ? &*from : nullptr);
    from.reset();
    if (!result.finished || work.o.zoom_frames == 0) return result;
    // Written as they come, so that a run of hours leaves what it has made; their record is added at the end.
    writing([&] { write_image(fs::path(work.o.save) / frame_name(frame), work.image(result.levels)); });
    if (frame == work.o.zoom_frames) return result;
    levels = enlarged_middle(result.levels, work.o.zoom);
  }
}

// What the run depends on, and where it goes on from. Throws Error{usage} where that was another one.
void begin(Work& work, DreamState state, const PictureRecord& record, const DreamOptions& given) {
  DreamOptions typed = given, defaults;
  std::vector<std::string> words = {"dream"};
  for (std::string& word : arguments_of(describe(typed), describe(defaults))) words.push_back(std::move(word));
  const std::string settings = settings_text(words, {given.image, given.guide, given.mask});
  if (!given.resume.empty()) {
    require(state.network == record.model_hash, ErrorKind::usage, "{}: was made with another network", given.resume);
    require(state.settings == settings, ErrorKind::usage,
            "{}: was made with other settings or pictures and cannot go on with these; then:\n{}now:\n{}", given.resume,
            state.settings, settings);
    work.resumed = true;
    work.context.note(fmt::format("going on at octave {}, step {}{}", state.point.octave + 1, state.point.step + 1,
                                  given.zoom_frames > 0 ? fmt::format(", frame {}", state.frame + 1) : ""));
  }
  work.state = std::move(state);
  work.state.network = record.model_hash;
  work.state.settings = settings;
  work.state.tile = work.o.tile;
}

// The line that goes on with a run that was stopped.
std::string resume_line(const DreamOptions& given) {
  DreamOptions typed = given, defaults;
  std::vector<std::string> words = {"fovea", "dream"};
  for (std::string& word : arguments_of(describe(typed), describe(defaults))) words.push_back(std::move(word));
  for (std::string& word : placements_of(describe(typed), describe(defaults))) words.push_back(std::move(word));
  words.insert(words.end(), {"--resume", state_file(given.output)});
  return shell_line(words);
}

// Says what became of a run that did not end, and keeps what it needs to go on; of one that did, throws that away.
void end(Work& work, const DreamResult& result, const DreamOptions& given, Report& report) {
  const DreamOptions& o = work.o;
  const std::string state = state_file(o.output);
  if (!result.trouble.empty()) {
    report.failed = true;
    work.context.note(fmt::format("{}; {} holds the last good picture", result.trouble, o.output));
  } else if (!result.finished) {
    work.write_state(result.point);
    const DreamOctave& last = result.octaves.back();
    work.context.note(
        fmt::format("interrupted: {} holds the picture as it stood, {} steps into the octave of {} x {}; to go on: {}",
                    o.output, result.point.step, last.width, last.height, resume_line(given)));
  } else if (work.state_written || o.resume == state) {
    std::error_code error;
    fs::remove(state, error);  // nothing is left to go on with
  }
}

// The record's texts into the frames: they are known only when the last program has been compiled.
void finish_frames(const Work& work, const PictureRecord& record, Report& report) {
  for (int64_t frame = 0; frame <= work.o.zoom_frames; ++frame) {
    const fs::path file = fs::path(work.o.save) / frame_name(frame);
    std::error_code error;
    if (!fs::exists(file, error)) break;
    const std::string caption = fmt::format("{}, frame {}", work.caption, frame);
    writing([&] { write_image(file, read_image(file), record_text(record, caption, frame_name(frame))); });
    report.files.push_back(file);
  }
}

}  // namespace

Report run(const Context& outer, const DreamOptions& given) {
  check_files(given);
  Context context = outer;
  context.seed = static_cast<uint64_t>(given.seed);
  DreamOptions o = given;
  DreamState state;
  if (!o.resume.empty()) {
    require_file(o.resume, "the state of a dream, OUT.state");
    state = read_dream_state(o.resume);
    o.tile = state.tile;
  }
  const ResumedThreads threads(context, o.resume);
  const PlanBook book(o.resume.empty() ? plans_to_follow(o.plan) : state.plans);
  const Model model = opened(context, o);
  const Preprocess& how = *model.meaning.preprocess;
  DreamObjective objective = objective_of(model, o);
  const size_t budget = o.memory > 0 ? static_cast<size_t>(o.memory) << 20 : available_memory() / 10 * 7;
  const Tensor start = start_levels(context, o.image, o.size, how, Rng(context.seed).fork("noise"), budget);
  if (!o.guide.empty()) {
    const int64_t most = std::max(start.size(2), start.size(3));
    objective.guide = start_levels(context, o.guide, -most, how, Rng(0));
  }
  const Engine engine(o.engine);
  Dream dream(model, objective, settings_of(o), *engine.backend, engine.compile_options);
  if (!o.mask.empty()) dream.set_mask(mask_of(read_image(o.mask)));
  if (o.zoom_frames > 0) dream.keep_programs();
  if (o.resume.empty() && o.tile == 0 && !o.plan.empty() && o.memory == 0) {
    // Made in one piece, or its record would say the tile.
    require(
        dream.fitting_tile(start.size(2), start.size(3), available_memory()) == 0, ErrorKind::usage,
        "the dream was made in one piece: at {}x{} that takes more than the {} of memory that is free now. In tiles "
        "it would be another one; close other programs, or run its command with --memory",
        start.size(3), start.size(2), short_bytes(static_cast<double>(available_memory())));
  } else if (o.resume.empty() && o.tile == 0) {
    o.tile = dream.settings().tile = dream.fitting_tile(start.size(2), start.size(3), budget);
    if (o.tile > 0) context.note(fmt::format("in tiles of {} pixels, to stay within memory", o.tile));
  }
  if (!o.save.empty()) make_folder(o.save);
  const std::string caption = fmt::format("dream of {} by {}, preset {}, seed {}", printable(objective.description()),
                                          printable(model.meaning.name), o.preset, o.seed);
  Work work{context, o, model, dream, book, caption, {}};
  begin(work, std::move(state), picture_record("dream", o, model, {}), given);
  const DreamResult result = dreamt(work, start);
  const double seconds = std::chrono::duration<double>(Clock::now() - work.began).count();
  PictureRecord record = picture_record("dream", o, model, {o.image, o.guide, o.mask});
  const Image picture = work.image(result.levels);
  DreamSummary summary{model, o, dream.settings(), objective.description(), result, seconds, record, {}, {}};
  if (!result.finished) summary.resume = resume_line(given);
  summary.before = work.image(start);
  summary.after = picture;
  summary.memory = dream.program().memory();
  Report report = dream_report(summary);
  writing([&] {
    write_image(
        o.output, picture,
        result.finished ? record_text(record, caption) : TextPairs{{"Description", caption + ", not finished"}});
  });
  report.files.insert(report.files.begin(), o.output);
  if (o.zoom_frames > 0) finish_frames(work, record, report);
  if (!o.report.empty()) write_page(o.report, dream_page(summary));
  add_page(context, report, o.report, o.open);
  if (o.profile) report.text += "\n" + step_profile(dream.program());
  end(work, result, given, report);
  return report;
}

Command dream_command() {
  return make_command<DreamOptions>(
      "dream", "draws what a network sees in a picture into it (DeepDream)",
      "The network looks at the picture, and the picture is changed so that what a layer answers becomes stronger: "
      "whatever it faintly sees there appears. From coarse to fine, at four sizes. The preset google-2015 is the "
      "published notebook, number for number; modern, the default, lets coarse and fine shapes grow alike. Any "
      "objective of fovea maximise works too. Large pictures are worked on in tiles. docs/methods/dream.md says more.",
      {{"fovea dream cat.jpg -o dream.png", "with GoogLeNet where it is found, else with a network that fovea carries"},
       {"fovea dream sky.jpg --preset google-2015 -o dream.png", "as the published notebook"},
       {"fovea dream cat.jpg --layer inception_3b/output --size 1024 -o fur.png",
        "a lower layer: strokes and textures"},
       {"fovea dream sky.jpg --guide flowers.jpg -o flowers-in-the-sky.png",
        "only what is like something in the guide"},
       {"fovea dream cat.jpg --objective \"class(goose)\" -o goose.png", "one thing"},
       {"fovea dream noise --size 512 --zoom-frames 100 --save frames -o last.png", "a journey inwards"},
       {"fovea dream cat.jpg -o dream.png --report dream.html --open", "before and after under a slider"}},
      run);
}

}  // namespace fovea
