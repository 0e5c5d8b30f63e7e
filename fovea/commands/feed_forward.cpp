#include "fovea/commands/feed_forward.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_report.h"
#include "fovea/commands/style_model.h"
#include "fovea/commands/style_page.h"
#include "fovea/compile/plan_book.h"
#include "fovea/image/colour_transfer.h"
#include "fovea/image/geometry.h"
#include "fovea/image/resize.h"
#include "fovea/insight/loss_program.h"
#include "fovea/insight/painting_network.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

// Strides round sides up by less than a position of the deepest layer, and the rows and columns beyond the content are
// at the right and at the bottom; a network that enlarges is left as it is.
Image without_rounding(Image made, const Image& picture) {
  const int wider = made.width() - picture.width(), higher = made.height() - picture.height();
  const auto rounded = [](int more, int side) { return more >= 0 && more < 32 && 4 * more <= side; };
  if (!rounded(wider, picture.width()) || !rounded(higher, picture.height()) || wider + higher == 0) return made;
  return crop(made, 0, 0, picture.width(), picture.height());
}

// What computes is asked for its plan before any memory is taken: layouts in blocks and what algorithms need beside are
// known then. Its choices may change when they are measured, by little.
size_t planned_bytes(const Model& model, const Engine& engine) {
  const PlanBook aside;  // this plan is none of the picture's record
  CompileOptions options = engine.compile_options;
  options.tune = false;
  options.plan.clear();
  const MemoryInfo m =
      compile(model.graph, std::vector{model.graph.outputs[0].value}, model.weights, *engine.backend, options).memory();
  const size_t planned = m.arena + m.weights + m.states;
  return planned + planned / 4;  // what some steps allocate for themselves, as measured
}

}  // namespace

size_t painting_bytes(const Model& model, const Engine& engine, int64_t height, int64_t width, size_t most) {
  const auto pixels = static_cast<size_t>(height) * static_cast<size_t>(width);
  // The numbers fed and made, and the pictures of 8 or 16 bits that they come from and become.
  const Shape& made = model.graph.shape(model.graph.outputs[0].value);
  const size_t pictures = (3 * pixels + static_cast<size_t>(made.count())) * (sizeof(float) + 4);
  const ProgramCost least = cost_of({model.graph, {model.graph.outputs[0].value}, {}, {}, {}}, model.weights);
  if (least.arena + pictures > most) return least.arena + least.weights + pictures;
  return planned_bytes(model, engine) + pictures;
}

namespace {

// Says how much memory it will take, and refuses what there is not. There are no tiles here: instance norm looks at the
// whole picture.
void check_memory(const Context& context, const Model& model, const Engine& engine, const PictureSize& size,
                  const StyleOptions& o) {
  const size_t most = memory_limit(o.memory), need = painting_bytes(model, engine, size.height, size.width, most);
  const std::string needs =
      fmt::format("{}x{}: about {} of memory", size.width, size.height, short_bytes(static_cast<double>(need)));
  require(need <= most, ErrorKind::usage, "{}, and {} may be used: a smaller --size, or more --memory, would do", needs,
          short_bytes(static_cast<double>(most)));
  context.note(needs);
}

}  // namespace

Report run_feed_forward(const Context& context, const StyleOptions& o) {
  require_file(o.content, "a picture");
  require_picture_output(o.output);
  require_page(o.report, o.open);
  require(o.styles.empty(), ErrorKind::usage, "--network has its style already: leave {} out",
          o.styles.empty() ? "" : o.styles[0]);
  require(o.model.model.empty() || o.network.empty(), ErrorKind::usage, "--network and --model: give one of them");
  require(o.depth == 8 || o.depth == 16, ErrorKind::usage, "--depth {}: expected 8 or 16", o.depth);
  require(o.resume.empty(), ErrorKind::usage,
          "--resume: a network that was trained to paint has no steps to go on with");
  ModelOptions named = o.model;
  const std::string network = o.network.empty() ? o.model.model : o.network;
  named.model = network;
  if (named.preprocess.empty()) named.preprocess = "raw";
  const PlanBook book(plans_to_follow(o.plan));
  const Image content = read_picture(context, o.content, "a picture");
  const PictureSize size = fitted_size(content, o.size);
  const Model model = painting_network(open(context, named), size.height, size.width);
  const Engine engine(o.engine);
  check_memory(context, model, engine, size, o);
  const Image picture = fitted(content, size);
  Image made = without_rounding(
      paint(model, picture, *engine.backend, engine.compile_options, static_cast<int>(o.depth)), picture);
  if (o.colours == "luminance")
    made = with_light_of(resize(content.to_rgb(), made.width(), made.height(), Filter::lanczos), made);
  StyleOptions given = o;
  given.model.preprocess = o.model.preprocess;
  const PictureRecord record = picture_record("style", given, model, {o.content, network});
  const std::string caption = fmt::format("{} painted by {}", o.content, printable(model.meaning.name));
  write_recorded(o.output, made, record, {}, caption);
  Report report;
  report.files.emplace_back(o.output);
  report.text =
      fmt::format("wrote {} ({} x {} pixels)\n", coloured(printable(o.output), Ink::cyan), made.width(), made.height());
  report.set_json({{"output", o.output},
                   {"network", network},
                   {"content", o.content},
                   {"width", made.width()},
                   {"height", made.height()}});
  if (!o.report.empty()) write_page(o.report, style_page({o, nullptr, record, content, {}}, made, nullptr, nullptr));
  add_page(context, report, o.report, o.open);
  return report;
}

}  // namespace fovea
