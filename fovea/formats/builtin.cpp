#include "fovea/formats/builtin.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/resource.h"
#include "fovea/formats/onnx_read.h"

namespace fovea {

namespace {

constexpr std::string_view kPrefix = "builtin:";

}  // namespace

const std::vector<std::string>& builtin_models() {
  static const std::vector<std::string> names = {"builtin:cifar10", "builtin:digits"};
  return names;
}

bool is_builtin(std::string_view name) { return name.starts_with(kPrefix); }

Model builtin_model(std::string_view name) {
  const auto& names = builtin_models();
  require(std::find(names.begin(), names.end(), name) != names.end(), ErrorKind::usage,
          "there is no built-in network \"{}\", only {}{}", name, fmt::join(names, " and "),
          did_you_mean(std::string(name), names));
  const std::string_view stem = name.substr(kPrefix.size());
  return read_onnx(Bytes::copy(resource(fmt::format("formats/{}.onnx", stem)), std::string(name)), {});
}

std::string perhaps_builtin(std::string_view name) {
  std::vector<std::string> stems;
  for (const std::string& known : builtin_models()) stems.push_back(known.substr(kPrefix.size()));
  const std::string found = nearest(name, stems);
  return found.empty() ? "" : fmt::format("; did you mean \"{}{}\"?", kPrefix, found);
}

}  // namespace fovea
