#include "fovea/commands/texture.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_report.h"
#include "fovea/commands/style_model.h"
#include "fovea/commands/texture_page.h"
#include "fovea/image/colour_transfer.h"
#include "fovea/insight/layer_network.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/model/random_filters.h"
#include "fovea/report/picture_plate.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(TextureOptions& o) {
  return OptionList{
             {"IMAGE", "", "the texture", &o.image, true},
             {"-o,--output", "FILE", "the result, a .png, .tif, .jpg or .ppm file", &o.output, true},
             {"--size", "N|WxH", "sides of the result in pixels; else those of the source as it is looked at", &o.size},
             {"--source-size",
              "N",
              "longer side of the source as it is looked at",
              &o.source_size,
              false,
              {},
              1,
              65536},
             {"--layers", "A,B",
              "layers whose statistics are kept; else relu1_1, pool1, pool2, pool3, pool4 of VGG (of random filters "
              "those "
              "that are not too large for the source); all: a plate with one, two … all of these",
              &o.layers},
             {"--layer-weights", "A,B", "weights of the layers; else equal", &o.layer_weights},
             {"--steps", "N", "steps of the descent", &o.steps, false, {}, 1, 1e6},
             {"--tileable", "", "a result that continues at its opposite edges", &o.tileable},
             {"--match-histogram", "", "at last give each colour channel the source's histogram", &o.match_histogram},
             {"--seed", "N", "other noise to begin with", &o.seed, false, {}, 0, 1e9}} +
         describe_style_model(o.model) +
         OptionList{
             {"--pooling", "KIND", "average (Gatys et al., 2015) or max", &o.pooling, false, {"average", "max"}},
             {"--keep-weights", "", "the network as it is; else its weights are scaled to a mean answer of 1",
              &o.keep_weights},
             {"--gram-norm,--statistics", "FORM", "how statistics are compared", &o.statistics, false, style_forms()},
             {"--optimiser", "NAME", "how the picture goes downhill", &o.optimiser, false, picture_updates()},
             {"--rate", "X", "its rate; 0: 1 of lbfgs, 10 of adam", &o.rate, false, {}, 0, 1e9},
             {"--history", "N", "steps that lbfgs remembers", &o.history, false, {}, 1, 1000}} +
         picture_run_options(o.depth, o.save_every, o.resume, o.memory, o.tile) + page_options(o.report, o.open) +
         describe(o.engine) + plan_option(o.plan);
}

namespace {

using Json = nlohmann::ordered_json;

// "512" or "640x480".
PictureSize parse_size(const std::string& text, const Image& source, int64_t source_size) {
  if (text.empty()) return fitted_size(source, source_size);
  const auto number = [&](std::string_view part) {
    int64_t value = 0;
    const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), value);
    require(error == std::errc() && rest == part.data() + part.size() && value >= 1 && value <= 65536, ErrorKind::usage,
            "--size {}: expected pixels such as 512 or 640x480", text);
    return value;
  };
  const size_t cross = text.find('x');
  if (cross == std::string::npos) return {number(text), number(text)};
  return {number(std::string_view(text).substr(0, cross)), number(std::string_view(text).substr(cross + 1))};
}

// The longer side of the source as it is looked at.
int64_t looked_at_side(const TextureOptions& o, const Image& source) {
  const PictureSize size = fitted_size(source, o.source_size);
  return std::max(size.width, size.height);
}

struct Work {
  const TextureOptions& options;
  const Model& model;
  const Engine& engine;
  const Image& source;
  PlanBook& book;
  size_t memory;
};

TextureSettings settings_of(const TextureOptions& o, const Model& model, const Image& source) {
  TextureSettings s;
  s.layer_weights = parse_numbers(o.layer_weights, "--layer-weights");
  s.form = o.statistics;
  s.pooling = o.pooling;
  // Random filters have one norm. Scaled to a mean answer of 1 those that find nothing in the source, which is noise to
  // them, would count as much as those that know it.
  s.normalised_weights = !o.keep_weights && !is_random_filters(model);
  s.relative = !s.normalised_weights && !has_published_texture_layers(model);
  s.rule.update = o.optimiser;
  s.rule.rate = o.rate > 0 ? o.rate : o.optimiser == "adam" ? 10 : 1;
  s.rule.history = o.history;
  const PictureSize size = parse_size(o.size, source, o.source_size);
  s.width = size.width;
  s.height = size.height;
  s.source_size = o.source_size;
  s.steps = o.steps;
  s.tileable = o.tileable;
  return s;
}

TextureSynthesis synthesis_of(const Context& context, const Work& work, std::vector<std::string> layers) {
  TextureSettings settings = settings_of(work.options, work.model, work.source);
  if (layers.size() < settings.layer_weights.size()) settings.layer_weights.resize(layers.size());
  settings.layers = std::move(layers);
  const int64_t width = settings.width, height = settings.height;
  TextureSynthesis texture(context, work.model, std::move(settings), work.source,
                           {work.engine.backend, work.engine.compile_options, work.memory, work.options.tile});
  if (texture.settings().width != width || texture.settings().height != height)
    context.note(fmt::format("{}x{} pixels: a tileable texture has sides of whole strides of the deepest layer",
                             texture.settings().width, texture.settings().height));
  return texture;
}

// Whether it is worked on in tiles.
bool note_estimate(const Context& context, const TextureSynthesis& texture, size_t limit) {
  const LossEstimate e = texture.estimate();
  require_room(limit, e.bytes, fmt::format("{}x{}", texture.settings().width, texture.settings().height));
  context.note(fmt::format("{}x{}: about {} of memory{}", texture.settings().width, texture.settings().height,
                           short_bytes(static_cast<double>(e.bytes)),
                           e.tiling.tiled ? fmt::format(" with {} tiles of {}x{}", e.tiling.count(),
                                                        e.tiling.columns.length, e.tiling.rows.length)
                                          : ""));
  return e.tiling.tiled;
}

Image finished(const Work& work, const TextureSynthesis& texture, const Tensor& levels) {
  const Image made = texture.picture(levels, static_cast<int>(work.options.depth));
  return work.options.match_histogram ? with_histogram_of(made, texture.source()) : made;
}

std::string caption_of(const Work& work, const std::vector<std::string>& layers) {
  return fmt::format("texture of {}: {}, {}", work.options.image, printable(work.model.meaning.name),
                     fmt::join(layers, ", "));
}

Report single(const Context& context, const Work& work, const std::vector<std::string>& layers) {
  const TextureOptions& o = work.options;
  TextureSynthesis texture = synthesis_of(context, work, layers);
  TextureOptions recorded = o;
  if (note_estimate(context, texture, work.memory) && o.memory.empty()) recorded.memory = memory_text(work.memory);
  const PictureRecord record = picture_record("texture", recorded, work.model, {o.image});
  TextureOptions given = o, defaults;
  std::vector<std::string> typed = {"fovea"};
  typed.insert(typed.end(), record.command.begin(), record.command.end());
  for (std::string& word : placements_of(describe(given), describe(defaults))) typed.push_back(std::move(word));
  PictureSynthesis* running = nullptr;
  PictureRun run(
      {.output = o.output,
       .resume = o.resume,
       .settings = settings_text(record.command, {o.image}),
       .network = record.model_hash,
       .save_every = o.save_every,
       .memory = work.memory,
       .again = shell_line(typed),
       .page =
           [&](const PictureRunResult& result) {
             if (o.report.empty()) return;
             const Image made = finished(work, texture, running->shown());
             write_page(o.report,
                        texture_page(o, texture.settings(), record, texture.source(), made, result, *running));
           }},
      work.book,
      [&](const std::string& file, const Tensor& levels, const std::vector<std::string>& plans,
          const std::string& unfinished) {
        write_recorded(file, finished(work, texture, levels), record, plans, caption_of(work, layers), unfinished);
      });
  PictureSynthesis synthesis = texture.synthesis(
      context, [&](size_t stage, const PictureLoss& loss) { run.begun(context, stage, loss, *running); });
  running = &synthesis;
  const PictureRunResult result = run.run(context, synthesis);
  Report report;
  report.files.emplace_back(o.output);
  for (const std::string& file : result.files) report.files.emplace_back(file);
  const auto losses = result.totals.empty() ? std::vector<double>() : result.totals.back();
  report.text = fmt::format(
      "wrote {} ({} x {} pixels): {} in {}{}\n", coloured(printable(o.output), Ink::cyan), texture.settings().width,
      texture.settings().height, counted(synthesis.done(), "step"), duration_text(result.seconds),
      losses.empty() ? "" : fmt::format(", loss {:.4g} to {:.4g}", losses.front(), losses.back()));
  Json json = {{"output", o.output},
               {"image", o.image},
               {"model", printable(work.model.meaning.name)},
               {"layers", layers},
               {"seed", o.seed},
               {"tileable", o.tileable},
               {"width", texture.settings().width},
               {"height", texture.settings().height}};
  json.update(run_json(result, synthesis));
  report.failed = !result.trouble.empty();
  report.set_json(json);
  add_page(context, report, o.report, o.open);
  return report;
}

TextureRung rung(const Context& context, const Work& work, const std::vector<std::string>& layers, size_t index,
                 size_t count, bool& tiled) {
  TextureSynthesis texture = synthesis_of(context, work, layers);
  const LossEstimate e = texture.estimate();
  require_room(work.memory, e.bytes, fmt::format("{}x{}", texture.settings().width, texture.settings().height));
  tiled = tiled || e.tiling.tiled;
  PictureSynthesis synthesis = texture.synthesis(context);
  TextureRung result;
  result.name = index == 0 ? layers[0] : "+ " + layers.back();
  const std::string what = fmt::format("{} of {}, to {}", index + 1, count, layers.back());
  const PictureSynthesis::Outcome outcome = synthesis.run(context, [&](const SynthesisStep& s) {
    result.losses.push_back(s.value.total);
    context.report({what, s.done, s.total, fmt::format("loss {:.4g}", s.value.total)});
  });
  require(outcome.trouble.empty(), ErrorKind::usage, "{}: a smaller --rate or --exact may help", outcome.trouble);
  result.finished = outcome.finished;
  result.picture = finished(work, texture, synthesis.shown());
  return result;
}

// What one layer keeps, what two keep … The classic plate of the paper's figure 3.
Report ladder(const Context& context, const Work& work, const std::vector<std::string>& layers) {
  const TextureOptions& o = work.options;
  require(o.resume.empty() && o.save_every == 0, ErrorKind::usage,
          "--layers all makes several pictures: --resume and --save-every do not go with it");
  const PictureSize looked_at = fitted_size(work.source, o.source_size);
  Plate plate;
  plate.title = "texture";
  plate.subtitle =
      fmt::format("{}: from noise to the same statistics of more and more layers", printable(work.model.meaning.name));
  std::vector<PlatePicture> pictures = {{fitted(work.source, looked_at), {"the texture"}}};
  Json rungs = Json::array();
  std::vector<TextureRung> done;
  bool tiled = false;
  const auto began = std::chrono::steady_clock::now();
  for (size_t k = 0; k < layers.size() && !context.cancelled(); ++k) {
    const std::vector<std::string> some(layers.begin(), layers.begin() + static_cast<int64_t>(k) + 1);
    const TextureRung& r = done.emplace_back(rung(context, work, some, k, layers.size(), tiled));
    const double first = r.losses.empty() ? 0 : r.losses.front(), last = r.losses.empty() ? 0 : r.losses.back();
    const std::string faint = fmt::format("loss {:.3g} to {:.3g}{}", first, last, r.finished ? "" : ", stopped");
    pictures.push_back({r.picture, {r.name, faint}});
    rungs.push_back({{"layers", some}, {"loss_at_start", first}, {"loss_at_end", last}});
  }
  plate.tile = std::max(160, std::max(pictures.back().image.width(), pictures.back().image.height()));
  plate.rows = in_rows(std::move(pictures), plate_columns(static_cast<int>(layers.size()) + 1));
  const Image picture = draw_plate(plate);
  TextureOptions recorded = o;
  if (tiled && o.memory.empty()) recorded.memory = memory_text(work.memory);
  const PictureRecord record = picture_record("texture", recorded, work.model, {o.image});
  write_recorded(o.output, picture, record, {}, caption_of(work, layers));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
  TextureSettings settings = settings_of(o, work.model, work.source);
  settings.layers = layers;
  if (!o.report.empty()) write_page(o.report, ladder_page(o, settings, record, picture, done, seconds.count()));
  Report report;
  report.files.emplace_back(o.output);
  report.text = fmt::format("wrote {}\n", coloured(printable(o.output), Ink::cyan));
  report.set_json({{"output", o.output},
                   {"image", o.image},
                   {"model", printable(work.model.meaning.name)},
                   {"seed", o.seed},
                   {"ladder", rungs}});
  add_page(context, report, o.report, o.open);
  return report;
}

}  // namespace

Report run(const Context& outer, const TextureOptions& o) {
  require_file(o.image, "a picture of a texture");
  require_picture_output(o.output);
  require_page(o.report, o.open);
  require(o.depth == 8 || o.depth == 16, ErrorKind::usage, "--depth {}: expected 8 or 16", o.depth);
  Context context = outer;
  context.seed = static_cast<uint64_t>(o.seed);
  const ResumedThreads threads(context, o.resume);
  PlanBook book(plans_for(o.plan, o.resume));
  const Image source = read_picture(context, o.image, "a picture of a texture");
  Model model = style_model(context, o.model);
  const bool all = o.layers == "all";
  const std::vector<std::string> layers = all || (o.layers.empty() && !is_random_filters(model))
                                              ? texture_layers_of(model)
                                          : o.layers.empty() ? random_filter_layers(looked_at_side(o, source))
                                                             : parse_names(o.layers);
  keep_weights_of(model, layers);
  const Engine engine(o.engine);
  require(all || o.layer_weights.empty() || parse_numbers(o.layer_weights, "--layer-weights").size() == layers.size(),
          ErrorKind::usage, "--layer-weights {}: expected one for each of {} layers ({})", o.layer_weights,
          layers.size(), fmt::join(layers, ", "));
  const Work work{o, model, engine, source, book, memory_limit(o.memory, o.resume, o.plan)};
  return all ? ladder(context, work, layers) : single(context, work, layers);
}

Command texture_command() {
  return make_command<TextureOptions>(
      "texture", "makes a new picture with the texture of another",
      "Starts from noise and looks for a picture whose layers have the same Gram matrices as the source's: Gatys, "
      "Ecker & "
      "Bethge, 2015. The result may be larger than the source and may continue at its opposite edges. docs/methods/"
      "texture.md says how to read the plate of --layers all.",
      {{"fovea texture pebbles.jpg -o more.png", "a new picture of pebbles"},
       {"fovea texture pebbles.jpg --layers all -o plate.png", "what each further layer adds"},
       {"fovea texture bricks.png --size 512x256 --tileable -o wall.png", "larger, and it continues at its edges"},
       {"fovea texture pebbles.jpg -o more.png --report more.html --open", "beside its source, with the losses"}},
      run);
}

}  // namespace fovea
