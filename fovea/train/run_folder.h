// The folder of a training run: what lies where, and that only one process works in it.
//
//   run.toml           the recipe                       checkpoints/last.safetensors  the newest checkpoint
//   metrics.jsonl      what was measured, by lines      checkpoints/best.safetensors  that of the fewest errors
//   events/            the same for TensorBoard         final.onnx                    the trained network
//   filters/           first-layer filters over time    report.html, errors.png       what to look at
//   evaluation.json    the test set at the end          network.onnx                  the network before training
#pragma once

#include <filesystem>

namespace fovea {

class RunFolder {
 public:
  // Makes the folder and locks it until the object or the process ends, however it ends. Throws Error{io} when it
  // cannot be made or written, Error{usage} when another process trains in it.
  explicit RunFolder(std::filesystem::path path);
  // Takes away what only it has made when no run has come of it: the folder is as it was.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path recipe() const { return path_ / "run.toml"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path events() const { return path_ / "events"; }
  std::filesystem::path filters() const { return path_ / "filters"; }
  std::filesystem::path evaluation() const { return path_ / "evaluation.json"; }
  std::filesystem::path errors() const { return path_ / "errors.png"; }
  std::filesystem::path last() const { return path_ / "checkpoints" / "last.safetensors"; }
  std::filesystem::path best() const { return path_ / "checkpoints" / "best.safetensors"; }
  std::filesystem::path network() const { return path_ / "network.onnx"; }
  std::filesystem::path final_model() const { return path_ / "final.onnx"; }

  bool holds_run() const;  // a recipe lies in it
  bool has_checkpoint() const;
  bool finished() const;  // the trained network lies in it

  // Removes all that a run has written, for one that has failed before its first step.
  void discard();

 private:
  std::filesystem::path path_;
  bool made_ = false;  // by this object
  int lock_ = -1;
};

}  // namespace fovea
