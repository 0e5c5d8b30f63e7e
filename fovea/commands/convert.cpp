#include "fovea/commands/convert.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/formats/onnx_write.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(ConvertOptions& o) {
  return describe(o.model) + OptionList{{"-o,--output", "FILE.onnx", "the file to write", &o.output, true},
                                        {"--name", "NAME", "the network's name from now on", &o.name}};
}

Report run(const Context& context, const ConvertOptions& options) {
  const std::filesystem::path path(options.output);
  require(!path.empty(), ErrorKind::usage, "an empty name was given, expected the file to write");
  require(path.extension() == ".onnx", ErrorKind::usage, "{}: only .onnx files can be written", options.output);
  writing([&] {
    require(!std::filesystem::is_directory(path), ErrorKind::io,
            "{}: is a folder, expected the name of a file to write", options.output);
  });
  Model model = open(context, options.model);
  if (!options.name.empty()) model.meaning.name = options.name;
  writing([&] { write_onnx(model, path); });
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  Report report;
  report.files = {path};
  report.text = fmt::format("wrote {} ({})\n", options.output, short_bytes(static_cast<double>(size)));
  if (model.meaning.preprocess) report.text += "it says: " + describe(*model.meaning.preprocess) + "\n";
  if (!model.meaning.classes.empty()) report.text += fmt::format("it names {} classes\n", model.meaning.classes.size());
  report.set_json({{"file", options.output}, {"bytes", size}, {"name", printable(model.meaning.name)}});
  return report;
}

Command convert_command() {
  return make_command<ConvertOptions>(
      "convert", "writes a network as ONNX, with its meaning",
      "Reads any model that fovea reads and writes it as ONNX (opset 17). How pictures are prepared and the class "
      "names are kept in the "
      "file's metadata, so that nobody has to guess again.",
      {{"fovea convert model.onnx -o named.onnx --labels imagenet --preprocess torchvision",
        "writes what the file did not say"},
       {"fovea convert model.onnx -o large.onnx --size 448", "the same network for larger pictures"}},
      run);
}

}  // namespace fovea
