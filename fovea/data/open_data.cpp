#include "fovea/data/open_data.h"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/resource.h"
#include "fovea/data/drawn.h"
#include "fovea/data/drawn_glyphs.h"
#include "fovea/data/drawn_points.h"
#include "fovea/data/fetched.h"
#include "fovea/data/split.h"
#include "fovea/data/text_table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

constexpr std::string_view kBuiltin = "builtin:", kDrawn = "drawn:";

bool exists(const std::string& path) {
  std::error_code error;
  return !path.empty() && fs::exists(path, error);
}

// Where the options of a name begin: behind the shortest piece that is a file or folder, for these signs may stand in
// their names and in those of columns.
size_t cut_of(const std::string& text) {
  if (exists(text)) return text.npos;
  const size_t first = text.find_first_of("?#");
  for (size_t cut = first; cut != text.npos; cut = text.find_first_of("?#", cut + 1))
    if (exists(text.substr(0, cut))) return cut;
  return first;
}

// A name and the options behind it; each is taken once, and what is left over is unknown.
class DataName {
 public:
  explicit DataName(const std::string& text) : whole_(text), name_(text) {
    const size_t cut = cut_of(text);
    if (cut == text.npos) return;
    name_ = text.substr(0, cut);
    for (std::string_view rest = std::string_view(text).substr(cut + 1); !rest.empty();) {
      const size_t end = std::min(rest.find('&'), rest.size()), equals = rest.substr(0, end).find('=');
      require(equals != rest.npos && equals > 0, ErrorKind::usage,
              "{}: \"{}\" is no option; expected NAME=VALUE, joined by &", whole_, rest.substr(0, end));
      const std::string key(rest.substr(0, equals));
      require(values_.emplace(key, std::string(rest.substr(equals + 1, end - equals - 1))).second, ErrorKind::usage,
              "{}: \"{}\" is given twice", whole_, key);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }
  const std::string& name() const { return name_; }
  bool has(const std::string& key) const { return values_.contains(key); }
  std::string text(const std::string& key, std::string otherwise) {
    known_.push_back(key);
    const auto found = values_.find(key);
    if (found == values_.end()) return otherwise;
    std::string value = found->second;
    values_.erase(found);
    return value;
  }
  double number(const std::string& key, double otherwise) {
    const std::string value = text(key, {});
    if (value.empty()) return otherwise;
    double result = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), result);
    require(error == std::errc() && end == value.data() + value.size() && std::isfinite(result), ErrorKind::usage,
            "{}: {} is \"{}\", expected a number", whole_, key, value);
    return result;
  }
  int64_t whole(const std::string& key, int64_t otherwise) {
    const double value = number(key, static_cast<double>(otherwise));
    require(value == std::floor(value) && std::abs(value) < 9e15, ErrorKind::usage,
            "{}: {} is {}, expected a whole number", whole_, key, value);
    return static_cast<int64_t>(value);
  }
  // Throws for options that nobody has taken.
  void end() const {
    if (values_.empty()) return;
    const std::string& key = values_.begin()->first;
    fail(ErrorKind::usage, "{}: unknown option \"{}\"; known here: {}{}", whole_, key, fmt::join(known_, ", "),
         did_you_mean(key, known_));
  }

 private:
  std::string whole_, name_;
  std::map<std::string, std::string> values_;
  std::vector<std::string> known_;
};

// The key of a split, and where its spirals begin.
struct Draw {
  Rng rng;
  double phase;
};
Draw draw_of(int64_t seed, const std::string& split) {
  const double phase = split == "train" ? 0 : split == "test" ? 0.5 : 0.25;
  return {Rng(static_cast<uint64_t>(seed)).fork("drawn").fork(split), phase};
}

std::unique_ptr<Dataset> drawn(const std::string& kind, DataName& name, const std::string& split) {
  const std::vector<std::string>& points = point_set_names();
  const bool point_set = std::find(points.begin(), points.end(), kind) != points.end();
  if (!point_set && kind != "shapes" && kind != "glyphs") {
    std::vector<std::string> known = points;
    known.insert(known.begin(), {"shapes", "glyphs"});
    fail(ErrorKind::usage, "nothing called \"{}\" is drawn; known: {}{}", kind, fmt::join(known, ", "),
         did_you_mean(kind, known));
  }
  const Draw draw = draw_of(name.whole("seed", 0), split);
  const int64_t count = name.whole("count", point_set ? 500 : split == "train" ? 10000 : 2000);
  if (kind == "shapes") {
    const int64_t size = name.whole("size", 48);
    require(size >= 8 && size <= 1024, ErrorKind::usage, "size={}, expected 8 to 1024", size);
    require(count >= 1 && count <= 1000000000, ErrorKind::usage, "count={}, expected 1 to 10^9", count);
    return std::make_unique<DrawnShapes>(count, static_cast<int>(size), draw.rng.key());
  }
  if (kind == "glyphs") {
    GlyphOptions options;
    options.count = count;
    options.size = static_cast<int>(std::clamp<int64_t>(name.whole("size", options.size), -1, 100000));
    options.vary = name.number("vary", options.vary);
    options.noise = name.number("noise", options.noise);
    return std::make_unique<DrawnGlyphs>(options, draw.rng.key());
  }
  PointOptions options;
  options.count = count;
  options.phase = draw.phase;
  options.noise = name.number("noise", kind == "moons" ? 0.1 : 0);
  if (kind == "spirals") {
    options.turns = name.number("turns", options.turns);
    options.arms = name.whole("arms", options.arms);
  }
  return draw_points(kind, options, draw.rng);
}

std::unique_ptr<Dataset> builtin(const std::string& which) {
  static const std::vector<std::string> known = {"iris", "faithful"};
  require(std::find(known.begin(), known.end(), which) != known.end(), ErrorKind::usage,
          "there is no built-in set \"{}\"; known: {}{}", which, fmt::join(known, ", "), did_you_mean(which, known));
  TextTableOptions how;
  if (which == "faithful") how.label = "none";
  how.description = which == "iris" ? "Fisher's iris" : "Old Faithful";
  return read_text_table(Bytes::copy(resource("data/" + which + ".csv"), "builtin:" + which), how);
}

// The place of a set that is known by name; what is no such name is a path.
std::string place_of(const std::string& name) {
  if (exists(name)) return name;
  const CatalogueEntry* entry = find_entry(name);
  if (!entry || entry->kind != CatalogueEntry::Kind::data) return name;
  const auto found = find_fetched(name);
  require(found.has_value(), ErrorKind::io, "{} ({}) is not on this machine; `fovea fetch {}` brings it", name,
          entry->description, name);
  return found->string();
}

// What a name that is neither may have meant.
void check_name(const std::string& name) {
  if (exists(name) || name.find_first_of("./") != name.npos) return;
  std::vector<std::string> known = data_names();
  for (const std::string& k : data_names()) known.push_back(k.substr(k.find(':') + 1));
  for (const CatalogueEntry& entry : catalogue())
    if (entry.kind == CatalogueEntry::Kind::data) known.push_back(entry.name);
  const std::string close = nearest(name, known);
  if (close.empty()) return;
  for (const std::string& k : data_names())
    if (k.ends_with(":" + close)) fail(ErrorKind::io, "{}: no such file or folder; did you mean \"{}\"?", name, k);
  fail(ErrorKind::io, "{}: no such file or folder; did you mean \"{}\"?", name, close);
}

std::unique_ptr<Dataset> from_path(DataName& name, DatasetOptions options) {
  options.label = name.text("label", options.label);
  options.header = name.text("header", options.header);
  const bool for_tables = !options.label.empty() || options.header != "auto";
  const std::string place = place_of(name.name());
  check_name(place);
  auto set = open_dataset(place, options);
  require(!for_tables || dynamic_cast<TableSet*>(set.get()), ErrorKind::usage,
          "{}: label= and header= are for tables in text; this is {}", name.name(), set->description());
  return set;
}

// Whether another split of the same name is another set than the one that was opened.
bool has_another_split(DataName name, DatasetOptions options, const Dataset& opened) {
  options.split = options.split == "train" ? "test" : "train";
  options.missing_allowed = true;
  try {
    return from_path(name, options)->description() != opened.description();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::io) return false;
    throw;
  }
}

}  // namespace

const std::vector<std::string>& data_names() {
  static const std::vector<std::string> names = {"builtin:iris", "builtin:faithful", "drawn:shapes",
                                                 "drawn:glyphs", "drawn:spirals",    "drawn:xor",
                                                 "drawn:rings",  "drawn:blobs",      "drawn:moons"};
  return names;
}

std::unique_ptr<Dataset> open_data(const std::string& text, const DatasetOptions& options) {
  static const std::vector<std::string> kSplits = {"train", "test", "val"};
  require(std::find(kSplits.begin(), kSplits.end(), options.split) != kSplits.end(), ErrorKind::usage,
          "unknown split \"{}\"; known: train, test, val", options.split);
  DataName name(text);
  std::unique_ptr<Dataset> set;
  if (name.name().starts_with(kDrawn)) {
    set = drawn(name.name().substr(kDrawn.size()), name, options.split);
    name.end();
    return set;
  }
  const bool divided = name.has("test");
  const double share = name.number("test", 0);
  const int64_t seed = divided ? name.whole("seed", 0) : 0;
  require(!divided || (share > 0 && share < 1), ErrorKind::usage, "{}: test={}, expected a share between 0 and 1", text,
          share);
  const bool own = name.name().starts_with(kBuiltin);
  DataName again = name;
  if (own) set = builtin(name.name().substr(kBuiltin.size()));
  else set = from_path(name, options);
  name.end();
  require(!divided || own || !has_another_split(again, options, *set), ErrorKind::usage,
          "{}: the set has splits of its own, so test={} would divide a part of it", text, share);
  if (!divided) return set;
  std::vector<Subset> parts = stratified_split(std::move(set), {1 - share, share}, static_cast<uint64_t>(seed));
  return std::make_unique<Subset>(std::move(parts[options.split == "train" ? 0 : 1]));
}

bool has_splits(const std::string& text) {
  DataName name(text);
  if (name.name().starts_with(kDrawn) || name.has("test")) return true;
  if (name.name().starts_with(kBuiltin)) return false;
  const auto described = [&](const char* split) -> std::string {
    try {
      return open_data(text, {split, true})->description();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::io) return {};
      throw;
    }
  };
  const std::string train = described("train"), test = described("test");
  return !train.empty() && !test.empty() && train != test;
}

}  // namespace fovea
