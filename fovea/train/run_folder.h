// The folder of a training run: what lies where, and that only one process works in it.
//
//   run.toml           the recipe                       checkpoints/last.safetensors  the newest checkpoint
//   metrics.jsonl      what was measured, by lines      checkpoints/best.safetensors  that of the fewest errors
//   events/            the same for TensorBoard         final.onnx                    the trained network
//   filters/           first-layer filters over time    report.html, errors.png       what to look at
#pragma once

#include <filesystem>

namespace fovea {

class RunFolder {
 public:
  // Makes the folder and locks it until the object or the process ends, however it ends. Throws Error{io} when it
  // cannot be made or written, Error{usage} when another process trains in it.
  explicit RunFolder(std::filesystem::path path);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path recipe() const { return path_ / "run.toml"; }
  std::filesystem::path metrics() const { return path_ / "metrics.jsonl"; }
  std::filesystem::path last() const { return path_ / "checkpoints" / "last.safetensors"; }
  std::filesystem::path best() const { return path_ / "checkpoints" / "best.safetensors"; }
  std::filesystem::path final_model() const { return path_ / "final.onnx"; }

  bool holds_run() const;  // a recipe lies in it
  bool has_checkpoint() const;
  bool finished() const;  // the trained network lies in it

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

}  // namespace fovea
