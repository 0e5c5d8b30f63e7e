#include "fovea/commands/feed_forward.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/commands/picture_file.h"
#include "fovea/commands/picture_report.h"
#include "fovea/commands/style_model.h"
#include "fovea/commands/style_page.h"
#include "fovea/compile/plan_book.h"
#include "fovea/image/colour_transfer.h"
#include "fovea/image/resize.h"
#include "fovea/insight/painting_network.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/report/table.h"

namespace fovea {

Report run_feed_forward(const Context& context, const StyleOptions& o) {
  require_file(o.content, "a picture");
  require_picture_output(o.output);
  require_page(o.report, o.open);
  require(o.styles.empty(), ErrorKind::usage, "--network has its style already: leave {} out", o.styles[0]);
  require(o.model.model.empty(), ErrorKind::usage, "--network and --model: give one of them");
  ModelOptions named = o.model;
  named.model = o.network;
  if (named.preprocess.empty()) named.preprocess = "raw";
  const PlanBook book(plans_to_follow(o.plan));
  const Image content = read_picture(context, o.content, "a picture");
  const PictureSize size = fitted_size(content, o.size);
  const Model model = painting_network(open(context, named), size.height, size.width);
  const Engine engine(o.engine);
  const Image picture = fitted(content, size);
  Image made = paint(model, picture, *engine.backend, engine.compile_options, static_cast<int>(o.depth));
  if (o.colours == "luminance")
    made = with_light_of(resize(content.to_rgb(), made.width(), made.height(), Filter::lanczos), made);
  StyleOptions given = o;
  given.model.preprocess = o.model.preprocess;
  const PictureRecord record = picture_record("style", given, model, {o.content, o.network});
  const std::string caption = fmt::format("{} painted by {}", o.content, printable(model.meaning.name));
  write_recorded(o.output, made, record, {}, caption);
  Report report;
  report.files.emplace_back(o.output);
  report.text =
      fmt::format("wrote {} ({} x {} pixels)\n", coloured(printable(o.output), Ink::cyan), made.width(), made.height());
  report.set_json({{"output", o.output},
                   {"network", o.network},
                   {"content", o.content},
                   {"width", made.width()},
                   {"height", made.height()}});
  if (!o.report.empty()) write_page(o.report, style_page({o, nullptr, record, content, {}}, made, nullptr, nullptr));
  add_page(context, report, o.report, o.open);
  return report;
}

}  // namespace fovea
