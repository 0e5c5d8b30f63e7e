#include "fovea/train/run_model.h"

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/formats/open.h"
#include "fovea/train/checkpoint.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Puts in what the checkpoint says of each parameter; the others were never trained.
void take_weights(Model& model, const Checkpoint& checkpoint, const std::string& label) {
  size_t taken = 0;
  for (const Value p : model.graph.parameters()) {
    const std::string& name = model.graph.node(p).name;
    auto found = checkpoint.states.find("average of " + name);
    if (found == checkpoint.states.end()) found = checkpoint.states.find(name);
    if (found == checkpoint.states.end()) continue;
    const Tensor& value = found->second;
    require(value.shape() == model.graph.shape(p) && value.dtype() == model.graph.dtype(p), ErrorKind::format,
            "{}: its \"{}\" is {} {}, expected {} {}: it is of another network", label, found->first,
            to_string(value.dtype()), to_string(value.shape()), to_string(model.graph.dtype(p)),
            to_string(model.graph.shape(p)));
    model.weights[name] = value;
    ++taken;
  }
  require(taken > 0, ErrorKind::format, "{}: has no weights of {}: it is of another network", label,
          model.meaning.name);
}

}  // namespace

bool is_run_folder(const fs::path& folder) { return is_file(folder / "metrics.jsonl"); }

RunModel model_of_run(const fs::path& folder) {
  if (is_file(folder / "final.onnx")) return {open_model((folder / "final.onnx").string()), {}};
  const fs::path best = folder / "checkpoints" / "best.safetensors", last = folder / "checkpoints" / "last.safetensors";
  const bool tested = is_file(best);
  require(tested || is_file(last), ErrorKind::usage,
          "{}: the run has no checkpoint yet, so there is no network to look at; wait for its first, or go on with "
          "`fovea train --resume -o {}`",
          folder.string(), folder.string());
  require(is_file(folder / "network.onnx"), ErrorKind::usage,
          "{}: the run is not finished and does not hold its network.onnx (an older fovea began it); go on with `fovea "
          "train --resume -o {}`",
          folder.string(), folder.string());
  const fs::path file = tested ? best : last;
  const Checkpoint checkpoint = read_checkpoint(file);
  RunModel run{open_model((folder / "network.onnx").string()), {}};
  take_weights(run.model, checkpoint, file.string());
  run.model.meaning.trained = true;
  run.state = fmt::format("the run is not finished: this is its network after step {}{}", checkpoint.step,
                          tested ? ", the best so far" : "");
  return run;
}

}  // namespace fovea
