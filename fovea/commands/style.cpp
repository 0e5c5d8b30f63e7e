#include "fovea/commands/style.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/commands/feed_forward.h"
#include "fovea/commands/johnson_flags.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_report.h"
#include "fovea/commands/style_model.h"
#include "fovea/commands/style_page.h"
#include "fovea/image/codec.h"
#include "fovea/image/colour_transfer.h"
#include "fovea/image/resize.h"
#include "fovea/insight/layer_network.h"
#include "fovea/report/table.h"
#include "fovea/train/checkpoint.h"

namespace fovea {

namespace {

const std::vector<std::string> kColours = {"style", "luminance", "linear", "symmetric", "histogram"};

OptionList picture_options(StyleOptions& o) {
  return {
      {"CONTENT", "", "the picture to be painted anew", &o.content, true},
      {"STYLE", "", "the pictures whose style it gets", &o.styles},
      {"-o,--output", "FILE", "the result, a .png, .tif, .jpg or .ppm file", &o.output, true},
      {"--preset", "NAME", "how", &o.preset, false, style_presets()},
      {"--size", "N", "longer side of the result", &o.size, false, {}, 1, 65536},
      {"--steps",
       "N",
       "steps, of each size where there are several; 0: the preset's (500; johnson 1000)",
       &o.steps,
       false,
       {},
       0,
       1e6},
      {"--first-size",
       "N",
       "the longer side to begin with, then growing by √2; 0: --size at once; -1: the preset's (128; "
       "gatys and johnson 0)",
       &o.first_size,
       false,
       {},
       -1,
       65536},
      {"--first-steps",
       "N",
       "steps at the first of several sizes; 0: the preset's (1000)",
       &o.first_steps,
       false,
       {},
       0,
       1e6},
      {"--style-weights", "A,B", "weights of several styles, such as 3,7", &o.style_weights},
      {"--style-scale",
       "X",
       "longer side of the style pictures in that of the result; 0: 1",
       &o.style_scale,
       false,
       {},
       0,
       100},
      {"--mask", "FILE",
       "where a style counts: white in a grey picture of the content's proportions, one for each style "
       "in their order (may be repeated)",
       &o.masks},
      {"--colours", "HOW",
       "whose colours: the style's; the content's in place, with new light only (luminance); or the "
       "styles recoloured first so that mean and covariance (linear, symmetric) or histograms are the content's",
       &o.colours, false, kColours},
      {"--start", "WHAT", "content, noise, grey, or a picture; else the preset's (content; gatys and johnson noise)",
       &o.start},
      {"--seed", "N", "other noise", &o.seed, false, {}, 0, 1e9},
  };
}

OptionList loss_options(StyleOptions& o) {
  return {
      {"--content-weight",
       "X",
       "weight of the content; -1: the preset's (0.015; gatys 0.001, johnson 5)",
       &o.content_weight,
       false,
       {},
       -1,
       1e12},
      {"--style-weight",
       "X",
       "weight of the style; -1: the preset's (1; johnson 100)",
       &o.style_weight,
       false,
       {},
       -1,
       1e12},
      {"--tv-weight",
       "X",
       "weight of the total variation; -1: the preset's (2; gatys 0, johnson 0.001)",
       &o.tv_weight,
       false,
       {},
       -1,
       1e12},
      {"--tv-form", "FORM", "how it is counted; else the preset's (mean; gatys mean, johnson interior)", &o.tv_form},
      {"--content-layers", "A,B", "layers of the content; else relu4_2 of VGG", &o.content_layers},
      {"--style-layers", "A,B", "layers of the style; else relu1_1, relu2_1 … relu5_1 of VGG", &o.style_layers},
      {"--style-layer-weights", "A,B", "weights of these; else the preset's", &o.style_layer_weights},
      {"--gram-norm,--statistics", "FORM",
       "how statistics are compared: gatys, johnson, mean, w2; else the preset's (w2, "
       "gatys, johnson)",
       &o.statistics},
      {"--pooling", "KIND", "max or average; else the network's", &o.pooling},
      {"--normalise-weights", "", "first scale the network's weights to a mean answer of 1 (Gatys et al., 2015)",
       &o.normalise_weights},
      {"--normalise-gradients", "", "each term's gradient divided by its size (neural-style's -normalize_gradients)",
       &o.normalise_gradients},
  };
}

OptionList work_options(StyleOptions& o) {
  return OptionList{
             {"--optimiser", "NAME", "lbfgs or adam; else the preset's (adam; gatys and johnson lbfgs)", &o.optimiser},
             {"--rate",
              "X",
              "its rate; 0: the preset's (adam 0.02, or 10 of johnson and gatys; lbfgs 1)",
              &o.rate,
              false,
              {},
              0,
              1e9},
             {"--history",
              "N",
              "steps that lbfgs remembers; 0: the preset's (20; johnson 100)",
              &o.history,
              false,
              {},
              0,
              1000},
             {"--average",
              "X",
              "the result is a mean of the last steps' pictures that forgets by this factor; -1: the preset's "
              "(0.99; gatys and johnson 0)",
              &o.average,
              false,
              {},
              -1,
              0.99999}} +
         picture_run_options(o.depth, o.save_every, o.resume, o.memory, o.tile) +
         OptionList{
             {"--network", "FILE.onnx",
              "instead of all that: a network that was trained to paint one style, in one pass (--preprocess says its "
              "colours: raw, RGB 0..255, unless vgg, … is named)",
              &o.network}};
}

}  // namespace

OptionList describe(StyleOptions& o) {
  return picture_options(o) + describe_style_model(o.model) + loss_options(o) + work_options(o) +
         page_options(o.report, o.open) + describe(o.engine) + plan_option(o.plan);
}

namespace {

using Json = nlohmann::ordered_json;

void choose(std::string& to, const std::string& from, const std::vector<std::string>& choices, const char* option) {
  if (from.empty()) return;
  require(std::find(choices.begin(), choices.end(), from) != choices.end(), ErrorKind::usage,
          "{}: \"{}\" is none of {}{}", option, from, fmt::join(choices, ", "), did_you_mean(from, choices));
  to = from;
}

void choose_optimiser(StyleSettings& s, const StyleOptions& o) {
  const std::string before = s.rule.update;
  choose(s.rule.update, o.optimiser, picture_updates(), "--optimiser");
  if (s.rule.update != before && s.rule.update == "adam") s.rule.rate = 10;
  if (s.rule.update != before && s.rule.update == "lbfgs") {
    s.rule.rate = 1;
    s.rule.average = 0;
  }
  if (o.rate > 0) s.rule.rate = o.rate;
  if (o.history > 0) s.rule.history = o.history;
  if (o.average >= 0) s.rule.average = o.average;
}

bool is_start(const std::string& start) { return start == "content" || start == "noise" || start == "grey"; }

}  // namespace

StyleSettings style_settings(const StyleOptions& o) {
  StyleSettings s = style_preset(o.preset);
  s.size = o.size;
  if (o.steps > 0) s.steps = o.steps;
  if (o.steps > 0 && o.first_steps == 0 && s.first_steps > 0) s.first_steps = 2 * o.steps;
  if (o.first_steps > 0) s.first_steps = o.first_steps;
  if (o.first_size >= 0) s.first_size = o.first_size;
  if (o.style_scale > 0) s.style_scale = o.style_scale;
  if (o.content_weight >= 0) s.content_weight = o.content_weight;
  if (o.style_weight >= 0) s.style_weight = o.style_weight;
  if (o.tv_weight >= 0) s.variation_weight = o.tv_weight;
  choose(s.variation_form, o.tv_form, total_variation_forms(), "--tv-form");
  choose(s.style_form, o.statistics, style_forms(), "--gram-norm");
  choose(s.pooling, o.pooling, {"max", "average"}, "--pooling");
  if (!o.content_layers.empty()) s.content_layers = parse_names(o.content_layers);
  if (!o.style_layers.empty()) s.style_layers = parse_names(o.style_layers);
  if (!o.style_layer_weights.empty())
    s.style_layer_weights = parse_numbers(o.style_layer_weights, "--style-layer-weights");
  s.normalised_weights = o.normalise_weights;
  s.normalised_gradients = o.normalise_gradients;
  if (is_start(o.start)) s.start = o.start;
  choose_optimiser(s, o);
  require(o.depth == 8 || o.depth == 16, ErrorKind::usage, "--depth {}: expected 8 or 16", o.depth);
  return s;
}

namespace {

// A mask of other proportions is stretched; of another size only, it fits at any size.
void check_mask(const Context& context, const std::string& file, const Image& mask, const Image& content) {
  if (mask.width() == content.width() && mask.height() == content.height()) return;
  const double ratio =
      static_cast<double>(mask.width()) * content.height() / (static_cast<double>(mask.height()) * content.width());
  context.note(fmt::format("{}: {}x{} pixels, the content has {}x{}: it is {}", file, mask.width(), mask.height(),
                           content.width(), content.height(),
                           std::abs(ratio - 1) < 0.02 ? "scaled" : "stretched to the content's proportions"));
}

Image recoloured(const Image& style, const Image& content, const std::string& colours) {
  if (colours == "linear") return with_moments_of(style, content, "cholesky");
  if (colours == "symmetric") return with_moments_of(style, content, "symmetric");
  if (colours == "histogram") return with_histogram_of(style, content);
  return style;
}

std::vector<StyleInput> style_inputs(const Context& context, const StyleOptions& o, const Image& content) {
  require(
      !o.styles.empty(), ErrorKind::usage,
      "which style? Give one or more pictures after the content: fovea style CONTENT STYLE -o OUT.png, or a network "
      "that was trained to paint one: fovea style CONTENT --network FILE.onnx -o OUT.png");
  const std::vector<double> shares = parse_numbers(o.style_weights, "--style-weights");
  require(shares.empty() || shares.size() == o.styles.size(), ErrorKind::usage, "--style-weights {}: {} for {}",
          o.style_weights, counted(shares.size(), "number"), counted(o.styles.size(), "style picture"));
  require(o.masks.empty() || o.masks.size() == o.styles.size(), ErrorKind::usage,
          "{} masks for {} style pictures: expected one each, or none", o.masks.size(), o.styles.size());
  std::vector<StyleInput> inputs;
  for (size_t k = 0; k < o.styles.size(); ++k) {
    StyleInput input;
    input.name = o.styles[k];
    input.picture = recoloured(read_picture(context, o.styles[k], "a style picture"), content, o.colours);
    if (!shares.empty()) input.share = shares[k];
    if (!o.masks.empty()) {
      input.mask = read_picture(context, o.masks[k], "a mask");
      check_mask(context, o.masks[k], input.mask, content);
    }
    inputs.push_back(std::move(input));
  }
  return inputs;
}

// The command, without where its results go.
std::vector<std::string> words(const StyleOptions& o) {
  StyleOptions given = o, defaults;
  std::vector<std::string> result = {"style"};
  for (std::string& word : arguments_of(describe(given), describe(defaults))) result.push_back(std::move(word));
  return result;
}

// The command as it is typed, but for --resume.
std::string typed(const StyleOptions& o) {
  StyleOptions given = o, defaults;
  std::vector<std::string> result = {"fovea"};
  for (std::string& word : words(o)) result.push_back(std::move(word));
  for (std::string& word : placements_of(describe(given), describe(defaults))) result.push_back(std::move(word));
  return shell_line(result);
}

std::vector<std::string> files_of(const StyleOptions& o) {
  std::vector<std::string> files = {o.content};
  files.insert(files.end(), o.styles.begin(), o.styles.end());
  files.insert(files.end(), o.masks.begin(), o.masks.end());
  if (!o.start.empty() && !is_start(o.start)) files.push_back(o.start);
  return files;
}

// Whether the largest picture is worked on in tiles.
bool note_estimate(const Context& context, const StyleTransfer& transfer, size_t limit) {
  const LossEstimate e = transfer.estimate();
  const SynthesisStage& last = transfer.stages().back();
  require_room(limit, e.bytes, fmt::format("{}x{}", last.width, last.height));
  context.note(fmt::format(
      "up to {}x{}: about {} of memory{}", last.width, last.height, short_bytes(static_cast<double>(e.bytes)),
      e.tiling.tiled
          ? fmt::format(" with {} tiles of {}x{}", e.tiling.count(), e.tiling.columns.length, e.tiling.rows.length)
          : ""));
  return e.tiling.tiled;
}

Report report_of(const StyleOptions& o, const StyleTransfer& transfer, const PictureRunResult& result,
                 const PictureSynthesis& synthesis, const Model& model) {
  Report report;
  const SynthesisStage& s = synthesis.stages()[synthesis.stage()];
  report.files.emplace_back(o.output);
  for (const std::string& file : result.files) report.files.emplace_back(file);
  const auto& losses = result.totals.empty() ? std::vector<double>() : result.totals.back();
  report.text =
      fmt::format("wrote {} ({} x {} pixels): {} in {}{}\n", coloured(printable(o.output), Ink::cyan), s.width,
                  s.height, counted(synthesis.done(), "step"), duration_text(result.seconds),
                  losses.empty() ? "" : fmt::format(", loss {:.4g} to {:.4g}", losses.front(), losses.back()));
  Json json = {{"output", o.output},
               {"model", printable(model.meaning.name)},
               {"preset", o.preset},
               {"content", o.content},
               {"styles", o.styles},
               {"seed", o.seed},
               {"content_layers", transfer.settings().content_layers},
               {"style_layers", transfer.settings().style_layers}};
  json.update(run_json(result, synthesis));
  report.failed = !result.trouble.empty();
  report.set_json(json);
  return report;
}

// The picture with the colours that it is to have.
Image coloured_as(const Image& made, const Image& content, const std::string& colours) {
  if (colours != "luminance") return made;
  return with_light_of(resize(content.to_rgb(), made.width(), made.height(), Filter::lanczos), made);
}

}  // namespace

Report run(const Context& outer, const StyleOptions& o) {
  if (!o.network.empty() || (o.styles.empty() && o.model.model.ends_with(".onnx"))) return run_feed_forward(outer, o);
  require_file(o.content, "a picture");
  require_picture_output(o.output);
  require_page(o.report, o.open);
  Context context = outer;
  context.seed = static_cast<uint64_t>(o.seed);
  const StyleSettings settings = style_settings(o);
  const ResumedThreads threads(context, o.resume);
  PlanBook book(plans_for(o.plan, o.resume));
  const Image content = read_picture(context, o.content, "a picture");
  std::optional<Image> start;
  if (!o.start.empty() && !is_start(o.start)) {
    std::error_code error;
    require(std::filesystem::exists(o.start, error), ErrorKind::usage,
            "--start {}: is none of content, noise, grey, and no file{}", o.start,
            did_you_mean(o.start, {"content", "noise", "grey"}));
    start = read_picture(context, o.start, "content, noise, grey or a picture");
  }
  std::vector<StyleInput> inputs = style_inputs(context, o, content);
  Model model = style_model(context, o.model);
  StyleLayers layers = style_layers_of(model, settings);
  layers.style.insert(layers.style.end(), layers.content.begin(), layers.content.end());
  keep_weights_of(model, layers.style);
  const Engine engine(o.engine);
  auto sources = style_sources(o, inputs);
  const size_t memory = memory_limit(o.memory, o.resume, o.plan);
  StyleTransfer transfer(context, model, settings, content, std::move(inputs),
                         {engine.backend, engine.compile_options, memory, o.tile});
  const bool tiled = note_estimate(context, transfer, memory);
  StyleOptions recorded = o;
  if (tiled && o.memory.empty()) recorded.memory = memory_text(memory);
  const PictureRecord record = picture_record("style", recorded, model, files_of(o));
  const std::string caption = fmt::format("{} in the style of {}: preset {}, {}", o.content, fmt::join(o.styles, ", "),
                                          o.preset, printable(model.meaning.name));
  const StyleView view{o, &transfer.settings(), record, content, std::move(sources)};
  PictureSynthesis* running = nullptr;
  const auto made = [&](const Tensor& levels) {
    return coloured_as(transfer.picture(levels, static_cast<int>(o.depth)), content, o.colours);
  };
  PictureRun work(
      {.output = o.output,
       .resume = o.resume,
       .settings = settings_text(words(o), files_of(o)),
       .network = record.model_hash,
       .save_every = o.save_every,
       .memory = memory,
       .again = typed(o),
       .page =
           [&](const PictureRunResult& result) {
             if (o.report.empty()) return;
             write_page(o.report, style_page(view, made(running->shown()), &result, running));
           }},
      book,
      [&](const std::string& file, const Tensor& levels, const std::vector<std::string>& plans,
          const std::string& unfinished) { write_recorded(file, made(levels), record, plans, caption, unfinished); });
  PictureSynthesis synthesis = transfer.synthesis(
      context, start, [&](size_t stage, const PictureLoss& loss) { work.begun(context, stage, loss, *running); });
  running = &synthesis;
  const PictureRunResult result = work.run(context, synthesis);
  Report report = report_of(o, transfer, result, synthesis, model);
  add_page(context, report, o.report, o.open);
  return report;
}

Command style_command() {
  Command command = make_command<StyleOptions>(
      "style", "paints a picture in the style of others",
      "Looks for a picture whose layers answer like the content's and whose statistics of layers are the style's: "
      "Gatys, "
      "Ecker & Bethge, 2016. The presets are the paper's (gatys), the well-known tool's (johnson: its own flags are "
      "accepted too, -style_image and all others) and one that grows the picture from small to large (modern). Large "
      "pictures are worked on in exact tiles. Ctrl-C keeps the picture so far. docs/methods/style.md says how to "
      "choose.",
      {{"fovea style photo.jpg painting.jpg -o out.png", "the photograph, painted"},
       {"fovea style photo.jpg a.jpg b.jpg --style-weights 3,7 --colours luminance -o out.png",
        "a blend of two styles, in the photograph's colours"},
       {"fovea style photo.jpg sky.jpg land.jpg --mask up.png --mask down.png -o out.png", "a style for each part"},
       {"fovea style photo.jpg painting.jpg --size 3840 --memory 4G --depth 16 -o large.tif", "large, in tiles"},
       {"fovea style photo.jpg painting.jpg -o out.png --report out.html --open", "before and after under a slider"},
       {"fovea style photo.jpg --network mosaic.onnx -o out.png", "by a network that was trained for one style"},
       {"fovea style -content_image photo.jpg -style_image painting.jpg -image_size 512 -original_colors 1",
        "as neural-style's users type it"}},
      run);
  command.own_arguments = [](const std::vector<std::string>& arguments) -> std::optional<OwnArguments> {
    if (!has_johnson_flags(arguments)) return std::nullopt;
    return without_johnson_flags(arguments);
  };
  return command;
}

}  // namespace fovea
