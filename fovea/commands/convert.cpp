#include "fovea/commands/convert.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/formats/save.h"
#include "fovea/model/column.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(ConvertOptions& o) {
  return describe(o.model) +
         OptionList{
             {"-o,--output", "FILE",
              "the file to write; its ending says how: " + fmt::format("{}", fmt::join(saved_endings(), " ")),
              &o.output, true},
             {"--half", "", "store the weights as f16", &o.half},
             {"--column", "N", "of a fractal network this column alone, from 1; \"deepest\" for the last", &o.column},
             {"--name", "NAME", "the network's name from now on", &o.name},
             {"--licence", "TEXT", "what an ONNX file says of its licence from now on, as Apache-2.0", &o.licence}};
}

namespace {

Model with_column(Model model, const std::string& column) {
  if (column == "deepest") return column_of(std::move(model));
  int64_t number = 0;
  const auto [end, error] = std::from_chars(column.data(), column.data() + column.size(), number);
  require(error == std::errc{} && end == column.data() + column.size() && number >= 1, ErrorKind::usage,
          "--column is \"{}\", expected a number from 1, or deepest", column);
  return column_of(std::move(model), number);
}

}  // namespace

Report run(const Context& context, const ConvertOptions& options) {
  const std::filesystem::path path(options.output);
  require(!path.empty(), ErrorKind::usage, "an empty name was given, expected the file to write");
  const auto& endings = saved_endings();
  require(std::find(endings.begin(), endings.end(), path.extension().string()) != endings.end(), ErrorKind::usage,
          "{}: cannot write files of this ending, only {}", options.output, fmt::join(endings, ", "));
  writing([&] {
    require(!std::filesystem::is_directory(path), ErrorKind::io,
            "{}: is a folder, expected the name of a file to write", options.output);
  });
  ModelOptions how = options.model;
  how.keep_half = path.extension() != ".caffemodel";  // weights keep their bits wherever the format can hold them
  Model model = open(context, how);
  if (!options.column.empty()) model = with_column(std::move(model), options.column);
  if (!options.name.empty()) model.meaning.name = options.name;
  if (!options.licence.empty()) model.meaning.licence = options.licence;
  std::vector<std::filesystem::path> files;
  writing([&] { files = save_model(model, path, {options.half}); });
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  Report report;
  report.files = files;
  report.text = fmt::format("wrote {} ({})\n", options.output, short_bytes(static_cast<double>(size)));
  for (size_t i = 1; i < files.size(); ++i) report.text += fmt::format("wrote {}\n", files[i].string());
  if (path.extension() == ".onnx") {
    if (model.meaning.preprocess) report.text += "it says: " + describe(*model.meaning.preprocess) + "\n";
    if (!model.meaning.classes.empty())
      report.text += fmt::format("it names {}\n", counted(model.meaning.classes.size(), "class"));
  }
  report.set_json({{"file", options.output}, {"bytes", size}, {"name", printable(model.meaning.name)}});
  return report;
}

Command convert_command() {
  return make_command<ConvertOptions>(
      "convert", "writes a network or its weights in another format",
      "Reads any model that fovea reads and writes it as ONNX (opset 17) or Caffe, or its weights as a PyTorch "
      "checkpoint, safetensors or a NumPy archive; weights keep every bit. In ONNX, how pictures are prepared and "
      "the class names are kept in the file's metadata, so that nobody has to guess again.",
      {{"fovea convert resnet18.pth -o resnet18.onnx", "a checkpoint becomes a network that any tool opens"},
       {"fovea convert model.onnx -o named.onnx --labels imagenet --preprocess torchvision",
        "writes what the file did not say"},
       {"fovea convert net.caffemodel -o net.safetensors --half", "the weights only, half as large"},
       {"fovea convert run/final.onnx -o mine.onnx --half --licence CC-BY-4.0",
        "a trained network, small, to be passed on"},
       {"fovea convert fractal.onnx --column deepest -o column.onnx", "the deepest path of a fractal network alone"},
       {"fovea convert model.onnx -o large.onnx --size 448", "the same network for larger pictures"}},
      run);
}

}  // namespace fovea
