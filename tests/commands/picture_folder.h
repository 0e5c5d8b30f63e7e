// What the tests of style, texture and dream begin with: two small pictures in a folder, and options whose runs take
// well under a second.
#pragma once

#include <string>

#include "fovea/base/bytes.h"
#include "fovea/commands/dream.h"
#include "fovea/commands/style.h"
#include "fovea/commands/texture.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "tests/temporary_folder.h"

namespace fovea {

// ship.png and car.png, 48 x 48 pixels each.
struct PictureFolder : TemporaryFolder {
  PictureFolder() {
    write_image((*this)("ship.png"), draw_scene("ship", 48, Rng(1)));
    write_image((*this)("car.png"), draw_scene("automobile", 48, Rng(2)));
  }
};

inline std::string bytes_of(const std::string& file) { return std::string(Bytes::map(file).view()); }

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The ship as the car is painted, out.png.
inline StyleOptions small_style(const TemporaryFolder& folder) {
  StyleOptions o;
  o.content = folder("ship.png");
  o.styles = {folder("car.png")};
  o.output = folder("out.png");
  o.model.model = "random-filters";
  o.engine.tune = "off";
  o.size = 48;
  o.steps = 4;
  return o;
}

// The ship's texture, out.png.
inline TextureOptions small_texture(const TemporaryFolder& folder) {
  TextureOptions o;
  o.image = folder("ship.png");
  o.output = folder("out.png");
  o.model.model = "random-filters";
  o.engine.tune = "off";
  o.source_size = 48;
  o.steps = 5;
  return o;
}

// What builtin:cifar10 dreams of the ship, out.png.
inline DreamOptions small_dream(const TemporaryFolder& folder) {
  DreamOptions o;
  o.image = folder("ship.png");
  o.model.model = "builtin:cifar10";
  o.layers = {"conv4.relu"};
  o.octaves = 3;
  o.steps = 3;
  o.jitter = 4;
  o.output = folder("out.png");
  o.engine.tune = "off";
  return o;
}

}  // namespace fovea
