#include "fovea/commands/demo_pictures.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/commands/dream.h"
#include "fovea/commands/style.h"
#include "fovea/data/drawn_painting.h"
#include "fovea/image/codec.h"
#include "fovea/image/resize.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

// The source in the size of what was made from it.
Image source_like(const DemoSource& source, const Image& made) {
  return resize(read_image(source.picture).to_8bit().to_rgb(), made.width(), made.height(), Filter::bicubic);
}

DemoPicture dreamt(const Context& context, const DemoSource& source) {
  DreamOptions o;
  o.image = source.picture;
  o.model.model = source.model;
  o.size = source.size;
  o.preview_every = 0;
  o.output = (source.folder / "dream.png").string();
  const Report report = run(context, o);
  DemoPicture picture;
  picture.heading = "A dream";
  picture.description =
      fmt::format("What a layer of {} faintly sees in {} is drawn into it, {} steps at each of {} sizes: fovea dream.",
                  report.json->at("model").get<std::string>(), source.picture_name,
                  report.json->at("octaves").at(0).at("values").size(), report.json->at("octaves").size());
  picture.file = "dream.png";
  picture.before_name = source.picture_name;
  picture.after_name = "the dream";
  picture.after = read_image(o.output);
  picture.before = source_like(source, picture.after);
  return picture;
}

// In the style of a painting that is drawn too: a demo's folder holds everything that its pictures were made from.
DemoPicture stylised(const Context& context, const DemoSource& source) {
  constexpr int kPaintingSide = 384, kSteps = 40, kSide = 256;
  const std::string painting = (source.folder / "painting.png").string();
  writing([&] { write_image(painting, draw_painting(kPaintingSide, Rng(context.seed).fork("painting"))); });
  StyleOptions o;
  o.content = source.picture;
  o.styles = {painting};
  o.size = std::min<int64_t>(source.size, kSide);
  // With a large network Gram matrices are an order quicker than roots of covariances; what fovea carries is shown
  // without one.
  if (source.model.empty()) o.statistics = "mean";
  else o.model.model = "random-filters";
  o.steps = kSteps;
  o.seed = static_cast<int64_t>(context.seed);
  o.output = (source.folder / "style.png").string();
  const Report report = run(context, o);
  DemoPicture picture;
  picture.heading = "A painting of it";
  picture.description = fmt::format("{} in the style of a drawn painting, as {} sees both: fovea style.",
                                    source.picture_name, report.json->at("model").get<std::string>());
  picture.file = "style.png";
  picture.before_name = source.picture_name;
  picture.after_name = "in the painting's style";
  picture.after = read_image(o.output);
  picture.before = source_like(source, picture.after);
  return picture;
}

// One function a picture.
using Maker = DemoPicture (*)(const Context&, const DemoSource&);
constexpr Maker kMakers[] = {dreamt, stylised};

}  // namespace

std::vector<DemoPicture> demo_pictures(const Context& context, const DemoSource& source) {
  std::vector<DemoPicture> pictures;
  for (const Maker make : kMakers)
    if (!context.cancelled()) pictures.push_back(make(context, source));
  return pictures;
}

}  // namespace fovea
