// Codes → a file, as they are made, so that only a batch of them is in memory; goes on after a kill.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "fovea/features/codes.h"

namespace fovea {

// What is written for one picture of the set.
struct CodeRecord {
  int64_t label = -1;
  bool broken = false;             // the picture could not be read: it is counted, and left out of the file
  const float* code = nullptr;     // [D]; not read where broken
  std::vector<uint8_t> thumbnail;  // [H,W,C]; empty where none are kept
};

// FILE.part holds a record of fixed size for each picture so far, behind a head that says of what run. finish() makes
// FILE of them, which takes as much room on the disk again for a moment, and removes FILE.part.
class CodesWriter {
 public:
  struct Layout {
    int64_t dimensions = 0;
    int64_t height = 0, width = 0, channels = 0;  // of a thumbnail; 0: none
  };
  // Opens or begins FILE.part. `run`: a text that is equal for runs that may continue each other. What another run has
  // left there is thrown away. Throws Error{io}: no folder, no permission, another process is at it.
  CodesWriter(std::filesystem::path path, const Layout& layout, const std::string& run);
  ~CodesWriter();
  CodesWriter(const CodesWriter&) = delete;
  CodesWriter& operator=(const CodesWriter&) = delete;

  // Records that are there already.
  int64_t done() const { return done_; }
  // Whether an unfinished file of another run was thrown away.
  bool replaced() const { return replaced_; }
  // A text kept in the head: what an earlier process of this run has remembered; empty for a new run.
  const std::string& remembered() const { return remembered_; }
  // Only before the first record.
  void remember(const std::string& text);
  // Forgets the records beyond so many.
  void keep(int64_t count);
  // Writes records at the end and hands them to the disk.
  void append(const std::vector<CodeRecord>& records);
  // The numbers of the records that are broken, in order.
  std::vector<int64_t> broken() const;
  // Makes the file. `name` is asked for each picture that is in it. Throws Error{io}, and Error{format} when all are
  // broken.
  void finish(const CodesOrigin& origin, const std::vector<std::string>& classes,
              const std::function<std::string(int64_t index)>& name);

 private:
  struct Row {
    int64_t index = 0, label = 0;
  };
  void write_head();
  std::vector<Row> rows(bool broken) const;
  void read(int64_t record, size_t offset, void* to, size_t size) const;
  template <class Each>
  void for_records(const std::vector<Row>& rows, size_t offset, size_t size, const Each& each) const;

  std::filesystem::path path_, part_;
  Layout layout_;
  std::string run_, remembered_;
  size_t head_ = 0, record_ = 0;  // bytes
  int file_ = -1;
  int64_t done_ = 0;
  bool replaced_ = false;
};

}  // namespace fovea
