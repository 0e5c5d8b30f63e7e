// Augmentation steps as text: name[:field]…, separated by commas; fields are numbers in a fixed order, or name=number.
#include <charconv>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/data/augmentation.h"

namespace fovea {

namespace {

constexpr size_t kMostSteps = 64;

const std::vector<std::string>& forms() {
  static const std::vector<std::string> known = {"flip[:chance]",
                                                 "alternating_flip",
                                                 "crop:pixels[:zero|mean|reflect]",
                                                 "translate:pixels[:zero|mean|reflect]",
                                                 "affine[:shift=…][:scale=…][:squeeze=…][:shear=…][:turn=…][:zero|mean|"
                                                 "reflect]",
                                                 "elastic[:alpha:sigma][:zero|mean|reflect]",
                                                 "colour:brightness:contrast:saturation",
                                                 "pca[:sigma[:rr:rg:rb:gg:gb:bb]]",
                                                 "cutout:pixels[:zero|mean]",
                                                 "noise[:sigma]"};
  return known;
}

std::vector<std::string_view> separated(std::string_view text, char by) {
  std::vector<std::string_view> parts;
  for (size_t at = 0;;) {
    const size_t end = text.find(by, at);
    parts.push_back(text.substr(at, end == std::string_view::npos ? end : end - at));
    if (end == std::string_view::npos) return parts;
    at = end + 1;
  }
}

// The fields of one step, taken from the front.
class Fields {
 public:
  explicit Fields(std::string_view step) : step_(step), parts_(separated(step, ':')) {}
  std::string_view name() const { return parts_[0]; }
  bool more() const { return next_ < parts_.size(); }
  std::string_view take(std::string_view what) {
    require(more(), ErrorKind::usage, "augmentation \"{}\": {} is missing; expected {}", step_, what, form());
    return parts_[next_++];
  }
  double number(std::string_view what) { return value_of(take(what), what); }
  int pixels(std::string_view what) {
    const double value = number(what);
    require(value == std::floor(value) && value >= 0 && value <= 4096, ErrorKind::usage,
            "augmentation \"{}\": {} is {}, expected a whole number from 0 to 4096", step_, what, value);
    return static_cast<int>(value);
  }
  double value_of(std::string_view text, std::string_view what) const {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    require(error == std::errc() && end == text.data() + text.size() && std::isfinite(value), ErrorKind::usage,
            "augmentation \"{}\": {} is \"{}\", expected a number; the form is {}", step_, what, text, form());
    return value;
  }
  // The edge rule in a word, the last field.
  void beyond(Beyond& beyond, bool reflect_too = true) {
    if (!more()) return;
    const std::string_view word = take("the edge rule");
    if (word == "zero") beyond = Beyond::zero;
    else if (word == "mean") beyond = Beyond::mean;
    else if (word == "reflect" && reflect_too) beyond = Beyond::reflect;
    else fail(ErrorKind::usage, "augmentation \"{}\": \"{}\" is no edge rule; the form is {}", step_, word, form());
  }
  void end() const {
    require(!more(), ErrorKind::usage, "augmentation \"{}\": \"{}\" is left over; the form is {}", step_,
            more() ? parts_[next_] : "", form());
  }
  std::string form() const {
    for (const std::string& known : forms())
      if (known.substr(0, known.find_first_of("[:")) == name()) return known;
    return std::string(name());
  }

 private:
  std::string_view step_;
  std::vector<std::string_view> parts_;
  size_t next_ = 1;
};

RandomAffine parse_affine(Fields& fields) {
  RandomAffine step;
  while (fields.more()) {
    const std::string_view field = fields.take("a field");
    const size_t equals = field.find('=');
    const std::string_view name = field.substr(0, equals);
    double* value = name == "shift"     ? &step.shift
                    : name == "scale"   ? &step.scale
                    : name == "squeeze" ? &step.squeeze
                    : name == "shear"   ? &step.shear
                    : name == "turn"    ? &step.turn
                                        : nullptr;
    if (equals != std::string_view::npos && value) *value = fields.value_of(field.substr(equals + 1), name);
    else if (field == "zero") step.beyond = Beyond::zero;
    else if (field == "mean") step.beyond = Beyond::mean;
    else if (field == "reflect") step.beyond = Beyond::reflect;
    else fail(ErrorKind::usage, "augmentation \"affine\": unknown field \"{}\"; the form is {}", field, fields.form());
  }
  return step;
}

ColourNoise parse_noise(Fields& fields) {
  ColourNoise step;
  if (fields.more()) step.sigma = fields.number("sigma");
  if (fields.more()) {
    step.covariance.emplace();
    for (double& value : *step.covariance) value = fields.number("the covariance");
  }
  return step;
}

Augmentation parse_step(std::string_view text) {
  Fields fields(text);
  const std::string_view name = fields.name();
  Augmentation result;
  if (name == "flip") {
    RandomFlip step;
    if (fields.more()) step.chance = fields.number("the chance");
    result = step;
  } else if (name == "alternating_flip") {
    result = AlternatingFlip{};
  } else if (name == "crop") {
    RandomCrop step;
    step.pad = fields.pixels("the padding");
    fields.beyond(step.beyond);
    result = step;
  } else if (name == "translate") {
    RandomTranslation step;
    step.most = fields.pixels("the distance");
    fields.beyond(step.beyond);
    result = step;
  } else if (name == "affine") {
    result = parse_affine(fields);
  } else if (name == "elastic") {
    ElasticDistortion step;
    if (fields.more()) {
      step.alpha = fields.number("alpha");
      step.sigma = fields.number("sigma");
    }
    fields.beyond(step.beyond);
    result = step;
  } else if (name == "colour") {
    ColourJitter step;
    step.brightness = fields.number("brightness");
    step.contrast = fields.number("contrast");
    step.saturation = fields.number("saturation");
    result = step;
  } else if (name == "pca") {
    result = parse_noise(fields);
  } else if (name == "cutout") {
    Cutout step;
    step.side = fields.pixels("the side");
    fields.beyond(step.beyond, false);
    result = step;
  } else if (name == "noise") {
    ValueNoise step;
    if (fields.more()) step.sigma = fields.number("sigma");
    result = step;
  } else {
    std::string known;
    std::vector<std::string> names;
    for (const std::string& form : forms()) {
      names.push_back(form.substr(0, form.find_first_of("[:")));
      known += (known.empty() ? "" : ", ") + form;
    }
    fail(ErrorKind::usage, "unknown augmentation \"{}\"; known: {}{}", name, known, did_you_mean(name, names));
  }
  fields.end();
  check_augmentation(result);
  return result;
}

std::string_view word(Beyond beyond) {
  return beyond == Beyond::zero ? "zero" : beyond == Beyond::mean ? "mean" : "reflect";
}
// ":rule" unless it is what a text without one means.
std::string suffix(Beyond beyond, Beyond usual = Beyond::zero) {
  return beyond == usual ? "" : fmt::format(":{}", word(beyond));
}

std::string text_of(const RandomFlip& s) { return s.chance == 0.5 ? "flip" : fmt::format("flip:{}", s.chance); }
std::string text_of(const AlternatingFlip&) { return "alternating_flip"; }
std::string text_of(const RandomCrop& s) { return fmt::format("crop:{}{}", s.pad, suffix(s.beyond)); }
std::string text_of(const RandomTranslation& s) { return fmt::format("translate:{}{}", s.most, suffix(s.beyond)); }
std::string text_of(const RandomAffine& s) {
  std::string text = "affine";
  const auto field = [&](std::string_view name, double value) {
    if (value != 0) text += fmt::format(":{}={}", name, value);
  };
  field("shift", s.shift);
  field("scale", s.scale);
  field("squeeze", s.squeeze);
  field("shear", s.shear);
  field("turn", s.turn);
  return text + suffix(s.beyond);
}
std::string text_of(const ElasticDistortion& s) {
  return fmt::format("elastic:{}:{}{}", s.alpha, s.sigma, suffix(s.beyond));
}
std::string text_of(const ColourJitter& s) {
  return fmt::format("colour:{}:{}:{}", s.brightness, s.contrast, s.saturation);
}
std::string text_of(const ColourNoise& s) {
  std::string text = fmt::format("pca:{}", s.sigma);
  if (s.covariance)
    for (const double value : *s.covariance) text += fmt::format(":{}", value);
  return text;
}
std::string text_of(const Cutout& s) { return fmt::format("cutout:{}{}", s.side, suffix(s.beyond, Beyond::mean)); }
std::string text_of(const ValueNoise& s) { return fmt::format("noise:{}", s.sigma); }

void check_range(std::string_view step, std::string_view what, double value, double least, double most) {
  require(value >= least && value <= most, ErrorKind::usage, "augmentation \"{}\": {} is {}, expected {} to {}", step,
          what, value, least, most);
}

void check(const RandomFlip& s) { check_range("flip", "the chance", s.chance, 0, 1); }
void check(const AlternatingFlip&) {}
void check(const RandomCrop& s) { check_range("crop", "the padding", s.pad, 0, 4096); }
void check(const RandomTranslation& s) { check_range("translate", "the distance", s.most, 0, 4096); }
void check(const RandomAffine& s) {
  check_range("affine", "shift", s.shift, 0, 100);
  check_range("affine", "scale", s.scale, 0, 100);
  check_range("affine", "squeeze", s.squeeze, 0, 100);
  check_range("affine", "shear", s.shear, 0, 100);
  check_range("affine", "turn", s.turn, 0, 180);
}
void check(const ElasticDistortion& s) {
  check_range("elastic", "alpha", s.alpha, 0, 1e6);
  check_range("elastic", "sigma", s.sigma, 0, 100);
}
void check(const ColourJitter& s) {
  check_range("colour", "brightness", s.brightness, 0, 100);
  check_range("colour", "contrast", s.contrast, 0, 100);
  check_range("colour", "saturation", s.saturation, 0, 100);
}
void check(const ColourNoise& s) {
  check_range("pca", "sigma", s.sigma, 0, 100);
  if (s.covariance)
    for (const double value : *s.covariance) check_range("pca", "the covariance", value, -1, 1);
}
void check(const ValueNoise& s) { check_range("noise", "sigma", s.sigma, 0, 100); }
void check(const Cutout& s) {
  check_range("cutout", "the side", s.side, 0, 4096);
  require(s.beyond != Beyond::reflect, ErrorKind::usage, "augmentation \"cutout\": a hole cannot be mirrored");
}

}  // namespace

void check_augmentation(const Augmentation& step) {
  std::visit([](const auto& one) { check(one); }, step);
}

std::vector<Augmentation> parse_augmentations(std::string_view text) {
  std::vector<Augmentation> steps;
  if (text.empty() || text == "none") return steps;
  const std::vector<std::string_view> parts = separated(text, ',');
  require(parts.size() <= kMostSteps, ErrorKind::usage, "{} augmentations, expected at most {}", parts.size(),
          kMostSteps);
  for (const std::string_view part : parts) steps.push_back(parse_step(part));
  return steps;
}

std::string to_string(std::span<const Augmentation> steps) {
  std::string text;
  for (const Augmentation& step : steps)
    text += (text.empty() ? "" : ",") + std::visit([](const auto& one) { return text_of(one); }, step);
  return text.empty() ? "none" : text;
}

}  // namespace fovea
