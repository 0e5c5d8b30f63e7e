#include "fovea/report/atlas_record.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "fovea/base/error.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

Json classes_json(const std::vector<AtlasClass>& classes) {
  Json list = Json::array();
  for (const AtlasClass& c : classes) list.push_back({{"name", c.name}, {"share", c.share}});
  return list;
}

std::vector<AtlasClass> classes_of(const Json& list) {
  std::vector<AtlasClass> classes;
  for (const Json& c : list) classes.push_back({c.at("name"), c.at("share")});
  return classes;
}

Json unit_json(const AtlasUnit& u) {
  Json patches = Json::array(), inputs = Json::array();
  for (const AtlasPatch& p : u.patches) patches.push_back({{"name", p.name}, {"label", p.label}, {"score", p.score}});
  for (const AtlasLink& l : u.inputs)
    inputs.push_back({{"layer", l.layer}, {"unit", l.unit}, {"weight", l.weight}, {"norm", l.norm}});
  return {{"unit", u.unit},
          {"name", u.name},
          {"filter", u.filter},
          {"maximum", u.maximum},
          {"maximum_value", u.maximum_value},
          {"mean", u.mean},
          {"active", u.active},
          {"plate", u.plate},
          {"projected", u.projected},
          {"patches", patches},
          {"for", classes_json(u.classes_for)},
          {"against", classes_json(u.against)},
          {"inputs", inputs}};
}

AtlasUnit unit_of(const Json& j) {
  AtlasUnit u;
  u.unit = j.at("unit");
  u.name = j.at("name");
  u.filter = j.at("filter");
  u.maximum = j.at("maximum");
  u.maximum_value = j.at("maximum_value");
  u.mean = j.at("mean"), u.active = j.at("active");
  u.plate = j.at("plate"), u.projected = j.at("projected");
  for (const Json& p : j.at("patches")) u.patches.push_back({p.at("name"), p.at("label"), p.at("score")});
  u.classes_for = classes_of(j.at("for"));
  u.against = classes_of(j.at("against"));
  for (const Json& l : j.at("inputs")) u.inputs.push_back({l.at("layer"), l.at("unit"), l.at("weight"), l.at("norm")});
  return u;
}

}  // namespace

std::vector<std::string> slugs(const std::vector<std::string>& names) {
  std::set<std::string> taken;
  std::vector<std::string> result;
  for (const std::string& name : names) {
    std::string slug;
    for (const char c : name) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
      if (plain) slug += c;
      else if (!slug.empty() && slug.back() != '-') slug += '-';
    }
    slug = slug.substr(0, 80);
    if (slug.empty()) slug = "layer";
    std::string unique = slug;
    for (int n = 2; !taken.insert(unique).second; ++n) unique = fmt::format("{}-{}", slug, n);
    result.push_back(unique);
  }
  return result;
}

nlohmann::ordered_json atlas_json(const AtlasLayer& layer) {
  Json units = Json::array();
  for (const AtlasUnit& u : layer.units) units.push_back(unit_json(u));
  return {{"name", layer.name},
          {"slug", layer.slug},
          {"class_scores", layer.class_scores},
          {"also", layer.also},
          {"description", layer.description},
          {"pictures", layer.pictures},
          {"key", layer.key},
          {"maximum_key", layer.maximum_key},
          {"units", units}};
}

AtlasLayer atlas_layer(const std::string& text, const std::string& label) {
  try {
    const Json j = Json::parse(text);
    AtlasLayer layer;
    layer.name = j.at("name"), layer.slug = j.at("slug"), layer.description = j.at("description");
    layer.class_scores = j.at("class_scores");
    layer.also = j.at("also").get<std::vector<std::string>>();
    layer.pictures = j.at("pictures"), layer.key = j.at("key"), layer.maximum_key = j.at("maximum_key");
    for (const Json& u : j.at("units")) layer.units.push_back(unit_of(u));
    return layer;
  } catch (const Json::exception& e) { fail(ErrorKind::format, "{}: no layer of an atlas: {}", label, e.what()); }
}

}  // namespace fovea
