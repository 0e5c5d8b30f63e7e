#include "fovea/commands/atlas.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/base/counted.h"
#include "fovea/commands/atlas_layer.h"
#include "fovea/commands/skipped_pictures.h"
#include "fovea/data/checksum.h"
#include "fovea/data/loose_pictures.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/unit_layers.h"
#include "fovea/model/conventions.h"
#include "fovea/model/for_pictures.h"
#include "fovea/model/layers.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/receptive_field.h"
#include "fovea/report/atlas_pages.h"
#include "fovea/report/table.h"
#include "fovea/train/checkpoint.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(AtlasOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{
             model[0],
             {"DATA", "",
              "a folder of pictures or a data set: what the units are shown; without it there are only "
              "pictures made for them",
              &o.data},
             {"-o,--output", "DIR", "the folder of the atlas", &o.output},
             {"--layer", "NAME", "only this layer (may be repeated); else all rectified layers and the class scores",
              &o.layers},
             {"--patches", "N", "pictures shown of those that excite a unit most", &o.patches, false, {}, 1, 100},
             {"--limit", "N", "pictures from the first on; 0: all", &o.limit, false, {}, 0, 1e12},
             {"--steps",
              "N",
              "steps for each picture made for a unit, larger ones where there are fewer; 0: as `fovea maximise` (512)",
              &o.steps,
              false,
              {},
              0,
              1e6},
             {"--no-maxima", "", "make no pictures for units, which takes most of the time", &o.no_maxima},
             {"--seed", "N", "of the pictures made for units", &o.seed, false, {}, 0, 1e9},
             {"--memory", "MIB", "memory for activations", &o.memory, false, {}, 1, 1e9}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

namespace {

using Json = nlohmann::ordered_json;

// Raised when the same source would give other pictures or numbers.
constexpr const char* kVersion = "2";

void add_text(Digest& digest, const std::string& text) {
  const std::string line = fmt::format("{} {}\n", text.size(), text);
  digest.add(std::as_bytes(std::span(line)));
}

// Of the network: its structure and every weight.
std::string sum_of(const Model& model) {
  Digest digest;
  add_text(digest, kVersion);
  add_text(digest, fingerprint(model));
  add_text(digest, model.graph.text());
  for (const auto& [name, weight] : model.weights) {
    add_text(digest, name);
    digest.add({static_cast<const std::byte*>(weight.raw()), weight.bytes()});
  }
  return digest.sha256();
}

std::string key_of(std::initializer_list<std::string> parts) {
  Digest digest;
  for (const std::string& part : parts) add_text(digest, part);
  return digest.sha256().substr(0, 16);
}

// What the pictures are, without reading them: their number, names and labels.
std::string sum_of(const Dataset& pictures, int64_t count) {
  Digest digest;
  add_text(digest, pictures.description());
  for (int64_t i = 0; i < count; ++i) add_text(digest, pictures.name(i));
  return digest.sha256();
}

std::string description_of(const Model& model, Value layer, const std::vector<ReceptiveField>& field) {
  const Shape& s = model.graph.shape(layer);
  std::string text = counted(s[1], "unit");
  if (s.rank() == 4 && s[2] * s[3] > 1) text += fmt::format(", maps of {} × {}", s[2], s[3]);
  if (field.size() == 2)
    text += field[0].whole ? ", each sees the whole picture"
                           : fmt::format(", each sees {:g} × {:g} pixels", field[0].size, field[1].size);
  return text;
}

AtlasSource source_of(const AtlasOptions& options, const Model& model, const Engine& engine, const Dataset* pictures) {
  AtlasSource source{options, model, engine, pictures, {}, {}, options.output};
  if (options.layers.empty()) source.values = unit_layers(model);
  for (const std::string& name : options.layers) {
    const Value layer = find_layer(model, name);
    if (std::find(source.values.begin(), source.values.end(), layer) == source.values.end())
      source.values.push_back(layer);
  }
  std::sort(source.values.begin(), source.values.end());
  const auto fields = receptive_fields(model.graph, picture_input(model));
  const Value scores =
      model.meaning.scores.empty() ? Value{} : scores_before_softmax(model.graph, scores_output(model));
  std::vector<std::string> names;
  for (const Value v : source.values) names.push_back(model.graph.node(v).name);
  const std::vector<std::string> files = slugs(names);
  for (size_t i = 0; i < names.size(); ++i) {
    AtlasLayer layer;
    layer.name = names[i], layer.slug = files[i];
    layer.class_scores = scores && source.values[i] == scores;
    layer.also = layer_synonyms(model, source.values[i]);
    layer.description = description_of(model, source.values[i], fields[static_cast<size_t>(source.values[i].node)]);
    source.layers.push_back(std::move(layer));
  }
  return source;
}

// What the folder already holds of a layer; without units where it holds nothing that can be used.
AtlasLayer known_layer(const Context& context, const AtlasSource& source, size_t index) {
  const AtlasLayer& wanted = source.layers[index];
  const fs::path path = source.folder / "layers" / (wanted.slug + ".json");
  AtlasLayer known = wanted;
  std::error_code error;
  if (!fs::exists(path, error)) return known;
  AtlasLayer stored;
  try {
    stored = atlas_layer(std::string(Bytes::map(path).view()), path.string());
  } catch (const Error& e) {
    context.note("made again: " + e.message());
    return known;
  }
  const auto units = static_cast<size_t>(source.model.graph.shape(source.values[index])[1]);
  if (stored.name != wanted.name || stored.units.size() != units) return known;
  known.units = std::move(stored.units);
  known.pictures = stored.pictures;
  if (stored.maximum_key != wanted.maximum_key)
    for (AtlasUnit& unit : known.units) unit.maximum.clear();
  if (stored.key != wanted.key) known.key.clear();  // its answers are to be found again
  return known;
}

// How the classes use the units of layers, found from the pictures as they come by.
class ClassUseFeed {
 public:
  // Makes nothing, and says why, where that cannot be known.
  ClassUseFeed(const Context& context, const AtlasSource& source, int64_t count) {
    const Model& model = source.model;
    if (model.meaning.scores.empty()) return;
    try {
      constexpr int64_t kBatch = 16;
      const Model several = for_pictures(model, std::min(kBatch, count));
      std::vector<Value> layers;
      for (const Value v : source.values) layers.push_back({several.graph.find(model.graph.node(v).name), v.output});
      use_ = std::make_unique<ClassUse>(several, layers, *source.engine.backend, source.engine.compile_options);
      waiting_ = Tensor(DType::f32, several.graph.shape(picture_input(several)));
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::unsupported) throw;
      context.note("which classes use a unit is not known: " + e.message());
    }
  }

  // Inputs [N,C,H,W], of which the first `count` are pictures.
  void add(const Tensor& pictures, int64_t count) {
    if (!use_) return;
    const int64_t size = waiting_.count() / waiting_.size(0);
    for (int64_t i = 0; i < count; ++i) {
      std::copy_n(pictures.data<float>().begin() + i * size, size, waiting_.data<float>().begin() + filled_ * size);
      if (++filled_ == waiting_.size(0)) flush();
    }
  }
  // After the last picture; null where nothing was made.
  const ClassUse* finish() {
    if (use_ && filled_ > 0) flush();
    return use_.get();
  }

 private:
  void flush() {
    use_->add(waiting_, filled_);
    filled_ = 0;
  }
  std::unique_ptr<ClassUse> use_;
  Tensor waiting_;
  int64_t filled_ = 0;
};

struct Made {
  std::vector<AtlasLayer> layers;
  size_t kept = 0;  // layers whose answers were there
  std::vector<std::string> skipped;
};

Made made_layers(const Context& context, const AtlasSource& source, int64_t count) {
  Made made;
  std::vector<size_t> wanted;
  for (size_t i = 0; i < source.layers.size(); ++i) {
    made.layers.push_back(known_layer(context, source, i));
    if (made.layers[i].units.empty() || made.layers[i].key.empty()) wanted.push_back(i);
  }
  made.kept = source.layers.size() - wanted.size();
  std::vector<TopPatches> found;
  const ClassUse* use = nullptr;
  std::optional<ClassUseFeed> feed;
  if (source.pictures && !wanted.empty()) {
    feed.emplace(context, source, count);
    std::vector<UnitsOfLayer> layers;
    for (const size_t i : wanted) layers.push_back({source.values[i], {}});
    TopPatchOptions how;
    how.count = source.options.patches;
    how.limit = count;
    how.memory = static_cast<size_t>(source.options.memory) << 20;
    found = top_patches(context, source.model, layers, *source.pictures, *source.engine.backend,
                        source.engine.compile_options, how,
                        [&](const Tensor& pictures, int64_t filled) { feed->add(pictures, filled); });
    use = feed->finish();
    made.skipped = found[0].skipped;
  }
  for (size_t k = 0; k < wanted.size(); ++k) {
    AtlasLayer& layer = made.layers[wanted[k]];
    add_answers(context, source, wanted[k], found.empty() ? nullptr : &found[k], use, layer);
    layer.key = source.layers[wanted[k]].key;
    write_atlas_layer(source, layer);
  }
  if (!source.options.no_maxima)
    for (size_t i = 0; i < made.layers.size(); ++i) add_maxima(context, source, i, made.layers[i]);
  return made;
}

Atlas atlas_of(const AtlasSource& source, std::vector<AtlasLayer> layers) {
  const Meaning& meaning = source.model.meaning;
  Atlas atlas;
  atlas.title = printable(meaning.name);
  size_t units = 0;
  for (const AtlasLayer& layer : layers) units += layer.units.size();
  // "954 units" as the number and the word.
  const auto fact = [](size_t count, std::string_view noun) {
    const std::string text = counted(count, noun);
    return std::pair(text.substr(0, text.find(' ')), text.substr(text.find(' ') + 1));
  };
  atlas.facts = {fact(layers.size(), "layer"), fact(units, "unit")};
  atlas.subtitle = "What every unit of the network answers to.";
  if (source.pictures) {
    atlas.facts.push_back(fact(layers.empty() ? 0 : static_cast<size_t>(layers[0].pictures), "picture"));
    atlas.facts.back().second += " shown";
    const std::string what = source.pictures->description();
    const std::string folder = printable((fs::path(source.options.data) / "").parent_path().filename().string());
    const std::string shown = what.empty() ? folder : what == "pictures" ? "the pictures of " + folder : what;
    atlas.subtitle = fmt::format("What every unit of the network answers to, on {}.", shown);
  }
  atlas.layers = std::move(layers);
  return atlas;
}

fs::path write_pages(const Atlas& atlas, const fs::path& folder) {
  write_file(folder / "atlas.css", std::string_view(atlas_style()));
  for (size_t l = 0; l < atlas.layers.size(); ++l) {
    make_folder(folder / "units" / atlas.layers[l].slug);
    for (size_t u = 0; u < atlas.layers[l].units.size(); ++u)
      write_file(folder / unit_path(atlas.layers[l], atlas.layers[l].units[u].unit),
                 std::string_view(atlas_unit_page(atlas, l, u)));
  }
  const fs::path index = folder / "index.html";
  write_file(index, std::string_view(atlas_index_page(atlas)));
  return index;
}

}  // namespace

Report run(const Context& outer, const AtlasOptions& options) {
  require_writable_folder(options.output);
  Context context = outer;
  context.seed = static_cast<uint64_t>(options.seed);
  const Model model = open(context, options.model);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const std::unique_ptr<Dataset> pictures =
      options.data.empty() ? nullptr : open_pictures(options.data, {"test", true});
  int64_t count = pictures ? pictures->size() : 0;
  if (options.limit > 0) count = std::min(count, options.limit);
  require(!pictures || count > 0, ErrorKind::usage, "{}: there are no pictures in it", options.data);
  const Engine engine(options.engine);
  AtlasSource source = source_of(options, model, engine, pictures.get());
  const std::string network = sum_of(model);
  const std::string shown = pictures ? sum_of(*pictures, count) : "none";
  for (AtlasLayer& layer : source.layers) {
    layer.key = key_of({network, shown, std::to_string(options.patches)});
    layer.maximum_key = key_of({network, std::to_string(options.steps), std::to_string(options.seed)});
  }
  writing([&] { make_folder(options.output); });
  Made made = made_layers(context, source, count);
  fs::path index;
  size_t units = 0;
  const Atlas atlas = atlas_of(source, std::move(made.layers));
  writing([&] { index = write_pages(atlas, options.output); });
  for (const AtlasLayer& layer : atlas.layers) units += layer.units.size();
  Report report;
  report.files = {index};
  if (made.kept == atlas.layers.size()) report.text = "nothing had to be looked for again\n";
  else if (made.kept > 0)
    report.text = fmt::format("kept as it was: {} of {}\n", counted(made.kept, "layer"), atlas.layers.size());
  if (!made.skipped.empty()) report.text += skipped_text(made.skipped, false, "--json lists all");
  report.text += fmt::format("{} of {}: {}\n", counted(units, "unit"), counted(atlas.layers.size(), "layer"),
                             coloured(index.string(), Ink::cyan));
  Json layers = Json::array();
  for (const AtlasLayer& layer : atlas.layers)
    layers.push_back({{"name", printable(layer.name)}, {"slug", layer.slug}, {"units", layer.units.size()}});
  report.set_json({{"model", printable(model.meaning.name)},
                   {"page", index.string()},
                   {"units", units},
                   {"kept", made.kept},
                   {"skipped", made.skipped},
                   {"layers", layers}});
  return report;
}

Command atlas_command() {
  return make_command<AtlasOptions>(
      "atlas", "pages for every unit of a network: a microscope for your own model",
      "Writes a folder of static pages that need no connection: one for the network and one for each unit of its "
      "rectified layers and class scores. A unit's page shows the picture made to excite it, the pictures of DATA that "
      "do so most with what the deconvnet brings back of them, the classes that use it, and the units that it is made "
      "from. index.html#conv1:7 opens a unit. What an earlier call made from the same network and pictures is kept, so "
      "that an atlas that was interrupted is completed by the same command.",
      {{"fovea atlas builtin:cifar10 cifar10 -o atlas", "then open atlas/index.html"},
       {"fovea atlas model.onnx photos/ -o atlas --layer conv5 --no-maxima", "one layer, quickly"}},
      run);
}

}  // namespace fovea
