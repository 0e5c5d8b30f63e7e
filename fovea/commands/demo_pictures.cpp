#include "fovea/commands/demo_pictures.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/commands/dream.h"
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

// One function a picture. A picture in another's style belongs here too, when there is a command that makes it.
using Maker = DemoPicture (*)(const Context&, const DemoSource&);
constexpr Maker kMakers[] = {dreamt};

}  // namespace

std::vector<DemoPicture> demo_pictures(const Context& context, const DemoSource& source) {
  std::vector<DemoPicture> pictures;
  for (const Maker make : kMakers)
    if (!context.cancelled()) pictures.push_back(make(context, source));
  return pictures;
}

}  // namespace fovea
